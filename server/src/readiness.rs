//! `/readyz`: whether load balancers should send requests here, and if not, why.

use crate::latchkey::Latchkey;
use crate::store::StoreError;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::sync::Arc;

/// Why a server is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotReady {
    /// The program reads its settings and secrets.
    Starting,
    /// The database is opened and, if need be, brought up to date.
    Migrating,
    /// The database does not answer.
    StoreUnavailable,
    /// The database answers, and takes no writes.
    ReadOnly,
    /// The server was told to stop.
    Draining,
}

#[derive(Serialize)]
struct Told {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Failed>,
}

/// A check that failed. Its code and nothing else: the cause is in the log.
#[derive(Serialize)]
struct Failed {
    check: &'static str,
    code: NotReady,
}

impl From<NotReady> for Failed {
    fn from(code: NotReady) -> Self {
        let check = match code {
            NotReady::StoreUnavailable | NotReady::ReadOnly => "store",
            NotReady::Starting | NotReady::Migrating | NotReady::Draining => "server",
        };
        Self { check, code }
    }
}

impl Latchkey {
    /// All that keeps requests from being answered here.
    pub(crate) async fn not_ready(&self) -> Vec<NotReady> {
        let mut failed = Vec::new();
        if self.is_draining() {
            failed.push(NotReady::Draining);
        }
        if let Err(error) = self.store.ping().await {
            tracing::debug!(%error, "not ready");
            failed.push(because(&error));
        }
        failed
    }
}

fn because(error: &StoreError) -> NotReady {
    if error.is_read_only() { NotReady::ReadOnly } else { NotReady::StoreUnavailable }
}

/// The handler.
pub(crate) async fn ready(State(latchkey): State<Arc<Latchkey>>) -> Response<Body> {
    told(latchkey.not_ready().await)
}

/// The answer.
pub(crate) fn told(failed: Vec<NotReady>) -> Response<Body> {
    let ready = failed.is_empty();
    let checks = failed.into_iter().map(Failed::from).collect();
    let told = Told { status: if ready { "ready" } else { "not_ready" }, checks };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    if ready {
        return (headers, axum::Json(told)).into_response();
    }
    let status = StatusCode::SERVICE_UNAVAILABLE;
    (status, headers, [(header::RETRY_AFTER, "2")], axum::Json(told)).into_response()
}
