//! What a host reads back, in the order of the commits.
//!
//! There is no index by host on the log, since every index costs at each call. A feed walks the
//! sequence of all hosts from where the reader was, at most [`WALK`] numbers a page, and leaves out what is not
//! asked for: a page costs a microsecond or two for each number that it passes. Submissions and rulings
//! are tables of their own, so the feeds of grades do not pass the log.

use super::SqliteStore;
use super::entries::kind;
use super::records::{STANDING, SUBMISSION, standing_row, submission_row};
use crate::store::{
    About, EntryKind, FeedPage, FeedQuery, FeedRefused, Feeds, GradeItem, LogItem, Mark, Position,
    StoreError, SubmissionItem,
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};

/// Numbers passed for one page at the most: a host with little to say among others with much gets
/// empty pages and a place to go on, not a long wait.
const WALK: usize = 10_000;

#[async_trait]
impl Feeds for SqliteStore {
    async fn grade_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<GradeItem>, FeedRefused> {
        self.feed(host, query, changes, |connection, change| {
            grade(connection, change.activity, change.user)
        })
        .await
    }

    async fn submission_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<SubmissionItem>, FeedRefused> {
        self.feed(host, query, handed_in, |connection, change| submission(connection, change.about))
            .await
    }

    async fn log_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<LogItem>, FeedRefused> {
        self.feed(host, query, logged, |connection, change| entry(connection, change.seq)).await
    }

    async fn grade(
        &self,
        host: &str,
        activity: &str,
        user: &str,
    ) -> Result<Option<GradeItem>, StoreError> {
        let keys = [host.to_owned(), activity.to_owned(), user.to_owned()];
        self.readers
            .run(move |connection| {
                let found: Option<(i64, i64)> = connection
                    .prepare_cached(
                        "SELECT a.id, u.id FROM hosts h JOIN activities a ON a.host = h.id
                         JOIN users u ON u.host = h.id
                         WHERE h.name = ? AND a.key = ? AND u.key = ?",
                    )?
                    .query_row(rusqlite::params_from_iter(&keys), |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()?;
                match found {
                    Some((activity, user)) => grade(connection, activity, user),
                    None => Ok(None),
                }
            })
            .await
    }

    async fn submission(&self, host: &str, seq: i64) -> Result<Option<SubmissionItem>, StoreError> {
        self.one(host, "submissions", seq, submission).await
    }

    async fn entry(&self, host: &str, seq: i64) -> Result<Option<LogItem>, StoreError> {
        self.one(host, "entries", seq, entry).await
    }
}

/// One step of a walk.
struct Change {
    seq: i64,
    activity: i64,
    user: i64,
    at: i64,
    /// What a page shows but once.
    about: i64,
}

type Walk = fn(&Connection, i64, &mut dyn FnMut(Change) -> bool) -> Result<(), StoreError>;

impl SqliteStore {
    /// Reads a row of `table` if it is the host's.
    async fn one<T: Send + 'static>(
        &self,
        host: &str,
        table: &'static str,
        seq: i64,
        read: fn(&Connection, i64) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let host = host.to_owned();
        self.readers
            .run(move |connection| match is_of(connection, table, &host, seq)? {
                true => read(connection, seq),
                false => Ok(None),
            })
            .await
    }

    /// Walks a feed and reads what is wanted of it, all from one moment.
    async fn feed<T: Send + 'static>(
        &self,
        host: &str,
        query: FeedQuery,
        walk: Walk,
        read: fn(&Connection, &Change) -> Result<Option<T>, StoreError>,
    ) -> Result<FeedPage<T>, FeedRefused> {
        let host = host.to_owned();
        self.readers
            .run(move |connection| {
                let moment = connection.unchecked_transaction()?;
                let newest = newest(&moment)?;
                let since = match *query.since.marks.as_slice() {
                    [] => None,
                    [mark] if is_there(&moment, mark)? => Some(mark),
                    // There is but one strand: more marks are of another database.
                    _ => return Ok(Err(FeedRefused::Lost)),
                };
                page(&moment, &host, (&query, since), newest, walk, read).map(Ok)
            })
            .await?
    }
}

