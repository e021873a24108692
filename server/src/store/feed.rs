//! Grades back to the host: rulings on them, and feeds of everything that changes.
//!
//! A feed is read by position. Every entry, submission and ruling has a number, and what a [`Mark`]
//! promises is that nothing with a lower number of the same strand becomes visible later. The SQLite backend
//! has one writer and one strand: numbers given in the transaction are in the order of the commits. The
//! PostgreSQL backend has several strands, and a row for each that is held from the number to the commit;
//! an activity is in one strand for ever. Numbers from a SEQUENCE or by time would not do, since a
//! transaction that began earlier may commit later. Rolled-back transactions may leave gaps.

use super::{EntryKind, StandingRow, StoreError, SubmissionRow};
use crate::grades::ScoreError;
use async_trait::async_trait;
use latchkey_protocol::Millis;
use thiserror::Error;

/// A place among all changes of a host: a mark for each strand of which something was seen, in the order of the
/// strands. Without marks it is the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The marks, each of another strand.
    pub marks: Vec<Mark>,
}

/// A place in one strand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Number of the last change that was seen; above 0.
    pub seq: i64,
    /// Its time, by which a number that was given anew, after the database was restored from an older
    /// copy, is told from the one that was seen.
    pub at: Millis,
}

/// What of a feed is wanted.
#[derive(Clone, Debug, Default)]
pub struct FeedQuery {
    /// Changes after this.
    pub since: Position,
    /// Most items.
    pub limit: u32,
    /// Of that user only, by the host's key.
    pub user: Option<String>,
    /// Of that activity only, by the host's key.
    pub activity: Option<String>,
    /// Of activities of that course only, by the host's key.
    pub course: Option<String>,
}

/// A part of a feed, oldest first.
#[derive(Clone, Debug)]
pub struct FeedPage<T> {
    /// What was found; perhaps nothing although there is more.
    pub items: Vec<T>,
    /// Where to go on.
    pub upto: Position,
    /// Whether there is more at once.
    pub more: bool,
}

/// Why a feed cannot be read.
#[derive(Debug, Error)]
pub enum FeedRefused {
    /// What the position names is not there: the database was restored from an older copy.
    #[error("the position is of a state that was lost")]
    Lost,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom and what something in a feed is about, by the host's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The user.
    pub user: String,
    /// The user's name.
    pub name: Option<String>,
    /// The activity.
    pub activity: String,
    /// Its course.
    pub course: Option<String>,
}

/// How a user's grade in an activity stands.
#[derive(Clone, Debug)]
pub struct GradeItem {
    /// Whose, and in what.
    pub about: About,
    /// The standing.
    pub standing: StandingRow,
}

/// A submission.
#[derive(Clone, Debug)]
pub struct SubmissionItem {
    /// Whose, and in what.
    pub about: About,
    /// The submission.
    pub row: SubmissionRow,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct LogItem {
    /// Its number.
    pub seq: i64,
    /// Whose, and in what.
    pub about: About,
    /// What it is.
    pub kind: EntryKind,
    /// The attempt.
    pub attempt: u32,
    /// Of a log entry.
    pub event: Option<String>,
    /// Of a log entry: JSON.
    pub data: Option<String>,
    /// Of a grade: score and maximum.
    pub score: Option<(f64, f64)>,
    /// The server's time.
    pub at: Millis,
    /// The client's corrected time.
    pub client_at: Option<Millis>,
}

/// What a ruling does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulingKind {
    /// Sets the grade that counts.
    Override,
    /// Lets the submissions count again.
    Release,
    /// Takes a submission out of the count.
    Void,
    /// Lets attempts start again.
    Reset,
}

impl RulingKind {
    /// The word under which it is kept.
    pub fn word(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::Release => "release",
            Self::Void => "void",
            Self::Reset => "reset",
        }
    }
}

/// What a teacher decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// Its number.
    pub seq: i64,
    /// Of an override: the score as given, and what it is out of.
    pub score: Option<(f64, f64)>,
    /// What the student reads beside an override.
    pub feedback: Option<String>,
    /// The host's own word for the grade, as in "B+" or "merit".
    pub scale: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Who, by the host's key.
    pub by: Option<String>,
    /// When.
    pub at: Millis,
}

/// A grade to be set.
#[derive(Clone, Debug, Default)]
pub struct NewOverride {
    /// Whose, by the host's key.
    pub user: String,
    /// In what, by the host's key.
    pub activity: String,
    /// The score; `None` takes the override in force back.
    pub score: Option<f64>,
    /// What it is out of; the activity's maximum without.
    pub max: Option<f64>,
    /// For the student.
    pub feedback: Option<String>,
    /// The host's own word for the grade.
    pub scale: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Who, by the host's key.
    pub by: Option<String>,
}

/// Why a ruling is not made. What was stored is as it was.
#[derive(Debug, Error)]
pub enum RulingRefused {
    /// The host has no such user.
    #[error("no such user")]
    UnknownUser,
    /// The host has no such activity.
    #[error("no such activity")]
    UnknownActivity,
    /// The host has no such submission.
    #[error("no such submission")]
    UnknownSubmission,
    /// The score is none.
    #[error("no score: {0:?}")]
    Score(ScoreError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rulings on grades.
#[async_trait]
pub trait Rulings: Send + Sync {
    /// Sets the grade of a user, or takes that back; the standing that comes of it, and whether
    /// anything changed. The same again changes nothing and leaves no trace.
    async fn rule(
        &self,
        host: &str,
        new: NewOverride,
        now: Millis,
    ) -> Result<(GradeItem, bool), RulingRefused>;

    /// Takes a submission out of the count, for good; the standing that comes of it, and whether
    /// anything changed. The submission stays in the history.
    async fn void(
        &self,
        host: &str,
        submission: i64,
        reason: &str,
        by: Option<&str>,
        now: Millis,
    ) -> Result<(GradeItem, bool), RulingRefused>;
}

/// What a host reads back of everything that changes.
#[async_trait]
pub trait Feeds: Send + Sync {
    /// Standings that have changed, each as it is now; at most once on a page.
    async fn grade_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<GradeItem>, FeedRefused>;

    /// Submissions made, and made void: each as it is now, at most once on a page.
    async fn submission_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<SubmissionItem>, FeedRefused>;

    /// Entries of the log.
    async fn log_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<LogItem>, FeedRefused>;

    /// One standing; `None` if nothing was ever handed in or ruled.
    async fn grade(
        &self,
        host: &str,
        activity: &str,
        user: &str,
    ) -> Result<Option<GradeItem>, StoreError>;

    /// One submission of that host.
    async fn submission(&self, host: &str, seq: i64) -> Result<Option<SubmissionItem>, StoreError>;

    /// One entry of that host's log.
    async fn entry(&self, host: &str, seq: i64) -> Result<Option<LogItem>, StoreError>;
}
