//! What a widget is told while it runs.

use crate::error::Refusal;
use crate::rule::EndReason;

/// Something that a widget shows. `count` is the number of operations that the server has not acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// An operation came or went.
    Unsaved {
        /// How many are unsaved.
        count: usize,
        /// All of them outlive the page.
        durable: bool,
    },
    /// The server has stored the entries of one `log` call, or one grade.
    Saved {
        /// `log` or `grade`.
        function: String,
        /// The operations' own ids.
        ids: Vec<String>,
        /// The server's result, as JSON.
        receipt: String,
        /// How many are still unsaved.
        count: usize,
    },
    /// An operation was refused for good, and is no longer kept.
    Refused {
        /// The operation's id.
        id: String,
        /// `log`, `grade` or `recent`.
        function: String,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// The key had ended, and the page's login session gave a new one.
    Renewed,
    /// No key any more: ask the user to reload. What is unsaved is left to the next launch.
    Ended {
        /// Why.
        reason: EndReason,
        /// How many are unsaved.
        count: usize,
    },
}

/// Keeps a listener of [`crate::Activity::on`] listening: it stops when this is dropped.
#[must_use = "the listener stops when this is dropped; call `forget` to listen as long as the page lives"]
pub struct Subscription(pub(crate) Option<Box<dyn FnOnce()>>);

impl Subscription {
    /// Listens as long as the page lives.
    pub fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(off) = self.0.take() {
            off();
        }
    }
}
