//! A call of a key: read the row, decide, confirm, and do the work, all in one transaction.

use super::outbox::{self, Happened};
use super::tx::{Line, Tx};
use super::{directory, entries, operations, states, submissions};
use crate::keys::decide::{self, Launch, Row, Start};
use crate::store::{
    Accepted, Action, Done, EntryKind, EventKind, KeyCall, KeyRecord, NewKey, NewSubmission,
    Operation, Read, Refused, Rejected, Replayable, StoreError, Subject, THEFT_WINDOW, Verdict,
    Work,
};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::{OptionalExtension, params};

/// Why keys end, as their rows tell it.
pub(super) const THEFT: &str = "theft";

/// The whole of [`crate::store::Keys::call`].
pub(super) fn call(tx: &mut Tx<'_>, call: &KeyCall) -> Result<Verdict, StoreError> {
    let (decision, key) = match admit(tx, call)? {
        Ok(admitted) => admitted,
        Err(refused) => return Ok(Verdict::Refused(refused)),
    };
    if tx.is_hidden(key.subject.activity) {
        return Ok(Verdict::Refused(Refused::Hidden));
    }
    let mut outcomes = Vec::with_capacity(call.work.len());
    if let Some(seen) = &call.seen
        && let kept = states::read(tx.connection, key.subject, &seen.name)?
        && let Err(changed) = seen.still(kept.document)
    {
        outcomes.push(Err(changed));
        return Ok(Verdict::Accepted { decision, key, outcomes });
    }
    for work in &call.work {
        match once(tx, &key, call, work) {
            // A database that fails does so for the whole transaction: nothing of it may stay.
            Err(Rejected::Store(error)) => return Err(error),
            outcome => outcomes.push(outcome),
        }
        if call.seen.is_some() && outcomes.last().is_some_and(Result::is_err) {
            break;
        }
    }
    Ok(Verdict::Accepted { decision, key, outcomes })
}

type Admission = Result<(Accepted, KeyRecord), Refused>;

fn admit(tx: &mut Tx<'_>, call: &KeyCall) -> Result<Admission, StoreError> {
    let Some(known) = tx.key(&call.id)? else {
        return match &call.start {
            Some(new) => start(tx, call, new),
            None => Ok(Err(Refused::Unknown)),
        };
    };
    if let Some(new) = &call.start
        && !is_for(tx, &known, new)?
    {
        return Ok(Err(Refused::ForeignLaunch));
    }
    let mut key = known;
    let mut decision = decide::decide(&key.row, &call.presented, &call.windows, call.now);
    if !decision.runs() {
        // Memory may say yes; only the row itself says no.
        let Some(fresh) = tx.key_afresh(&call.id)? else {
            return Ok(Err(Refused::Unknown));
        };
        key = fresh;
        tx.remember_key(call.id, key.clone());
        decision = decide::decide(&key.row, &call.presented, &call.windows, call.now);
    }
    if decision.revokes() {
        if revoke(tx, call.id, THEFT, call.now)? {
            let (subject, key) = (key.subject, Some(call.id));
            let (rules, _) = submissions::stood(tx, subject.activity, subject.user)?;
            let happened = Happened { subject, submission: None, key, at: call.now };
            outbox::post(tx, rules.host, EventKind::KeyTheft, &happened)?;
        }
        return Ok(Err(Refused::Decided(decision)));
    }
    if !decision.runs() {
        return Ok(Err(Refused::Decided(decision)));
    }
    if let Some(next) = decision.advance() {
        let changed = tx
            .connection
            .prepare_cached(
                "UPDATE keys SET hi = ?, branch = ?, prev_branch = ?, advanced_at = ?
                 WHERE id = ? AND hi = ? AND branch = ? AND revoked_at IS NULL",
            )?
            .execute(params![
                next.hi,
                next.branch,
                next.prev_branch,
                next.advanced_at,
                call.id.0,
                next.expected_hi,
                next.expected_branch,
            ])?;
        if changed != 1 {
            return Err(StoreError::Database("a key changed behind its only writer".into()));
        }
        key.row = next.apply(&key.row);
        tx.remember_key(call.id, key.clone());
    }
    Ok(Ok((Accepted::Decided(decision), key)))
}

/// Ends a key, now and for everybody; whether it was live.
pub(super) fn revoke(
    tx: &mut Tx<'_>,
    id: KeyId,
    why: &str,
    now: Millis,
) -> Result<bool, StoreError> {
    let changed = tx
        .connection
        .prepare_cached(
            "UPDATE keys SET revoked_at = ?, revoked_for = ? WHERE id = ? AND revoked_at IS NULL",
        )?
        .execute(params![now, why, id.0])?;
    if let Some(record) = tx.key_afresh(&id)? {
        tx.remember_key(id, record);
    }
    Ok(changed == 1)
}

