//! What the attempt keeps for its next launch.

use crate::activity::{Activity, Answer, json};
use crate::{Stored, Written};
use latchkey_protocol::payload::{Given, StateInput, StateOp};
use serde::Serialize;

/// A JSON document of up to 64 KiB that the attempt keeps, by name: the next launch gets it. The launch must grant
/// the function `state`. From [`Activity::state`].
///
/// ```no_run
/// # async fn lesson(activity: latchkey_client::Activity) -> Result<(), latchkey_client::Error> {
/// use latchkey_client::serde_json::json;
///
/// let kept = activity.state().get().await?;
/// let page = kept.value["page"].as_u64().unwrap_or(1);
/// activity.state().at_version(kept.version).patch(json!({"page": page + 1}));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct State {
    activity: Activity,
    name: Option<String>,
    if_version: Option<u64>,
}

impl State {
    pub(crate) fn of(activity: Activity) -> Self {
        Self { activity, name: None, if_version: None }
    }

    /// Another document than `state`: 1–64 of `A-Za-z0-9_.:-`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Write only if the document is at this version; 0: if the name was never written. Otherwise the write is refused
    /// with `version_conflict`, and [`crate::Refusal::current`] tells how the document stands.
    pub fn at_version(mut self, version: u64) -> Self {
        self.if_version = Some(version);
        self
    }

    /// Reads it, after the writes that were asked for before. Never kept.
    pub fn get(self) -> Answer<Stored> {
        let reading = Self { if_version: None, ..self };
        reading.call(StateOp::Get, Ok(Given::Absent))
    }

    /// Writes it whole: anything that serializes to JSON. It is stored in the page when this returns.
    pub fn put(self, value: impl Serialize) -> Answer<Written> {
        self.call(StateOp::Put, given(value))
    }

    /// Changes members (RFC 7396): `null` takes one away, lists are replaced.
    pub fn patch(self, value: impl Serialize) -> Answer<Written> {
        self.call(StateOp::Patch, given(value))
    }

    /// Deletes it; its version goes on.
    pub fn delete(self) -> Answer<Written> {
        self.call(StateOp::Delete, Ok(Given::Absent))
    }

    fn call<T>(self, op: StateOp, value: Result<Given<serde_json::Value>, ()>) -> Answer<T> {
        let Self { activity, name, if_version } = self;
        let args = value.and_then(|value| json(&StateInput { op, name, value, if_version }));
        activity.call("state", args)
    }
}

fn given(value: impl Serialize) -> Result<Given<serde_json::Value>, ()> {
    serde_json::to_value(value).map(Given::Value).map_err(|_| ())
}
