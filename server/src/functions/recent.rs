//! `recent`: what happened last.

use super::{Function, decode, mismatch, write};
use crate::call::Call;
use crate::error::Refusal;
use crate::instant;
use crate::reply::Json;
use crate::store::{Action, Done, EntryKind, EntryRow, Read, RecentQuery};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{
    DEFAULT_RECENT, Item, Kind, MAX_RECENT, Person, RecentInput, RecentResult,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Reads the newest entries, of the user or of the activity, as the key says.
pub(super) struct Recent;

impl Function for Recent {
    fn name(&self) -> &'static str {
        "recent"
    }

    fn writes(&self, _: &Map<String, Value>) -> bool {
        false
    }

    fn about(&self) -> &'static str {
        "Reads the newest entries, newest first: the user's own, or everybody's in the activity, as \
         the key says. `next` is the cursor for `before` of the next page."
    }

    fn example(&self) -> (&'static str, &'static str) {
        (
            r#"{"limit":1,"kinds":["grade"]}"#,
            r#"{"items":[{"id":"14","kind":"grade","score":8.5,"max":10.0,"at":"2026-11-22T09:30:00.000Z","user":{"id":"u1","name":"Ada","own":true},"url":"https://latch.example/v1/entries/14"}],"next":"14"}"#,
        )
    }

    fn shapes(&self, schemas: &mut SchemaGenerator) -> (Schema, Schema) {
        (RecentInput::json_schema(schemas), schemas.subschema_for::<RecentResult>())
    }

    fn plan(&self, call: &Call, args: &Map<String, Value>) -> Result<Action, Refusal> {
        let input: RecentInput = decode(args)?;
        let limit = input.limit.unwrap_or(DEFAULT_RECENT);
        if !(1..=MAX_RECENT).contains(&limit) {
            return Err(Refusal::field(ErrorCode::OutOfRange, "limit"));
        }
        Ok(Action::Read(Read::Recent(RecentQuery {
            scope: call.grant.recent,
            limit,
            before: cursor(input.before.as_deref(), "before")?,
            since: cursor(input.since.as_deref(), "since")?,
            kinds: input.kinds.unwrap_or_default().into_iter().map(stored).collect(),
        })))
    }

    fn render(&self, call: &Call, done: Done) -> Result<Json, Refusal> {
        let Done::Recent(page) = done else { return Err(mismatch()) };
        let items =
            page.entries.into_iter().map(|entry| item(call, entry)).collect::<Result<_, _>>()?;
        write(&RecentResult { items, next: page.next.map(|seq| seq.to_string()) })
    }
}

/// Reads one entry: what the `url` of an item leads to. No function of its own: whoever may call
/// `recent` may follow its addresses.
pub struct Entry;

impl Entry {
    /// The function whose leave it takes, and under whose name it is counted.
    pub(crate) const AS: &'static dyn Function = &Recent;

    /// As [`Function::plan`].
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], if `id` cannot be an entry's.
    pub fn plan(call: &Call, id: &str) -> Result<Action, Refusal> {
        let seq = number(id).ok_or(ErrorCode::NotFound)?;
        Ok(Action::Read(Read::Entry { seq, scope: call.grant.recent }))
    }

    /// As [`Function::render`].
    ///
    /// # Errors
    /// As [`Function::render`].
    pub fn render(call: &Call, done: Done) -> Result<Json, Refusal> {
        match done {
            Done::Entry(entry) => write(&item(call, entry)?),
            _ => Err(mismatch()),
        }
    }
}

fn cursor(text: Option<&str>, name: &'static str) -> Result<Option<i64>, Refusal> {
    match text {
        None => Ok(None),
        Some(text) => match number(text) {
            Some(seq) => Ok(Some(seq)),
            None => Err(Refusal::field(ErrorCode::BadCursor, name)),
        },
    }
}

/// The number of an id as we write it: no sign, no leading zero.
fn number(id: &str) -> Option<i64> {
    let seq = id.parse::<i64>().ok().filter(|seq| *seq > 0)?;
    (seq.to_string() == id).then_some(seq)
}

fn stored(kind: Kind) -> EntryKind {
    match kind {
        Kind::Log => EntryKind::Log,
        Kind::Grade => EntryKind::Grade,
        Kind::Join => EntryKind::Join,
    }
}

fn item(call: &Call, entry: EntryRow) -> Result<Item, Refusal> {
    let data = entry.data.map(RawValue::from_string).transpose();
    let data = data.map_err(|error| Refusal::new(ErrorCode::Internal).because(error))?;
    Ok(Item {
        id: entry.seq.to_string(),
        kind: match entry.kind {
            EntryKind::Log => Kind::Log,
            EntryKind::Grade => Kind::Grade,
            EntryKind::Join => Kind::Join,
        },
        event: entry.event,
        data,
        score: entry.score.map(|(score, _)| score),
        max: entry.score.map(|(_, max)| max),
        at: instant::format(entry.at),
        user: Person {
            id: entry.user_key,
            name: entry.user_name,
            own: call.user == Some(entry.user),
        },
        url: call.entry_url(entry.seq),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(args: Value) -> Option<(ErrorCode, String)> {
        let refusal = Recent.plan(&Call::sample(), args.as_object().unwrap()).err()?;
        Some((refusal.code, refusal.field.unwrap().into_owned()))
    }

    #[test]
    fn limits() {
        for (limit, good) in [(0, false), (1, true), (100, true), (101, false)] {
            assert_eq!(refusal(json!({ "limit": limit })).is_none(), good, "{limit}");
        }
        assert_eq!(refusal(json!({"limit": -1})), Some((ErrorCode::WrongType, "limit".into())));
        assert_eq!(refusal(json!({})), None);
    }

    #[test]
    fn cursors_are_what_we_write() {
        for text in ["", "x", "0", "-1", "+1", "01", "1.0", "99999999999999999999"] {
            let refused = refusal(json!({ "before": text }));
            assert_eq!(refused, Some((ErrorCode::BadCursor, "before".into())), "{text}");
        }
        assert_eq!(refusal(json!({"since": "12"})), None);
        assert_eq!(refusal(json!({"kinds": ["log", "rumour"]})).unwrap().1, "kinds[1]");
    }
}
