//! `log`: what happened in the activity.

use super::{Function, decode, deeper, mismatch, objects_only, write};
use crate::call::Call;
use crate::error::Refusal;
use crate::plan::fingerprint;
use crate::reply::Json;
use crate::store::{Action, Done, NewEntry};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{
    LogEntry, LogInput, LogResult, MAX_DATA_DEPTH, MAX_DATA_LEN, MAX_ENTRIES, MAX_EVENT_LEN,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Writes entries to the activity's log.
pub(super) struct Log;

impl Function for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn writes(&self, _: &Map<String, Value>) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        "Writes 1 to 100 entries to the activity's log: all of them or, if one is at fault, none."
    }

    fn example(&self) -> (&'static str, &'static str) {
        (
            r#"{"entries":[{"id":"0197-a","event":"answered","data":{"question":3}},{"event":"hint.shown"}]}"#,
            r#"{"accepted":2,"ids":["12","13"]}"#,
        )
    }

    fn shapes(&self, schemas: &mut SchemaGenerator) -> (Schema, Schema) {
        (LogInput::json_schema(schemas), schemas.subschema_for::<LogResult>())
    }

    fn plan(&self, call: &Call, args: &Map<String, Value>) -> Result<Action, Refusal> {
        objects_only(args, "entries")?;
        let LogInput { entries } = decode(args)?;
        if entries.is_empty() {
            return Err(Refusal::field(ErrorCode::OutOfRange, "entries"));
        }
        if entries.len() > MAX_ENTRIES {
            return Err(Refusal::field(ErrorCode::TooMany, "entries"));
        }
        entries
            .into_iter()
            .enumerate()
            .map(|(at, entry)| {
                check(call, entry)
                    .map_err(|(code, name)| Refusal::field(code, format!("entries[{at}].{name}")))
            })
            .collect::<Result<_, _>>()
            .map(Action::Append)
    }

    fn render(&self, _: &Call, done: Done) -> Result<Json, Refusal> {
        let Done::Appended(seqs) = done else { return Err(mismatch()) };
        let ids: Vec<_> = seqs.iter().map(i64::to_string).collect();
        write(&LogResult { accepted: u32::try_from(ids.len()).unwrap_or(u32::MAX), ids })
    }
}

fn check(call: &Call, entry: LogEntry) -> Result<NewEntry, (ErrorCode, &'static str)> {
    let event = entry.event;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.:-".contains(&b);
    if event.is_empty() || event.len() > MAX_EVENT_LEN || !event.bytes().all(plain) {
        return Err((ErrorCode::BadEvent, "event"));
    }
    if let Some(id) = &entry.id {
        call.check_id(id).map_err(|code| (code, "id"))?;
    }
    let data = entry.data.map(Value::Object);
    if data.as_ref().is_some_and(|data| deeper(data, MAX_DATA_DEPTH)) {
        return Err((ErrorCode::DataTooDeep, "data"));
    }
    let data = data.map(|data| data.to_string());
    if data.as_ref().is_some_and(|data| data.len() > MAX_DATA_LEN) {
        return Err((ErrorCode::DataTooLarge, "data"));
    }
    let client_at = call.client_time(entry.at.as_deref()).map_err(|code| (code, "at"))?;
    // Not the time: a client may well tell it anew when it tries again.
    let content = || fingerprint(&(&event, &data));
    let id = entry.id.map(|id| (id, content()));
    Ok(NewEntry { id, event, data, client_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(entries: Value) -> Result<usize, (ErrorCode, String)> {
        let args = json!({ "entries": entries });
        match Log.plan(&Call::sample(), args.as_object().unwrap()) {
            Ok(Action::Append(entries)) => Ok(entries.len()),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err((refusal.code, refusal.field.unwrap().into_owned())),
        }
    }

    #[test]
    fn limits_of_the_list() {
        let entries = |n| Value::Array(vec![json!({"event": "a"}); n]);
        assert_eq!(plan(entries(1)), Ok(1));
        assert_eq!(plan(entries(100)), Ok(100));
        assert_eq!(plan(entries(101)), Err((ErrorCode::TooMany, "entries".into())));
        assert_eq!(plan(entries(0)), Err((ErrorCode::OutOfRange, "entries".into())));
        assert_eq!(plan(json!([["id", "a"]])), Err((ErrorCode::WrongType, "entries[0]".into())));
    }

    #[test]
    fn limits_of_an_event() {
        assert_eq!(plan(json!([{"event": "a".repeat(64)}])), Ok(1));
        assert_eq!(plan(json!([{"event": "q_3.hint:shown-1"}])), Ok(1));
        for event in ["", "A", "é", "a b", "a/b", &"a".repeat(65)] {
            let refused = plan(json!([{"event": event}]));
            assert_eq!(refused, Err((ErrorCode::BadEvent, "entries[0].event".into())), "{event}");
        }
    }

    #[test]
    fn limits_of_data() {
        let sized = |n: usize| json!([{"event": "a", "data": {"x": "y".repeat(n - 8)}}]);
        assert_eq!(plan(sized(4096)), Ok(1));
        assert_eq!(plan(sized(4097)), Err((ErrorCode::DataTooLarge, "entries[0].data".into())));
        let nested = |levels| {
            let inner = (1..levels).fold(json!(1), |inner, _| json!([inner]));
            json!([{"event": "a", "data": {"x": inner}}])
        };
        assert_eq!(plan(nested(16)), Ok(1));
        assert_eq!(plan(nested(17)), Err((ErrorCode::DataTooDeep, "entries[0].data".into())));
        assert_eq!(plan(json!([{"event": "a", "data": [1]}])).unwrap_err().0, ErrorCode::WrongType);
    }

    #[test]
    fn ids_and_times_are_checked() {
        assert_eq!(plan(json!([{"event": "a", "id": ""}])).unwrap_err().1, "entries[0].id");
        assert_eq!(
            plan(json!([{"event": "a", "id": "x".repeat(129)}])).unwrap_err().1,
            "entries[0].id"
        );
        assert_eq!(plan(json!([{"event": "a", "at": "noon"}])).unwrap_err().1, "entries[0].at");
    }
}
