//! What the functions take and give, and the batch around them.
//!
//! Inputs refuse members they do not know. Times are RFC 3339 texts; scores are JSON numbers, so
//! that neither NaN nor infinity can be written.

use crate::launch::GradeMethod;
use crate::result::ErrorBody;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

mod state;

pub use state::{
    DEFAULT_STATE_NAME, MAX_STATE_DEPTH, MAX_STATE_LEN, MAX_STATE_NAME_LEN, MAX_STATES,
    StateAnswer, StateInput, StateOp, StateResult, StateWritten,
};

/// Most entries of one `log` call.
pub const MAX_ENTRIES: usize = 100;
/// Most calls of one batch.
pub const MAX_CALLS: usize = 100;
/// Most items of one `recent` call.
pub const MAX_RECENT: u32 = 100;
/// Items of a `recent` call that does not say.
pub const DEFAULT_RECENT: u32 = 20;
/// Longest event name, in characters.
pub const MAX_EVENT_LEN: usize = 64;
/// Most bytes of an entry's `data`, as JSON without white space.
pub const MAX_DATA_LEN: usize = 4096;
/// Deepest nesting of an entry's `data`; the object itself is level 1.
pub const MAX_DATA_DEPTH: usize = 16;
/// Longest id of an operation, in bytes.
pub const MAX_OPERATION_ID_LEN: usize = 128;
/// Longest comment of a grade, in bytes.
pub const MAX_COMMENT_LEN: usize = 4096;

/// Input of `log`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LogInput {
    /// 1 to [`MAX_ENTRIES`] entries, stored in this order.
    pub entries: Vec<LogEntry>,
}

/// One thing that happened in the activity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// The client's own id: the same entry sent again is stored once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// 1–64 characters of `a-z0-9_.:-`.
    pub event: String,
    /// Whatever belongs to it: an object of at most [`MAX_DATA_LEN`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
    /// When it happened by the client's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Result of `log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogResult {
    /// How many entries are stored, those of earlier requests with the same ids included.
    pub accepted: u32,
    /// The server's id of each entry, in the order of the input.
    pub ids: Vec<String>,
}

/// How far the user has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Opened.
    Initialized,
    /// Begun.
    Started,
    /// Under way.
    InProgress,
    /// Handed in.
    Submitted,
    /// Done.
    Completed,
}

/// Whether the score is final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Grading {
    /// It is: the default, and the only one that counts towards the standing.
    #[default]
    FullyGraded,
    /// Being computed.
    Pending,
    /// A person must look first.
    PendingManual,
    /// Could not be computed.
    Failed,
    /// Not begun.
    NotReady,
}

/// A member whose absence, `null` and value mean three different things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// Not in the request: what stood before stays.
    #[default]
    Absent,
    /// `null`: cleared.
    Null,
    /// A value, the empty one included.
    Value(T),
}

impl<T> Given<T> {
    /// Whether the member is absent, for serde.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// On the wire: a value or `null`.
#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Option::<T>::json_schema(generator)
    }
}

impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Absent | Self::Null => serializer.serialize_none(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

/// Input of `grade`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GradeInput {
    /// 0 to `max`. Zero is a score; fractions are kept.
    pub score: f64,
    /// What `score` is out of; the activity's maximum if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// For the student: absent keeps the former, `null` clears it.
    #[serde(default, skip_serializing_if = "Given::is_absent")]
    pub comment: Given<String>,
    /// How far the user has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Whether the score is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grading: Option<Grading>,
    /// Must be the key's own if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When it was earned by the client's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The client's hybrid clock, milliseconds: orders submissions that arrive late. Never taken
    /// above the server's own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
}

/// The grade that now counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Standing {
    /// Out of `max`; `null` while no submission counts yet.
    pub score: Option<f64>,
    /// The activity's maximum.
    pub max: f64,
    /// How it came about.
    pub method: GradeMethod,
    /// A teacher set it by hand: submissions no longer change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overridden: bool,
}

/// Result of `grade`: the receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// The submission's id.
    pub submission: String,
    /// Where it can be read with a key of the same user and activity.
    pub url: String,
    /// The score as accepted.
    pub score: f64,
    /// What it is out of.
    pub max: f64,
    /// The attempt it belongs to.
    pub attempt: u32,
    /// The grade that now counts.
    pub standing: Standing,
    /// Attempts after this one; `null` for no limit.
    pub attempts_left: Option<u32>,
}

/// What an item of `recent` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An entry of `log`.
    Log,
    /// A submission of `grade`.
    Grade,
    /// The user's first launch of the activity.
    Join,
}

/// Input of `recent`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RecentInput {
    /// 1 to [`MAX_RECENT`]; [`DEFAULT_RECENT`] if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Cursor: only what is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Cursor: only what is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only these kinds; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<Kind>>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Person {
    /// The host's own id of the user.
    pub id: String,
    /// Name shown to others; `null` if the host never told one.
    pub name: Option<String>,
    /// Whether it is the key's own user.
    pub own: bool,
}

/// One item of `recent`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Item {
    /// The entry's id; also the cursor for `before` and `since`.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Of a log entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Of a log entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Map<String, Value>>"))]
    pub data: Option<Box<serde_json::value::RawValue>>,
    /// Of a grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Of a grade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// When it happened: the client's time corrected by the server, else the server's.
    pub at: String,
    /// Who did it.
    pub user: Person,
    /// Where the entry can be read.
    pub url: String,
}

/// Result of `recent`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecentResult {
    /// Newest first.
    pub items: Vec<Item>,
    /// Cursor for `before` of the next page; `null` at the end.
    pub next: Option<String>,
}

/// One call of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BatchCall {
    /// The operation's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the function.
    pub function: String,
    /// Its input.
    #[serde(default)]
    pub args: Map<String, Value>,
}

/// What became of one call of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// `result` is there.
    Ok,
    /// Refused: `error` says why.
    Failed,
    /// Not looked at: send it again.
    NotRun,
}

/// The outcome of one call of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallOutcome<R> {
    /// The id it was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What became of it.
    pub status: CallStatus,
    /// What the function gives.
    #[serde(default = "no_result", skip_serializing_if = "Option::is_none")]
    pub result: Option<R>,
    /// Done by an earlier request with the same id.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// The refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

fn no_result<R>() -> Option<R> {
    None
}

/// Result of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchResult<R> {
    /// One outcome for each call, in the order of the calls.
    pub calls: Vec<CallOutcome<R>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grade(value: Value) -> Result<GradeInput, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn absent_null_and_empty_comments_differ() {
        assert_eq!(grade(json!({"score": 0})).unwrap().comment, Given::Absent);
        assert_eq!(grade(json!({"score": 0, "comment": null})).unwrap().comment, Given::Null);
        assert_eq!(
            grade(json!({"score": 0, "comment": ""})).unwrap().comment,
            Given::Value(String::new())
        );
    }

    #[test]
    fn zero_and_fractions_are_scores() {
        assert_eq!(grade(json!({"score": 0})).unwrap().score, 0.0);
        assert_eq!(grade(json!({"score": 14.29})).unwrap().score, 14.29);
        assert!(grade(json!({"score": null})).is_err());
        assert!(grade(json!({"score": "7,5"})).is_err());
    }

    #[test]
    fn unknown_members_are_refused() {
        assert!(grade(json!({"score": 1, "user": "u2"})).is_err());
        assert!(serde_json::from_value::<LogEntry>(json!({"event": "a", "ip": 1})).is_err());
    }
}
