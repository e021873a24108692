//! A lesson of long ago, and the page of the school that leads to it.

use super::host::{HOST, Host};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use latchkey_protocol::launch::{Placement, Rotation, UserDescription};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new()
        .route("/aicc/{activity}", get(launch))
        .route("/lesson.html", get(async || Html(include_str!("aicc.html"))))
}

/// Leads to the lesson with a key that is short, tied to this site and does not change.
async fn launch(
    State(host): State<Arc<Host>>,
    Path(activity): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some((_, user)) = host.login(&headers) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let mut claims = host.latchkey.claims(HOST, &user, &activity);
    claims.functions = Some(["log", "grade", "state"].map(str::to_owned).into());
    claims.rotation = Rotation::Off;
    claims.origins = Some(vec![host.site.clone()]);
    let name = Some(user.to_uppercase());
    claims.user = Some(UserDescription { name, ..UserDescription::default() });
    claims.placement = Some(Placement { max: Some(10.0), ..Placement::default() });
    let token = host.latchkey.mint(&claims).unwrap();
    let server = host.endpoint.as_deref().unwrap_or(&host.site);
    let url: String = form_urlencoded(&format!("{server}/legacy/v1/hacp"));
    Redirect::to(&format!("/lesson.html?aicc_sid={token}&aicc_url={url}")).into_response()
}

/// An address as a value of another's query.
fn form_urlencoded(address: &str) -> String {
    address.replace('%', "%25").replace(':', "%3A").replace('/', "%2F")
}
