//! What goes in and out of the store.

use crate::grades::Tally;
use crate::keys::decide::{Decision, Presented, Row, Windows};
use crate::state::Document;
use crate::store::{
    EntryRow, NewEntry, RecentPage, RecentQuery, Ruling, StateChanged, StateRow, StateSeen,
    StateWrite, StoreError,
};
use latchkey_protocol::Millis;
use latchkey_protocol::launch::{
    CourseDescription, GradeMethod, Mode, Placement, RecentScope, Role, UserDescription,
};
use latchkey_protocol::payload::{Given, Grading, Progress};
use latchkey_protocol::token::KeyId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a key may do. Never changes during the life of a key; most keys of a host share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Names of functions.
    pub functions: Vec<String>,
    /// Whose entries `recent` shows.
    pub recent: RecentScope,
    /// Whether it may write.
    pub mode: Mode,
    /// What the user is; none is a student.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// Origins of pages that may use it; empty for any.
    pub origins: Vec<String>,
    /// Networks that may use it; empty for any.
    pub networks: Vec<String>,
}

/// Whom and what a key is for, by the store's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The activity.
    pub activity: i64,
    /// The user.
    pub user: i64,
    /// The attempt.
    pub attempt: u32,
}

/// A key as stored.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Id of the host whose key it is.
    pub host: Arc<str>,
    /// Whom and what for.
    pub subject: Subject,
    /// What it may do.
    pub grant: Arc<Grant>,
    /// Where its rotation stands.
    pub row: Row,
    /// Whether its activity is hidden. Like the row it is only believed from within a transaction.
    pub hidden: bool,
}

/// Whom and what a key is for, by the host's own keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Host id.
    pub host: String,
    /// The user.
    pub user: String,
    /// The activity.
    pub activity: String,
    /// The attempt.
    pub attempt: u32,
}

/// A key to be made on its first use.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Host id.
    pub host: String,
    /// The user, by the host's key.
    pub user: String,
    /// The activity, by the host's key.
    pub activity: String,
    /// Attempt number.
    pub attempt: u32,
    /// What it may do.
    pub grant: Grant,
    /// The host's web session.
    pub session: Option<String>,
    /// Whether its token changes.
    pub rotating: bool,
    /// Absolute end.
    pub ends_at: Millis,
    /// Last moment of first use; an existing key of this id is not concerned.
    pub start_until: Millis,
    /// What the host says of the user.
    pub about_user: Option<UserDescription>,
    /// What the host says of the course.
    pub about_course: Option<CourseDescription>,
    /// What the host says of the activity.
    pub about_activity: Option<Placement>,
}

/// How many live keys there may be.
#[derive(Clone, Copy, Debug)]
pub struct KeyLimits {
    /// Of one web session.
    pub per_session: u32,
    /// Of one user.
    pub per_user: u32,
    /// Of all users of the host; 0 for no limit.
    pub per_host: u32,
    /// How many thefts of one web session and activity in [`THEFT_WINDOW`] lock it.
    pub thefts: u32,
}

/// How long a theft is remembered against a web session and activity.
pub const THEFT_WINDOW: Millis = 10 * 60 * 1000;

/// One request of a key: what it presents and what is to be done.
#[derive(Debug)]
pub struct KeyCall {
    /// The key.
    pub id: KeyId,
    /// What was presented.
    pub presented: Presented,
    /// With a launch token: the key to make if there is none yet.
    pub start: Option<Arc<NewKey>>,
    /// The windows of the rotation rule.
    pub windows: Windows,
    /// Limits for a first use.
    pub limits: KeyLimits,
    /// The time of the request.
    pub now: Millis,
    /// If given, nothing is done unless that document is so, and nothing after what is refused.
    pub seen: Option<StateSeen>,
    /// What to do, in this order.
    pub work: Vec<Work>,
}

/// One thing to do, with the id that makes it happen once.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its id and fingerprint, if the caller gave an id.
    pub operation: Option<Operation>,
    /// What it is.
    pub action: Action,
}

/// Makes an action happen once for each (user, activity, function, id).
#[derive(Clone, Debug)]
pub struct Operation {
    /// The caller's id.
    pub id: String,
    /// The function called.
    pub function: &'static str,
    /// Fingerprint of what was asked: the same id with another one is refused.
    pub content: [u8; 16],
    /// For ids made from the content: only what was asked within this time before is the same. Each repeat
    /// counts from then on.
    pub within: Option<Millis>,
}

/// What a call does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Writes log entries.
    Append(Vec<NewEntry>),
    /// Writes a submission.
    Submit(NewSubmission),
    /// Writes a document of the attempt.
    State(StateWrite),
    /// Reads.
    Read(Read),
}

/// What a call reads.
#[derive(Clone, Debug)]
pub enum Read {
    /// The newest entries.
    Recent(RecentQuery),
    /// One entry, by its number; `scope` says whether another user's may be read.
    #[expect(missing_docs, reason = "said above")]
    Entry { seq: i64, scope: RecentScope },
    /// A document of the attempt, by its name.
    State(String),
}

