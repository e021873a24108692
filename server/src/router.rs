//! The whole URL surface, grouped by caller.
//!
//! Layers there are none to speak of: what a request needs (a name, a limit, a deadline, headers) is
//! done once, in the handlers below, so that a refused forgery costs next to nothing.

use crate::call::KeyRequest;
use crate::error::Refusal;
use crate::latchkey::Latchkey;
use crate::reply::{Reply, allow_origin};
use crate::request::{Arrived, read_body};
use crate::sdk;
use crate::unload::to_the_end;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodRouter, any, get, post};
use latchkey_protocol::error::ErrorCode;
use std::net::SocketAddr;
use std::sync::Arc;

type Shared = State<Arc<Latchkey>>;

/// All addresses of the server.
pub fn router(latchkey: Arc<Latchkey>) -> Router {
    Router::new()
        // --- embedded code, with a key
        .route("/v1/batch", calls(post(batch)))
        .route("/v1/recent", calls(get(recent).post(recent_by_body)))
        .route("/v1/entries/{id}", calls(get(entry)))
        .route("/v1/{function}", calls(post(one)))
        // --- pages
        .route("/sdk/{file}", get(sdk::file))
        .route("/sdk/wasm/{file}", get(sdk::module))
        // --- operators
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(any(nowhere))
        .with_state(latchkey)
}

/// What every address for keys also answers: preflights, and methods it does not have.
fn calls(methods: MethodRouter<Arc<Latchkey>>) -> MethodRouter<Arc<Latchkey>> {
    methods.options(preflight).fallback(wrong_method)
}

async fn one(
    State(latchkey): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(function): Path<String>,
    request: Request,
) -> Response<Body> {
    with_body(latchkey, peer, request, move |arrived, body| arrived.one(&function, body)).await
}

async fn recent_by_body(
    State(latchkey): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    with_body(latchkey, peer, request, |arrived, body| arrived.one("recent", body)).await
}

async fn batch(
    State(latchkey): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    with_body(latchkey, peer, request, |arrived, body| arrived.batch(body)).await
}

async fn recent(
    State(latchkey): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = request.into_parts().0.headers;
    let (origin, arrived) = arrive(&latchkey, peer, headers);
    finish(latchkey, origin, arrived.recent(&query)).await
}

async fn entry(
    State(latchkey): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let (origin, arrived) = arrive(&latchkey, peer, headers);
    finish(latchkey, origin, arrived.entry(id)).await
}

async fn with_body(
    latchkey: Arc<Latchkey>,
    peer: SocketAddr,
    request: Request,
    read: impl FnOnce(Arrived, &bytes::Bytes) -> Result<KeyRequest, Refusal>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (origin, arrived) = arrive(&latchkey, peer, parts.headers);
    let (limit, deadline) = (latchkey.body_limit, latchkey.read_deadline);
    let request = match read_body(&arrived.headers, body, limit, deadline).await {
        Ok(body) => read(arrived, &body),
        Err(refusal) => Err(refusal),
    };
    finish(latchkey, origin, request).await
}

/// A request's head: the origin to answer to, and what the reading needs.
fn arrive(
    latchkey: &Latchkey,
    peer: SocketAddr,
    headers: HeaderMap,
) -> (Option<HeaderValue>, Arrived) {
    let origin = headers.get(header::ORIGIN).cloned();
    (origin, Arrived { headers, address: peer.ip(), own: latchkey.base() })
}

/// Answers. A page of any origin may read a refusal, since a client that cannot read it would try
/// for ever; a success is only ever given to an origin that the key allows.
async fn finish(
    latchkey: Arc<Latchkey>,
    origin: Option<HeaderValue>,
    request: Result<KeyRequest, Refusal>,
) -> Response<Body> {
    let (now, request_id) = (latchkey.now(), latchkey.request_id());
    let reply = match request {
        Ok(request) => to_the_end(async move { latchkey.answer(request).await }).await,
        Err(refusal) => Reply::refused(refusal),
    };
    reply.into_response(now, request_id, origin)
}

async fn preflight(headers: HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    if let Some(origin) = headers.get(header::ORIGIN) {
        allow_origin(answer, origin.clone());
    }
    let fixed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, idempotency-key"),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ];
    for (name, value) in fixed {
        answer.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn wrong_method(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    refuse(&latchkey, &headers, ErrorCode::MethodNotAllowed)
}

async fn nowhere(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    refuse(&latchkey, &headers, ErrorCode::NotFound)
}

async fn ready(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    match latchkey.store().ping().await {
        Ok(()) => Response::new(Body::from("ready\n")),
        Err(error) => answer_refusal(&latchkey, &headers, error.into()),
    }
}

pub(crate) fn refuse(latchkey: &Latchkey, headers: &HeaderMap, code: ErrorCode) -> Response<Body> {
    answer_refusal(latchkey, headers, code.into())
}

fn answer_refusal(latchkey: &Latchkey, headers: &HeaderMap, refusal: Refusal) -> Response<Body> {
    let origin = headers.get(header::ORIGIN).cloned();
    Reply::refused(refusal).into_response(latchkey.now(), latchkey.request_id(), origin)
}
