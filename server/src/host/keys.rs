//! `/host/v1/keys`: which keys are live, and ending one. Never a token.

use super::call::{HostCall, HostResult};
use super::within;
use crate::error::Refusal;
use crate::instant;
use crate::store::{HeldKey, KeyFilter};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::{Mode, RecentScope};
use latchkey_protocol::token::KeyId;
use schemars::JsonSchema;
use serde::Serialize;

/// Keys of a page, unless the query says.
const PAGE: u32 = 100;
/// Most keys of a page.
const MAX_PAGE: u32 = 1_000;
/// Longest reason, bytes.
const MAX_REASON: usize = 255;

/// A page of keys.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Keys")]
pub(crate) struct Page {
    items: Vec<Shown>,
    /// For `after` of the next page; `null` at the end.
    next: Option<String>,
}

/// A key as its host sees it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
pub(crate) struct Shown {
    id: String,
    url: String,
    user: String,
    activity: String,
    attempt: u32,
    session: Option<String>,
    functions: Vec<String>,
    recent: RecentScope,
    mode: Mode,
    origins: Vec<String>,
    networks: Vec<String>,
    rotating: bool,
    created_at: String,
    /// When its generation last moved: it was in use then.
    moved_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Shown {
    fn new(call: &HostCall, key: HeldKey) -> Self {
        let id = key.id.to_string();
        let (revoked_at, reason) = key.revoked.unzip();
        Self {
            url: call.url(&["keys", &id]),
            id,
            user: key.user,
            activity: key.activity,
            attempt: key.attempt,
            session: key.session,
            functions: key.grant.functions.clone(),
            recent: key.grant.recent,
            mode: key.grant.mode,
            origins: key.grant.origins.clone(),
            networks: key.grant.networks.clone(),
            rotating: key.rotating,
            created_at: instant::format(key.created_at),
            moved_at: instant::format(key.advanced_at),
            expires_at: instant::format(key.ends_at),
            revoked_at: revoked_at.map(instant::format),
            reason,
        }
    }
}

/// Live keys of a user, an activity or a web session; of all that is given.
pub(crate) async fn live(call: HostCall) -> HostResult {
    let query = call.query(&["user", "activity", "session", "limit", "after"])?;
    let limit = query.number("limit", 1..=MAX_PAGE)?.unwrap_or(PAGE);
    let of = |name| query.text(name).map(str::to_owned);
    let (user, activity, session) = (of("user"), of("activity"), of("session"));
    // All keys of a host would be a walk through a million rows.
    if user.is_none() && activity.is_none() && session.is_none() {
        return Err(ErrorCode::BadQuery.into());
    }
    let after = query.text("after").map(|text| {
        KeyId::parse(text).ok_or_else(|| Refusal::field(ErrorCode::BadCursor, "after"))
    });
    let filter = KeyFilter { user, activity, session, after: after.transpose()?, limit: limit + 1 };
    let idle_since = call.now - call.in_force().windows.idle;
    let mut keys = call.store().live_keys(&call.host, filter, idle_since, call.now).await?;
    let more = keys.len() > limit as usize;
    keys.truncate(limit as usize);
    let next = keys.last().filter(|_| more).map(|key| key.id.to_string());
    call.done(&Page { items: keys.into_iter().map(|key| Shown::new(&call, key)).collect(), next })
}

/// One key, ended or not.
pub(crate) async fn one(call: HostCall) -> HostResult {
    call.query(&[])?;
    let id = id(&call)?;
    show(&call, id).await
}

async fn show(call: &HostCall, id: KeyId) -> HostResult {
    let key = call.store().held_key(&call.host, id).await?;
    let key = key.ok_or_else(|| Refusal::new(ErrorCode::NotFound))?;
    call.done(&Shown::new(call, key))
}

/// Ends a key, for a reason that is kept with it. One that has ended already stays as it is.
pub(crate) async fn revoke(call: HostCall) -> HostResult {
    let query = call.query(&["reason"])?;
    let reason = query.text("reason").unwrap_or("revoked");
    within(reason, MAX_REASON, "reason")?;
    let id = id(&call)?;
    // Marked as the host's word: what it says must not count as a theft that was found here.
    call.store().revoke(&call.host, id, &format!("host: {reason}"), call.now).await?;
    show(&call, id).await
}

fn id(call: &HostCall) -> Result<KeyId, Refusal> {
    KeyId::parse(call.param("id")?).ok_or_else(|| ErrorCode::NotFound.into())
}
