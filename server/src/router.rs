//! The whole URL surface, grouped by caller.
//!
//! There is one layer, the [gate](crate::gate). All else that a request needs (a name, a limit, a deadline,
//! headers) is done once, in the handlers below, so that a refused forgery costs next to nothing.

use crate::call::KeyRequest;
use crate::config::Protocol;
use crate::error::Refusal;
use crate::gate::{Arrival, Gate};
use crate::host::call::by_host;
use crate::host::{activity_log, directory, grades, keys, sessions, submissions, webhooks};
use crate::latchkey::Latchkey;
use crate::legacy::{crossdomain, form, hacp, scorm};
use crate::openapi;
use crate::readiness::ready;
use crate::reply::{Reply, Told, Write, allow_origin};
use crate::request::{Arrived, read_body};
use crate::sdk;
use crate::store::Kind;
use crate::unload::to_the_end;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, delete, get, post};
use latchkey_protocol::error::ErrorCode;
use std::sync::Arc;

pub(crate) type Shared = State<Arc<Latchkey>>;

/// All addresses of the server.
pub fn router(latchkey: Arc<Latchkey>) -> Router {
    let gate = |protocol| Gate::new(&latchkey, protocol);
    let keys = Router::new()
        // --- embedded code, with a key
        .route("/v1/batch", calls(post(batch)))
        .route("/v1/recent", calls(get(recent).post(recent_by_body)))
        .route("/v1/entries/{id}", calls(get(entry)))
        .route("/v1/{function}", calls(post(one)))
        .route_layer(gate(Some(Protocol::Json)));
    let forms = Router::new()
        // --- older content, with a key: Flash movies
        .route("/legacy/v1/recent", forms(get(form::ask).post(form::recent)))
        .route("/legacy/v1/{function}", forms(post(form::call)))
        .route_layer(gate(Some(Protocol::Form)).writing(form::variables));
    let hacp = Router::new()
        // --- AICC content, with a key
        .route("/legacy/v1/hacp", post(hacp::post).options(preflight).fallback(hacp::wrong_method))
        .route_layer(gate(Some(Protocol::Hacp)).writing(hacp::written));
    let scorm = Router::new()
        // --- SCORM runtimes, with a key
        .route(
            "/legacy/v1/scorm/commit",
            post(scorm::post).options(preflight).fallback(scorm::wrong_method),
        )
        .route_layer(gate(Some(Protocol::Scorm)).writing(scorm::written));
    let hosts = Router::new()
        // --- hosts, with a signature
        .route("/host/v1/users", hosts(directory(Kind::Users)))
        .route("/host/v1/users/{id}", hosts(entity(Kind::Users)))
        .route("/host/v1/courses", hosts(directory(Kind::Courses)))
        .route("/host/v1/courses/{id}", hosts(entity(Kind::Courses)))
        .route("/host/v1/activities", hosts(directory(Kind::Activities)))
        .route("/host/v1/activities/{id}", hosts(entity(Kind::Activities)))
        .route("/host/v1/activities/{id}/reset", hosts(post(by_host(directory::reset))))
        .route("/host/v1/enrolments", hosts(directory(Kind::Enrolments)))
        .route("/host/v1/enrolments/{id}", hosts(entity(Kind::Enrolments)))
        .route("/host/v1/grades", hosts(get(by_host(grades::changed)).post(by_host(grades::set))))
        .route("/host/v1/grades/{activity}/{user}", hosts(get(by_host(grades::one))))
        .route("/host/v1/submissions", hosts(get(by_host(submissions::changed))))
        .route("/host/v1/submissions/{id}", hosts(get(by_host(submissions::one))))
        .route("/host/v1/submissions/{id}/void", hosts(post(by_host(submissions::void))))
        .route("/host/v1/log", hosts(get(by_host(activity_log::since))))
        .route("/host/v1/log/{id}", hosts(get(by_host(activity_log::one))))
        .route("/host/v1/webhooks", hosts(get(by_host(webhooks::all))))
        .route("/host/v1/webhooks/{id}", hosts(get(by_host(webhooks::one))))
        .route("/host/v1/webhooks/{id}/replay", hosts(post(by_host(webhooks::replay))))
        .route("/host/v1/keys", hosts(get(by_host(keys::live))))
        .route("/host/v1/keys/{id}", hosts(get(by_host(keys::one)).delete(by_host(keys::revoke))))
        .route("/host/v1/web-sessions/{id}", hosts(delete(by_host(sessions::end))))
        .route_layer(gate(Some(Protocol::Host)));
    let open = Router::new()
        // --- pages
        .route("/sdk/{file}", get(sdk::file))
        .route("/sdk/legacy/{file}", get(sdk::legacy))
        .route("/sdk/wasm/{file}", get(sdk::module))
        .route("/crossdomain.xml", get(crossdomain::file))
        .route("/openapi.json", get(description))
        .route("/docs/api", get(description_page))
        .fallback(any(nowhere))
        .layer(gate(None));
    Router::new()
        // --- operators: of the health everybody may ask, at any time
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .merge(keys)
        .merge(forms)
        .merge(hacp)
        .merge(scorm)
        .merge(hosts)
        .merge(open)
        .with_state(latchkey)
}

