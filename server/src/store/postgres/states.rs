//! Documents that an attempt keeps: one row each, which is changed in place.

use super::batch::Batch;
use super::group::Job;
use super::load::Loaded;
use super::numbers::strand_of;
use super::sql;
use super::words::count;
use crate::state::{Document, Fault, changed};
use crate::store::{
    Action, Read, Rejected, StateChanged, StateRow, StateWrite, StoreError, Subject,
};
use deadpool_postgres::{GenericClient, Transaction};
use latchkey_protocol::Millis;
use latchkey_protocol::payload::MAX_STATES;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Activity, user and attempt.
pub(super) type Attempt = (i64, i64, u32);

/// The documents of attempts, by their names: those that are asked for, and of the others that they are there.
pub(super) type Documents = HashMap<Attempt, BTreeMap<String, (Document, Millis)>>;

fn attempt(subject: Subject) -> Attempt {
    (subject.activity, subject.user, subject.attempt)
}

/// Reads a document. One that was never written reads as version 0.
pub(super) async fn read(
    client: &impl GenericClient,
    subject: Subject,
    name: &str,
) -> Result<StateRow, StoreError> {
    let sql = "SELECT version, value, at FROM states
        WHERE strand = $1 AND activity = $2 AND user_id = $3 AND attempt = $4 AND name = $5";
    let values: sql::Values<'_> = &[
        &strand_of(subject.activity),
        &subject.activity,
        &subject.user,
        &i64::from(subject.attempt),
        &name,
    ];
    let (document, at) = match sql::row(client, sql, values).await? {
        Some(row) => {
            let version = count(row.try_get(0)?)?;
            (Document { version, value: row.try_get(1)? }, Some(row.try_get(2)?))
        }
        None => (Document::default(), None),
    };
    Ok(StateRow { name: name.to_owned(), document, at })
}

pub(super) const LOAD: &str = "SELECT s.activity, s.user_id, s.attempt, s.name, s.version, s.at,
        CASE WHEN s.name = ANY($5) THEN s.value END
    FROM states s
    JOIN unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[])
        AS v (strand, activity, user_id, attempt)
    ON s.strand = v.strand AND s.activity = v.activity AND s.user_id = v.user_id
        AND s.attempt = v.attempt";

/// Reads what the calls of a group may need of documents.
pub(super) async fn load(tx: &impl GenericClient, jobs: &[Job]) -> Result<Documents, StoreError> {
    let (mut names, mut attempts) = (BTreeSet::new(), BTreeSet::new());
    for job in jobs {
        let touched = job.call.work.iter().filter_map(|work| match &work.action {
            Action::State(write) => Some(&write.name),
            Action::Read(Read::State(name)) => Some(name),
            _ => None,
        });
        for name in touched.chain(job.call.seen.as_ref().map(|seen| &seen.name)) {
            names.insert(name.as_str());
            attempts.insert(attempt(job.facts.subject));
        }
    }
    if attempts.is_empty() {
        return Ok(Documents::new());
    }
    let names: Vec<&str> = names.into_iter().collect();
    let strands: Vec<i64> = attempts.iter().map(|(activity, ..)| strand_of(*activity)).collect();
    let activities: Vec<i64> = attempts.iter().map(|(activity, ..)| *activity).collect();
    let users: Vec<i64> = attempts.iter().map(|(_, user, _)| *user).collect();
    let numbers: Vec<i64> = attempts.iter().map(|(.., attempt)| i64::from(*attempt)).collect();
    let values: sql::Values<'_> = &[&strands, &activities, &users, &numbers, &names];
    let mut documents = Documents::new();
    for row in sql::rows(tx, LOAD, values).await? {
        let of = (row.try_get(0)?, row.try_get(1)?, count(row.try_get(2)?)?);
        let document = Document { version: count(row.try_get(4)?)?, value: row.try_get(6)? };
        let kept = documents.entry(of).or_default();
        kept.insert(row.try_get(3)?, (document, row.try_get(5)?));
    }
    Ok(documents)
}

/// A document as the calls before have left it.
pub(super) fn row(loaded: &Loaded, subject: Subject, name: &str) -> StateRow {
    let kept = loaded.documents.get(&attempt(subject)).and_then(|kept| kept.get(name));
    let (document, at) = kept.map_or_else(Default::default, |(it, at)| (it.clone(), Some(*at)));
    StateRow { name: name.to_owned(), document, at }
}

/// Writes a document.
pub(super) fn write(
    subject: Subject,
    write: &StateWrite,
    now: Millis,
    loaded: &mut Loaded,
    batch: &mut Batch,
) -> Result<StateChanged, Rejected> {
    let kept = row(loaded, subject, &write.name);
    let written = |version, at| StateChanged { name: write.name.clone(), version, at };
    let next = match changed(&kept.document, &write.change, write.if_version) {
        Ok(Some(next)) => next,
        Ok(None) => return Ok(written(kept.document.version, kept.at.unwrap_or(now))),
        Err(Fault::Conflict) => return Err(Rejected::VersionConflict(kept.document)),
        Err(Fault::TooLarge) => return Err(Rejected::StateTooLarge),
        Err(Fault::Damaged) => return Err(StoreError::Unreadable("a state".into()).into()),
    };
    let documents = loaded.documents.entry(attempt(subject)).or_default();
    // Those of deleted documents count: their rows stay.
    if kept.document.version == 0 && documents.len() >= MAX_STATES {
        return Err(Rejected::TooManyStates);
    }
    let version = next.version;
    documents.insert(write.name.clone(), (next.clone(), now));
    batch.documents.insert((attempt(subject), write.name.clone()), (next, now));
    Ok(written(version, now))
}

/// Forgets what everybody keeps in activities of these strands, or one of them.
pub(super) async fn forget(
    tx: &Transaction<'_>,
    strands: &[i64],
    activities: &[i64],
    user: Option<i64>,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM states WHERE strand = ANY($1) AND activity = ANY($2)
               AND ($3::BIGINT IS NULL OR user_id = $3)";
    sql::run(tx, sql, &[&strands, &activities, &user]).await.map(drop)
}

/// Forgets what a person keeps anywhere.
pub(super) async fn forget_user(
    tx: &Transaction<'_>,
    strands: &[i64],
    user: i64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM states WHERE strand = ANY($1) AND user_id = $2";
    sql::run(tx, sql, &[&strands, &user]).await.map(drop)
}
