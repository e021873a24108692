//! Older content: wires that were there before JSON, onto the same calls.
//!
//! * [`form`] — Flash movies: forms in, variables or XML out.
//! * [`hacp`] — AICC content: forms in, groups of lines out.
//! * [`scorm`] — SCORM runtimes that commit by themselves: JSON in and out.
//! * [`crossdomain`] — which movies of other domains a Flash Player lets ask.
//!
//! What they share stands here and in [`fields`]: a request is read whole, its key may come in the body, in the
//! header and, where the operator allows it, in the address, and cookies are never looked at. From there on
//! a call is a call: the same checks, the same transaction, the same log.

pub(crate) mod crossdomain;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod hacp;
pub(crate) mod scorm;
mod session;
mod variables;

use crate::error::Refusal;
use crate::gate::Arrival;
use crate::latchkey::Latchkey;
use crate::request::{Arrived, read_body};
use crate::router::arrive;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use bytes::Bytes;
use fields::Fields;
use latchkey_protocol::error::ErrorCode;

/// A request of an older wire, read whole.
pub(crate) struct Posted {
    pub(crate) arrived: Arrived,
    /// The part of the address behind `?`, or nothing.
    pub(crate) query: String,
    pub(crate) body: Bytes,
}

/// Reads a request: the page's origin to answer to, and what was read.
pub(crate) async fn read(
    latchkey: &Latchkey,
    arrival: Arrival,
    request: Request,
) -> (Option<HeaderValue>, Result<Posted, Refusal>) {
    let (parts, body) = request.into_parts();
    let (limit, deadline) = (arrival.in_force.body_limit, latchkey.read_deadline);
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (origin, arrived) = arrive(arrival, parts.headers);
    let body = read_body(&arrived.headers, body, limit, deadline).await;
    (origin, body.map(|body| Posted { arrived, query, body }))
}

impl Posted {
    /// The keys in the address under that name: none, unless the operator allows them there.
    ///
    /// # Errors
    /// [`ErrorCode::BadForm`], if the address cannot be read.
    pub(crate) fn keys_in_address(&self, name: &str) -> Result<Vec<String>, Refusal> {
        if !self.arrived.arrival.in_force.query_key {
            return Ok(Vec::new());
        }
        Fields::of_form(self.query.as_bytes())?.all(name)
    }

    /// Whether the body is of a type that forms and XML come as. Old players name what they please, but
    /// JSON and the parts of an upload would be misread.
    pub(crate) fn check_type(&self) -> Result<(), Refusal> {
        let Some(kind) = self.arrived.headers.get(header::CONTENT_TYPE) else { return Ok(()) };
        let kind = kind.to_str().ok().and_then(|kind| kind.split(';').next()).unwrap_or_default();
        let kind = kind.trim().to_ascii_lowercase();
        let readable =
            ["", "application/x-www-form-urlencoded", "application/xml", "text/plain", "text/xml"];
        match readable.contains(&&*kind) {
            true => Ok(()),
            false => Err(ErrorCode::UnsupportedMediaType.into()),
        }
    }
}
