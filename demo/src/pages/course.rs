//! The course page: activities, with one's own standing or with what teachers need.

use super::{Frame, count, elsewhere, points};
use crate::HOST;
use crate::accounts::Role;
use crate::course::{self, Activity, Widget};
use crate::login::Login;
use crate::site::{Failure, Site};
use axum::extract::State;
use axum::response::Redirect;
use latchkey_server::store::StandingRow;
use maud::{Markup, html};
use std::sync::Arc;

/// The root leads to the course, or through the login.
pub(crate) async fn home(_: Login) -> Redirect {
    Redirect::to("/course")
}

/// The course page.
pub(crate) async fn page(State(site): State<Arc<Site>>, login: Login) -> Result<Markup, Failure> {
    let mut courses = Vec::with_capacity(course::COURSES.len());
    for course in &course::COURSES {
        let mut cards = Vec::new();
        let brought = site.shelf.brought().into_iter().map(|placed| placed.activity);
        let brought = brought.filter(|activity| activity.course == course);
        for activity in course::activities(course).chain(brought) {
            let rows = site.latchkey.store().standings(HOST, activity.id).await?;
            cards.push(match login.account.role {
                Role::Student => {
                    student(activity, rows.iter().find(|row| row.user == login.account.id))
                }
                Role::Teacher => teacher(activity, &rows, site.accounts.students().count()),
            });
        }
        courses.push((course, cards));
    }
    let first = login.account.name.split(' ').next().unwrap_or_default();
    let frame = Frame { title: "Courses", account: Some(&login.account), script: None };
    Ok(frame.around(html! {
        div.opening {
            @match login.account.role {
                Role::Student => {
                    h1 { "Hello " (first) }
                    p.lead { "Pick an activity: every answer is saved as you give it." }
                },
                Role::Teacher => {
                    h1 { "Your courses" }
                    p.lead { "What your class has handed in, and how it came about." }
                    p.buttons { a.button href="/packages" data-testid="open-packages" { "Add a lesson (SCORM package)" } }
                },
            }
        }
        @for (course, cards) in courses {
            section.course aria-labelledby={ "course-" (course.id) } {
                p.kicker { (course.subject) }
                h2.course-title id={ "course-" (course.id) } { (course.title) }
                ul.cards { @for card in cards { (card) } }
            }
        }
        (elsewhere(&site))
    }))
}

fn card(activity: &Activity, body: Markup) -> Markup {
    html! {
        li.card.activity-card data-testid="activity-card" data-activity=(activity.id) {
            (picture(activity.widget))
            div.activity-card-body {
                h3 { (activity.title) }
                p { (activity.about) }
                p.faint { (activity.extent) " · " (points(activity.max)) " points · " (course::counts(activity.method)) }
                (body)
            }
        }
    }
}

fn student(activity: &Activity, row: Option<&StandingRow>) -> Markup {
    let standing = row.and_then(|row| row.tally.standing(row.method));
    let started = standing.is_some();
    card(
        activity,
        html! {
            div.card-foot {
                p.standing data-testid="own-standing" {
                    @match standing {
                        Some(score) => {
                            meter min="0" max=(activity.max) value=(score) aria-hidden="true" {}
                            span { "Your standing: " strong { (points(score)) } " / " (points(activity.max)) }
                        },
                        None => span.faint { "Not handed in yet" },
                    }
                }
                a.button.primary href={ "/activity/" (activity.id) } data-testid="open-activity" {
                    @if started { "Try again" } @else { "Start" }
                    span.hidden { ": " (activity.title) }
                }
            }
        },
    )
}

fn teacher(activity: &Activity, rows: &[StandingRow], students: usize) -> Markup {
    let scores: Vec<f64> = rows.iter().filter_map(|row| row.tally.standing(row.method)).collect();
    let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    card(
        activity,
        html! {
            div.card-foot {
                p.standing {
                    @if scores.is_empty() {
                        span.faint { "Nothing handed in yet" }
                    } @else {
                        span {
                            strong { (scores.len()) } " of " (count(students, "student", "students"))
                            ", mean " strong { (points(mean)) } " / " (points(activity.max))
                        }
                    }
                }
                div.buttons {
                    a.button.primary href={ "/gradebook/" (activity.id) } data-testid="open-gradebook" {
                        "Gradebook" span.hidden { ": " (activity.title) }
                    }
                    a.button href={ "/insight/" (activity.id) } data-testid="open-insight" {
                        "Activity over time" span.hidden { ": " (activity.title) }
                    }
                    a.button href={ "/activity/" (activity.id) } data-testid="open-activity" {
                        "Preview" span.hidden { ": " (activity.title) }
                    }
                }
            }
        },
    )
}