/// What every address for keys also answers: preflights, and methods it does not have.
fn calls(methods: MethodRouter<Arc<Latchkey>>) -> MethodRouter<Arc<Latchkey>> {
    methods.options(preflight).fallback(wrong_method)
}

/// What every address for forms also answers: preflights of those that set a header, and methods it
/// does not have.
fn forms(methods: MethodRouter<Arc<Latchkey>>) -> MethodRouter<Arc<Latchkey>> {
    methods.options(preflight).fallback(form::wrong_method)
}

/// What every address for hosts also answers: methods it does not have.
fn hosts(methods: MethodRouter<Arc<Latchkey>>) -> MethodRouter<Arc<Latchkey>> {
    methods.fallback(wrong_method)
}

/// A list of the directory: set, looked up, read in pages.
fn directory(kind: Kind) -> MethodRouter<Arc<Latchkey>> {
    post(by_host(move |call| directory::set(call, kind)))
        .get(by_host(move |call| directory::all(call, kind)))
}

/// One of a list.
fn entity(kind: Kind) -> MethodRouter<Arc<Latchkey>> {
    get(by_host(move |call| directory::one(call, kind)))
        .delete(by_host(move |call| directory::delete(call, kind)))
}

async fn one(
    State(latchkey): Shared,
    arrival: Arrival,
    Path(function): Path<String>,
    request: Request,
) -> Response<Body> {
    with_body(latchkey, arrival, request, move |arrived, body| arrived.one(&function, body)).await
}

async fn recent_by_body(
    State(latchkey): Shared,
    arrival: Arrival,
    request: Request,
) -> Response<Body> {
    with_body(latchkey, arrival, request, |arrived, body| arrived.one("recent", body)).await
}

async fn batch(State(latchkey): Shared, arrival: Arrival, request: Request) -> Response<Body> {
    with_body(latchkey, arrival, request, |arrived, body| arrived.batch(body)).await
}

async fn recent(State(latchkey): Shared, arrival: Arrival, request: Request) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let headers = request.into_parts().0.headers;
    let (origin, arrived) = arrive(arrival, headers);
    finish(latchkey, origin, arrived.recent(&query), Told::json).await
}

async fn entry(
    State(latchkey): Shared,
    arrival: Arrival,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let (origin, arrived) = arrive(arrival, headers);
    finish(latchkey, origin, arrived.entry(id), Told::json).await
}

async fn with_body(
    latchkey: Arc<Latchkey>,
    arrival: Arrival,
    request: Request,
    read: impl FnOnce(Arrived, &bytes::Bytes) -> Result<KeyRequest, Refusal>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let (limit, deadline) = (arrival.in_force.body_limit, latchkey.read_deadline);
    let (origin, arrived) = arrive(arrival, parts.headers);
    let request = match read_body(&arrived.headers, body, limit, deadline).await {
        Ok(body) => read(arrived, &body),
        Err(refusal) => Err(refusal),
    };
    finish(latchkey, origin, request, Told::json).await
}

/// A request's head: the origin to answer to, and what the reading needs.
pub(crate) fn arrive(arrival: Arrival, headers: HeaderMap) -> (Option<HeaderValue>, Arrived) {
    let origin = headers.get(header::ORIGIN).cloned();
    (origin, Arrived { headers, arrival })
}

/// Answers. A page of any origin may read a refusal, since a client that cannot read it would try
/// for ever; a success is only ever given to an origin that the key allows.
pub(crate) async fn finish(
    latchkey: Arc<Latchkey>,
    origin: Option<HeaderValue>,
    request: Result<KeyRequest, Refusal>,
    write: Write,
) -> Response<Body> {
    let reply = match request {
        Ok(request) => {
            let latchkey = Arc::clone(&latchkey);
            to_the_end(async move { latchkey.answer(request).await }).await
        }
        Err(refusal) => Reply::refused(refusal),
    };
    write(latchkey.tell(reply), origin)
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
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key, latchkey-version",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ];
    for (name, value) in fixed {
        answer.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What this page says, for programs.
async fn description() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    (kind, openapi::TEXT.as_str())
}

/// What this page says, for people.
async fn description_page() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, openapi::PAGE.as_str())
}

async fn wrong_method(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    refuse(&latchkey, &headers, ErrorCode::MethodNotAllowed)
}

async fn nowhere(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    refuse(&latchkey, &headers, ErrorCode::NotFound)
}

pub(crate) fn refuse(latchkey: &Latchkey, headers: &HeaderMap, code: ErrorCode) -> Response<Body> {
    answer_refusal(latchkey, headers, code.into())
}

fn answer_refusal(latchkey: &Latchkey, headers: &HeaderMap, refusal: Refusal) -> Response<Body> {
    let origin = headers.get(header::ORIGIN).cloned();
    latchkey.tell(Reply::refused(refusal)).json(origin)
}
