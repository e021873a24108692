//! Refusals inside the server: a code for the client, and a cause for the log.

use crate::store::{Rejected, StoreError};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::result::ErrorBody;
use std::borrow::Cow;

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
}

impl Refusal {
    /// A refusal of that code.
    pub fn new(code: ErrorCode) -> Self {
        Self { code, field: None, retry_after: None, cause: None }
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

    /// As the client sees it.
    pub fn body(&self) -> ErrorBody {
        ErrorBody::new(self.code, self.field.clone().map(Cow::into_owned))
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
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
            Rejected::NotFound => Self::new(ErrorCode::NotFound),
            Rejected::Store(error) => error.into(),
        }
    }
}
