//! Walking the strands of a host from where a reader was.

use super::super::directory::{ACTIVITIES, COURSES, USERS, known};
use super::super::numbers::{STRANDS, first_count, strand_of, strand_of_seq, strands_of};
use super::super::sql;
use crate::store::{FeedQuery, FeedRefused, Mark, Position, StoreError};
use deadpool_postgres::Transaction;
use futures_util::future::try_join_all;
use latchkey_protocol::Millis;
use std::collections::{HashSet, VecDeque};

/// Changes passed for one page at the most: who asks for little among much gets empty pages and a place to
/// go on, not a long wait.
const WALK: usize = 10_000;

/// What a feed tells of, strand by strand: number, activity, user, time, and what a page shows but once.
pub(super) struct Feed {
    /// `$1`: the strand; `$2`: where to go on; `$3`: how many.
    next: &'static str,
}

/// Everything that changes a standing.
pub(super) const GRADES: Feed = Feed {
    next: "(SELECT seq, activity, user_id, at, 0::BIGINT AS about FROM submissions
            WHERE strand = $1 AND seq > $2 ORDER BY seq LIMIT $3)
           UNION ALL
           (SELECT seq, activity, user_id, at, 0::BIGINT FROM rulings
            WHERE strand = $1 AND seq > $2 ORDER BY seq LIMIT $3)
           ORDER BY seq LIMIT $3",
};

/// Submissions, and again when they are void.
pub(super) const SUBMISSIONS: Feed = Feed {
    next: "(SELECT seq, activity, user_id, at, seq AS about FROM submissions
            WHERE strand = $1 AND seq > $2 ORDER BY seq LIMIT $3)
           UNION ALL
           (SELECT seq, activity, user_id, at, submission FROM rulings
            WHERE strand = $1 AND seq > $2 AND submission IS NOT NULL ORDER BY seq LIMIT $3)
           ORDER BY seq LIMIT $3",
};

/// The log.
pub(super) const LOG: Feed = Feed {
    next: "SELECT seq, activity, user_id, at, seq FROM entries
           WHERE strand = $1 AND seq > $2 ORDER BY seq LIMIT $3",
};

/// The newest number of a strand.
const NEWEST: &str = "(SELECT seq, at FROM entries WHERE strand = $1 ORDER BY seq DESC LIMIT 1)
    UNION ALL (SELECT seq, at FROM rulings WHERE strand = $1 ORDER BY seq DESC LIMIT 1)
    ORDER BY seq DESC LIMIT 1";

/// Whether a mark is of this database. Months of the log may have been dropped: then nothing of the log is as old as the
/// mark, and the strand has come further than its count, `$4`.
const IS_THERE: &str = "SELECT 1 FROM counters c WHERE c.strand = $1 AND (
       EXISTS (SELECT 1 FROM entries e WHERE e.strand = $1 AND e.seq = $2 AND e.at = $3)
    OR EXISTS (SELECT 1 FROM rulings r WHERE r.strand = $1 AND r.seq = $2 AND r.at = $3)
    OR (c.last >= $4 AND coalesce(
            (SELECT e.seq FROM entries e WHERE e.strand = $1 ORDER BY e.seq LIMIT 1) > $2, TRUE)))";

/// One step of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) seq: i64,
    pub(super) activity: i64,
    pub(super) user: i64,
    at: Millis,
    /// What a page shows but once.
    pub(super) about: i64,
}

/// What a page is to show.
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    pub(super) upto: Position,
    pub(super) more: bool,
}

/// A strand that has come further than its reader.
struct Strand {
    number: i64,
    mark: Option<Mark>,
    /// What was read ahead.
    ahead: VecDeque<Change>,
    read_to: i64,
    /// Whether all was read.
    ended: bool,
}

/// Walks what is new since the query's position, until the page is full.
pub(super) async fn walk(
    moment: &Transaction<'_>,
    host: i64,
    query: &FeedQuery,
    feed: &Feed,
) -> Result<Found, FeedRefused> {
    let marks = marks(moment, host, &query.since).await?;
    let wanted = Wanted::of(moment, host, query).await?;
    let mut strands = further(moment, host, &marks).await?;
    strands.iter_mut().for_each(|strand| strand.ended = !wanted.may_be_in(strand.number));
    let limit = query.limit as usize;
    // Mostly a page takes a little of each strand, unless most of what it passes is left out.
    let step = if wanted.is_all() { limit / 4 + 16 } else { 1_000 };
    let (mut changes, mut seen) = (Vec::new(), HashSet::new());
    let (mut passed, mut more) = (0, false);
    loop {
        read_ahead(moment, feed, &mut strands, step).await?;
        let first = strands.iter_mut().filter(|strand| !strand.ahead.is_empty());
        let first = first.min_by_key(|strand| strand.ahead.front().map(|next| (next.at, next.seq)));
        let Some(strand) = first else { break };
        // The walk is stopped by the one after the last, so that `more` is true only if there is one.
        more = changes.len() == limit || passed == WALK;
        if more {
            break;
        }
        let Some(change) = strand.ahead.pop_front() else { break };
        passed += 1;
        strand.mark = Some(Mark { seq: change.seq, at: change.at });
        if wanted.wants(&change) && seen.insert((change.activity, change.user, change.about)) {
            changes.push(change);
        }
    }
    let upto = upto(moment, &marks, strands, more).await?;
    Ok(Found { changes, upto, more })
}

