//! What a transaction writes, gathered first and then sent in a few statements over arrays.
//!
//! Whoever takes numbers begins with [`Batch::hold`]: it holds the strands, in their order, until the commit. From
//! then on nobody else writes there, so what is read afterwards stays true, and numbers are in the order of
//! the commits.

use super::Shared;
use super::load::OperationKey;
use super::numbers::{first_count, host_of, named, seq, strand_of};
use super::sql;
use super::states::Attempt;
use super::submissions::Rules;
use crate::keys::decide::{Advance, Row};
use crate::state::Document;
use crate::store::standing::Standing;
use crate::store::{EntryKind, EventKind, NewSubmission, Operation, StoreError, Subject};
use deadpool_postgres::GenericClient;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::collections::{BTreeMap, HashMap};

/// Holds strands, in their order.
pub(super) const HOLD: &str =
    "SELECT strand, last FROM counters WHERE strand = ANY($1) ORDER BY strand FOR UPDATE";

/// A line of the log.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) subject: Subject,
    pub(super) kind: EntryKind,
    pub(super) at: Millis,
    pub(super) client_at: Option<Millis>,
    pub(super) event: Option<String>,
    pub(super) data: Option<String>,
    /// Of a grade: score and maximum.
    pub(super) score: Option<(f64, f64)>,
}

/// A submission as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) seq: i64,
    pub(super) subject: Subject,
    pub(super) key: KeyId,
    pub(super) score: f64,
    pub(super) max: f64,
    pub(super) at: Millis,
    pub(super) new: NewSubmission,
}

/// A saved result.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) subject: Subject,
    pub(super) operation: Operation,
    pub(super) outcome: String,
    pub(super) at: Millis,
}

/// What an event tells, beside its kind.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub(super) subject: Subject,
    pub(super) submission: Option<i64>,
    pub(super) key: Option<KeyId>,
    pub(super) at: Millis,
}

/// An event for one webhook.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) webhook: i64,
    pub(super) name: String,
    pub(super) kind: EventKind,
    pub(super) happened: Happened,
}

/// A key at its first use.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) id: KeyId,
    pub(super) subject: Subject,
    pub(super) grant_id: [u8; 16],
    pub(super) session: Option<String>,
    pub(super) row: Row,
    pub(super) at: Millis,
}

/// A key that ends.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) strand: i64,
    pub(super) id: KeyId,
    pub(super) at: Millis,
    pub(super) why: &'static str,
}

/// What a transaction is to write.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The last count of each strand that is held, and whether it has been moved.
    pub(super) counts: BTreeMap<i64, (i64, bool)>,
    pub(super) keys: Vec<Started>,
    pub(super) ended: Vec<Ended>,
    pub(super) joins: Vec<(i64, i64)>,
    pub(super) moves: Vec<(i64, KeyId, Advance)>,
    pub(super) entries: Vec<(i64, Line)>,
    pub(super) submissions: Vec<Kept>,
    /// By activity and user; with the time of the change.
    pub(super) standings: HashMap<(i64, i64), (Standing, Millis)>,
    pub(super) results: Vec<Saved>,
    /// Results that take the place of older ones of the same id.
    pub(super) renewed: HashMap<OperationKey, Saved>,
    /// By attempt and name; with the time of the change.
    pub(super) documents: HashMap<(Attempt, String), (Document, Millis)>,
    pub(super) events: Vec<Posted>,
}

impl Batch {
    /// Holds these strands until the commit.
    pub(super) async fn hold(
        transaction: &impl GenericClient,
        strands: &[i64],
        now: Millis,
    ) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        for row in sql::rows(transaction, HOLD, &[&strands]).await? {
            let last: i64 = row.try_get(1)?;
            // A clock that is behind does not turn the count back to an earlier month.
            batch.counts.insert(row.try_get(0)?, (last.max(first_count(now)), false));
        }
        Ok(batch)
    }

    /// The next number of a strand, which must be held.
    pub(super) fn seq(&mut self, strand: i64) -> Result<i64, StoreError> {
        let count = self.counts.get_mut(&strand);
        let count = count.ok_or_else(|| StoreError::Unreadable("a strand is missing".into()))?;
        *count = (count.0 + 1, true);
        Ok(seq(strand, count.0))
    }

    /// The newest number of a strand.
    pub(super) fn newest(&self, strand: i64) -> i64 {
        self.counts.get(&strand).map_or(0, |(count, _)| seq(strand, *count))
    }

    /// Appends a line to the log; its number.
    pub(super) fn append(&mut self, line: Line) -> Result<i64, StoreError> {
        let seq = self.seq(strand_of(line.subject.activity))?;
        self.entries.push((seq, line));
        Ok(seq)
    }

    /// Writes how a user stands in an activity. Once for each user and activity: the last counts.
    pub(super) fn stand(&mut self, activity: i64, user: i64, standing: Standing, now: Millis) {
        self.standings.insert((activity, user), (standing, now));
    }

    /// Posts an event to the webhooks that want it. Costs nothing where nobody wants any.
    pub(super) fn post(
        &mut self,
        shared: &Shared,
        host: &str,
        kind: EventKind,
        happened: &Happened,
    ) {
        for webhook in shared.subscribers.wanting(host, kind) {
            self.events.push(Posted {
                webhook: named(host_of(happened.subject.activity), &webhook),
                name: webhook,
                kind,
                happened: happened.clone(),
            });
        }
    }

    /// Posts that a grade has changed, if it has.
    pub(super) fn tell_change(
        &mut self,
        shared: &Shared,
        host: &str,
        rules: &Rules,
        (before, after): (Option<&Standing>, &Standing),
        happened: &Happened,
    ) {
        if after.differs(before, rules.grades.method) {
            self.post(shared, host, EventKind::GradeChanged, happened);
        }
    }
}
