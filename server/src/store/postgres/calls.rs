//! A call of a key, decided on what was read: nothing here waits for anything.

use super::Shared;
use super::batch::{Batch, Ended, Happened, Kept, Line, Saved, Started};
use super::group::Job;
use super::limits::THEFT;
use super::load::{ENTRY, Earlier, Loaded, operation_key};
use super::numbers::host_of;
use super::states;
use super::submissions::Rules;
use crate::keys::decide::{self, Launch, Row, Start};
use crate::store::standing::Taken;
use crate::store::{
    Accepted, Action, Done, EntryKind, EventKind, NewEntry, NewKey, NewSubmission, Operation, Read,
    Refused, Rejected, Replayable, StoreError, Submitted, Work,
};

/// What came of a piece of work.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is done, or refused.
    Settled(Result<Replayable, Rejected>),
    /// To be read after the commit, up to that entry: what is newer belongs to later work.
    Reading(Read, i64),
}

/// How a call is decided.
#[derive(Debug)]
pub(super) enum Decided {
    /// The presenter may go on.
    Accepted(Accepted, Row, Vec<Outcome>),
    /// The presenter may not; the key as it now is, if there is one.
    Refused(Refused, Option<Row>),
}

/// Decides a call and gathers what it writes.
pub(super) fn call(
    shared: &Shared,
    job: &Job,
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<Decided, StoreError> {
    let (accepted, row) = match admit(shared, job, loaded, batch)? {
        Ok(admitted) => admitted,
        Err((refused, row)) => return Ok(Decided::Refused(refused, row)),
    };
    let (rules, _) = activity(job, loaded)?;
    if rules.hidden {
        return Ok(Decided::Refused(Refused::Hidden, Some(row)));
    }
    let mut outcomes = Vec::with_capacity(job.call.work.len());
    if let Some(seen) = &job.call.seen
        && let kept = states::row(loaded, job.facts.subject, &seen.name)
        && let Err(changed) = seen.still(kept.document)
    {
        outcomes.push(Outcome::Settled(Err(changed)));
        return Ok(Decided::Accepted(accepted, row, outcomes));
    }
    for work in &job.call.work {
        outcomes.push(match once(shared, job, work, rules, loaded, batch) {
            // What was gathered must not stay: the group is done again without this call.
            Err(Rejected::Store(error)) => return Err(error),
            Err(rejected) => Outcome::Settled(Err(rejected)),
            Ok(outcome) => outcome,
        });
        let refused = matches!(outcomes.last(), Some(Outcome::Settled(Err(_))));
        if job.call.seen.is_some() && refused {
            break;
        }
    }
    Ok(Decided::Accepted(accepted, row, outcomes))
}

type Admission = Result<(Accepted, Row), (Refused, Option<Row>)>;

fn admit(
    shared: &Shared,
    job: &Job,
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<Admission, StoreError> {
    let call = &job.call;
    let Some(stored) = loaded.keys.get(&call.id).copied() else {
        return match job.start() {
            Some(new) => start(job, new, loaded, batch),
            None => Ok(Err((vanished(shared, job)?, None))),
        };
    };
    if let Some(new) = &call.start
        && !(job.is_for(new)
            && stored.subject == job.facts.subject
            && stored.grant_id == job.facts.grant_id)
    {
        return Ok(Err((Refused::ForeignLaunch, None)));
    }
    let mut row = stored.row;
    let decision = decide::decide(&row, &call.presented, &call.windows, call.now);
    if decision.revokes() {
        let strand = job.facts.strand();
        batch.ended.push(Ended { strand, id: call.id, at: call.now, why: THEFT });
        row.revoked = true;
        let (subject, key) = (job.facts.subject, Some(call.id));
        let happened = Happened { subject, submission: None, key, at: call.now };
        batch.post(shared, &job.facts.host, EventKind::KeyTheft, &happened);
    }
    if !decision.runs() {
        return Ok(Err((Refused::Decided(decision), Some(row))));
    }
    if let Some(next) = decision.advance() {
        batch.moves.push((job.facts.strand(), call.id, *next));
        row = next.apply(&row);
    }
    Ok(Ok((Accepted::Decided(decision), row)))
}

fn start(
    job: &Job,
    new: &NewKey,
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<Admission, StoreError> {
    let (call, subject) = (&job.call, job.facts.subject);
    let row = match first_row(new, call.now) {
        Ok(row) => row,
        Err(refused) => return Ok(Err((refused, None))),
    };
    let host = host_of(subject.activity);
    let (rules, deleted) = activity(job, loaded)?;
    let ended = new
        .session
        .as_ref()
        .is_some_and(|session| loaded.ended_sessions.contains(&(host, session.clone())));
    if ended {
        return Ok(Err((Refused::SessionEnded, None)));
    }
    if deleted || loaded.deleted_users.contains(&subject.user) {
        return Ok(Err((Refused::Deleted, None)));
    }
    if rules.hidden {
        return Ok(Err((Refused::Hidden, None)));
    }
    if !loaded.live.take(host, new.session.as_deref(), subject.user, &call.limits) {
        return Ok(Err((Refused::TooManyKeys, None)));
    }
    batch.keys.push(Started {
        id: call.id,
        subject,
        grant_id: job.facts.grant_id,
        session: new.session.clone(),
        row,
        at: call.now,
    });
    if loaded.joined.insert(job.place()) {
        batch.joins.push(job.place());
        batch.append(Line {
            subject,
            kind: EntryKind::Join,
            at: call.now,
            client_at: None,
            event: None,
            data: None,
            score: None,
        })?;
    }
    Ok(Ok((Accepted::Started, row)))
}

/// A key that was there when it was looked for, and has been swept since. Its launch token may come in time once more
/// only if its host gave it a longer life than its key.
fn vanished(shared: &Shared, job: &Job) -> Result<Refused, StoreError> {
    shared.known.forget(&job.call.id);
    match &job.call.start {
        None => Ok(Refused::Unknown),
        Some(new) => match first_row(new, job.call.now) {
            Err(refused) => Ok(refused),
            Ok(_) => Err(StoreError::Contended("a key is gone".into())),
        },
    }
}

/// The row of a key at its first use, if it comes in time.
pub(super) fn first_row(new: &NewKey, now: i64) -> Result<Row, Refused> {
    let launch =
        Launch { first_use_until: new.start_until, key_exp: new.ends_at, rotating: new.rotating };
    match decide::start(Some(&launch), now) {
        Start::Insert(row) => Ok(row),
        Start::Missed | Start::Expired => Err(Refused::LaunchExpired),
        Start::Unknown => Err(Refused::Unknown),
    }
}

fn activity(job: &Job, loaded: &Loaded) -> Result<(Rules, bool), StoreError> {
    let found = loaded.activities.get(&job.facts.subject.activity).copied();
    found.ok_or_else(|| StoreError::Unreadable("an activity is missing".into()))
}

/// Does a piece of work, or finds that it was done before.
fn once(
    shared: &Shared,
    job: &Job,
    work: &Work,
    rules: Rules,
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<Outcome, Rejected> {
    let subject = job.facts.subject;
    if let Some(operation) = &work.operation
        && let Some(earlier) = loaded.operations.get(&operation_key(subject, operation)).cloned()
        && operation.within.is_none_or(|within| job.call.now - earlier.at <= within)
    {
        if earlier.content != operation.content {
            return Err(Rejected::IdReused(None));
        }
        let done = serde_json::from_str(&earlier.outcome)
            .map_err(|_| StoreError::Unreadable("a saved result".into()))?;
        if operation.within.is_some() {
            save(job, operation, earlier.outcome, loaded, batch);
        }
        return Ok(Outcome::Settled(Ok(Replayable { done, replayed: true })));
    }
    let done = match &work.action {
        Action::Append(new) => Done::Appended(append(job, new, loaded, batch)?),
        Action::Submit(new) => Done::Submitted(submit(shared, job, new, rules, loaded, batch)?),
        Action::State(write) => {
            Done::StateChanged(states::write(subject, write, job.call.now, loaded, batch)?)
        }
        Action::Read(Read::State(name)) => {
            let done = Done::State(states::row(loaded, subject, name));
            return Ok(Outcome::Settled(Ok(Replayable { done, replayed: false })));
        }
        Action::Read(read) => {
            return Ok(Outcome::Reading(read.clone(), batch.newest(job.facts.strand())));
        }
    };
    if let Some(operation) = &work.operation {
        let outcome = serde_json::to_string(&done)
            .map_err(|_| StoreError::Unreadable("a result cannot be written".into()))?;
        save(job, operation, outcome, loaded, batch);
    }
    Ok(Outcome::Settled(Ok(Replayable { done, replayed: false })))
}

fn save(job: &Job, operation: &Operation, outcome: String, loaded: &mut Loaded, batch: &mut Batch) {
    let subject = job.facts.subject;
    let (key, at) = (operation_key(subject, operation), job.call.now);
    let known = Earlier { content: operation.content, outcome: outcome.clone(), at };
    loaded.operations.insert(key.clone(), known);
    let saved = Saved { subject, operation: operation.clone(), outcome, at };
    // Only what is told by its content may stand there already: a client's own id is never replaced.
    if operation.within.is_some() {
        batch.renewed.insert(key, saved);
    } else {
        batch.results.push(saved);
    }
}

/// Writes entries; the number of each, which for a repeated id is that of the first.
fn append(
    job: &Job,
    new: &[NewEntry],
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<Vec<i64>, Rejected> {
    let subject = job.facts.subject;
    let operation = |entry: &NewEntry| {
        let (id, content) = entry.id.clone()?;
        Some(Operation { id, function: ENTRY, content, within: None })
    };
    // All ids are held against the store before anything is gathered, so that a refusal leaves no
    // part of the call behind.
    for (at, entry) in new.iter().enumerate() {
        let Some(it) = operation(entry) else { continue };
        let earlier = loaded.operations.get(&operation_key(subject, &it));
        let reused = earlier.is_some_and(|earlier| earlier.content != it.content);
        let twin = new[..at].iter().filter_map(|twin| twin.id.as_ref());
        if reused || twin.clone().any(|twin| twin.0 == it.id && twin.1 != it.content) {
            return Err(Rejected::IdReused(Some(at)));
        }
    }
    let mut seqs = Vec::with_capacity(new.len());
    for entry in new {
        let operation = operation(entry);
        let earlier = operation
            .as_ref()
            .and_then(|operation| loaded.operations.get(&operation_key(subject, operation)));
        if let Some(earlier) = earlier {
            let seq = earlier.outcome.parse();
            seqs.push(seq.map_err(|_| StoreError::Unreadable("an entry's number".into()))?);
            continue;
        }
        let seq = batch.append(Line {
            subject,
            kind: EntryKind::Log,
            at: job.call.now,
            client_at: entry.client_at,
            event: Some(entry.event.clone()),
            data: entry.data.clone(),
            score: None,
        })?;
        if let Some(operation) = &operation {
            save(job, operation, seq.to_string(), loaded, batch);
        }
        seqs.push(seq);
    }
    Ok(seqs)
}

/// Writes a submission and what it changes.
fn submit(
    shared: &Shared,
    job: &Job,
    new: &NewSubmission,
    rules: Rules,
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<Submitted, Rejected> {
    let (call, subject) = (&job.call, job.facts.subject);
    let before = loaded.standings.get(&job.place()).cloned();
    let taken = Taken::by(&rules.grades, before.as_ref(), subject.attempt, new)?;
    let (score, max) = (taken.score, taken.max);
    let seq = batch.append(Line {
        subject,
        kind: EntryKind::Grade,
        at: call.now,
        client_at: new.client_at,
        event: None,
        data: None,
        score: Some((score, max)),
    })?;
    let (key, at) = (call.id, call.now);
    batch.submissions.push(Kept { seq, subject, key, score, max, at, new: new.clone() });
    let after = taken.standing(seq);
    let happened = Happened { subject, submission: Some(seq), key: None, at };
    batch.post(shared, &job.facts.host, EventKind::SubmissionCreated, &happened);
    let change = (before.as_ref(), &after);
    batch.tell_change(shared, &job.facts.host, &rules, change, &happened);
    loaded.standings.insert(job.place(), after.clone());
    let receipt = after.receipt(&rules.grades, (score, max), subject.attempt);
    batch.stand(subject.activity, subject.user, after, at);
    Ok(receipt)
}