/// A submission to be written.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    /// The score, not yet held against its maximum.
    pub score: f64,
    /// What it is out of, if not the activity's maximum.
    pub max: Option<f64>,
    /// For the student.
    pub comment: Given<String>,
    /// How far the student has come.
    pub progress: Option<Progress>,
    /// Whether it counts.
    pub grading: Grading,
    /// Its place in time, at most `now`.
    pub sequence: i64,
    /// When, by the client's corrected clock.
    pub client_at: Option<Millis>,
}

/// How a call ended.
#[derive(Debug)]
pub enum Verdict {
    /// The presenter may go on.
    Accepted {
        /// Why.
        decision: Accepted,
        /// The key as it now is.
        key: KeyRecord,
        /// One outcome for each piece of work, in order; those of a call that was stopped end with why.
        outcomes: Vec<Result<Replayable, Rejected>>,
    },
    /// The presenter may not.
    Refused(Refused),
}

/// Why a presenter may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// A first use made the key.
    Started,
    /// By the rotation rule.
    Decided(Decision),
}

/// Why a presenter may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// By the rotation rule.
    Decided(Decision),
    /// No such key, and no launch token to make one.
    Unknown,
    /// A launch token after its last moment of first use.
    LaunchExpired,
    /// A launch token whose id belongs to a key of another host, user or activity.
    ForeignLaunch,
    /// A launch token of a web session that has ended.
    SessionEnded,
    /// Too many live keys of this user or web session.
    TooManyKeys,
    /// Stolen keys were found too often in this web session and activity.
    Locked,
    /// The activity is hidden.
    Hidden,
    /// A launch token of a user or activity that its host has deleted.
    Deleted,
}

/// An outcome, and whether it is that of an earlier request.
#[derive(Debug)]
pub struct Replayable {
    /// What was done.
    pub done: Done,
    /// Whether an earlier request with the same id did it.
    pub replayed: bool,
}

/// What was done. Saved as JSON under the operation's id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Done {
    /// Numbers of the entries, in order.
    Appended(Vec<i64>),
    /// The submission and what it changed.
    Submitted(Submitted),
    /// The document's version now.
    StateChanged(StateChanged),
    /// The entries read. Never saved.
    #[serde(skip)]
    Recent(RecentPage),
    /// The entry read. Never saved.
    #[serde(skip)]
    Entry(EntryRow),
    /// The document read. Never saved.
    #[serde(skip)]
    State(StateRow),
}

/// A submission as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// Number of the submission, and of its entry.
    pub seq: i64,
    /// As accepted.
    pub score: f64,
    /// What it is out of.
    pub max: f64,
    /// The attempt.
    pub attempt: u32,
    /// The grade that now counts.
    pub standing: Option<f64>,
    /// What it is out of.
    pub standing_max: f64,
    /// How it came about.
    pub method: GradeMethod,
    /// Whether a teacher set it.
    pub overridden: bool,
    /// Attempts of the activity; `None` for no limit.
    pub attempts: Option<u32>,
}

/// Why one piece of work was not done. What was stored is as it was.
#[derive(Debug)]
pub enum Rejected {
    /// The id was used with other content; for an entry of `log`, which one.
    IdReused(Option<usize>),
    /// Above its maximum.
    ScoreAboveMax,
    /// Below zero.
    ScoreNegative,
    /// A maximum that is no positive number.
    BadMax,
    /// The activity allows fewer attempts.
    NoAttemptsLeft,
    /// A cursor of another list.
    BadCursor(&'static str),
    /// The document stands so, at another version.
    VersionConflict(Document),
    /// The document would be over its size.
    StateTooLarge,
    /// The attempt keeps as many names as it may.
    TooManyStates,
    /// No such entry for this key.
    NotFound,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Rejected {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A user's standing in an activity.
#[derive(Clone, Debug)]
pub struct StandingRow {
    /// The user, by the host's key.
    pub user: String,
    /// The user's name.
    pub name: Option<String>,
    /// What the submissions come to.
    pub tally: Tally,
    /// The activity's method.
    pub method: GradeMethod,
    /// Newest change.
    pub updated_at: Millis,
    /// The override in force.
    pub ruling: Option<Ruling>,
}

/// A submission as kept.
#[derive(Clone, Debug)]
pub struct SubmissionRow {
    /// Its number.
    pub seq: i64,
    /// As accepted.
    pub score: f64,
    /// What it is out of.
    pub max: f64,
    /// The attempt.
    pub attempt: u32,
    /// For the student.
    pub comment: Option<String>,
    /// How far the student had come.
    pub progress: Option<Progress>,
    /// Whether it counts.
    pub grading: Grading,
    /// The server's time.
    pub at: Millis,
    /// The client's corrected time.
    pub client_at: Option<Millis>,
    /// Why it does not count, if a teacher made it void.
    pub voided: Option<Ruling>,
    /// Whether its attempts were started again since, so that it does not count any more.
    pub reset: bool,
}
