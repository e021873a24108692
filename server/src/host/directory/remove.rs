//! `DELETE /host/v1/users/{id}` and the like, and `POST /host/v1/activities/{id}/reset`.

use crate::error::Refusal;
use crate::host::call::{HostCall, HostResult};
use crate::host::within;
use crate::store::{Kind, Removed, Reset};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::MAX_ID_LEN;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was deleted, and what went with it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Deleted<'a> {
    id: &'a str,
    url: String,
    #[serde(flatten)]
    removed: Removed,
}

/// Deletes one. Its keys are over before the answer leaves.
pub(crate) async fn delete(call: HostCall, kind: Kind) -> HostResult {
    call.query(&[])?;
    let id = call.param("id")?;
    match call.store().remove(&call.host, kind, id, call.now).await? {
        Some(removed) => {
            let url = call.url(&[kind.name(), id]);
            call.done(&Deleted { id, url, removed })
        }
        None => Err(ErrorCode::NotFound.into()),
    }
}

/// Whose attempts start again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResetOf")]
pub(crate) struct Of {
    /// Whose attempts; everybody's if absent.
    #[serde(default)]
    user: Option<String>,
}

/// Attempts that start again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ResetDone")]
pub(crate) struct Begun<'a> {
    activity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    url: String,
    #[serde(flatten)]
    reset: Reset,
}

/// Lets attempts start again.
pub(crate) async fn reset(call: HostCall) -> HostResult {
    call.query(&[])?;
    let id = call.param("id")?;
    let of: Of = call.json()?;
    if let Some(user) = &of.user {
        within(user, MAX_ID_LEN, "user")?;
    }
    let reset = call.store().reset(&call.host, id, of.user.as_deref(), call.now).await?;
    let reset = reset.ok_or_else(|| Refusal::new(ErrorCode::NotFound))?;
    let url = call.url(&[Kind::Activities.name(), id]);
    call.done(&Begun { activity: id, user: of.user.as_deref(), url, reset })
}