/// Whether a launch token with the id of a known key is that key's: a host that repeats an id, or another
/// host that picked the same one, must not reach it.
fn is_for(tx: &Tx<'_>, known: &KeyRecord, new: &NewKey) -> Result<bool, StoreError> {
    let same = tx
        .connection
        .prepare_cached(
            "SELECT u.key = ?3 AND a.key = ?4 AND h.name = ?5
             FROM users u, activities a, hosts h
             WHERE u.id = ?1 AND a.id = ?2 AND h.id = u.host AND a.host = u.host",
        )?
        .query_row(
            params![known.subject.user, known.subject.activity, new.user, new.activity, new.host],
            |row| row.get(0),
        )
        .optional()?;
    Ok(same.unwrap_or(false)
        && known.subject.attempt == new.attempt
        && known.grant.as_ref() == &new.grant)
}

fn start(tx: &mut Tx<'_>, call: &KeyCall, new: &NewKey) -> Result<Admission, StoreError> {
    let launch =
        Launch { first_use_until: new.start_until, key_exp: new.ends_at, rotating: new.rotating };
    let row = match decide::start(Some(&launch), call.now) {
        Start::Insert(row) => row,
        Start::Missed | Start::Expired => return Ok(Err(Refused::LaunchExpired)),
        Start::Unknown => return Ok(Err(Refused::Unknown)),
    };
    let host = directory::host(tx, &new.host)?;
    // Before anything is written of a launch that may be refused.
    if let Some(refused) = start_refusal(tx, call, new, host)? {
        return Ok(Err(refused));
    }
    let user = directory::user(tx, host, new)?;
    let activity = directory::activity(tx, host, new)?;
    let subject = Subject { activity, user, attempt: new.attempt };
    let (grant_id, grant) = tx.shared.grants.intern(tx.connection, &new.grant)?;
    insert_key(tx, call, new, host, subject, grant_id, &row)?;
    if tx.head((activity, user))? == 0 {
        tx.append(&Line {
            subject,
            kind: EntryKind::Join,
            at: call.now,
            client_at: None,
            event: None,
            data: None,
        })?;
    }
    let host = tx.shared.hosts.share(&new.host);
    let key = KeyRecord { host, subject, grant, row, hidden: false };
    tx.remember_key(call.id, key.clone());
    Ok(Ok((Accepted::Started, key)))
}

fn insert_key(
    tx: &Tx<'_>,
    call: &KeyCall,
    new: &NewKey,
    host: i64,
    subject: Subject,
    grant: i64,
    row: &Row,
) -> Result<(), StoreError> {
    tx.connection
        .prepare_cached(
            "INSERT INTO keys (id, host, user, activity, \"grant\", attempt, session, rotating,
                               created_at, ends_at, hi, branch, prev_branch, advanced_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            call.id.0,
            host,
            subject.user,
            subject.activity,
            grant,
            subject.attempt,
            new.session,
            row.rotating,
            call.now,
            row.key_exp,
            row.hi,
            row.branch,
            row.prev_branch,
            row.advanced_at,
        ])?;
    Ok(())
}

