//! `DELETE /host/v1/web-sessions/{id}`: a login at the host is over.

use super::call::{HostCall, HostResult};
use super::within;
use latchkey_protocol::launch::MAX_ID_LEN;
use schemars::JsonSchema;
use serde::Serialize;

/// A web session that is over.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EndedSession")]
pub(crate) struct Ended<'a> {
    id: &'a str,
    url: String,
    keys_ended: u64,
}

/// Ends every key launched in that web session, at once, and refuses launch tokens of it that are still
/// unused. A session that nobody has heard of is ended too: its launch tokens may be under way.
pub(crate) async fn end(call: HostCall) -> HostResult {
    let id = call.param("id")?;
    within(id, MAX_ID_LEN, "id")?;
    let keys_ended = call.store().end_session(&call.host, id, call.now).await?;
    call.done(&Ended { id, url: call.url(&["web-sessions", id]), keys_ended })
}
