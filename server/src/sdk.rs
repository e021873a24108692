//! The SDKs, as pages load them.

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
    ("framed.js", include_str!("../../js-shim/framed.js")),
    ("place.js", include_str!("../../js-shim/place.js")),
    ("legacy/flash.js", include_str!("../../js-shim/legacy/flash.js")),
    ("legacy/flash-page.js", include_str!("../../js-shim/legacy/flash-page.js")),
    ("legacy/scorm.js", include_str!("../../js-shim/legacy/scorm.js")),
];

/// The same SDK in WebAssembly, if it was built before the server was.
const MODULE: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/wasm.rs"));

/// Changes with the content, so that a page never runs an old SDK against a new server for long.
static TAG: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.iter().for_each(|(_, text)| hash.update(text));
    MODULE.iter().for_each(|(_, bytes)| hash.update(bytes));
    let short: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{short}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
});

/// Whether a list of tags holds ours, weak or strong (RFC 9110, section 13.1.2).
fn is_ours(list: &HeaderValue) -> bool {
    let (Ok(list), Ok(ours)) = (list.to_str(), TAG.to_str()) else { return false };
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == ours)
}

/// One file of the JavaScript SDK.
pub(crate) async fn file(
    State(latchkey): State<Arc<Latchkey>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let found = FILES.iter().find(|(known, _)| *known == name);
    answer(&latchkey, &headers, &name, found.map(|(_, text)| text.as_bytes()))
}

/// One file for older content.
pub(crate) async fn legacy(
    state: State<Arc<Latchkey>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    file(state, Path(format!("legacy/{name}")), headers).await
}

/// One file of the WebAssembly SDK.
pub(crate) async fn module(
    State(latchkey): State<Arc<Latchkey>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let found = MODULE.iter().find(|(known, _)| *known == name);
    answer(&latchkey, &headers, &name, found.map(|(_, bytes)| *bytes))
}

fn answer(
    latchkey: &Latchkey,
    headers: &HeaderMap,
    name: &str,
    found: Option<&'static [u8]>,
) -> Response<Body> {
    let Some(content) = found else { return refuse(latchkey, headers, ErrorCode::NotFound) };
    let script = name.ends_with(".js");
    let kind = if script { "text/javascript; charset=utf-8" } else { "application/wasm" };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(is_ours);
    let mut response = Response::new(Body::from(if known { &[] } else { content }));
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let answer = response.headers_mut();
    answer.insert(header::ETAG, TAG.clone());
    let fixed = [
        (header::CONTENT_TYPE, kind),
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
