//! From an outcome to bytes on the wire: the result object, its status and its headers.

use crate::error::Refusal;
use crate::instant;
use crate::policy::Denied;
use crate::version::{self, Version};
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
    /// Calls of a batch that the operator's rules forbid, for the log: each rule once.
    denied: Vec<Denied>,
    /// For how many requests the refusal's line in the log stands; none, if there is to be no line.
    lines: Option<u64>,
    version: Version,
}

impl Reply {
    /// Done.
    pub fn done(result: Json, replayed: bool) -> Self {
        Self::new(Ok(result), replayed)
    }

    /// Not done.
    pub fn refused(refusal: Refusal) -> Self {
        Self::new(Err(refusal), false)
    }

    fn new(outcome: Result<Json, Refusal>, replayed: bool) -> Self {
        Self {
            outcome,
            replayed,
            token: None,
            key: None,
            denied: Vec::new(),
            lines: Some(1),
            version: Version::NEWEST,
        }
    }

    /// In a version of the wire; the newest without.
    pub(crate) fn in_version(self, version: Option<Version>) -> Self {
        Self { version: version.unwrap_or(self.version), ..self }
    }

    /// With calls of a batch that the operator's rules forbid.
    pub(crate) fn with_denied(self, denied: Vec<Denied>) -> Self {
        Self { denied, ..self }
    }

    /// With a line in the log that stands for that many requests, or none.
    pub(crate) fn logged(self, lines: Option<u64>) -> Self {
        Self { lines, ..self }
    }

    /// The code of a refusal, if it is one.
    pub(crate) fn refusal_code(&self) -> Option<ErrorCode> {
        self.outcome.as_ref().err().map(|refusal| refusal.code)
    }

    /// With what the presenter is entitled to.
    pub fn with_key(self, token: Option<String>, key: KeyStanding) -> Self {
        Self { token, key: Some(key), ..self }
    }

    /// The response in JSON, as every address answers that has no older wire.
    pub fn into_response(
        self,
        now: Millis,
        request_id: String,
        origin: Option<HeaderValue>,
    ) -> Response<Body> {
        self.told(now, request_id).json(origin)
    }

    /// What is told, before it is written. Every refusal is logged here, once, with its cause.
    pub(crate) fn told(self, now: Millis, request_id: String) -> Told {
        for Denied { code, rule } in &self.denied {
            tracing::info!(request_id, code = code.as_str(), %rule, "refused in a batch");
        }
        let (status, retry_after) = match &self.outcome {
            Ok(_) => (StatusCode::OK, None),
            Err(refusal) => {
                if let Some(requests) = self.lines {
                    log(refusal, &request_id, requests);
                }
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
        Told { status, retry_after, version: self.version, object }
    }
}

/// An answer that is decided and logged, and not yet written: each wire writes it in its own way.
#[derive(Debug)]
pub(crate) struct Told {
    /// The HTTP status that fits it. Older wires always say 200.
    pub(crate) status: StatusCode,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u32>,
    /// The version of the wire.
    pub(crate) version: Version,
    /// What is told.
    pub(crate) object: ResultObject<Json>,
}

/// How a wire writes an answer, to a page of that origin.
pub(crate) type Write = fn(Told, Option<HeaderValue>) -> Response<Body>;

impl Told {
    /// The result object as JSON, with the status that fits it.
    pub(crate) fn json(self, origin: Option<HeaderValue>) -> Response<Body> {
        // Texts and numbers only: this cannot fail, and if it did, an empty body is no result object
        // and makes every client try again.
        let body = serde_json::to_vec(&self.object).unwrap_or_default();
        let mut response = respond(body, "application/json", self.version, origin);
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A response of status 200 that is kept by nobody and is what it says it is.
pub(crate) fn respond(
    body: impl Into<Body>,
    kind: &'static str,
    version: Version,
    origin: Option<HeaderValue>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(version::HEADER, HeaderValue::from_static(version.as_str()));
    if let Some(origin) = origin {
        allow_origin(headers, origin);
    }
    response
}

/// Headers that a page may read.
const EXPOSED: &str = "Latchkey-Version, Retry-After";

/// Lets a page of that origin read the answer.
pub fn allow_origin(headers: &mut axum::http::HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

/// Forgeries and dead keys cost an attacker nothing, so they must not fill a disk with lines. A
/// theft that is found has a line of its own, once.
fn log(refusal: &Refusal, request_id: &str, requests: u64) {
    let (code, field) = (refusal.code.as_str(), refusal.field.as_deref());
    let cause = refusal.cause.as_deref();
    if let Some(rule) = &refusal.rule {
        let address = refusal.address.map(tracing::field::display);
        tracing::info!(request_id, code, %rule, address, requests, "refused");
        return;
    }
    match refusal.code {
        ErrorCode::Internal | ErrorCode::StoreUnavailable => {
            tracing::error!(request_id, code, cause, "refused");
        }
        ErrorCode::KeyInvalid
        | ErrorCode::KeyMissing
        | ErrorCode::KeyRenew
        | ErrorCode::HostUnauthorized
        | ErrorCode::NotFound => {
            tracing::debug!(request_id, code, cause, "refused");
        }
        _ => tracing::info!(request_id, code, field, cause, "refused"),
    }
}
