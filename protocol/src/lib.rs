//! The words that the server and every client share, without any I/O.
//!
//! * [`token`] — the text of a session token: encode, check, read.
//! * [`launch`] — the launch token that a page carries: a JWT, pinned to `HS256`.
//! * [`result`] — the one result object that every call answers with.
//! * [`error`] — the one list of refusals: code, status, whether to try again, what to do.
//! * [`payload`] — what the functions take and give, and the batch around them.
//!
//! Time and randomness are arguments everywhere, so that both sides of each limit can be tested and
//! the crate builds for `wasm32-unknown-unknown`. `vectors/*.json` holds golden messages that
//! every client must accept or refuse alike; `tests/vectors.rs` holds this crate to them.

pub mod error;
pub mod launch;
pub mod mac;
pub mod payload;
pub mod result;
pub mod token;

/// Milliseconds since the Unix epoch: the only unit of time between our crates.
pub type Millis = i64;
