//! `/host/v1/webhooks`: how deliveries fare, and sending events again.

use super::call::{HostCall, HostResult};
use crate::error::Refusal;
use crate::instant;
use crate::store::WebhookState;
use crate::webhooks::Hook;
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// A webhook as its host sees it. Never its secret.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Webhook {
    id: String,
    url: String,
    /// Where messages go.
    target: String,
    events: Vec<&'static str>,
    /// `active`, `failing` since the last attempt, or `disabled`.
    state: &'static str,
    /// Events still to be delivered.
    waiting: u64,
    /// When the next of them is tried.
    next_at: Option<String>,
    delivered_at: Option<String>,
    failing_since: Option<String>,
    failed_at: Option<String>,
    failure: Option<String>,
    disabled_at: Option<String>,
}

impl Webhook {
    fn new(call: &HostCall, hook: &Hook, state: WebhookState) -> Self {
        let text = |at: Option<Millis>| at.map(instant::format);
        let (failed_at, failure) = state.failed.unzip();
        let disabled_at = state.disabled.map(|(at, _)| at);
        Self {
            id: hook.id.clone(),
            url: call.url(&["webhooks", &hook.id]),
            target: hook.url().to_owned(),
            events: hook.events.iter().map(|kind| kind.as_str()).collect(),
            state: match (disabled_at, state.failing_since) {
                (Some(_), _) => "disabled",
                (None, Some(_)) => "failing",
                (None, None) => "active",
            },
            waiting: state.waiting,
            next_at: text(state.next_at),
            delivered_at: text(state.delivered_at),
            failing_since: text(state.failing_since),
            failed_at: text(failed_at),
            failure,
            disabled_at: text(disabled_at),
        }
    }
}

/// All webhooks of the host.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Webhooks {
    items: Vec<Webhook>,
}

/// All webhooks of the host.
pub(crate) async fn all(call: HostCall) -> HostResult {
    call.query(&[])?;
    let mut items = Vec::new();
    let in_force = call.latchkey().in_force();
    let mut states = call.store().webhooks(&call.host).await?;
    for hook in in_force.webhooks.of(&call.host) {
        items.push(Webhook::new(&call, hook, state_of(&mut states, hook)));
    }
    call.done(&Webhooks { items })
}

/// One of them.
pub(crate) async fn one(call: HostCall) -> HostResult {
    call.query(&[])?;
    let hook = named(&call)?;
    shown(&call, &hook).await
}

/// Sends events again, and enables the webhook if it was disabled.
pub(crate) async fn replay(call: HostCall) -> HostResult {
    let query = call.query(&["since"])?;
    let since = query.text("since").ok_or(Refusal::field(ErrorCode::MissingField, "since"))?;
    let since = instant::parse(since).ok_or(Refusal::field(ErrorCode::WrongType, "since"))?;
    let hook = named(&call)?;
    call.store().replay(&call.host, &hook.id, since, call.now).await?;
    shown(&call, &hook).await
}

fn named(call: &HostCall) -> Result<Arc<Hook>, Refusal> {
    let (id, in_force) = (call.param("id")?, call.latchkey().in_force());
    let found = in_force.webhooks.of(&call.host).find(|hook| hook.id == id);
    found.cloned().ok_or_else(|| ErrorCode::NotFound.into())
}

async fn shown(call: &HostCall, hook: &Hook) -> HostResult {
    let mut states = call.store().webhooks(&call.host).await?;
    call.done(&Webhook::new(call, hook, state_of(&mut states, hook)))
}

/// One that was never sent anything has no state yet.
fn state_of(states: &mut Vec<WebhookState>, hook: &Hook) -> WebhookState {
    match states.iter().position(|state| state.webhook == hook.id) {
        Some(at) => states.swap_remove(at),
        None => WebhookState::default(),
    }
}