fn page<T>(
    connection: &Connection,
    host: &str,
    (query, since): (&FeedQuery, Option<Mark>),
    newest: Option<Mark>,
    walk: Walk,
    read: fn(&Connection, &Change) -> Result<Option<T>, StoreError>,
) -> Result<FeedPage<T>, StoreError> {
    let mut wanted = Wanted::new(connection, host, query)?;
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let (mut upto, mut passed, mut more, mut failed) = (since, 0, false, None);
    walk(connection, since.map_or(0, |mark| mark.seq), &mut |change| {
        // The walk is stopped by the one after the last, so that `more` is true only if there is one.
        more = found.len() == query.limit as usize || passed == WALK;
        if more {
            return false;
        }
        passed += 1;
        upto = Some(Mark { seq: change.seq, at: change.at });
        match wanted.wants(&change) {
            Ok(true) if seen.insert((change.activity, change.user, change.about)) => {
                found.push(change);
            }
            Ok(_) => {}
            Err(error) => {
                failed = Some(error);
                return false;
            }
        }
        true
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let items = found.iter().filter_map(|change| read(connection, change).transpose());
    let items = items.collect::<Result<_, _>>()?;
    let upto = if more { upto } else { newest };
    Ok(FeedPage { items, upto: Position { marks: upto.into_iter().collect() }, more })
}

/// Everything that changes a standing.
fn changes(
    connection: &Connection,
    since: i64,
    each: &mut dyn FnMut(Change) -> bool,
) -> Result<(), StoreError> {
    step(
        connection,
        "SELECT seq, activity, user, at, 0 FROM submissions WHERE seq > ?1
         UNION ALL SELECT seq, activity, user, at, 0 FROM rulings WHERE seq > ?1 ORDER BY seq",
        since,
        each,
    )
}

/// Submissions, and again when they are void.
fn handed_in(
    connection: &Connection,
    since: i64,
    each: &mut dyn FnMut(Change) -> bool,
) -> Result<(), StoreError> {
    step(
        connection,
        "SELECT seq, activity, user, at, seq FROM submissions WHERE seq > ?1
         UNION ALL SELECT seq, activity, user, at, submission FROM rulings
         WHERE seq > ?1 AND submission IS NOT NULL ORDER BY seq",
        since,
        each,
    )
}

/// The log.
fn logged(
    connection: &Connection,
    since: i64,
    each: &mut dyn FnMut(Change) -> bool,
) -> Result<(), StoreError> {
    let sql = "SELECT seq, activity, user, at, seq FROM entries WHERE seq > ?1 ORDER BY seq";
    step(connection, sql, since, each)
}

fn step(
    connection: &Connection,
    sql: &str,
    since: i64,
    each: &mut dyn FnMut(Change) -> bool,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([since])?;
    while let Some(row) = rows.next()? {
        let change = Change {
            seq: row.get(0)?,
            activity: row.get(1)?,
            user: row.get(2)?,
            at: row.get(3)?,
            about: row.get(4)?,
        };
        if !each(change) {
            break;
        }
    }
    Ok(())
}

/// The newest number that is given.
fn newest(connection: &Connection) -> Result<Option<Mark>, StoreError> {
    let last = |sql: &str| -> Result<Option<Mark>, StoreError> {
        let mut statement = connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| Ok(Mark { seq: row.get(0)?, at: row.get(1)? });
        Ok(statement.query_row([], read).optional()?)
    };
    let entry = last("SELECT seq, at FROM entries ORDER BY seq DESC LIMIT 1")?;
    let ruling = last("SELECT seq, at FROM rulings ORDER BY seq DESC LIMIT 1")?;
    Ok([entry, ruling].into_iter().flatten().max_by_key(|mark| mark.seq))
}

/// Whether a mark is of this database.
fn is_there(connection: &Connection, mark: Mark) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM entries WHERE seq = ?1 AND at = ?2
             UNION ALL SELECT 1 FROM rulings WHERE seq = ?1 AND at = ?2",
        )?
        .exists([mark.seq, mark.at])?)
}

/// What of a walk is the host's, and asked for.
struct Wanted<'a> {
    connection: &'a Connection,
    host: &'a str,
    query: &'a FeedQuery,
    user: Option<Option<i64>>,
    activities: HashMap<i64, bool>,
}

