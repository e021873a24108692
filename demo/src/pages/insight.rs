//! What happened in an activity over time.

use super::{Frame, back};
use crate::HOST;
use crate::chart::Chart;
use crate::login::Teacher;
use crate::site::{Failure, Site};
use axum::extract::{Path, State};
use latchkey_server::store::EntryKind;
use maud::{Markup, html};
use std::sync::Arc;

/// The newest entries that are looked at.
const LOOKED_AT: u32 = 10_000;

/// The page.
pub(crate) async fn page(
    State(site): State<Arc<Site>>,
    Teacher(login): Teacher,
    Path(id): Path<String>,
) -> Result<Markup, Failure> {
    let activity = site.activity(&id).ok_or(Failure::NotFound)?;
    let store = site.latchkey.store();
    let times = store.entry_times(HOST, activity.id, LOOKED_AT).await?;
    let standings = store.standings(HOST, activity.id).await?;
    let of = |kind| times.iter().filter(|(entry, _)| *entry == kind).count();
    let figures = [
        ("Answers and other events", of(EntryKind::Log)),
        ("Submissions", of(EntryKind::Grade)),
        ("People who joined", of(EntryKind::Join)),
        ("Students with a grade", standings.len()),
    ];
    let frame = Frame {
        title: "Activity over time",
        account: Some(&login.account),
        script: Some("times.js"),
    };
    Ok(frame.around(html! {
        (back("/course", activity.course.title))
        div.title-line {
            h1 { "Activity over time: " (activity.title) }
            a.button href={ "/gradebook/" (activity.id) } { "Gradebook" }
        }
        dl.figures {
            @for (name, number) in figures {
                div.card { dt { (name) } dd.number { (number) } }
            }
        }
        section.card {
            @match Chart::of(&times, site.now()) {
                Some(chart) => (chart.draw()),
                None => div.empty data-testid="insight-empty" {
                    h2 { "Nothing has happened yet" }
                    p.faint { "As soon as a student opens the activity, its events are drawn here." }
                },
            }
        }
        @if u32::try_from(times.len()).is_ok_and(|length| length == LOOKED_AT) {
            p.faint { "Shown are the newest " (LOOKED_AT) " entries." }
        }
    }))
}
