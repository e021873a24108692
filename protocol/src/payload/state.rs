//! What `state` takes and gives: documents that an attempt keeps from one launch to the next.

use super::Given;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most bytes of a document, as JSON without white space.
pub const MAX_STATE_LEN: usize = 64 * 1024;
/// Deepest nesting of a document; a list or object that is the document is level 1. Answers hold it a few levels
/// deeper, and every client must be able to read them.
pub const MAX_STATE_DEPTH: usize = 32;
/// Most names of one attempt, those of deleted documents included.
pub const MAX_STATES: usize = 64;
/// Longest name, in characters.
pub const MAX_STATE_NAME_LEN: usize = 64;
/// The name of a call that gives none.
pub const DEFAULT_STATE_NAME: &str = "state";

/// What is done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StateOp {
    /// Reads it.
    Get,
    /// Writes it whole.
    Put,
    /// Changes members of it, by a merge patch (RFC 7396).
    Patch,
    /// Deletes it. Its version stays and goes on.
    Delete,
}

/// Input of `state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StateInput {
    /// What is to be done.
    pub op: StateOp,
    /// Which document: 1 to [`MAX_STATE_NAME_LEN`] of `A-Za-z0-9_.:-`; [`DEFAULT_STATE_NAME`] if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of `put` the document, any JSON of at most [`MAX_STATE_LEN`] bytes; of `patch` the merge patch.
    #[serde(default, skip_serializing_if = "Given::is_absent")]
    pub value: Given<Value>,
    /// Write only if the document is at this version; 0: if the name was never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// A document and its version: the result of `get`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateResult<V = Value> {
    /// Its name.
    pub name: String,
    /// One more with each write; 0 if the name was never written.
    pub version: u64,
    /// The document; `null` if there is none.
    pub value: V,
    /// When it was last written, by the server; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Result of `put`, `patch` and `delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StateWritten {
    /// Its name.
    pub name: String,
    /// The version that this write made.
    pub version: u64,
    /// When it was written, by the server.
    pub at: String,
}

/// Result of `state`: what was read, or what was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum StateAnswer {
    /// Of `get`.
    Read(StateResult),
    /// Of every other.
    Written(StateWritten),
}