impl<'a> Wanted<'a> {
    fn new(
        connection: &'a Connection,
        host: &'a str,
        query: &'a FeedQuery,
    ) -> Result<Self, StoreError> {
        let user = match &query.user {
            Some(key) => Some(
                connection
                    .prepare_cached(
                        "SELECT u.id FROM users u JOIN hosts h ON h.id = u.host
                         WHERE h.name = ? AND u.key = ?",
                    )?
                    .query_row([host, key], |row| row.get(0))
                    .optional()?,
            ),
            None => None,
        };
        Ok(Self { connection, host, query, user, activities: HashMap::new() })
    }

    fn wants(&mut self, change: &Change) -> Result<bool, StoreError> {
        if self.user.is_some_and(|user| user != Some(change.user)) {
            return Ok(false);
        }
        if let Some(known) = self.activities.get(&change.activity) {
            return Ok(*known);
        }
        let wanted = self
            .connection
            .prepare_cached(
                "SELECT 1 FROM activities a JOIN hosts h ON h.id = a.host
                 LEFT JOIN courses c ON c.id = a.course
                 WHERE a.id = ?1 AND h.name = ?2 AND (?3 IS NULL OR a.key = ?3)
                   AND (?4 IS NULL OR c.key = ?4)",
            )?
            .exists(params![change.activity, self.host, self.query.activity, self.query.course])?;
        self.activities.insert(change.activity, wanted);
        Ok(wanted)
    }
}

/// Whether the row of that number is of an activity of that host.
fn is_of(connection: &Connection, table: &str, host: &str, seq: i64) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT 1 FROM {table} t JOIN activities a ON a.id = t.activity
             JOIN hosts h ON h.id = a.host WHERE t.seq = ? AND h.name = ?"
        ))?
        .exists(params![seq, host])?)
}

fn about(row: &Row<'_>) -> rusqlite::Result<About> {
    Ok(About {
        user: row.get("user_key")?,
        name: row.get("user_name")?,
        activity: row.get("activity_key")?,
        course: row.get("course_key")?,
    })
}

/// The columns of [`about`].
const ABOUT: &str =
    "u.key AS user_key, u.name AS user_name, a.key AS activity_key, c.key AS course_key";

/// One standing.
pub(super) fn grade(
    connection: &Connection,
    activity: i64,
    user: i64,
) -> Result<Option<GradeItem>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {STANDING}, {ABOUT} FROM standings s
             JOIN users u ON u.id = s.user JOIN activities a ON a.id = s.activity
             LEFT JOIN courses c ON c.id = a.course LEFT JOIN rulings r ON r.seq = s.ruling
             WHERE s.activity = ? AND s.user = ?"
        ))?
        .query_row([activity, user], |row| {
            Ok(GradeItem { about: about(row)?, standing: standing_row(row)? })
        })
        .optional()?)
}

fn submission(connection: &Connection, seq: i64) -> Result<Option<SubmissionItem>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT {SUBMISSION}, {ABOUT} FROM submissions s
             JOIN users u ON u.id = s.user JOIN activities a ON a.id = s.activity
             LEFT JOIN courses c ON c.id = a.course
             LEFT JOIN voids v ON v.submission = s.seq LEFT JOIN rulings r ON r.seq = v.ruling
             WHERE s.seq = ?"
        ))?
        .query_row([seq], |row| {
            Ok(SubmissionItem { about: about(row)?, row: submission_row(row)? })
        })
        .optional()?)
}

fn entry(connection: &Connection, seq: i64) -> Result<Option<LogItem>, StoreError> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT e.kind, e.attempt, e.event, e.data, e.at, e.client_at, {ABOUT} FROM entries e
             JOIN users u ON u.id = e.user JOIN activities a ON a.id = e.activity
             LEFT JOIN courses c ON c.id = a.course WHERE e.seq = ?"
        ))?
        .query_row([seq], |row| {
            Ok(LogItem {
                seq,
                about: about(row)?,
                kind: kind(row, 0)?,
                attempt: row.get(1)?,
                event: row.get(2)?,
                data: row.get(3)?,
                score: None,
                at: row.get(4)?,
                client_at: row.get(5)?,
            })
        })
        .optional()?;
    let Some(mut item) = found else { return Ok(None) };
    if item.kind == EntryKind::Grade {
        item.score = connection
            .prepare_cached("SELECT score, max FROM submissions WHERE seq = ?")?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
    }
    Ok(Some(item))
}