/// The mark of each strand, in their order, if all are of this database.
async fn marks(
    moment: &Transaction<'_>,
    host: i64,
    since: &Position,
) -> Result<[Option<Mark>; STRANDS as usize], FeedRefused> {
    let mut marks = [None; STRANDS as usize];
    for mark in &since.marks {
        let place = marks.get_mut((mark.seq % STRANDS) as usize);
        let place = place.filter(|place| place.is_none()).ok_or(FeedRefused::Lost)?;
        *place = Some(*mark);
    }
    let checks = since.marks.iter().map(|mark| async move {
        let (strand, count, least) =
            (strand_of_seq(host, mark.seq), mark.seq / STRANDS, first_count(mark.at));
        // A number that was given at that time is of that month, or of a later one if a clock was behind.
        let count = if least > 0 && count >= least { count } else { i64::MAX };
        let found = sql::row(moment, IS_THERE, &[&strand, &mark.seq, &mark.at, &count]).await?;
        Ok::<_, StoreError>(found.is_some())
    });
    let there = try_join_all(checks).await?;
    if there.contains(&false) {
        return Err(FeedRefused::Lost);
    }
    Ok(marks)
}

/// The strands in which there is something behind the mark.
async fn further(
    moment: &Transaction<'_>,
    host: i64,
    marks: &[Option<Mark>; STRANDS as usize],
) -> Result<Vec<Strand>, StoreError> {
    let strands: &[i64] = &strands_of(host);
    let sql =
        "SELECT strand, last FROM counters WHERE strand = ANY($1) AND last > 0 ORDER BY strand";
    let mut further = Vec::new();
    for row in sql::rows(moment, sql, &[&strands]).await? {
        let (number, last): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let mark = marks.get((number % STRANDS) as usize).copied().flatten();
        let read_to = mark.map_or(0, |mark| mark.seq);
        if last > read_to / STRANDS {
            further.push(Strand { number, mark, ahead: VecDeque::new(), read_to, ended: false });
        }
    }
    Ok(further)
}

/// Reads on in all strands of which nothing is left to take.
async fn read_ahead(
    moment: &Transaction<'_>,
    feed: &Feed,
    strands: &mut [Strand],
    step: usize,
) -> Result<(), StoreError> {
    let dry = strands.iter_mut().filter(|strand| strand.ahead.is_empty() && !strand.ended);
    let reads = dry.map(|strand| async move {
        let limit = step as i64;
        let rows = sql::rows(moment, feed.next, &[&strand.number, &strand.read_to, &limit]).await?;
        for row in &rows {
            strand.ahead.push_back(Change {
                seq: row.try_get(0)?,
                activity: row.try_get(1)?,
                user: row.try_get(2)?,
                at: row.try_get(3)?,
                about: row.try_get(4)?,
            });
        }
        strand.read_to = strand.ahead.back().map_or(strand.read_to, |change| change.seq);
        strand.ended = rows.len() < step;
        Ok::<_, StoreError>(())
    });
    try_join_all(reads).await.map(drop)
}

/// Where to go on. If there is no more, that is behind everything, so that what the feed does not tell of is not
/// walked again.
async fn upto(
    moment: &Transaction<'_>,
    marks: &[Option<Mark>; STRANDS as usize],
    strands: Vec<Strand>,
    more: bool,
) -> Result<Position, StoreError> {
    let mut marks = *marks;
    let reached = strands.into_iter().map(|strand| async move {
        if more {
            return Ok((strand.number, strand.mark));
        }
        let newest = sql::row(moment, NEWEST, &[&strand.number]).await?;
        let newest = newest.map(|row| -> Result<_, StoreError> {
            Ok(Mark { seq: row.try_get(0)?, at: row.try_get(1)? })
        });
        Ok::<_, StoreError>((strand.number, newest.transpose()?.or(strand.mark)))
    });
    for (strand, mark) in try_join_all(reached).await? {
        if let Some(place) = marks.get_mut((strand % STRANDS) as usize) {
            *place = mark;
        }
    }
    Ok(Position { marks: marks.into_iter().flatten().collect() })
}

/// What of a walk is asked for; none: all of it.
struct Wanted {
    user: Option<Option<i64>>,
    activities: Option<HashSet<i64>>,
}

impl Wanted {
    async fn of(
        moment: &Transaction<'_>,
        host: i64,
        query: &FeedQuery,
    ) -> Result<Self, StoreError> {
        let user = match &query.user {
            Some(key) => Some(known(moment, &USERS, host, key).await?.map(|row| row.id)),
            None => None,
        };
        let one = match &query.activity {
            Some(key) => {
                let found = known(moment, &ACTIVITIES, host, key).await?;
                Some(HashSet::from_iter(found.map(|row| row.id)))
            }
            None => None,
        };
        let within = match &query.course {
            Some(key) => Some(of_course(moment, host, key).await?),
            None => None,
        };
        let activities = match (one, within) {
            (Some(one), Some(within)) => Some(&one & &within),
            (one, within) => one.or(within),
        };
        Ok(Self { user, activities })
    }

    fn is_all(&self) -> bool {
        self.user.is_none() && self.activities.is_none()
    }

    /// Whether anything of a strand may be asked for.
    fn may_be_in(&self, strand: i64) -> bool {
        let activities = self.activities.as_ref();
        self.user != Some(None)
            && activities.is_none_or(|all| all.iter().any(|one| strand_of(*one) == strand))
    }

    fn wants(&self, change: &Change) -> bool {
        self.user.is_none_or(|user| user == Some(change.user))
            && self.activities.as_ref().is_none_or(|all| all.contains(&change.activity))
    }
}

/// The activities of a course.
async fn of_course(
    moment: &Transaction<'_>,
    host: i64,
    key: &str,
) -> Result<HashSet<i64>, StoreError> {
    let Some(course) = known(moment, &COURSES, host, key).await? else {
        return Ok(HashSet::new());
    };
    let strands: &[i64] = &strands_of(host);
    let sql = "SELECT id FROM activities WHERE strand = ANY($1) AND course = $2";
    let rows = sql::rows(moment, sql, &[&strands, &course.id]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
