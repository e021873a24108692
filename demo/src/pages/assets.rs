//! Style and scripts, compiled in.

use crate::site::Failure;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Runs queries beside its page, in WebAssembly.
const WORKER: &str = "query-worker.js";
/// What a worker may do is said by its own headers. No other script of the site may compile WebAssembly but the laboratory's.
const WORKER_POLICY: &str =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
const FILES: [(&str, &str, &str); 18] = [
    ("site.css", "text/css; charset=utf-8", include_str!("../../web/site.css")),
    ("mark.svg", "image/svg+xml", include_str!("../../web/mark.svg")),
    ("activity.js", SCRIPT, include_str!("../../web/activity.js")),
    ("film.js", SCRIPT, include_str!("../../web/film.js")),
    ("guest.js", SCRIPT, include_str!("../../web/guest.js")),
    ("height.js", SCRIPT, include_str!("../../web/height.js")),
    ("lab.js", SCRIPT, include_str!("../../web/lab.js")),
    ("login.js", SCRIPT, include_str!("../../web/login.js")),
    ("packages.js", SCRIPT, include_str!("../../web/packages.js")),
    ("player.js", SCRIPT, include_str!("../../web/player.js")),
    ("query.js", SCRIPT, include_str!("../../web/query.js")),
    ("query-tasks.js", SCRIPT, include_str!("../../web/query-tasks.js")),
    (WORKER, SCRIPT, include_str!("../../web/query-worker.js")),
    ("questions.js", SCRIPT, include_str!("../../web/questions.js")),
    ("quiz.js", SCRIPT, include_str!("../../web/quiz.js")),
    ("ruffle-settings.js", SCRIPT, include_str!("../../web/ruffle-settings.js")),
    ("sort.js", SCRIPT, include_str!("../../web/sort.js")),
    ("times.js", SCRIPT, include_str!("../../web/times.js")),
];

/// Changes with the content of any file, since the scripts load one another.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.iter().for_each(|(_, _, text)| hash.update(text));
    let short: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
});

/// One file.
pub(crate) async fn file(
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Failure> {
    let (_, kind, text) =
        FILES.iter().find(|(known, _, _)| *known == name).ok_or(Failure::NotFound)?;
    let known = headers.get(header::IF_NONE_MATCH) == Some(&*TAG);
    let mut response = Response::new(Body::from(if known { "" } else { *text }));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let answer = response.headers_mut();
    answer.insert(header::ETAG, TAG.clone());
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=0, must-revalidate"),
    );
    // The page in the sandboxed frame has no origin, and loads these too.
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if name == WORKER {
        answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(WORKER_POLICY));
    }
    Ok(response)
}
