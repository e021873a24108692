//! An activity's page: the widget with its key, and what the class is doing.

use super::{Frame, back};
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
) -> Result<(HeaderMap, Markup), Failure> {
    let activity = course::activity(&id).ok_or(Failure::NotFound)?;
    let attempt = launch::attempt(&site, &login.account, activity).await?;
    let token = launch::token(&site, &login, activity, attempt)?;
    let renew = format!("/renew/{}", activity.id);
    let block = Block { token: &token, endpoint: Some(&site.api), renew: Some(&renew) }.html()?;
    let frame = Frame {
        title: activity.title,
        account: Some(&login.account),
        script: Some(activity.widget.script()),
    };
    let page = frame.around(html! {
        (PreEscaped(block))
        (back("/course", course::TITLE))
        div.workplace {
            (widget(&site, &login, activity, attempt))
            (recent())
        }
    });
    Ok((guard::with_key(&site)?, page))
}

fn widget(site: &Site, login: &Login, activity: &Activity, attempt: u32) -> Markup {
    let preview = login.account.role == Role::Teacher;
    let name = match activity.widget {
        Widget::Quiz => "quiz",
        Widget::Sort => "sort",
    };
    html! {
        section.card.widget #widget data-testid=(name) data-sdk={ (site.api) "/sdk/latchkey.js" }
            data-preview[preview] data-place={ (login.account.id) "." (activity.id) "." (attempt) }
            data-max=(activity.max) data-counts=(course::counts(activity.method)) {
            div.widget-head {
                h1 { (activity.title) }
                @if preview {
                    p.save-state data-state="preview" { "Preview: nothing is recorded" }
                } @else {
                    p.save-state #save-state role="status" data-testid="save-state" data-state="saved" {
                        "Every answer is saved at once"
                    }
                }
            }
            div #stage {
                p.faint data-testid="loading" { "One moment…" }
                noscript { p { "This activity needs JavaScript." } }
            }
        }
    }
}

fn recent() -> Markup {
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
