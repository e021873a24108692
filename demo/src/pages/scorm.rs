//! A lesson of a package: the page around with the login, and at another origin the player with the key.

use super::Frame;
use crate::course::Activity;
use crate::guard;
use crate::shelf::{NotTaken, Placed};
use crate::site::{Failure, Site};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use latchkey_package::Version;
use maud::{DOCTYPE, Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::sync::Arc;

/// What the page around shows. Its script gives the player its key once it listens.
pub(crate) async fn around(
    site: &Arc<Site>,
    activity: &'static Activity,
    own: &str,
) -> Result<Markup, Failure> {
    let placed = placed(site, activity).await?;
    let around = utf8_percent_encode(own, NON_ALPHANUMERIC);
    let (package, number) = (&placed.package.id, placed.number);
    let player = format!("{}/player/{package}/{number}?around={around}", site.content);
    Ok(html! {
        div.title-line {
            div {
                h1 { (activity.title) }
                p.faint { "A package as its makers wrote it, at an origin of its own. It goes on where you left it." }
            }
        }
        iframe.guest.played #guest data-testid="guest" title=(activity.title)
            sandbox="allow-scripts allow-same-origin allow-forms allow-modals allow-downloads"
            allow="fullscreen; autoplay" data-src=(player) data-sdk={ (site.api) "/sdk/place.js" } {}
        p.notice.bad #guest-problem role="alert" hidden {}
        noscript { p { "This activity needs JavaScript." } }
    })
}

/// The lesson of an activity. Those that come with the demo are taken in when they are first opened.
async fn placed(site: &Arc<Site>, activity: &'static Activity) -> Result<&'static Placed, Failure> {
    let mut brought = site.shelf.brought().into_iter();
    if let Some(placed) = brought.find(|placed| placed.activity.id == activity.id) {
        return Ok(placed);
    }
    let archive = site.built.package(activity.id).ok_or(Failure::NotFound)?;
    let site = Arc::clone(site);
    let taken = move || -> Result<&'static Placed, NotTaken> { site.shelf.own(activity, &archive) };
    let taken = tokio::task::spawn_blocking(taken).await;
    Ok(taken.map_err(|error| Failure::Verify(error.to_string()))??)
}

/// How the player is asked for.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// The origin of the page around, which gives the key.
    around: String,
}

/// The player, at the origin of packages: the same for everybody, since all else comes with its key.
pub(crate) async fn player(
    State(site): State<Arc<Site>>,
    Path((package, number)): Path<(String, usize)>,
    Query(asked): Query<Asked>,
) -> Result<(HeaderMap, Markup), Failure> {
    let placed = site.shelf.lesson(&package, number).ok_or(Failure::NotFound)?;
    let around = site.origins.iter().find(|own| **own == asked.around).ok_or(Failure::NotFound)?;
    let (version, runtime) = match placed.package.manifest.version {
        Version::Scorm12 => ("1.2", "/built/scorm12.js"),
        Version::Scorm2004 => ("2004", "/built/scorm2004.js"),
    };
    let lesson = placed.lesson();
    let about = serde_json::to_string(lesson)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (Frame::head(&lesson.title))
                script type="module" src="/static/player.js" {}
            }
            body.player {
                main #player data-testid="player" data-sdk={ (site.api) "/sdk" } data-around=(around)
                    data-version=(version) data-runtime=(runtime) data-lesson=(about)
                    data-launch={ "/package/" (package) "/" (lesson.href) } {
                    div.player-head {
                        p.player-title { (lesson.title) }
                        p.save-state #save-state role="status" data-testid="save-state" data-state="saved" { "One moment…" }
                    }
                    p.notice.bad #trouble role="alert" data-testid="trouble" hidden {}
                    iframe #lesson data-testid="lesson" title=(lesson.title) allow="fullscreen; autoplay" {}
                }
            }
        }
    };
    Ok((headers(&site)?, page))
}

/// The player runs our own scripts only, calls the API, and shows what is at its own origin.
fn headers(site: &Site) -> Result<HeaderMap, Failure> {
    let (around, api) = (site.origins.join(" "), &site.api);
    let policy = format!(
        "default-src 'none'; script-src 'self' {api}; connect-src {api}; style-src 'self'; img-src 'self' data:; \
         frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {around}"
    );
    Ok(HeaderMap::from_iter([
        (header::CONTENT_SECURITY_POLICY, guard::value(&policy)?),
        (header::CACHE_CONTROL, guard::value("no-store")?),
    ]))
}