/// What forbids a first use: an ended web session, found thefts, too many live keys. A key counts as
/// live while it may still be in use: not ended, and moved within the idle limit.
fn start_refusal(
    tx: &Tx<'_>,
    call: &KeyCall,
    new: &NewKey,
    host: i64,
) -> Result<Option<Refused>, StoreError> {
    // One that is not known yet has no keys: no row has the number 0.
    let user = directory::known(tx, &directory::USERS, host, &new.user)?;
    let activity = directory::known(tx, &directory::ACTIVITIES, host, &new.activity)?;
    if [user, activity].into_iter().flatten().any(|row| row.deleted) {
        return Ok(Some(Refused::Deleted));
    }
    let (user, activity) = (user.map_or(0, |row| row.id), activity.map_or(0, |row| row.id));
    if tx.is_hidden(activity) {
        return Ok(Some(Refused::Hidden));
    }
    let idle_since = call.now - call.windows.idle;
    if let Some(session) = &new.session {
        let ended = tx
            .connection
            .prepare_cached("SELECT 1 FROM ended_sessions WHERE host = ? AND session = ?")?
            .exists(params![host, session])?;
        if ended {
            return Ok(Some(Refused::SessionEnded));
        }
        let (thefts, live): (u32, u32) = tx
            .connection
            .prepare_cached(
                "SELECT count(*) FILTER (WHERE activity = ?3 AND revoked_for = ?4 AND revoked_at > ?5),
                        count(*) FILTER (WHERE revoked_at IS NULL AND ends_at > ?6 AND advanced_at > ?7)
                 FROM keys WHERE host = ?1 AND session = ?2",
            )?
            .query_row(
                params![host, session, activity, THEFT, call.now - THEFT_WINDOW, call.now, idle_since],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
        if thefts >= call.limits.thefts {
            return Ok(Some(Refused::Locked));
        }
        if live >= call.limits.per_session {
            return Ok(Some(Refused::TooManyKeys));
        }
    }
    let live: u32 = tx
        .connection
        .prepare_cached(
            "SELECT count(*) FROM keys
             WHERE user = ? AND ends_at > ? AND advanced_at > ? AND revoked_at IS NULL",
        )?
        .query_row(params![user, call.now, idle_since], |row| row.get(0))?;
    if live >= call.limits.per_user {
        return Ok(Some(Refused::TooManyKeys));
    }
    // Last, since it takes the place of the key.
    let limit = call.limits.per_host;
    let room = limit == 0
        || tx.shared.live.take(host, limit, call.now, || live_of_host(tx, call, host))?;
    Ok((!room).then_some(Refused::TooManyKeys))
}

fn live_of_host(tx: &Tx<'_>, call: &KeyCall, host: i64) -> Result<u32, StoreError> {
    // By users, each by its index of ends: there is none by host.
    Ok(tx
        .connection
        .prepare_cached(
            "SELECT count(*) FROM users CROSS JOIN keys ON keys.user = users.id
             WHERE users.host = ? AND ends_at > ? AND advanced_at > ? AND revoked_at IS NULL",
        )?
        .query_row(params![host, call.now, call.now - call.windows.idle], |row| row.get(0))?)
}

/// Does a piece of work, or finds that it was done before.
fn once(
    tx: &mut Tx<'_>,
    key: &KeyRecord,
    call: &KeyCall,
    work: &Work,
) -> Result<Replayable, Rejected> {
    let operation = work.operation.as_ref();
    if let Some(operation) = operation
        && let Action::Submit(new) = &work.action
        && operation.within.is_none()
    {
        return submit_once(tx, key, call, operation, new);
    }
    if let Some(operation) = operation
        && let Some(saved) = operations::find(tx, key.subject, operation)?
        && operation.within.is_none_or(|within| call.now - saved.at <= within)
    {
        let again = saved.again(operation)?;
        if operation.within.is_some() {
            operations::save(tx, key.subject, operation, &saved.outcome, call.now)?;
        }
        return Ok(again);
    }
    let done = match &work.action {
        Action::Append(new) => Done::Appended(entries::append(tx, key, new, call.now)?),
        Action::Submit(new) => {
            let next = submissions::next(tx, key, new)?;
            submissions::submit(tx, call, new, &next)?;
            Done::Submitted(next.receipt())
        }
        Action::State(write) => {
            Done::StateChanged(states::write(tx, key.subject, write, call.now)?)
        }
        Action::Read(read) => {
            let head = |chain| tx.head(chain);
            return entries::read(tx.connection, key.subject, read, head)
                .map(|done| Replayable { done, replayed: false });
        }
    };
    if let Some(operation) = operation {
        operations::save(tx, key.subject, operation, &operations::outcome(&done)?, call.now)?;
    }
    Ok(Replayable { done, replayed: false })
}

/// A submission under an id of the client's. What it comes to is known before it is written: so its id is looked for
/// as it is saved, and not before as well.
fn submit_once(
    tx: &mut Tx<'_>,
    key: &KeyRecord,
    call: &KeyCall,
    operation: &Operation,
    new: &NewSubmission,
) -> Result<Replayable, Rejected> {
    let next = match submissions::next(tx, key, new) {
        Ok(next) => next,
        // What would be refused now may have been accepted then.
        Err(refused) => {
            return operations::find(tx, key.subject, operation)?.ok_or(refused)?.again(operation);
        }
    };
    let done = Done::Submitted(next.receipt());
    let outcome = operations::outcome(&done)?;
    if let Some(saved) = operations::reserve(tx, key.subject, operation, &outcome, call.now)? {
        return saved.again(operation);
    }
    submissions::submit(tx, call, new, &next)?;
    Ok(Replayable { done, replayed: false })
}

/// For reads outside a transaction of the writer. All rows of a page come from one moment, and are
/// read under one lock of the database instead of one each.
pub(super) fn read(
    shared: &super::Shared,
    connection: &rusqlite::Connection,
    subject: Subject,
    read: &Read,
) -> Result<Done, Rejected> {
    let moment = connection.unchecked_transaction().map_err(StoreError::from)?;
    let done = entries::read(&moment, subject, read, |chain| shared.heads.get(&moment, chain));
    moment.commit().map_err(StoreError::from)?;
    done
}
