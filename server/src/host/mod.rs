//! What hosts call, in any language: `/host/v1/…`.
//!
//! * [`signature`] — how a request is signed, pure; [`body`] — read whole before it is believed; `call` — the
//!   verified `HostCall` without which a handler can do nothing.
//! * `grades`, `submissions`, `activity_log` — what comes back; [`cursor`] — how far it was read; `webhooks` — how
//!   the host is told.
//! * `directory` — users, courses, activities, enrolments; `sessions`, `keys` — what ends keys.

pub(crate) mod activity_log;
pub mod body;
pub(crate) mod call;
pub mod client;
pub mod cursor;
pub(crate) mod directory;
pub(crate) mod feed;
pub(crate) mod grades;
pub(crate) mod keys;
pub(crate) mod sessions;
pub mod signature;
pub(crate) mod submissions;
pub(crate) mod webhooks;

use crate::error::Refusal;
use latchkey_protocol::error::ErrorCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// What is escaped in a part of an address: all but the unreserved characters of RFC 3986.
pub(crate) const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Holds a text to 1 to `most` bytes without control characters.
pub(crate) fn within(text: &str, most: usize, field: &'static str) -> Result<(), Refusal> {
    if (1..=most).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Refusal::field(ErrorCode::OutOfRange, field))
    }
}
