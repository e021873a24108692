//! The loop that delivers: what is due is sent, a few at a time, and how it ended is written down.

use super::schedule::{Failing, Next, after_failure};
use super::send::{Failure, Letter};
use super::{Hook, message, signature};
use crate::in_force::InForce;
use crate::latchkey::Latchkey;
use crate::store::{Attempt, Due, Lane, StoreError};
use latchkey_protocol::Millis;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{Id, JoinSet};

/// Attempts at one webhook at once, so that a slow receiver neither is flooded nor takes all the room.
const AT_ONE: usize = 4;
/// Attempts at once in all.
const AT_ONCE: usize = 64;
/// The longest pause between two looks, for a clock that was set.
const LONGEST: Millis = 60_000;
/// The longest while something is under way: a server that shares its store holds on to it by asking again.
const HOLD: Millis = 4_000;
/// Pause after the store has failed.
const RECOVER: Millis = 1_000;

/// What is being sent.
#[derive(Default)]
struct UnderWay {
    tasks: JoinSet<()>,
    lanes: HashMap<Id, Lane>,
}

/// Delivers for ever. What is under way when this is dropped is sent again by the next run.
pub(crate) async fn deliver(latchkey: Arc<Latchkey>) {
    let mut under_way = UnderWay::default();
    loop {
        let pause = match start(&latchkey, &mut under_way).await {
            Ok(next_at) => next_at.map_or(LONGEST, |at| at.saturating_sub(latchkey.now())),
            Err(error) => {
                tracing::warn!(%error, "webhooks are not delivered and will be tried again");
                RECOVER
            }
        };
        let longest = if under_way.lanes.is_empty() { LONGEST } else { HOLD };
        let pause = Duration::from_millis(pause.clamp(0, longest).unsigned_abs());
        tokio::select! {
            Some(done) = under_way.tasks.join_next_with_id() => under_way.is_done(done),
            () = latchkey.posted.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl UnderWay {
    fn is_done(&mut self, done: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a delivery ended badly and will be tried again");
                error.id()
            }
        };
        self.lanes.remove(&id);
    }
}

/// Starts what is due and has room; when the next will be due.
async fn start(
    latchkey: &Arc<Latchkey>,
    under_way: &mut UnderWay,
) -> Result<Option<Millis>, StoreError> {
    let in_force = latchkey.in_force();
    let mut next_at = None;
    for hook in &in_force.webhooks.hooks {
        let due =
            latchkey.store().due(&hook.host, &hook.id, latchkey.now(), 2 * AT_ONE as u32).await?;
        next_at = next_at.into_iter().chain(due.next_at).min();
        for due in due.events {
            let lane = due.lane;
            let here = under_way.lanes.values().filter(|busy| busy.webhook == lane.webhook);
            let full = here.count() >= AT_ONE || under_way.lanes.len() >= AT_ONCE;
            if full || under_way.lanes.values().any(|busy| *busy == lane) {
                continue;
            }
            let (latchkey, in_force) = (Arc::clone(latchkey), Arc::clone(&in_force));
            let hook = Arc::clone(hook);
            let task =
                under_way.tasks.spawn(async move { one(&latchkey, &in_force, &hook, due).await });
            under_way.lanes.insert(task.id(), lane);
        }
    }
    Ok(next_at)
}

/// One attempt and what comes of it.
async fn one(latchkey: &Latchkey, in_force: &InForce, hook: &Hook, due: Due) {
    let id = message::id(&in_force.secrets.deployment, hook, &due);
    let sent = attempt(latchkey, in_force, hook, &due, &id).await;
    let (host, webhook, message, now) = (&hook.host, &hook.id, &id, latchkey.now());
    let attempt = match sent {
        Ok(()) => {
            tracing::debug!(host, webhook, message, "delivered");
            Attempt::Delivered
        }
        Err(failure) => {
            let attempt = after(latchkey, in_force, &due, &failure, now);
            match &attempt {
                Attempt::Disabled { .. } => {
                    tracing::error!(host, webhook, message, %failure, "the webhook is disabled");
                }
                Attempt::GivenUp { .. } => {
                    tracing::warn!(host, webhook, message, %failure, "an event is given up");
                }
                _ => tracing::info!(host, webhook, message, %failure, "not delivered"),
            }
            attempt
        }
    };
    // Not written down is not done: the event is sent again, under the same id.
    if let Err(error) = latchkey.store().settle(&due, attempt, now).await {
        tracing::warn!(host, webhook, message, %error, "a delivery could not be written down");
    }
}

async fn attempt(
    latchkey: &Latchkey,
    in_force: &InForce,
    hook: &Hook,
    due: &Due,
    id: &str,
) -> Result<(), Failure> {
    // Texts and numbers only: this cannot fail.
    let body = message::body(&hook.host, &due.event, &in_force.public_url);
    let body = body.map_err(|_| Failure::Broken)?;
    let seconds = latchkey.now().div_euclid(1000);
    let signature = signature::sign(&hook.signers, id, seconds, &body);
    let letter = Letter { id: id.to_owned(), seconds, signature, body };
    in_force.webhooks.client.send(&hook.target, letter).await
}

fn after(
    latchkey: &Latchkey,
    in_force: &InForce,
    due: &Due,
    failure: &Failure,
    now: Millis,
) -> Attempt {
    let text = failure.to_string();
    let (gone, asked) = match failure {
        Failure::Status(status, asked) => (status.as_u16() == 410, *asked),
        _ => (false, None),
    };
    if gone {
        return Attempt::Disabled { failure: text };
    }
    let failing = Failing {
        attempts: due.attempts,
        since: due.failing_since,
        webhook_since: due.webhook_failing_since,
        asked,
    };
    let jitter = f64::from(u32::from_be_bytes(latchkey.entropy.bytes())) / f64::from(u32::MAX);
    match after_failure(&failing, &in_force.webhooks.rule, now, jitter) {
        Next::Retry(retry_at) => Attempt::Failed { failure: text, retry_at },
        Next::GiveUp => Attempt::GivenUp { failure: text },
        Next::Disable => Attempt::Disabled { failure: text },
    }
}
