//! The gradebook of an activity: everybody's standing, and how it came about.

use super::{Frame, back, count, moment, points, portrait};
use crate::HOST;
use crate::accounts::Account;
use crate::course::{self, Activity};
use crate::login::Teacher;
use crate::site::{Failure, Site};
use axum::extract::{Path, State};
use latchkey_protocol::payload::{Grading, Progress};
use latchkey_server::store::{StandingRow, SubmissionRow};
use maud::{Markup, html};
use std::sync::Arc;

/// The most submissions of one student that are shown.
const SHOWN: u32 = 200;
/// How far a grade can be trusted that a page reports: its reader could have made it up.
const TRUST: &str = "reported by the client";

struct Line<'a> {
    account: &'a Account,
    standing: Option<StandingRow>,
    submissions: Vec<SubmissionRow>,
}

/// The page.
pub(crate) async fn page(
    State(site): State<Arc<Site>>,
    Teacher(login): Teacher,
    Path(id): Path<String>,
) -> Result<Markup, Failure> {
    let activity = site.activity(&id).ok_or(Failure::NotFound)?;
    let store = site.latchkey.store();
    let mut standings = store.standings(HOST, activity.id).await?;
    let mut lines = Vec::new();
    for account in site.accounts.students() {
        let at = standings.iter().position(|row| row.user == account.id);
        let submissions = store.submissions(HOST, activity.id, &account.id, SHOWN).await?;
        lines.push(Line { account, standing: at.map(|at| standings.swap_remove(at)), submissions });
    }
    let frame =
        Frame { title: "Gradebook", account: Some(&login.account), script: Some("times.js") };
    Ok(frame.around(html! {
        (back("/course", activity.course.title))
        div.title-line {
            div {
                h1 { "Gradebook: " (activity.title) }
                p.faint { "Out of " (points(activity.max)) ", the " (course::counts(activity.method)) "." }
            }
            a.button href={ "/insight/" (activity.id) } { "Activity over time" }
        }
        div.card.table-card { (table(activity, &lines)) }
        p.faint {
            "Grades marked “" (TRUST) "” were worked out in the student's browser. "
            "Nothing here was checked by the server but who sent it, when, and that it is within its limits."
        }
    }))
}

