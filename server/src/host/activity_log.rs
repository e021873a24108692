//! `/host/v1/log`: everything that was logged, in the order in which it came.

use super::call::{HostCall, HostResult};
use super::cursor::Feed;
use super::feed::{self, Shown};
use crate::error::Refusal;
use crate::instant;
use crate::reply::Json;
use crate::store::{EntryKind, LogItem};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::Kind;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

/// An entry as its host sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LoggedEntry")]
pub(crate) struct Entry {
    id: String,
    url: String,
    kind: Kind,
    #[serde(flatten)]
    about: Shown,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    data: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    at: String,
    /// By the client's clock, corrected.
    client_at: Option<String>,
}

impl Entry {
    fn new(call: &HostCall, item: LogItem) -> Result<Self, Refusal> {
        let id = item.seq.to_string();
        let (score, max) = item.score.unzip();
        let data = item.data.map(RawValue::from_string).transpose();
        Ok(Self {
            url: call.url(&["log", &id]),
            id,
            kind: match item.kind {
                EntryKind::Log => Kind::Log,
                EntryKind::Grade => Kind::Grade,
                EntryKind::Join => Kind::Join,
            },
            about: Shown::new(call, item.about),
            attempt: item.attempt,
            event: item.event,
            data: data.map_err(|error| Refusal::new(ErrorCode::Internal).because(error))?,
            score,
            max,
            at: instant::format(item.at),
            client_at: item.client_at.map(instant::format),
        })
    }
}

/// Entries since a cursor.
pub(crate) async fn since(call: HostCall) -> HostResult {
    let query = feed::asked(&call, Feed::Log)?;
    let read = call.store().log_feed(&call.host, query).await;
    call.done(&feed::page(&call, Feed::Log, read, |item| Entry::new(&call, item))?)
}

/// One entry.
pub(crate) async fn one(call: HostCall) -> HostResult {
    call.query(&[])?;
    match call.store().entry(&call.host, feed::number(&call)?).await? {
        Some(item) => call.done(&Entry::new(&call, item)?),
        None => Err(ErrorCode::NotFound.into()),
    }
}
