//! The course page: activities, with one's own standing or with what teachers need.

use super::{Frame, count, points};
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
    let mut cards = Vec::with_capacity(course::ACTIVITIES.len());
    for activity in &course::ACTIVITIES {
        let rows = site.latchkey.store().standings(HOST, activity.id).await?;
        cards.push(match login.account.role {
            Role::Student => {
                student(activity, rows.iter().find(|row| row.user == login.account.id))
            }
            Role::Teacher => teacher(activity, &rows, site.accounts.students().count()),
        });
    }
    let first = login.account.name.split(' ').next().unwrap_or_default();
    let frame = Frame { title: course::TITLE, account: Some(&login.account), script: None };
    Ok(frame.around(html! {
        div.opening {
            p.kicker { "Geography · Autumn" }
            h1 { (course::TITLE) }
            @match login.account.role {
                Role::Student => p.lead { "Hello " (first) ". Pick an activity: every answer is saved as you give it." },
                Role::Teacher => p.lead { "What your class has handed in, and how it came about." },
            }
        }
        ul.cards { @for card in cards { (card) } }
    }))
}

fn card(activity: &Activity, body: Markup) -> Markup {
    html! {
        li.card.activity-card data-testid="activity-card" data-activity=(activity.id) {
            (picture(activity.widget))
            div.activity-card-body {
                h2 { (activity.title) }
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
            circle class="sun" cx="236" cy="40" r="14" {}
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
            }
        }
    }
}
