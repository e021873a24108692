//! The result object: what every call answers with, whatever its outcome.

use crate::error::{ErrorCode, SeenCode};
use serde::{Deserialize, Serialize};

/// Whether the request as a whole was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// `result` is there.
    Ok,
    /// `error` is there.
    Error,
}

/// How the presented token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// The newest generation: `token` holds its renewal.
    Current,
    /// A superseded token within its grace: the call ran, but there is no renewal. A client whose
    /// newest token this was renews through its page at once.
    Late,
}

/// What a client may know of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyStanding {
    /// How the presented token stands.
    pub state: KeyState,
    /// The key's absolute end, RFC 3339.
    pub expires_at: String,
}

/// A refusal on the wire. A server writes one of its own codes, a client reads any: [`SeenError`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody<C = ErrorCode> {
    /// The stable name.
    pub code: C,
    /// What happened and what to do, a fixed text per code.
    pub message: String,
    /// Path of the member at fault, as in `entries[3].event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Of `version_conflict` only: how the document stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Current>,
}

/// How a document stands that was written meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Current {
    /// Its version; 0 if the name was never written.
    pub version: u64,
    /// The document; `null` if there is none.
    pub value: serde_json::Value,
}

/// A refusal as a client reads it.
pub type SeenError = ErrorBody<SeenCode>;

impl ErrorBody {
    /// The body for `code`, with the path of the member at fault if there is one.
    pub fn new(code: ErrorCode, field: Option<String>) -> Self {
        let (message, retryable) = (code.message().to_owned(), code.retryable());
        Self { code, message, field, retryable, current: None }
    }
}

/// The result object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultObject<R> {
    /// `ok` or `error`.
    pub status: Status,
    /// What the function gives; only with `ok`.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub result: Option<R>,
    /// The refusal; only with `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// The operation was done by an earlier request with the same id: this is its saved result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// The renewed token. Absent when the presenter is entitled to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How the key stands; absent when the key was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyStanding>,
    /// The server's clock, RFC 3339: lets clients measure their own clock's error.
    pub server_time: String,
    /// Names this request in the server's log.
    pub request_id: String,
}

fn none<R>() -> Option<R> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absent_members_are_not_written() {
        let object = ResultObject {
            status: Status::Error,
            result: None::<()>,
            error: Some(ErrorBody::new(ErrorCode::ScoreNegative, Some("score".into()))),
            replayed: false,
            token: None,
            key: None,
            server_time: "2026-11-22T00:00:00Z".into(),
            request_id: "r".into(),
        };
        assert_eq!(
            serde_json::to_value(&object).unwrap(),
            json!({
                "status": "error",
                "error": {
                    "code": "score_negative",
                    "message": "The score is below zero.",
                    "field": "score",
                    "retryable": false
                },
                "server_time": "2026-11-22T00:00:00Z",
                "request_id": "r"
            })
        );
    }
}
