//! What every store does, as tests: each runs against each backend.
//!
//! A new backend implements [`Backend`] and gets a line in [`on_each_backend`].

mod activity;
mod directory;
mod durability;
mod feed;
mod grades;
mod housekeeping;
mod nodes;
mod notices;
mod outbox;
mod presenting;
mod rulings;
mod several;
mod starting;
mod state;

use super::postgres::{PostgresStore, Share};
use super::sqlite::SqliteStore;
use super::*;
use crate::keys::decide::{LAUNCH_BRANCH, Presented, Windows};
use latchkey_cluster::Database;
use latchkey_protocol::launch::{CourseDescription, GradeMethod, Mode, Placement, RecentScope};
use latchkey_protocol::payload::{Given, Grading};
use std::path::PathBuf;
use tempfile::TempDir;

/// Makes the functions named, each generic over [`Backend`], tests of every backend.
macro_rules! on_each_backend {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                super::$name(<$crate::store::contract::Sqlite as $crate::store::contract::Backend>::open()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                super::$name(<$crate::store::contract::Postgres as $crate::store::contract::Backend>::open()).await;
            })*
        }
    };
}
use on_each_backend;

/// A database of a test's own.
trait Backend: Sized {
    /// A fresh one.
    fn open() -> Self;
    /// The same database as a crash at this moment would leave it, opened again.
    fn crashed(&self) -> Self;
    /// The store on it.
    fn store(&self) -> &dyn Store;
    /// Runs SQL beside the store: an administrator, or a damage.
    fn execute(&self, sql: &str);
    /// Keeps every transaction of the store waiting until it is dropped.
    fn hold(&self) -> Box<dyn std::any::Any>;
}

/// SQLite in a folder.
struct Sqlite {
    store: SqliteStore,
    folder: TempDir,
}