fn table(activity: &Activity, lines: &[Line<'_>]) -> Markup {
    html! {
        table.stacking role="table" {
            caption.hidden { "Standing of every student in " (activity.title) }
            thead role="rowgroup" {
                tr role="row" {
                    @for head in ["Student", "Standing", "Submissions", "Last change", "History"] {
                        th role="columnheader" scope="col" { (head) }
                    }
                }
            }
            tbody role="rowgroup" { @for line in lines { (row(activity, line)) } }
        }
    }
}

fn row(activity: &Activity, line: &Line<'_>) -> Markup {
    let Line { account, standing, submissions } = line;
    let score = standing.as_ref().and_then(|row| row.tally.standing(row.method));
    html! {
        tr role="row" data-testid="gradebook-row" data-user=(account.username) {
            th.person-cell role="rowheader" scope="row" {
                div { (portrait(&account.id, &account.name)) span { (account.name) } }
            }
            td role="cell" data-label="Standing" {
                div {
                    @match score {
                        Some(score) => span data-testid="standing" data-score=(points(score)) {
                            strong.number { (points(score)) } span.faint { " / " (points(activity.max)) }
                        },
                        None => span.faint { "–" },
                    }
                    @if let Some(row) = standing.as_ref().filter(|row| row.ruling.is_some()) {
                        (overridden(row))
                    }
                    (ruling_form(activity, account, standing.as_ref()))
                }
            }
            td role="cell" data-label="Submissions" data-testid="submission-count" { (submissions.len()) }
            td role="cell" data-label="Last change" {
                @match standing {
                    Some(row) => (moment(row.updated_at)),
                    None => span.faint { "not handed in yet" },
                }
            }
            td role="cell" .nothing[submissions.is_empty()] {
                @if submissions.is_empty() {
                    span.faint { "–" }
                } @else {
                    details data-testid="history" {
                        summary {
                            "Show " (count(submissions.len(), "submission", "submissions"))
                            span.hidden { " of " (account.name) }
                        }
                        (history(activity, submissions))
                    }
                }
            }
        }
    }
}

/// That a teacher set it, why, and what the submissions come to without.
fn overridden(row: &StandingRow) -> Markup {
    let reported = row.tally.reported(row.method);
    let reason = row.ruling.as_ref().and_then(|ruling| ruling.reason.as_deref());
    html! {
        span.tag data-testid="overridden" { "set by a teacher" }
        p.faint.ruled {
            @match reported {
                Some(score) => { "Reported: " span data-testid="reported" { (points(score)) } },
                None => "Nothing was reported",
            }
            @if let Some(reason) = reason { " · “" (reason) "”" }
        }
    }
}

fn ruling_form(activity: &Activity, account: &Account, row: Option<&StandingRow>) -> Markup {
    let action = format!("/gradebook/{}/grade/{}", activity.id, account.id);
    let (score, reason) = (format!("score-{}", account.id), format!("reason-{}", account.id));
    html! {
        details.ruling data-testid="set-grade" {
            summary { "Set grade" span.hidden { " of " (account.name) } }
            form method="post" action=(action) {
                label for=(score) { "Score, 0 to " (points(activity.max)) }
                input id=(score) name="score" type="number" min="0" max=(activity.max) step="any" required;
                label for=(reason) { "Reason" }
                input id=(reason) name="reason" maxlength="200";
                button.quiet type="submit" { "Set" }
            }
            @if row.is_some_and(|row| row.ruling.is_some()) {
                form method="post" action=(action) {
                    button.quiet type="submit" data-testid="release" { "Let submissions count again" }
                }
            }
        }
    }
}

/// Why a submission does not count, or the form that makes it so.
fn validity(activity: &Activity, submission: &SubmissionRow) -> Markup {
    let reason = format!("void-{}", submission.seq);
    html! {
        @match &submission.voided {
            Some(ruling) => p.faint data-testid="voided" {
                "Does not count: “" (ruling.reason.as_deref().unwrap_or_default()) "” · " (moment(ruling.at))
            },
            None => details.ruling data-testid="make-void" {
                summary { "Do not count" span.hidden { " submission no. " (submission.seq) } }
                form method="post" action={ "/gradebook/" (activity.id) "/void" } {
                    input type="hidden" name="submission" value=(submission.seq);
                    label for=(reason) { "Reason" }
                    input id=(reason) name="reason" maxlength="200" required;
                    button.quiet type="submit" { "Make void" }
                }
            },
        }
    }
}

fn history(activity: &Activity, submissions: &[SubmissionRow]) -> Markup {
    html! {
        ol.history {
            @for submission in submissions {
                li data-testid="submission-row" data-submission=(submission.seq) .void[submission.voided.is_some()] {
                    p.history-head {
                        strong.number { (points(submission.score)) }
                        span.faint { " / " (points(submission.max)) }
                        span.tag.trust { (TRUST) }
                        @if let Some(word) = pending(submission.grading) { span.tag { (word) } }
                    }
                    @if let Some(comment) = submission.comment.as_deref().filter(|text| !text.is_empty()) {
                        p.comment { (comment) }
                    }
                    p.faint {
                        (moment(submission.at))
                        " · attempt " (submission.attempt)
                        @if let Some(progress) = submission.progress { " · " (far(progress)) }
                        " · no. " (submission.seq)
                    }
                    (validity(activity, submission))
                }
            }
        }
    }
}

fn pending(grading: Grading) -> Option<&'static str> {
    match grading {
        Grading::FullyGraded => None,
        Grading::Pending => Some("being graded"),
        Grading::PendingManual => Some("waits for a person"),
        Grading::Failed => Some("could not be graded"),
        Grading::NotReady => Some("not graded yet"),
    }
}

fn far(progress: Progress) -> &'static str {
    match progress {
        Progress::Initialized => "opened",
        Progress::Started => "begun",
        Progress::InProgress => "under way",
        Progress::Submitted => "handed in",
        Progress::Completed => "completed",
    }
}
