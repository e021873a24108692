//! The Rust SDK: what a WebAssembly plugin needs to log events, hand in grades and read what happened
//! lately, with the key that its page embeds. Nothing is lost, nothing is done twice.
//!
//! ```no_run
//! # async fn lesson() -> Result<(), latchkey_client::Error> {
//! use latchkey_client::{Activity, Grade, Query, serde_json::json};
//!
//! let activity = Activity::connect().await?;
//! activity.log("answered", json!({"question": 3, "correct": true}));
//! let receipt = activity.grade(Grade::new(8.5).of(10.0).comment("Well done.")).await?;
//! let recent = activity.recent(Query::newest(10)).await?;
//! # let _ = (receipt.standing.score, recent.items.len());
//! # Ok(())
//! # }
//! ```
//!
//! * [`Activity`] — one user's connection to one activity: [`Activity::connect`], [`Activity::log`],
//!   [`Activity::grade`], [`Activity::recent`], [`Activity::state`], [`Activity::on`], [`Activity::flush`].
//! * [`Grade`] and [`Query`] build what goes in; [`Receipt`], [`Recent`] and [`Entry`] come out. [`State`] is what is kept for the next launch.
//! * [`Notice`] — what a widget shows: how much is unsaved, what was saved or refused, the key's end.
//! * [`Error`] — one error with a stable [`Error::code`] and a text that says what to do.
//! * [`rule`] — what a client does, as a state machine without a browser; [`browser`] — its edge.
//!
//! Every write is in the page's durable outbox when the call returns, before its first byte is sent, and leaves it only
//! when the server's answer is here. So nobody has to wait for an [`Answer`]: dropping it cancels nothing.
//! Format and lock of the outbox are those of the JavaScript SDK: a page may change from one to the other.

mod activity;
pub mod browser;
mod error;
mod grade;
mod notice;
mod query;
pub mod rule;
mod state;

pub use activity::{Activity, Answer, Entry, Options};
pub use error::{Error, Refusal};
pub use grade::Grade;
pub use latchkey_protocol::error::{ErrorCode, SeenCode};
pub use latchkey_protocol::payload::{
    Grading, Item, Kind, Progress, Receipt, RecentResult as Recent, StateResult as Stored,
    StateWritten as Written,
};
pub use latchkey_protocol::result::Current;
pub use notice::{Notice, Subscription};
pub use query::Query;
pub use rule::{EndReason, EntryFault};
/// The JSON library of the signatures here.
pub use serde_json;
pub use state::State;
