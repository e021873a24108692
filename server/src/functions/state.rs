//! `state`: documents that the attempt keeps from one launch to the next.

use super::{Function, decode, deeper, mismatch, write};
use crate::call::Call;
use crate::error::Refusal;
use crate::instant;
use crate::reply::Json;
use crate::state::Change;
use crate::store::{Action, Done, Read, StateWrite};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{
    DEFAULT_STATE_NAME, Given, MAX_STATE_DEPTH, MAX_STATE_LEN, MAX_STATE_NAME_LEN, StateAnswer,
    StateInput, StateOp, StateResult, StateWritten,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Reads and writes documents.
pub(super) struct State;

impl Function for State {
    fn name(&self) -> &'static str {
        "state"
    }

    fn writes(&self, args: &Map<String, Value>) -> bool {
        args.get("op").is_none_or(|op| op != "get")
    }

    /// Two pages on and one back is not the same as one page on. Only a write at a version is told by it.
    fn adds_up(&self, args: &Map<String, Value>) -> bool {
        args.contains_key("if_version")
    }

    fn about(&self) -> &'static str {
        "Keeps JSON documents by name for the user's attempt, for the next launch: `get`, `put`, `patch` \
         (RFC 7396) and `delete`; `get` only reads, whatever is said below. Each write makes the version one higher; with `if_version` it is \
         done only at that version."
    }

    fn example(&self) -> (&'static str, &'static str) {
        (
            r#"{"op":"put","value":{"page":3},"if_version":1}"#,
            r#"{"name":"state","version":2,"at":"2026-11-22T09:30:00.000Z"}"#,
        )
    }

    fn shapes(&self, schemas: &mut SchemaGenerator) -> (Schema, Schema) {
        (StateInput::json_schema(schemas), schemas.subschema_for::<StateAnswer>())
    }

    fn plan(&self, _: &Call, args: &Map<String, Value>) -> Result<Action, Refusal> {
        let input: StateInput = decode(args)?;
        let name = input.name.unwrap_or_else(|| DEFAULT_STATE_NAME.to_owned());
        if !fits(&name) {
            return Err(Refusal::field(ErrorCode::OutOfRange, "name"));
        }
        let change = match (input.op, input.value) {
            (StateOp::Get | StateOp::Delete, Given::Null | Given::Value(_)) => {
                return Err(Refusal::field(ErrorCode::UnknownField, "value"));
            }
            (StateOp::Put | StateOp::Patch, Given::Absent) => {
                return Err(Refusal::field(ErrorCode::MissingField, "value"));
            }
            (StateOp::Get, Given::Absent) if input.if_version.is_some() => {
                return Err(Refusal::field(ErrorCode::UnknownField, "if_version"));
            }
            (StateOp::Get, Given::Absent) => return Ok(Action::Read(Read::State(name))),
            (StateOp::Delete, Given::Absent) => Change::Delete,
            (StateOp::Put, Given::Null) => Change::Put("null".to_owned()),
            (StateOp::Patch, Given::Null) => Change::Patch(Value::Null),
            (StateOp::Put, Given::Value(value)) => Change::Put(checked(&value)?),
            (StateOp::Patch, Given::Value(value)) => {
                checked(&value)?;
                Change::Patch(value)
            }
        };
        Ok(Action::State(StateWrite { name, change, if_version: input.if_version }))
    }

    fn render(&self, _: &Call, done: Done) -> Result<Json, Refusal> {
        match done {
            Done::State(row) => {
                let value = row.document.value.unwrap_or_else(|| "null".to_owned());
                let value = RawValue::from_string(value)
                    .map_err(|error| Refusal::new(ErrorCode::Internal).because(error))?;
                let at = row.at.map(instant::format);
                write(&StateResult {
                    name: row.name,
                    version: row.document.version.into(),
                    value,
                    at,
                })
            }
            Done::StateChanged(changed) => write(&StateWritten {
                name: changed.name,
                version: changed.version.into(),
                at: instant::format(changed.at),
            }),
            _ => Err(mismatch()),
        }
    }
}

fn fits(name: &str) -> bool {
    (1..=MAX_STATE_NAME_LEN).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
}

/// The text of a document that keeps to its limits.
fn checked(value: &Value) -> Result<String, Refusal> {
    if deeper(value, MAX_STATE_DEPTH) {
        return Err(Refusal::field(ErrorCode::StateTooDeep, "value"));
    }
    let text = value.to_string();
    if text.len() > MAX_STATE_LEN {
        return Err(Refusal::field(ErrorCode::StateTooLarge, "value"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(args: Value) -> Result<Action, (ErrorCode, String)> {
        State
            .plan(&Call::sample(), args.as_object().unwrap())
            .map_err(|refusal| (refusal.code, refusal.field.unwrap().into_owned()))
    }

    fn put(value: Value) -> Result<Action, (ErrorCode, String)> {
        plan(json!({"op": "put", "value": value}))
    }

    #[test]
    fn names() {
        for name in ["a", "Page-3_x.y:z", &"n".repeat(64)] {
            assert!(plan(json!({"op": "get", "name": name})).is_ok(), "{name}");
        }
        for name in ["", " ", "a/b", "ä", "a b", "../x", "a\0", &"n".repeat(65)] {
            let refused = plan(json!({"op": "get", "name": name})).unwrap_err();
            assert_eq!(refused, (ErrorCode::OutOfRange, "name".into()), "{name}");
        }
        match plan(json!({"op": "get"})) {
            Ok(Action::Read(Read::State(name))) => assert_eq!(name, "state"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn members_belong_to_their_ops() {
        use ErrorCode::{MissingField, UnknownField};
        for (args, code, field) in [
            (json!({"op": "put"}), MissingField, "value"),
            (json!({"op": "patch", "if_version": 1}), MissingField, "value"),
            (json!({"op": "get", "value": null}), UnknownField, "value"),
            (json!({"op": "delete", "value": {}}), UnknownField, "value"),
            (json!({"op": "get", "if_version": 0}), UnknownField, "if_version"),
        ] {
            assert_eq!(plan(args.clone()).unwrap_err(), (code, field.to_owned()), "{args}");
        }
        for value in [json!(null), json!(0), json!(""), json!([]), json!({"at": 1, "user": 2})] {
            assert!(put(value.clone()).is_ok(), "{value}");
        }
    }

    #[test]
    fn only_get_reads() {
        for (args, writes) in [
            (json!({"op": "get"}), false),
            (json!({"op": "put"}), true),
            (json!({"op": "Get"}), true),
            (json!({"op": ["get"]}), true),
            (json!({}), true),
        ] {
            assert_eq!(State.writes(args.as_object().unwrap()), writes, "{args}");
        }
    }

    #[test]
    fn documents_keep_to_their_limits() {
        let text = |bytes: usize| json!("x".repeat(bytes - 2));
        assert!(put(text(MAX_STATE_LEN)).is_ok());
        let refused = put(text(MAX_STATE_LEN + 1)).unwrap_err();
        assert_eq!(refused, (ErrorCode::StateTooLarge, "value".into()));
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(put(nested(MAX_STATE_DEPTH)).is_ok());
        let refused = put(nested(MAX_STATE_DEPTH + 1)).unwrap_err();
        assert_eq!(refused, (ErrorCode::StateTooDeep, "value".into()));
        let patch = json!({"op": "patch", "value": nested(MAX_STATE_DEPTH + 1)});
        assert_eq!(plan(patch).unwrap_err().0, ErrorCode::StateTooDeep);
    }
}
