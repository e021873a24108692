//! The JavaScript SDK, as pages load it.

use crate::latchkey::Latchkey;
use crate::router::refuse;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use latchkey_protocol::error::ErrorCode;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

/// The modules, compiled in: a page needs no build step, and the SDK always fits its server.
const FILES: &[(&str, &str)] = &[
    ("latchkey.js", include_str!("../../js-shim/latchkey.js")),
    ("delivery.js", include_str!("../../js-shim/delivery.js")),
    ("outbox.js", include_str!("../../js-shim/outbox.js")),
    ("protocol.js", include_str!("../../js-shim/protocol.js")),
];

/// Changes with the content, so that a page never runs an old SDK against a new server for long.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.iter().for_each(|(_, text)| hash.update(text));
    let short: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
});

/// Whether a list of tags holds ours, weak or strong (RFC 9110, section 13.1.2).
fn is_ours(list: &HeaderValue) -> bool {
    let (Ok(list), Ok(ours)) = (list.to_str(), TAG.to_str()) else { return false };
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == ours)
}

/// One module.
pub(crate) async fn file(
    State(latchkey): State<Arc<Latchkey>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        return refuse(&latchkey, &headers, ErrorCode::NotFound);
    };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(is_ours);
    let mut response = Response::new(Body::from(if known { "" } else { *text }));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let answer = response.headers_mut();
    answer.insert(header::ETAG, TAG.clone());
    let fixed = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=0, must-revalidate"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Any page may load the code: it can do nothing without a key.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    for (name, value) in fixed {
        answer.insert(name, HeaderValue::from_static(value));
    }
    response
}
