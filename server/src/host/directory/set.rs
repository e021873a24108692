//! `POST /host/v1/users` and the like: creates or updates, item by item.

use super::item::{Fault, decode_all};
use super::list::{of_lines, of_object};
use crate::error::Refusal;
use crate::host::call::{HostCall, HostResult};
use crate::store::{Change, Kind, Unset};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::result::ErrorBody;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::HashSet;

/// Items written in one transaction: few enough that calls of students wait some hundredths of a second behind
/// them, and many enough that a school does not wait for a hundred commits.
const STEP: usize = 2_000;

/// What became of an item.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DirectoryLine")]
pub(super) struct Line<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// `created`, `updated`, `unchanged` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

/// Sets the items of the body. The whole is refused if its outer form is wrong; an item that is wrong, or that the
/// store refuses, is left out and told.
pub(crate) async fn set(call: HostCall, kind: Kind) -> HostResult {
    let bytes = call.body.bytes.clone();
    let texts: Vec<&[u8]> = if call.is_of("application/x-ndjson") {
        of_lines(&bytes)?
    } else if call.is_of("application/json") {
        of_object(&bytes, kind.name())?.into_iter().map(|item| item.get().as_bytes()).collect()
    } else {
        return Err(ErrorCode::UnsupportedMediaType.into());
    };
    let (mut seen, mut lines) = (HashSet::new(), Lines::new(&call, kind));
    for step in texts.chunks(STEP) {
        let decoded = decode_all(kind, step.iter().copied(), &mut seen);
        let mut outcomes = call.store().set(&call.host, decoded.items).await?.into_iter();
        for read in decoded.read {
            match read {
                Ok(id) => lines.settled(&id, outcomes.next())?,
                Err(fault) => lines.write(None, Err(fault))?,
            }
        }
    }
    lines.end()
}

/// The result, written as it comes.
struct Lines<'c> {
    call: &'c HostCall,
    kind: Kind,
    count: usize,
    text: Vec<u8>,
}

impl<'c> Lines<'c> {
    fn new(call: &'c HostCall, kind: Kind) -> Self {
        Self { call, kind, count: 0, text: b"{\"items\":[".to_vec() }
    }

    fn settled(&mut self, id: &str, outcome: Option<Result<Change, Unset>>) -> Result<(), Refusal> {
        let missing = || Refusal::new(ErrorCode::Internal).because("an outcome is missing");
        let outcome = outcome.ok_or_else(missing)?.map_err(|unset| {
            let (code, field) = match unset {
                Unset::Taken(field) => (ErrorCode::Taken, field),
                Unset::Unknown(field) => (ErrorCode::UnknownReference, field),
                Unset::Missing(field) => (ErrorCode::MissingField, field),
            };
            (code, Some(field.to_owned()))
        });
        self.write(Some(id), outcome)
    }

    fn write(&mut self, id: Option<&str>, outcome: Result<Change, Fault>) -> Result<(), Refusal> {
        let (index, name) = (self.count, self.kind.name());
        let (outcome, url, error) = match outcome {
            Ok(change) => {
                let url = id.map(|id| self.call.url(&[name, id]));
                (word(change), url, None)
            }
            Err((code, field)) => {
                let field = match field {
                    Some(field) => format!("{name}[{index}].{field}"),
                    None => format!("{name}[{index}]"),
                };
                ("failed", None, Some(ErrorBody::new(code, Some(field))))
            }
        };
        if index > 0 {
            self.text.push(b',');
        }
        self.count += 1;
        serde_json::to_writer(&mut self.text, &Line { index, id, outcome, url, error })
            .map_err(|error| Refusal::new(ErrorCode::Internal).because(error))
    }

    fn end(mut self) -> HostResult {
        self.text.extend_from_slice(b"]}");
        let internal = |error: &dyn std::fmt::Display| {
            Refusal::new(ErrorCode::Internal).because(error.to_string())
        };
        let text = String::from_utf8(self.text).map_err(|error| internal(&error))?;
        RawValue::from_string(text).map_err(|error| internal(&error))
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Created => "created",
        Change::Updated => "updated",
        Change::Unchanged => "unchanged",
    }
}
