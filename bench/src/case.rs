//! The calls that are measured: what is sent and what makes an answer right.

use clap::ValueEnum;
use serde::Serialize;
use std::fmt;

/// Items that a `recent` call asks for.
pub(crate) const RECENT_ITEMS: usize = 20;

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Case {
    /// One entry a call.
    Log,
    /// One submission a call, with an id of its own.
    Grade,
    /// The newest 20 entries.
    Recent,
    /// A `log` whose token fails by its MAC alone.
    Forged,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Log => "log",
            Self::Grade => "grade",
            Self::Recent => "recent",
            Self::Forged => "forged",
        })
    }
}

/// Which of the two servers is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The server under test.
    Latchkey,
    /// The bare axum handler: the same bytes, an answer as long, no meaning.
    Bare,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Latchkey => "latchkey",
            Self::Bare => "bare",
        })
    }
}

/// Stands for a 36-character id in a body until the call is sent.
pub(crate) const ID: &str = "00000000-0000-7000-8000-000000000000";

impl Case {
    /// Whether every answer leaves a row.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Log | Self::Grade)
    }

    /// The path, of the same length on both sides.
    pub(crate) fn path(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::Log, _) | (Self::Forged, Side::Latchkey) => "/v1/log",
            (Self::Grade, _) => "/v1/grade",
            (Self::Recent, _) => "/v1/recent",
            // The bare handler believes every token: the answer of a refusal has a path of its own.
            (Self::Forged, Side::Bare) => "/v1/off",
        }
    }

    /// The body; `at` is the client's time.
    pub(crate) fn body(self, at: &str) -> String {
        match self {
            Self::Log | Self::Forged => log_body(&[ID.to_owned()], at),
            Self::Grade => r#"{"score":7.5,"max":10}"#.to_owned(),
            Self::Recent => format!(r#"{{"limit":{RECENT_ITEMS}}}"#),
        }
    }

    /// The status of a right answer.
    pub(crate) fn status(self) -> u16 {
        if self == Self::Forged { 401 } else { 200 }
    }

    /// The text that shows in a right answer, and how often.
    pub(crate) fn mark(self) -> (&'static str, usize) {
        match self {
            Self::Log => (r#""accepted":1,"#, 1),
            Self::Grade => (r#""submission":""#, 1),
            Self::Recent => (r#""event":"answered""#, RECENT_ITEMS),
            Self::Forged => (r#""code":"key_invalid""#, 1),
        }
    }
}

/// Body of a `log` call with one entry for each id.
pub(crate) fn log_body(ids: &[String], at: &str) -> String {
    let entries: Vec<_> = ids
        .iter()
        .map(|id| {
            format!(
                r#"{{"id":"{id}","event":"answered","data":{{"question":3,"answer":"b"}},"at":"{at}"}}"#
            )
        })
        .collect();
    format!(r#"{{"entries":[{}]}}"#, entries.join(","))
}

/// One POST as bytes on the wire.
pub(crate) fn post(path: &str, token: &str, operation: Option<&str>, body: &str) -> String {
    let operation = operation.map_or_else(String::new, |id| format!("Idempotency-Key: {id}\r\n"));
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{operation}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_protocol::payload::{LogInput, MAX_ENTRIES};

    #[test]
    fn the_body_of_log_is_what_the_protocol_reads() {
        let ids = vec![ID.to_owned(); MAX_ENTRIES];
        let body = log_body(&ids, "2026-01-01T00:00:00.000Z");
        let input: LogInput = serde_json::from_str(&body).unwrap();
        assert_eq!(input.entries.len(), MAX_ENTRIES);
        assert_eq!(input.entries[0].id.as_deref(), Some(ID));
    }

    #[test]
    fn both_sides_get_the_same_length() {
        for case in Case::value_variants() {
            assert_eq!(case.path(Side::Latchkey).len(), case.path(Side::Bare).len(), "{case}");
        }
    }
}