fn picture(widget: Widget) -> Markup {
    html! {
        svg.picture viewBox="0 0 320 120" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false" {
            rect class="sky" width="320" height="120" {}
            @if matches!(widget, Widget::Quiz | Widget::Sort | Widget::Guest) {
                circle class="sun" cx="236" cy="40" r="14" {}
            }
            @match widget {
                Widget::Quiz => {
                    path class="far" d="M0 96 52 46l34 30 46-52 58 62 40-34 90 62v6H0z" {}
                    path class="near" d="M0 108 70 78l60 26 70-30 120 36v10H0z" {}
                    path class="water" d="M173 68c-16 5-10 12 2 16s10 10-10 15-46 8-54 21h106c-3-10-9-11 1-17s9-13-15-18-34-8-30-17z" {}
                },
                Widget::Sort => {
                    path class="far" d="M-6 120 44 84l50 36z M66 120l56-54 56 54z" {}
                    path class="near" d="M134 120l62-74 62 74z" {}
                    path class="far" d="M204 120 272 22l68 98z" {}
                    path class="snow" d="m272 22-19 28 10-4 9 7 9-7 11 4z m-76 24-14 17 8-2 6 5 6-5 8 2z" {}
                },
                Widget::Guest => {
                    path class="far" d="M0 96 52 46l34 30 46-52 58 62 40-34 90 62v6H0z" {}
                    path class="water" d="M0 100q20-8 40 0t40 0 40 0 40 0 40 0 40 0 40 0 40 0v22H0z" {}
                    path class="snow" d="M128 92h64l-10 16h-44z" {}
                    path class="near" d="M158 34v54h-30z m6 8v46h26z" {}
                },
                Widget::Lab => {
                    path class="near" d="M92 12h136v7H92z" {}
                    path class="swing" d="M160 19v76 M160 19l-36 66 M160 19l36 66 M118 92q42 24 84 0" {}
                    circle class="far" cx="124" cy="86" r="9" {}
                    circle class="water" cx="160" cy="96" r="11" {}
                    circle class="sun" cx="197" cy="86" r="11" {}
                },
                Widget::Film | Widget::Reel => {
                    path class="far" d="M150 60 196 22l30 24 40-34 54 50v20z" {}
                    path class="snow" d="m266 12-15 13 8-2 7 6 8-6 10 4z" {}
                    path class="swing" d="M300 66q-60 6-90 14t-50 4-56-8-20 22-10 24" {}
                    circle class="sun" cx="226" cy="77" r="7" {}
                    circle class="sun" cx="158" cy="84" r="7" {}
                    circle class="sun" cx="104" cy="78" r="7" {}
                    path class="water" d="M0 108q60-12 130 12H0z" {}
                },
                Widget::Scorm => {
                    path class="far" d="M0 90q40-30 80 0t80 0 80 0 80 0v30H0z" {}
                    path class="water" d="M0 104q40-22 80 0t80 0 80 0 80 0v16H0z" {}
                    path class="snow" d="M116 34l44-18 44 18v44l-44 18-44-18z" {}
                    path class="near" d="M116 34l44 18v44l-44-18z m88 0-44 18v44l44-18z" {}
                },
                Widget::Aicc => {
                    path class="far" d="M0 78q50-22 110-8t110-4 100 2v52H0z" {}
                    path class="water" d="M0 88q20-6 40 0t40 0 40 0 40 0 40 0 40 0 40 0 40 0v32H0z" {}
                    path class="near" d="M84 92V52h32v40z" {}
                    path class="snow" d="m200 92 20-52 20 52z" {}
                    path class="sun" d="M152 92V70h16v22z" {}
                },
                Widget::Query => {
                    path class="snow" d="M62 26h196v80H62z" {}
                    path class="water" d="M62 26h196v18H62z" {}
                    path class="far" d="M62 62h196v3H62z m0 20h196v3H62z M126 44h3v62h-3z m66 0h3v62h-3z" {}
                    path class="near" d="M74 51h34v5H74z m66 0h26v5h-26z m66 0h38v5h-38z M74 71h26v5H74z m66 0h40v5h-40z m66 0h20v5h-20z M74 92h38v5H74z m66 0h20v5h-20z m66 0h32v5h-32z" {}
                },
            }
        }
    }
}
