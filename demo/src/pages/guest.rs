//! An activity as a guest: a page around with the login, and in it a frame with a key and nothing else.

use super::Frame;
use super::activity::{Place, recent, stage, widget};
use crate::course::{self, Activity, Widget};
use crate::guard;
use crate::site::{Failure, Site};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use std::sync::Arc;

/// What the page around shows. Its script gives the frame its key once it listens.
pub(crate) fn around(site: &Site, activity: &Activity, place: &Place) -> Markup {
    let preview = if place.preview { "?preview=true" } else { "" };
    html! {
        div.title-line {
            div {
                h1 { (activity.title) }
                p.faint { "A page that the school does not know, in a sandbox: no login, no cookie, no storage. It holds one key, which the page around renews for it." }
            }
            // A page of its own is an attempt of its own.
            a.button href={ "/activity/" (activity.id) } data-testid="again" { "Start again" }
        }
        iframe.guest #guest data-testid="guest" title=(activity.title) sandbox="allow-scripts"
            data-src={ "/guest/" (activity.id) (preview) } data-sdk={ (site.api) "/sdk/place.js" } {}
        p.notice.bad #guest-problem role="alert" hidden {}
        noscript { p { "This activity needs JavaScript." } }
    }
}

/// How the page in the frame is asked for.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    preview: bool,
}

/// The page in the frame: the same for everybody, since all it needs to know comes with its key.
pub(crate) async fn page(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<(HeaderMap, Markup), Failure> {
    let activity = course::activity(&id).filter(|activity| activity.widget == Widget::Guest);
    let activity = activity.ok_or(Failure::NotFound)?;
    let around = site.origin_of(&headers);
    // No storage, so no work under way that could be found again.
    let place = Place { preview: asked.preview, name: String::new() };
    let block = serde_json::json!({ "parent": around }).to_string().replace('<', "\\u003c");
    let page = html! {
        (DOCTYPE)
        html lang="en" data-around=(around) {
            head {
                (Frame::head(activity.title))
                script type="module" src="/static/height.js" {}
                script type="module" src="/static/quiz.js" {}
            }
            body.framed {
                script type="application/json" data-latchkey { (PreEscaped(block)) }
                main.workplace { (widget(&site, activity, "Five questions", &place, stage())) (recent()) }
            }
        }
    };
    Ok((guard::sandboxed(&site)?, page))
}
