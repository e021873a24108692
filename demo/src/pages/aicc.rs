//! A lesson that knows nothing but AICC's two words in its address: the page around with the login, and the lesson itself at
//! the origin of what is a stranger's.

use crate::course::Activity;
use crate::guard;
use crate::site::{Failure, Site};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

const FILES: [(&str, &str, &str); 4] = [
    ("index.html", "text/html; charset=utf-8", include_str!("../../aicc/buoys/index.html")),
    ("hacp.js", "text/javascript; charset=utf-8", include_str!("../../aicc/buoys/hacp.js")),
    ("lesson.js", "text/javascript; charset=utf-8", include_str!("../../aicc/buoys/lesson.js")),
    // It looks like the lessons of the packages.
    ("lesson.css", "text/css; charset=utf-8", include_str!("../../scorm/lesson/lesson.css")),
];

/// What the page around shows. The key stands in the frame's address, as such lessons want it: it is good for this launch and
/// from that origin only.
pub(crate) fn around(site: &Site, activity: &Activity, token: &str) -> Markup {
    let server = format!("{}/legacy/v1/hacp", site.api);
    let server = utf8_percent_encode(&server, NON_ALPHANUMERIC);
    let lesson = format!(
        "{}/aicc/{}/index.html?aicc_sid={token}&aicc_url={server}",
        site.content, activity.id
    );
    html! {
        div.title-line {
            div {
                h1 { (activity.title) }
                p.faint { "A lesson as they were made in the nineties, at an origin of its own. It knows two words in its address, and goes on where you left it." }
            }
        }
        iframe.guest.played #lesson data-testid="lesson" title=(activity.title)
            sandbox="allow-scripts allow-same-origin allow-forms" src=(lesson) {}
        noscript { p { "This activity needs JavaScript." } }
    }
}

/// A file of the lesson, the same for everybody.
pub(crate) async fn file(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
) -> Result<(HeaderMap, &'static str), Failure> {
    let (_, kind, text) =
        FILES.iter().find(|(known, _, _)| *known == name).ok_or(Failure::NotFound)?;
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src {}; base-uri 'none'; \
         form-action 'none'; frame-ancestors {}",
        site.api,
        site.origins.join(" ")
    );
    let headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, guard::value(kind)?),
        (header::CONTENT_SECURITY_POLICY, guard::value(&policy)?),
        // Its address has a key in it.
        (header::CACHE_CONTROL, guard::value("no-store")?),
    ]);
    Ok((headers, text))
}
