//! An activity's page: the widget with its key, and what the class is doing.

use super::{Frame, aicc, back, film, guest, lab, scorm};
use crate::accounts::Role;
use crate::course::{self, Activity, Widget};
use crate::guard;
use crate::launch;
use crate::login::Login;
use crate::site::{Failure, Site};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use latchkey_server::embed::Block;
use maud::{Markup, PreEscaped, html};
use std::sync::Arc;

/// The page, with a key of its own each time it is opened.
pub(crate) async fn page(
    State(site): State<Arc<Site>>,
    login: Login,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<(HeaderMap, Markup), Failure> {
    let activity = site.activity(&id).ok_or(Failure::NotFound)?;
    site.built.ready(activity.widget).await?;
    let attempt = launch::attempt(&site, &login.account, activity).await?;
    let token = launch::token(&site, &login, activity, attempt)?;
    let renew = format!("/renew/{}", activity.id);
    let block = Block { token: &token, endpoint: Some(&site.api), renew: Some(&renew) }.html()?;
    let frame = Frame {
        title: activity.title,
        account: Some(&login.account),
        script: activity.widget.script(),
    };
    let place = Place {
        preview: login.account.role == Role::Teacher,
        name: format!("{}.{}.{attempt}", login.account.id, activity.id),
    };
    // A movie or a lesson with a key of its own has the only one in its page.
    let given = matches!(activity.widget, Widget::Reel | Widget::Aicc);
    let block = if given { String::new() } else { block };
    let page = frame.around(html! {
        (PreEscaped(block))
        (back("/course", activity.course.title))
        @match activity.widget {
            Widget::Guest => (guest::around(&site, activity, &place)),
            Widget::Scorm => (scorm::around(&site, activity, site.origin_of(&headers)).await?),
            Widget::Lab => (lab::page(&site, activity, &place)),
            Widget::Film => (film::with_page(&site, activity, &place)),
            Widget::Reel => (film::alone(&site, activity, &token)),
            Widget::Aicc => (aicc::around(&site, activity, &token)),
            _ => div.workplace { (widget(&site, activity, activity.title, &place, stage())) (recent()) },
        }
    });
    Ok((guard::with_key(&site, activity.widget)?, page))
}

/// Who does an activity, as far as its widget must know.
pub(crate) struct Place {
    /// Somebody who only looks: nothing is recorded.
    pub(crate) preview: bool,
    /// Of the work under way, in the browser's storage: user, activity, attempt.
    pub(crate) name: String,
}

/// The card of a widget: its head, and what its script fills.
pub(crate) fn widget(
    site: &Site,
    activity: &Activity,
    title: &str,
    place: &Place,
    stage: Markup,
) -> Markup {
    html! {
        section.card.widget #widget data-testid=(activity.widget.name()) data-sdk={ (site.api) "/sdk/latchkey.js" }
            data-preview[place.preview] data-place=(place.name)
            data-max=(activity.max) data-counts=(course::counts(activity.method)) {
            div.widget-head {
                h1 { (title) }
                @if place.preview {
                    p.save-state data-state="preview" { "Preview: nothing is recorded" }
                } @else {
                    p.save-state #save-state role="status" data-testid="save-state" data-state="saved" {
                        "Every answer is saved at once"
                    }
                }
            }
            (stage)
        }
    }
}

/// Where a script puts its widget.
pub(crate) fn stage() -> Markup {
    html! {
        div #stage {
            p.faint data-testid="loading" { "One moment…" }
            noscript { p { "This activity needs JavaScript." } }
        }
    }
}

/// What the class is doing.
pub(crate) fn recent() -> Markup {
    html! {
        aside.card.recent aria-labelledby="recent-title" {
            h2 #recent-title { "In class lately" }
            p.faint #recent-empty data-testid="recent-empty" hidden {
                "Nothing yet. Be the first: your answers appear here for the whole class."
            }
            ul #recent tabindex="0" aria-labelledby="recent-title" data-testid="recent" aria-busy="true" {
                @for _ in 0..3 { li.ghost aria-hidden="true" {} }
            }
        }
    }
}
