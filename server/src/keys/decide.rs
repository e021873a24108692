//! The acceptance table: which token of a session key is accepted, and what its presentation changes.
//!
//! Pure: no I/O, no clock, no randomness. The caller reads the row, draws the branch of an offer and
//! writes what an [`Advance`] or a revocation says. `server/tests/rotation` holds this rule against a
//! model that forgets nothing and searches every interleaving of a small world.
//!
//! What the caller owes the rule:
//! - a cached row may only answer where [`Decision::is_yes`]; all else is decided again on a fresh row;
//! - an [`Advance`] is written by one compare-and-set whose condition is [`Advance::fits`]; where it
//!   does not fit, the row is read and decided again;
//! - a revocation is written in a transaction of its own, before the refusal leaves;
//! - a row is kept until its `key_exp`, since a launch token whose row is gone would start it anew.
//!
//! What it asks of a client: to take over a token only if its generation is higher, or if generation
//! *and branch* are those it holds and the stamp is later. Replies to parallel requests may offer two
//! branches of one generation; once one of them was presented, the other is a fork.

mod windows;

pub use windows::{Windows, WindowsError};

pub use latchkey_protocol::Millis;
pub use latchkey_protocol::token::{Branch, LAUNCH_BRANCH};

/// What the store keeps of a session key, as far as acceptance needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The newest generation that was ever presented.
    pub hi: u32,
    /// The branch under which `hi` was first presented.
    pub branch: Branch,
    /// The branch of `hi - 1`; unknown at generation 0 and after a jump ([`Decision::Ahead`]).
    pub prev_branch: Option<Branch>,
    /// When `hi` was first presented.
    pub advanced_at: Millis,
    /// The family was ended: by theft found, by logout or by a renewal that replaced it.
    pub revoked: bool,
    /// The absolute end; from this moment on the key is dead.
    pub key_exp: Millis,
    /// Whether tokens are exchanged at all (`rotation` of the launch).
    pub rotating: bool,
}

/// What a token with a valid MAC says of itself. A launch token: generation 0, [`LAUNCH_BRANCH`], `iat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// Its generation.
    pub generation: u32,
    /// Its branch.
    pub branch: Branch,
    /// When this very text was issued.
    pub stamped_at: Millis,
}

/// What kind of token the reply carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The row's generation and branch, with a new stamp.
    Restamp,
    /// The next generation, under a branch that the caller draws afresh.
    Offer,
}

/// The token of the reply; its stamp is the moment of the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyToken {
    /// Its generation.
    pub generation: u32,
    /// Its branch; `None`: eight fresh random bytes, never used before.
    pub branch: Option<Branch>,
}

/// The one write that moves a family forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The row must still be at this generation …
    pub expected_hi: u32,
    /// … and on this branch …
    pub expected_branch: Branch,
    /// … to become this generation,
    pub hi: u32,
    /// this branch,
    pub branch: Branch,
    /// with this former one (`None` after a jump),
    pub prev_branch: Option<Branch>,
    /// at this time.
    pub advanced_at: Millis,
}

impl Advance {
    /// The condition of the compare-and-set. A revoked row fits nothing.
    pub fn fits(&self, row: &Row) -> bool {
        !row.revoked && row.hi == self.expected_hi && row.branch == self.expected_branch
    }

    /// The row after the write.
    pub fn apply(&self, row: &Row) -> Row {
        Row {
            hi: self.hi,
            branch: self.branch,
            prev_branch: self.prev_branch,
            advanced_at: self.advanced_at,
            ..*row
        }
    }
}

/// Why a key is over without anyone having to be suspected now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The row says so.
    Revoked,
    /// `key_exp` has come.
    Expired,
    /// Unused for longer than the idle limit.
    Idle,
}

/// What presenting a token means, once its row exists. [`start`] decides where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The newest token.
    Current {
        /// What the reply carries.
        renewal: Renewal,
    },
    /// The offered successor, presented for the first time.
    Confirm {
        /// The write that must succeed together with the call.
        next: Advance,
    },
    /// Superseded a moment ago: runs, earns nothing.
    Late,
    /// Newer than anything the row can have offered: the database lost commits. Raise an alarm.
    Ahead {
        /// The write that must succeed together with the call.
        next: Advance,
    },
    /// Superseded too long ago: two holders.
    Stale,
    /// Another branch than the confirmed one: two holders.
    Fork,
    /// The key is over.
    Dead(Death),
}

impl Decision {
    /// The call runs (once the [`Advance`], if any, is written in the call's transaction).
    pub fn runs(&self) -> bool {
        matches!(
            self,
            Self::Current { .. } | Self::Confirm { .. } | Self::Late | Self::Ahead { .. }
        )
    }

