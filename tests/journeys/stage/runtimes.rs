//! A page with a SCORM runtime that commits by itself: scorm-again as its makers ship it, told an address and nothing of our SDK.

use super::host::{Host, NONCE};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use latchkey_server::embed::page_headers;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new().route("/runtime/{version}", get(page)).route("/scorm-again/{file}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/node_modules/scorm-again/dist/esm");
    match tokio::fs::read(format!("{folder}/{name}")).await {
        Ok(content) => ([(header::CONTENT_TYPE, "text/javascript")], content).into_response(),
        Err(_) => (StatusCode::NOT_FOUND, "fetch it first: cargo xtask web").into_response(),
    }
}

/// The page of a player that somebody else wrote: 1.2 commits nested, 2004 flattened. It begins where the last launch ended.
async fn page(
    State(host): State<Arc<Host>>,
    Path(version): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some((session, user)) = host.login(&headers) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let key = host.launch(&session, &user, "lesson");
    let endpoint = host.endpoint.as_deref();
    let server = endpoint.unwrap_or(&host.site);
    let (file, class, name, format) = match &*version {
        "1.2" => ("scorm12.min.js", "Scorm12API", "API", "json"),
        _ => ("scorm2004.min.js", "Scorm2004API", "API_1484_11", "flattened"),
    };
    let page = format!(
        r#"<!doctype html><meta charset=utf-8><title>Runtime</title><link rel=icon href=data:,>
<script type=module nonce={NONCE}>
  import {{ {class} as Runtime }} from "/scorm-again/{file}";
  let key = "{key}";
  window.answers = [];
  const taken = (told) => (key = told.token ?? key, told);
  window.{name} = new Runtime({{
    lmsCommitUrl: "{server}/legacy/v1/scorm/commit",
    dataCommitFormat: "{format}",
    sendFullCommit: true,
    includeCommitSequence: true,
    useAsynchronousCommits: true,
    asyncModeBeaconBehavior: "on-terminate",
    requestHandler: (commit) => ({{ ...commit, key }}),
    responseHandler: async (response) => {{
      const told = taken(await response.json());
      answers.push(told);
      return told;
    }},
  }});
  const body = JSON.stringify({{ op: "get", name: "scorm" }});
  const headers = {{ Authorization: `Bearer ${{key}}`, "Content-Type": "application/json" }};
  const kept = await fetch("{server}/v1/state", {{ method: "POST", headers, body }});
  const {{ value }} = taken(await kept.json()).result;
  if (value) {name}.loadFromJSON(value.cmi, "cmi");
  window.begun = {name}[{name} === window.API ? "LMSInitialize" : "Initialize"]("");
</script>"#
    );
    (page_headers(NONCE, endpoint).unwrap(), Html(page)).into_response()
}
