//! What a request asks of a key, as it came.

use crate::error::Refusal;
use crate::store::StateSeen;
use serde_json::{Map, Value};

/// What is to be done.
#[derive(Debug)]
pub enum Asked {
    /// One call, answered by its result.
    One(RawCall),
    /// One entry to be read.
    Entry(String),
    /// Several calls, answered one by one. None at all keeps the key alive.
    Batch(Vec<RawCall>),
    /// Several calls that were made up from a document: none is done unless that is still so, and none after one that is
    /// refused, which is the last that is told of.
    InTurn(StateSeen, Vec<RawCall>),
}

/// A call as it came.
#[derive(Debug)]
pub struct RawCall {
    /// The caller's id.
    pub id: Option<String>,
    /// Name of the function.
    pub function: String,
    /// Its input.
    pub args: Map<String, Value>,
    /// Whether a call without an id is the same operation as one that said the same a moment before: of
    /// clients that know no ids and repeat themselves.
    pub by_content: bool,
    /// Why its input could not be read. Said once the key is known to be good, which is renewed all the same.
    pub unreadable: Option<Refusal>,
}

impl RawCall {
    /// A call that is an operation of its own unless it has an id.
    pub fn new(id: Option<String>, function: impl Into<String>, args: Map<String, Value>) -> Self {
        Self { id, function: function.into(), args, by_content: false, unreadable: None }
    }

    /// The same, known by its content if it has no id.
    pub fn known_by_content(self) -> Self {
        Self { by_content: true, ..self }
    }

    /// A call whose input could not be read.
    pub fn unread(function: impl Into<String>, why: Refusal) -> Self {
        Self { unreadable: Some(why), ..Self::new(None, function, Map::new()) }
    }
}
