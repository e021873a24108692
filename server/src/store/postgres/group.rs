//! Calls in groups: those that wait together share a transaction and its one commit.
//!
//! `waiting.rs` says which calls go together. Groups that are under way at the same time are of different strands, so
//! that two of one server never wait for each other. If a group fails, each of its calls is done again by itself, so
//! that a failure reaches only the one that caused it.

use super::Shared;
use super::batch::Batch;
use super::calls::{self, Decided, Outcome};
use super::known::Facts;
use super::load::{self, Held, Loaded};
use super::sql;
use super::waiting::Waiting;
use crate::keys::decide::Row;
use crate::store::{KeyCall, NewKey, Replayable, StoreError, Verdict};
use deadpool_postgres::{Client, GenericClient};
use latchkey_protocol::token::KeyId;
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Calls that may wait before senders have to.
const QUEUE: usize = 4096;
/// When a group has failed after so long, nobody waits behind it for the same: one such wait after the other would be
/// longer than clients wait.
const LONG: Duration = Duration::from_secs(1);

/// How a call of a group ended: what failed, and whether it may have been committed all the same.
pub(super) type Answer = Result<Decided, Failure>;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// The connection went while the commit was under way.
    pub(super) unknown: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, unknown: false }
    }
}

/// A call, and somebody who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) call: Arc<KeyCall>,
    pub(super) facts: Arc<Facts>,
    /// There was no such key when it was looked for.
    pub(super) starts: bool,
    pub(super) reply: oneshot::Sender<Answer>,
}

impl Job {
    /// The launch, if the key is to be made of it.
    pub(super) fn start(&self) -> Option<&NewKey> {
        self.call.start.as_deref().filter(|_| self.starts)
    }

    /// Whether a launch token is that of the key: a host that repeats an id, or another host that picked the
    /// same one, must not reach it.
    pub(super) fn is_for(&self, new: &NewKey) -> bool {
        let facts = &self.facts;
        *facts.host == *new.host
            && *facts.user == *new.user
            && *facts.activity == *new.activity
            && facts.subject.attempt == new.attempt
            && *facts.grant == new.grant
    }

    /// Activity and user.
    pub(super) fn place(&self) -> (i64, i64) {
        (self.facts.subject.activity, self.facts.subject.user)
    }
}

/// The way in to those who write.
#[derive(Clone, Debug)]
pub(super) struct Writers {
    queue: mpsc::Sender<Job>,
    /// Calls that are in no group yet.
    waiting: Arc<Gathering>,
}

/// Calls that have left the queue and are in no group yet. Never held across an await.
#[derive(Debug)]
struct Gathering(Mutex<Waiting<Job>>);

impl Gathering {
    fn lock(&self) -> MutexGuard<'_, Waiting<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writers {
    /// Starts the task that makes groups, of which at most `tasks` are under way at the same time. It ends when all that
    /// is in its queue is done and nobody can send any more.
    pub(super) fn start(shared: &Arc<Shared>, tasks: usize, group: usize) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Gathering(Mutex::new(Waiting::new(tasks, group))));
        tokio::spawn(share_out(Arc::clone(shared), jobs, Arc::clone(&waiting)));
        Self { queue, waiting }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> u64 {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        (queued + self.waiting.lock().len()) as u64
    }

    /// Does a call in a transaction and returns after its commit.
    pub(super) async fn run(&self, call: Arc<KeyCall>, facts: Arc<Facts>, starts: bool) -> Answer {
        let (reply, answer) = oneshot::channel();
        let job = Job { call, facts, starts, reply };
        self.queue.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Gives each call to a group, and each group to a task.
async fn share_out(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>, waiting: Arc<Gathering>) {
    let mut under_way = JoinSet::new();
    let (mut fresh, mut open) = (Vec::new(), true);
    loop {
        let (due, many) = {
            let waiting = waiting.lock();
            let due = waiting.due(Instant::now()).filter(|_| waiting.len() > 0);
            (due, waiting.len() >= QUEUE)
        };
        tokio::select! {
            came = jobs.recv_many(&mut fresh, QUEUE), if open && !many => open = came > 0,
            Some(_) = under_way.join_next() => {}
            () = until(due), if due.is_some() => {}
            else => return,
        }
        let mut gathering = waiting.lock();
        // With all that has come meanwhile.
        while gathering.len() + fresh.len() < QUEUE
            && let Ok(job) = jobs.try_recv()
        {
            fresh.push(job);
        }
        for job in fresh.drain(..) {
            gathering.push(job.facts.strand(), job.call.id, job);
        }
        while let Some((group, strands)) = gathering.group(Instant::now()) {
            let (shared, waiting) = (Arc::clone(&shared), Arc::clone(&waiting));
            under_way.spawn(async move {
                let taken = Taken { waiting: &waiting, strands: &strands };
                transact_all(&shared, group, &taken).await;
            });
        }
    }
}

/// That moment; never, if there is none.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// The strands of a group, and who waits for them. They are free when it is gone, however that ends.
struct Taken<'a> {
    waiting: &'a Gathering,
    strands: &'a BTreeSet<i64>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.waiting.lock().ended(self.strands);
    }
}

