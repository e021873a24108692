//! The outbox: events for webhooks, written in the transaction of what they tell.
//!
//! Events wait in lanes, one for each webhook and activity. Only the first of a lane is ever tried, so
//! they arrive in the order of their commits within an activity, and one that does not arrive holds
//! nothing else up. An event is done with once that is committed; if the process dies between the
//! delivery and that, it is sent again under the same id.

use super::StoreError;
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A submission came in.
    SubmissionCreated,
    /// A submission was taken out of the count.
    SubmissionVoided,
    /// The grade that counts, or what is said of it, is another.
    GradeChanged,
    /// A key was found in two hands and has been ended.
    KeyTheft,
}

impl EventKind {
    /// All of them, in the order of the documentation.
    pub const ALL: &[Self] =
        &[Self::GradeChanged, Self::SubmissionCreated, Self::SubmissionVoided, Self::KeyTheft];

    /// Its name on the wire and in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SubmissionCreated => "submission.created",
            Self::SubmissionVoided => "submission.voided",
            Self::GradeChanged => "grade.changed",
            Self::KeyTheft => "key.theft",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// Which webhooks want which events, by host.
pub type Subscriptions = HashMap<String, Vec<Subscription>>;

/// What a webhook wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its name, unique within its host.
    pub webhook: String,
    /// Kinds of events.
    pub events: Vec<EventKind>,
}

/// Events of one webhook and activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The webhook, by the store's number.
    pub webhook: i64,
    /// The activity, by the store's number.
    pub activity: i64,
}

/// An event as it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To whom, by the host's key.
    pub user: String,
    /// In what, by the host's key.
    pub activity: String,
    /// The submission it is about.
    pub submission: Option<i64>,
    /// The key it is about.
    pub key: Option<KeyId>,
    /// When.
    pub at: Millis,
}

/// An event that is first in its lane, and due.
#[derive(Clone, Debug)]
pub struct Due {
    /// Where it waits.
    pub lane: Lane,
    /// Its number there.
    pub number: i64,
    /// Number of the last that was done with before it.
    pub after: i64,
    /// Failed attempts.
    pub attempts: u32,
    /// When the first of them failed.
    pub failing_since: Option<Millis>,
    /// Since when nothing has arrived at the webhook; `None` if the last delivery did.
    pub webhook_failing_since: Option<Millis>,
    /// The event.
    pub event: Event,
}

/// What is to be delivered to a webhook.
#[derive(Clone, Debug, Default)]
pub struct DueEvents {
    /// Due now, the longest due first.
    pub events: Vec<Due>,
    /// When the next is, of those that are not yet.
    pub next_at: Option<Millis>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It arrived.
    Delivered,
    /// It did not, and is tried again.
    Failed {
        /// Why, in a few words that may be shown.
        failure: String,
        /// When to try again.
        retry_at: Millis,
    },
    /// It did not, for so long that the lane goes on without it.
    GivenUp {
        /// Why.
        failure: String,
    },
    /// Nothing more is sent to this webhook.
    Disabled {
        /// Why.
        failure: String,
    },
}

/// How a webhook fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookState {
    /// Its name.
    pub webhook: String,
    /// Events that are still to be delivered.
    pub waiting: u64,
    /// When the next of them is tried.
    pub next_at: Option<Millis>,
    /// The last delivery.
    pub delivered_at: Option<Millis>,
    /// Since when nothing arrives.
    pub failing_since: Option<Millis>,
    /// The last attempt that failed, and why.
    pub failed: Option<(Millis, String)>,
    /// When it was disabled, and why.
    pub disabled: Option<(Millis, String)>,
}

/// Events for webhooks.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// From now on events are written for these webhooks, and for no others. Not kept: to be said at
    /// each start.
    fn subscribe(&self, subscriptions: Arc<Subscriptions>);

    /// Notified after each commit that wrote an event.
    fn posted(&self) -> Arc<Notify>;

    /// What is first in its lane and due, at most `limit`; nothing while the webhook is disabled.
    async fn due(
        &self,
        host: &str,
        webhook: &str,
        now: Millis,
        limit: u32,
    ) -> Result<DueEvents, StoreError>;

    /// Writes down how an attempt ended. Without effect if the lane was set back meanwhile, since the
    /// event is then to be sent again in any case.
    async fn settle(&self, due: &Due, attempt: Attempt, now: Millis) -> Result<(), StoreError>;

    /// Sends everything again that happened at or after `since`, and all that waits, at once; enables the
    /// webhook. How many events are then waiting. Reads all kept events of the webhook.
    async fn replay(
        &self,
        host: &str,
        webhook: &str,
        since: Millis,
        now: Millis,
    ) -> Result<u64, StoreError>;

    /// How the webhooks of a host fare; those that were never sent anything are missing.
    async fn webhooks(&self, host: &str) -> Result<Vec<WebhookState>, StoreError>;
}