impl Sqlite {
    fn file(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    fn on(folder: TempDir) -> Self {
        let (store, _) = SqliteStore::open(&folder.path().join("store.db"), 512).unwrap();
        Self { store, folder }
    }
}

impl Backend for Sqlite {
    fn open() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    fn crashed(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in ["store.db", "store.db-wal"] {
            std::fs::copy(self.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        Self::on(folder)
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn execute(&self, sql: &str) {
        rusqlite::Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }

    fn hold(&self) -> Box<dyn std::any::Any> {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Box::new(connection)
    }
}

/// PostgreSQL, a database of a server that the tests share.
struct Postgres {
    store: PostgresStore,
    database: Arc<Database>,
    server: i64,
}

impl Postgres {
    fn on(database: Arc<Database>, server: i64) -> Self {
        let share = Share { group: 512, writers: 2, connections: 4, keep_log: 0 };
        let (store, _) = PostgresStore::open(database.url(), share, server, NOW).unwrap();
        Self { store, database, server }
    }

    /// One more server on the same database.
    fn peer(&self) -> Self {
        Self::on(Arc::clone(&self.database), self.server + 1)
    }
}

impl Backend for Postgres {
    fn open() -> Self {
        Self::on(Arc::new(Database::new()), 1)
    }

    fn crashed(&self) -> Self {
        Self::on(Arc::new(self.database.copy()), 101)
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn execute(&self, sql: &str) {
        self.database.execute(sql);
    }

    fn hold(&self) -> Box<dyn std::any::Any> {
        Box::new(self.database.hold("LOCK TABLE counters, schema_version IN EXCLUSIVE MODE"))
    }
}

const NOW: Millis = 1_795_000_000_000;
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
const WINDOWS: Windows = Windows {
    late: 30 * SECOND,
    rotate_after: 30 * SECOND,
    idle: 30 * MINUTE,
    client_deadline: 20 * SECOND,
};

fn key_id(number: u8) -> KeyId {
    KeyId([number; 16])
}

/// A launch of user `ada` in activity `quiz` at `school`.
fn launch() -> NewKey {
    NewKey {
        host: "school".into(),
        user: "ada".into(),
        activity: "quiz".into(),
        attempt: 1,
        grant: Grant {
            functions: vec!["log".into(), "grade".into(), "recent".into()],
            recent: RecentScope::Own,
            mode: Mode::Normal,
            roles: Vec::new(),
            origins: Vec::new(),
            networks: Vec::new(),
        },
        session: None,
        rotating: true,
        ends_at: NOW + 8 * HOUR,
        start_until: NOW + 15 * MINUTE,
        about_user: None,
        about_course: None,
        about_activity: None,
    }
}

/// The same for another user, activity or host.
fn launch_for(host: &str, user: &str, activity: &str) -> NewKey {
    NewKey { host: host.into(), user: user.into(), activity: activity.into(), ..launch() }
}

fn placed(placement: Placement) -> NewKey {
    NewKey { about_activity: Some(placement), ..launch() }
}

/// The placement of an activity out of 10.
fn out_of_ten(method: GradeMethod) -> Placement {
    Placement { max: Some(10.0), method: Some(method), ..Placement::default() }
}

/// One request: what is presented, when, and what is to be done.
#[derive(Clone)]
struct Request {
    id: KeyId,
    start: Option<Arc<NewKey>>,
    generation: u32,
    branch: [u8; 8],
    stamped_at: Option<Millis>,
    now: Millis,
    limits: KeyLimits,
    seen: Option<StateSeen>,
    work: Vec<Work>,
}

/// With the launch token itself.
fn with_launch(number: u8, new: &NewKey) -> Request {
    Request { start: Some(Arc::new(new.clone())), ..with_token(number, 0, LAUNCH_BRANCH) }
}

/// With a session token.
fn with_token(number: u8, generation: u32, branch: [u8; 8]) -> Request {
    Request {
        id: key_id(number),
        start: None,
        generation,
        branch,
        stamped_at: None,
        now: NOW,
        limits: KeyLimits { per_session: 64, per_user: 256, per_host: 0, thefts: 3 },
        seen: None,
        work: Vec::new(),
    }
}

impl Request {
    fn at(self, now: Millis) -> Self {
        Self { now, ..self }
    }

    fn to(mut self, work: Work) -> Self {
        self.work.push(work);
        self
    }

    /// How it ends.
    async fn verdict(self, backend: &impl Backend) -> Result<Verdict, StoreError> {
        let presented = Presented {
            generation: self.generation,
            branch: self.branch,
            stamped_at: self.stamped_at.unwrap_or(self.now),
        };
        let call = KeyCall {
            id: self.id,
            presented,
            start: self.start,
            windows: WINDOWS,
            limits: self.limits,
            now: self.now,
            seen: self.seen,
            work: self.work,
        };
        backend.store().call(call).await
    }

    /// Accepted: why, and the outcomes.
    async fn accepted(
        self,
        backend: &impl Backend,
    ) -> (Accepted, Vec<Result<Replayable, Rejected>>) {
        match self.verdict(backend).await.unwrap() {
            Verdict::Accepted { decision, outcomes, .. } => (decision, outcomes),
            Verdict::Refused(refused) => panic!("{refused:?}"),
        }
    }

    /// Refused: why.
    async fn refused(self, backend: &impl Backend) -> Refused {
        match self.verdict(backend).await.unwrap() {
            Verdict::Refused(refused) => refused,
            Verdict::Accepted { decision, .. } => panic!("{decision:?}"),
        }
    }

    /// In a word: how it was decided.
    async fn name(self, backend: &impl Backend) -> String {
        match self.verdict(backend).await.unwrap() {
            Verdict::Accepted { decision: Accepted::Started, .. } => "start".into(),
            Verdict::Accepted { decision: Accepted::Decided(decision), .. }
            | Verdict::Refused(Refused::Decided(decision)) => decision.name().into(),
            Verdict::Refused(refused) => format!("{refused:?}"),
        }
    }

    /// The outcome of its one piece of work.
    async fn outcome(self, backend: &impl Backend) -> Result<Replayable, Rejected> {
        assert_eq!(self.work.len(), 1);
        self.accepted(backend).await.1.remove(0)
    }

    /// What its one piece of work did.
    async fn done(self, backend: &impl Backend) -> Done {
        self.outcome(backend).await.unwrap().done
    }

    async fn submitted(self, backend: &impl Backend) -> Submitted {
        match self.done(backend).await {
            Done::Submitted(submitted) => submitted,
            other => panic!("{other:?}"),
        }
    }

    async fn appended(self, backend: &impl Backend) -> Vec<i64> {
        match self.done(backend).await {
            Done::Appended(seqs) => seqs,
            other => panic!("{other:?}"),
        }
    }

    async fn page(self, backend: &impl Backend) -> RecentPage {
        match self.done(backend).await {
            Done::Recent(page) => page,
            other => panic!("{other:?}"),
        }
    }
}

/// Log entries, each with an id and an event, or an event alone.
fn entries(list: &[(&str, &str)]) -> Work {
    let entry = |&(id, event): &(&str, &str)| NewEntry {
        id: (!id.is_empty()).then(|| (id.to_owned(), content(event))),
        event: event.to_owned(),
        data: None,
        client_at: None,
    };
    Work { operation: None, action: Action::Append(list.iter().map(entry).collect()) }
}

fn event(event: &str) -> Work {
    entries(&[("", event)])
}

/// A submission that counts.
fn score(score: f64) -> NewSubmission {
    NewSubmission {
        score,
        max: None,
        comment: Given::Absent,
        progress: None,
        grading: Grading::FullyGraded,
        sequence: NOW,
        client_at: None,
    }
}

fn submit(submission: NewSubmission) -> Work {
    Work { operation: None, action: Action::Submit(submission) }
}

fn read(query: RecentQuery) -> Work {
    Work { operation: None, action: Action::Read(Read::Recent(query)) }
}

/// The newest hundred.
fn newest(scope: RecentScope) -> RecentQuery {
    RecentQuery { scope, limit: 100, before: None, since: None, kinds: Vec::new() }
}

fn content(text: &str) -> [u8; 16] {
    let mut content = [0; 16];
    content.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
    content
}

impl Work {
    /// The same under an id.
    fn once(self, function: &'static str, id: &str, asked: &str) -> Self {
        let (id, content) = (id.to_owned(), content(asked));
        let operation = Operation { id, function, content, within: None };
        Self { operation: Some(operation), ..self }
    }

    /// The same under an id made from what is asked.
    fn unless_within(self, within: Millis, function: &'static str, asked: &str) -> Self {
        let (id, content) = (format!("={asked}"), content(asked));
        let operation = Operation { id, function, content, within: Some(within) };
        Self { operation: Some(operation), ..self }
    }
}

/// What an entry is, in a word.
fn word(entry: &EntryRow) -> String {
    match entry.kind {
        EntryKind::Log => entry.event.clone().unwrap(),
        EntryKind::Grade => format!("grade {}", entry.score.unwrap().0),
        EntryKind::Join => format!("join {}", entry.user_key),
    }
}

fn words(page: &RecentPage) -> Vec<String> {
    page.entries.iter().map(word).collect()
}

/// Everything in that activity, newest first, as somebody sees it who does nothing there.
async fn log_of(backend: &impl Backend, host: &str, activity: &str) -> Vec<String> {
    let onlooker = NewKey {
        grant: Grant { recent: RecentScope::Activity, ..launch().grant },
        ..launch_for(host, "onlooker", activity)
    };
    let id = KeyId(content(&format!("{host} {activity}")));
    let request = Request { id, ..with_launch(0, &onlooker) };
    let page = request.to(read(newest(RecentScope::Activity))).page(backend).await;
    let mut words = words(&page);
    words.retain(|word| word != "join onlooker");
    words
}