async fn transact_all(shared: &Shared, mut group: Vec<Job>, taken: &Taken<'_>) {
    let Taken { waiting, strands } = taken;
    let since = Instant::now();
    let decided = transact(shared, &mut group, strands, Some(waiting)).await;
    shared.meter.groups.observe(group.len() as f64);
    let alone = group.len() == 1;
    match decided {
        Ok(decided) => answer(group, decided),
        // Whether it was committed is not known, or it would befall each of them: they find out for themselves.
        Err(failure) if alone || failure.unknown || befalls_all(&failure.error) => {
            if befalls_all(&failure.error) && since.elapsed() > LONG {
                refuse(waiting.lock().behind(strands), &failure.error.clone().into());
            }
            refuse(group, &failure);
        }
        Err(failure) => {
            tracing::info!(error = %failure.error, calls = group.len(), "a group is done one by one");
            for job in group {
                let strand = BTreeSet::from([job.facts.strand()]);
                let mut job = vec![job];
                match transact(shared, &mut job, &strand, None).await {
                    Ok(decided) => answer(job, decided),
                    Err(failure) => refuse(job, &failure),
                }
            }
        }
    }
}

/// Whether it is no fault of a single call.
fn befalls_all(error: &StoreError) -> bool {
    matches!(error, StoreError::Unreachable(_) | StoreError::Unable(_) | StoreError::Closed)
}

fn refuse(group: Vec<Job>, failure: &Failure) {
    for job in group {
        drop(job.reply.send(Err(failure.clone())));
    }
}

fn answer(group: Vec<Job>, decided: Vec<Decided>) {
    for (job, decided) in group.into_iter().zip(decided) {
        // The one who asked may have gone; the work is done all the same.
        drop(job.reply.send(Ok(decided)));
    }
}

/// A connection in a transaction, which goes to nobody else before that has ended.
struct Open(Option<Client>);

impl Drop for Open {
    fn drop(&mut self) {
        // Whoever works here was cut off: the connection ends, and the transaction with it.
        drop(self.0.take().map(Client::take));
    }
}

/// All calls of a group in one transaction, which takes no longer than clients wait.
async fn transact(
    shared: &Shared,
    group: &mut Vec<Job>,
    strands: &BTreeSet<i64>,
    waiting: Option<&Gathering>,
) -> Result<Vec<Decided>, Failure> {
    let (mut open, committing) = (Open(None), AtomicBool::new(false));
    let done = sql::in_time(async {
        let client = shared.writers.get().await.map_err(StoreError::from)?;
        let client = open.0.insert(client);
        let read_at = Instant::now();
        let meets_others = |it: &&Gathering| it.lock().meets_others(read_at);
        let more = waiting.filter(meets_others).map(|waiting| {
            |group: &[Job]| {
                let keys = group.iter().map(|job| job.call.id).collect();
                // First uses hold other rows, and before the strands.
                waiting.lock().take(strands, keys, |job| job.start().is_none())
            }
        });
        let Held { loaded, batch, waited } = load::hold(client, group, strands, more).await?;
        if let Some(waiting) = waiting.filter(|_| waited) {
            waiting.lock().met(Instant::now());
        }
        decide(shared, client, group, (loaded, batch), (read_at, &committing)).await
    });
    let done = done.await;
    if let Err(Failure { error: StoreError::Unreachable(_), .. }) = &done {
        // Its answer may still come, and belongs to nobody.
        drop(open);
        let committing = committing.into_inner();
        return done.map_err(|it| Failure { unknown: it.unknown || committing, ..it });
    }
    let over = match &open.0 {
        Some(client) if done.is_err() => client.batch_execute("ROLLBACK").await.is_ok(),
        _ => true,
    };
    if over {
        drop(open.0.take());
    }
    done
}

async fn decide(
    shared: &Shared,
    client: &Client,
    group: &[Job],
    (mut loaded, mut batch): (Loaded, Batch),
    (read_at, committing): (Instant, &AtomicBool),
) -> Result<Vec<Decided>, Failure> {
    let mut all = Vec::with_capacity(group.len());
    for job in group {
        all.push(calls::call(shared, job, &mut loaded, &mut batch)?);
    }
    let ended: Vec<KeyId> = batch.ended.iter().map(|ended| ended.id).collect();
    committing.store(true, Ordering::Relaxed);
    let posted = batch.commit(client, shared).await?;
    for (job, decided) in group.iter().zip(&all) {
        remember(shared, job, decided, &loaded, read_at);
    }
    shared.notify(posted);
    for id in ended {
        shared.doubt_one(id);
    }
    Ok(all)
}

/// After the commit: lets the first look at the next request see it.
fn remember(shared: &Shared, job: &Job, decided: &Decided, loaded: &Loaded, at: Instant) {
    let row: Option<&Row> = match decided {
        Decided::Accepted(_, row, _) => Some(row),
        Decided::Refused(_, row) => row.as_ref(),
    };
    let activity = loaded.activities.get(&job.facts.subject.activity);
    if let (Some(row), Some((rules, _))) = (row, activity) {
        shared.known.remember(job.call.id, *row, rules.hidden, at);
        if job.starts {
            shared.known.learn(job.call.id, Arc::clone(&job.facts));
        }
    }
}

/// The answer to whoever asked: what is still to be read is read now.
pub(super) async fn verdict(shared: &Shared, facts: &Facts, decided: Decided) -> Verdict {
    let (decision, row, pending) = match decided {
        Decided::Refused(refused, _) => return Verdict::Refused(refused),
        Decided::Accepted(decision, row, pending) => (decision, row, pending),
    };
    let mut outcomes = Vec::with_capacity(pending.len());
    for outcome in pending {
        outcomes.push(match outcome {
            Outcome::Settled(settled) => settled,
            Outcome::Reading(read, upto) => {
                let done = shared.read(facts.subject, &read, upto).await;
                done.map(|done| Replayable { done, replayed: false })
            }
        });
    }
    Verdict::Accepted { decision, key: facts.record(row, false), outcomes }
}
