//! What can go wrong, and what to do.

use crate::browser::Unplaced;
use crate::rule::{EndReason, EntryFault, Failure};
use latchkey_protocol::error::SeenCode;
use latchkey_protocol::result::Current;
use thiserror::Error;

/// A refusal, the server's or our own, as [`Error::Refused`] and [`crate::Notice::Refused`] tell it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// The stable name, as `score_above_max`; it may be one of a later version.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Path of the member at fault, as `entries[3].event`.
    pub field: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The whole as JSON.
    pub body: String,
}

impl Refusal {
    /// One of our own, for good. Neither text needs escapes in JSON.
    pub fn own(code: &str, message: &str) -> Self {
        let body = ["{\"code\":\"", code, "\",\"message\":\"", message, "\"}"].concat();
        let (code, message) = (code.into(), message.into());
        Self { code, message, field: None, retryable: false, body }
    }

    /// With `version_conflict`, and no other code: how the document stands.
    pub fn current(&self) -> Option<Current> {
        #[derive(serde::Deserialize)]
        struct Body {
            current: Option<Current>,
        }
        serde_json::from_str::<Body>(&self.body).ok()?.current
    }

    /// The code as one of the protocol's, or as one of a later version.
    pub fn seen(&self) -> SeenCode {
        SeenCode::parse(&self.code)
    }
}

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The page gives no key. From [`crate::Activity::connect`] only.
    #[error("{0}")]
    Entry(EntryFault),
    /// The page around a frame gives no key. From [`crate::Activity::connect`] only.
    #[error("{}", .0.message)]
    Frame(Unplaced),
    /// Refused for good, and no longer kept.
    #[error("{0}")]
    Refused(Refusal),
    /// There is no key any more.
    #[error("The key has ended ({reason}): reload the page.")]
    Ended {
        /// Why.
        reason: EndReason,
        /// Whether the operation is stored: the next launch of the same user and activity sends it.
        kept: bool,
    },
    /// The server answered in a way that this version cannot read, though it did the work.
    #[error(
        "The server's answer is of a newer version: build the plugin with a newer latchkey-client."
    )]
    Unreadable,
}

impl Error {
    /// The stable name of what happened: `block_missing`, `block_repeated`, `block_damaged`, `parent_damaged`,
    /// `parent_missing`, `parent_silent`, `frames_missing`, `ended`, `unreadable`, or the code of the refusal.
    pub fn code(&self) -> &str {
        match self {
            Self::Entry(fault) => fault.code(),
            Self::Frame(unplaced) => &unplaced.code,
            Self::Refused(refusal) => &refusal.code,
            Self::Ended { .. } => "ended",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Ended { reason, kept } => Self::Ended { reason, kept },
        }
    }
}
