//! What goes into the rule and what comes out of it.

use crate::error::Refusal;
use crate::notice::Notice;
use latchkey_protocol::Millis;
use std::fmt;

/// What the rule may know of the world when something happens.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// This machine's clock.
    pub now: Millis,
    /// Whether somebody sees the page.
    pub visible: bool,
    /// Fresh randomness, for an id or the wait before the next attempt.
    pub random: [u8; 10],
}

/// What came back. All zero and empty: nothing did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, milliseconds.
    pub after: Millis,
    /// The body.
    pub text: String,
}

/// What the edge has to do. In order, and at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Store `text` under `id`, so that it outlives the page; then tell [`super::Rule::kept`].
    Keep {
        /// The operation's id.
        id: String,
        /// What to store.
        text: String,
    },
    /// Forget what is stored under `id`. If that fails it is sent once more, which its id makes harmless.
    Drop {
        /// The operation's id.
        id: String,
    },
    /// Call [`super::Rule::turn`] when the code that runs now is done, so that operations share a request.
    Soon,
    /// Call [`super::Rule::woken`] after that many milliseconds.
    Wait {
        /// How long.
        millis: Millis,
    },
    /// Do not call [`super::Rule::woken`].
    Unwait,
    /// Send, and tell [`super::Rule::answered`] what came of it, within [`super::DEADLINE`].
    Send(Sending),
    /// An operation is answered: a JSON text, or why not.
    Settle {
        /// The operation's id.
        id: String,
        /// What the caller gets.
        outcome: Result<String, Failure>,
    },
    /// The widget is told.
    Tell(Notice),
    /// The attempt that was under way is over.
    Rest,
    /// The first drain is over: another tab may drain this outbox.
    Unlock,
    /// No timer and no listener is needed any more.
    Stop,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Names it to [`super::Rule::answered`].
    pub flight: u32,
    /// Where to and how.
    pub way: Way,
    /// The newest token. In the header of a batch; a beacon and a renewal have it in the body.
    pub token: String,
    /// JSON.
    pub body: String,
}

/// Where a request goes to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The batch function, without cookies.
    Batch {
        /// In a way that outlives the page.
        keepalive: bool,
    },
    /// The batch function, by a beacon: no header, no preflight, and no answer but whether the browser took it
    /// ([`super::Rule::beaconed`]).
    Beacon,
    /// The page's renewal address, with the cookies of the page's own origin.
    Renewal,
}

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Refused for good.
    Refused(Refusal),
    /// No key any more.
    Ended {
        /// Why.
        reason: EndReason,
        /// The operation is stored.
        kept: bool,
    },
}

/// Why a key has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The login session behind the page is over: log in again, reload.
    LoginOver,
    /// Somebody else is logged in now: nothing more is sent in this page.
    OtherUser,
    /// The key has ended and the page has no renewal address.
    NoRenewal,
    /// A renewed key was refused like the one before, or no key may be used from this page or network.
    Refused,
    /// The page called `close`.
    Closed,
}

impl EndReason {
    /// The stable name, as `login_over`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginOver => "login_over",
            Self::OtherUser => "other_user",
            Self::NoRenewal => "no_renewal",
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a page gives no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFault {
    /// No `data-latchkey` block.
    Missing,
    /// More than one.
    Repeated,
    /// It has no launch token, or an address that is none.
    Damaged,
}

impl EntryFault {
    /// The stable name, as `block_missing`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "block_missing",
            Self::Repeated => "block_repeated",
            Self::Damaged => "block_damaged",
        }
    }

    /// What to do.
    pub fn message(self) -> &'static str {
        "Embed one data-latchkey block as the host made it."
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}
