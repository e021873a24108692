//! The origin at which packages and lessons of long ago are played: apart from the site and its logins, since their code is a
//! stranger's.
//!
//! It knows no cookie and no user. Files lie under the hash of their archive and never change.

use crate::built;
use crate::guard;
use crate::pages::{aicc, assets, scorm};
use crate::site::Site;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// The whole URL surface of this origin.
pub(crate) fn router(site: Arc<Site>) -> Router {
    let files = Router::new()
        .route("/package/{id}/{*path}", get(file))
        .layer(from_fn_with_state(Arc::clone(&site), confined));
    Router::new()
        .route("/player/{package}/{number}", get(scorm::player))
        .route("/aicc/buoys/{file}", get(aicc::file))
        .route("/static/{file}", get(assets::file))
        .route("/built/{file}", get(built::file))
        .merge(files)
        .fallback(async || nothing())
        .layer(from_fn(headers))
        .with_state(site)
}

fn nothing() -> Response<Body> {
    (StatusCode::NOT_FOUND, "There is no such file.\n").into_response()
}

/// One file of a package, in ranges if that is asked for.
async fn file(
    State(site): State<Arc<Site>>,
    Path((id, _)): Path<(String, String)>,
    mut request: Request,
) -> Response<Body> {
    // A script that would stay and answer in the place of this server.
    if request.headers().contains_key("service-worker") {
        return (StatusCode::FORBIDDEN, "No service workers here.\n").into_response();
    }
    let path = request.uri().path().strip_prefix("/package").unwrap_or_default();
    let Ok(path) = PathAndQuery::try_from(path) else { return nothing() };
    if !latchkey_package::is_id(&id) {
        return nothing();
    }
    *request.uri_mut() = Uri::from(path);
    let folder = ServeDir::new(site.shelf.folder()).append_index_html_on_directories(false);
    match folder.oneshot(request).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => nothing(),
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// What a package's pages may do: run their own code in every way, and reach nothing else.
async fn confined(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let policy = format!(
        "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; \
         form-action 'self'; frame-ancestors 'self' {}",
        site.origins.join(" ")
    );
    let Ok(policy) = guard::value(&policy) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let unknown = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/octet-stream");
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_SECURITY_POLICY, policy);
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.insert(header::CACHE_CONTROL, forever);
    if unknown {
        answer.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    response
}

/// On every answer: read by this origin only, taken for nothing but what it says it is.
async fn headers(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("origin-agent-cluster"), "?1"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
