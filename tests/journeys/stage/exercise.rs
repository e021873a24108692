//! The page of the manual's plugin: a block, the manual's own markup, and what `cargo xtask test rust` has built.

use super::host::{Host, NONCE, Sdk};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use latchkey_server::embed::Block;
use std::path::Path as File;
use std::sync::Arc;

pub(super) const MARKUP: &str = include_str!("../../../client-wasm/examples/exercise.html");
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/web/exercise");

pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new().route("/exercise", get(page)).route("/exercise/{file}", get(file))
}

async fn page(State(host): State<Arc<Host>>, headers: HeaderMap) -> Response {
    let Some((session, user)) = host.login(&headers) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let token = host.launch(&session, &user, "exercise");
    let endpoint = host.endpoint.as_deref();
    let block = Block { token: &token, endpoint, renew: Some("/renew/exercise") }.html().unwrap();
    let markup = MARKUP.replace("<script", &format!("<script nonce={NONCE}"));
    let page =
        format!("<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{block}{markup}");
    (Sdk::Wasm.headers(endpoint), Html(page)).into_response()
}

async fn file(Path(name): Path<String>) -> Response {
    let kind = if name.ends_with(".js") { "text/javascript" } else { "application/wasm" };
    match std::fs::read(File::new(BUILT).join(&name)) {
        // Pages in sandboxed frames load it too.
        Ok(content) => {
            let open = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
            ([(header::CONTENT_TYPE, kind), open], content).into_response()
        }
        Err(error) => panic!("{BUILT}/{name}: {error}; cargo xtask test rust builds it"),
    }
}