    /// Stands even if the row it was made on came from a cache: runs, and writes nothing.
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Current { .. } | Self::Late)
    }

    /// The family must be revoked, in a transaction of its own, before the refusal leaves.
    pub fn revokes(&self) -> bool {
        matches!(self, Self::Stale | Self::Fork)
    }

    /// The write this decision rests on.
    pub fn advance(&self) -> Option<&Advance> {
        match self {
            Self::Confirm { next } | Self::Ahead { next } => Some(next),
            _ => None,
        }
    }

    /// What kind of token the reply carries. A generation confirmed this moment is re-stamped.
    pub fn renewal(&self) -> Option<Renewal> {
        match self {
            Self::Current { renewal } => Some(*renewal),
            Self::Confirm { .. } | Self::Ahead { .. } => Some(Renewal::Restamp),
            Self::Late | Self::Stale | Self::Fork | Self::Dead(_) => None,
        }
    }

    /// The reply's token; `row` is the one the decision was made on, before any [`Advance`].
    pub fn reply_token(&self, row: &Row) -> Option<ReplyToken> {
        let (hi, branch) =
            self.advance().map_or((row.hi, row.branch), |next| (next.hi, next.branch));
        match self.renewal()? {
            Renewal::Restamp => Some(ReplyToken { generation: hi, branch: Some(branch) }),
            Renewal::Offer => Some(ReplyToken { generation: hi.checked_add(1)?, branch: None }),
        }
    }

    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Current { .. } => "current",
            Self::Confirm { .. } => "confirm",
            Self::Late => "late",
            Self::Ahead { .. } => "ahead",
            Self::Stale => "stale",
            Self::Fork => "fork",
            Self::Dead(_) => "dead",
        }
    }
}

/// Decides one presentation. The table comes before the ages, so that a holder who comes back long
/// after still exposes the other one.
pub fn decide(row: &Row, presented: &Presented, windows: &Windows, now: Millis) -> Decision {
    if row.revoked {
        return Decision::Dead(Death::Revoked);
    }
    let place = table(row, presented, windows, now);
    if !place.runs() {
        return place;
    }
    death_by_age(row, presented, windows, now).map_or(place, Decision::Dead)
}

/// The generations and branches alone; never [`Decision::Dead`].
fn table(row: &Row, presented: &Presented, windows: &Windows, now: Millis) -> Decision {
    let held = row.branch == presented.branch;
    let current = Decision::Current { renewal: renewal(row, windows, now) };
    match i64::from(presented.generation) - i64::from(row.hi) {
        0 if held => current,
        0 => Decision::Fork,
        // A key that does not rotate never issued any other generation.
        _ if !row.rotating => Decision::Fork,
        1 => Decision::Confirm { next: advance(row, presented, Some(row.branch), now) },
        2.. => Decision::Ahead { next: advance(row, presented, None, now) },
        -1 => former(row, presented, windows, now),
        _ => Decision::Stale,
    }
}

/// The generation just before the newest.
///
/// After a jump its branch is unknown: whoever jumped may have a request under way with the token it
/// held before, so any branch is late. It earns nothing and is stale after the window like all others.
fn former(row: &Row, presented: &Presented, windows: &Windows, now: Millis) -> Decision {
    if row.prev_branch.is_some_and(|prev| prev != presented.branch) {
        Decision::Fork
    } else if now.saturating_sub(row.advanced_at) <= windows.late {
        Decision::Late
    } else {
        Decision::Stale
    }
}

fn advance(row: &Row, presented: &Presented, prev: Option<Branch>, now: Millis) -> Advance {
    Advance {
        expected_hi: row.hi,
        expected_branch: row.branch,
        hi: presented.generation,
        branch: presented.branch,
        prev_branch: prev,
        advanced_at: now,
    }
}

fn renewal(row: &Row, windows: &Windows, now: Millis) -> Renewal {
    let due = now.saturating_sub(row.advanced_at) >= windows.rotate_after;
    if row.rotating && due && row.hi < u32::MAX { Renewal::Offer } else { Renewal::Restamp }
}

/// Idleness counts from the token's stamp, since every reply re-stamps; or from the row's last move if
/// that is later: a first use or a confirmation whose reply was lost is retried with the old stamp.
fn death_by_age(row: &Row, presented: &Presented, windows: &Windows, now: Millis) -> Option<Death> {
    if now >= row.key_exp {
        return Some(Death::Expired);
    }
    let used_at = presented.stamped_at.max(row.advanced_at);
    (row.rotating && now.saturating_sub(used_at) > windows.idle).then_some(Death::Idle)
}

/// What a launch token says about the key it may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// `exp`: the last moment of first use (inclusive).
    pub first_use_until: Millis,
    /// `key_exp`.
    pub key_exp: Millis,
    /// `rotation`.
    pub rotating: bool,
}

/// What presenting a token means where its key has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Insert this row; if another request was faster, read that row and [`decide`]. The reply
    /// carries generation 0 re-stamped.
    Insert(Row),
    /// First use came after `exp`.
    Missed,
    /// The key's absolute end has come.
    Expired,
    /// A session token whose key is unknown: swept, or lost with the database's last commits.
    Unknown,
}

impl Start {
    /// The name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Insert(_) => "start",
            Self::Missed | Self::Expired | Self::Unknown => "dead",
        }
    }
}

/// Decides a token without a row; `launch` is `None` for a session token, which can start nothing.
pub fn start(launch: Option<&Launch>, now: Millis) -> Start {
    let Some(launch) = launch else {
        return Start::Unknown;
    };
    if now >= launch.key_exp {
        return Start::Expired;
    }
    if now > launch.first_use_until {
        return Start::Missed;
    }
    Start::Insert(Row {
        hi: 0,
        branch: LAUNCH_BRANCH,
        prev_branch: None,
        advanced_at: now,
        revoked: false,
        key_exp: launch.key_exp,
        rotating: launch.rotating,
    })
}

#[cfg(test)]
mod tests;
