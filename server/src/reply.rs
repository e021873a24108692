//! From an outcome to bytes on the wire: the result object, its status and its headers.

use crate::error::Refusal;
use crate::instant;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::result::{KeyStanding, ResultObject, Status};
use serde_json::value::RawValue;

/// JSON that is already written.
pub type Json = Box<RawValue>;

/// What is going back.
#[derive(Debug)]
pub struct Reply {
    outcome: Result<Json, Refusal>,
    replayed: bool,
    token: Option<String>,
    key: Option<KeyStanding>,
}

impl Reply {
    /// Done.
    pub fn done(result: Json, replayed: bool) -> Self {
        Self { outcome: Ok(result), replayed, token: None, key: None }
    }

    /// Not done.
    pub fn refused(refusal: Refusal) -> Self {
        Self { outcome: Err(refusal), replayed: false, token: None, key: None }
    }

    /// With what the presenter is entitled to.
    pub fn with_key(self, token: Option<String>, key: KeyStanding) -> Self {
        Self { token, key: Some(key), ..self }
    }

    /// The response. Every refusal is logged here, once, with its cause.
    pub fn into_response(
        self,
        now: Millis,
        request_id: String,
        origin: Option<HeaderValue>,
    ) -> Response<Body> {
        let (status, retry_after) = match &self.outcome {
            Ok(_) => (StatusCode::OK, None),
            Err(refusal) => {
                log(refusal, &request_id);
                let status = StatusCode::from_u16(refusal.code.status());
                (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), refusal.retry_after)
            }
        };
        let (result, error) = match self.outcome {
            Ok(result) => (Some(result), None),
            Err(refusal) => (None, Some(refusal.body())),
        };
        let object = ResultObject {
            status: if error.is_none() { Status::Ok } else { Status::Error },
            result,
            error,
            replayed: self.replayed,
            token: self.token,
            key: self.key,
            server_time: instant::format(now),
            request_id,
        };
        // Texts and numbers only: this cannot fail, and if it did, an empty body is no result object
        // and makes every client try again.
        let body = serde_json::to_vec(&object).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(origin) = origin {
            allow_origin(headers, origin);
        }
        response
    }
}

/// Lets a page of that origin read the answer.
pub fn allow_origin(headers: &mut axum::http::HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
}

/// Forgeries and dead keys cost an attacker nothing, so they must not fill a disk with lines. A
/// theft that is found has a line of its own, once.
fn log(refusal: &Refusal, request_id: &str) {
    let (code, field) = (refusal.code.as_str(), refusal.field.as_deref());
    let cause = refusal.cause.as_deref();
    match refusal.code {
        ErrorCode::Internal | ErrorCode::StoreUnavailable => {
            tracing::error!(request_id, code, cause, "refused");
        }
        ErrorCode::KeyInvalid
        | ErrorCode::KeyMissing
        | ErrorCode::KeyRenew
        | ErrorCode::NotFound => {
            tracing::debug!(request_id, code, cause, "refused");
        }
        _ => tracing::info!(request_id, code, field, cause, "refused"),
    }
}
