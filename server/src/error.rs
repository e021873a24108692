//! Refusals inside the server: a code for the client, and a cause for the log.

use crate::policy::Denied;
use crate::state::Document;
use crate::store::{Rejected, StoreError};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::result::{Current, ErrorBody};
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;

/// Why a request, or one call of it, is not done.
#[derive(Debug)]
pub struct Refusal {
    /// What the client is told.
    pub code: ErrorCode,
    /// Path of the member at fault.
    pub field: Option<Cow<'static, str>>,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
    /// What only the log is told. Never anything from the request.
    pub cause: Option<String>,
    /// The operator's setting that says so, for the log.
    pub rule: Option<Cow<'static, str>>,
    /// Of a version that does not fit: how the document stands.
    pub current: Option<Box<Current>>,
    /// Where the request came from, if the operator may have to know.
    pub address: Option<IpAddr>,
}

impl Refusal {
    /// A refusal of that code.
    pub fn new(code: ErrorCode) -> Self {
        Self {
            code,
            field: None,
            retry_after: None,
            cause: None,
            rule: None,
            current: None,
            address: None,
        }
    }

    /// A refusal because of a member of the request.
    pub fn field(code: ErrorCode, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..Self::new(code) }
    }

    /// The same, with a cause for the log.
    pub fn because(self, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    /// The same, with a time to wait.
    pub fn after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same, for a request from that address.
    pub fn from_address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// As the client sees it.
    pub fn body(&self) -> ErrorBody {
        let body = ErrorBody::new(self.code, self.field.clone().map(Cow::into_owned));
        ErrorBody { current: self.current.as_deref().cloned(), ..body }
    }

    /// The refusal of a write to a document that stands otherwise.
    fn conflict(kept: &Document) -> Self {
        let value = kept.value.as_deref().map_or(Ok(Value::Null), serde_json::from_str);
        match value {
            Ok(value) => {
                let current = Some(Box::new(Current { version: kept.version.into(), value }));
                Self { current, ..Self::field(ErrorCode::VersionConflict, "if_version") }
            }
            Err(_) => Self::new(ErrorCode::Internal).because("a state cannot be read"),
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self { rule: Some(denied.rule), ..Self::new(denied.code) }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreadable(_) => Self::new(ErrorCode::Internal).because(error),
            _ => Self::new(ErrorCode::StoreUnavailable).after(2).because(error),
        }
    }
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::IdReused(None) => Self::field(ErrorCode::IdReused, "id"),
            Rejected::IdReused(Some(at)) => {
                Self::field(ErrorCode::IdReused, format!("entries[{at}].id"))
            }
            Rejected::ScoreAboveMax => Self::field(ErrorCode::ScoreAboveMax, "score"),
            Rejected::ScoreNegative => Self::field(ErrorCode::ScoreNegative, "score"),
            Rejected::BadMax => Self::field(ErrorCode::OutOfRange, "max"),
            Rejected::NoAttemptsLeft => Self::new(ErrorCode::NoAttemptsLeft),
            Rejected::BadCursor(name) => Self::field(ErrorCode::BadCursor, name),
            Rejected::VersionConflict(kept) => Self::conflict(&kept),
            Rejected::StateTooLarge => Self::field(ErrorCode::StateTooLarge, "value"),
            Rejected::TooManyStates => Self::field(ErrorCode::TooManyStates, "name"),
            Rejected::NotFound => Self::new(ErrorCode::NotFound),
            Rejected::Store(error) => error.into(),
        }
    }
}
