//! Deleting, and starting attempts again. Both end keys in the same transaction.

use super::super::calls;
use super::super::outbox::Happened;
use super::super::rulings::note_reset;
use super::super::states;
use super::super::submissions::{stood, tell_change, write_standing};
use super::super::tx::Tx;
use super::{ACTIVITIES, COURSES, ENROLMENTS, Row, Table, USERS, known, known_host};
use crate::grades::Tally;
use crate::store::standing::Standing;
use crate::store::{Kind, Removed, Reset, StoreError, Subject};
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::{Params, params};

/// The whole of [`crate::store::Directory::remove`].
pub(super) fn remove(
    tx: &mut Tx<'_>,
    host: &str,
    kind: Kind,
    key: &str,
    now: Millis,
) -> Result<Option<Removed>, StoreError> {
    let table = match kind {
        Kind::Users => &USERS,
        Kind::Courses => &COURSES,
        Kind::Activities => &ACTIVITIES,
        Kind::Enrolments => &ENROLMENTS,
    };
    let Some(Row { id, deleted: false }) = there(tx, table, host, key)? else { return Ok(None) };
    Ok(Some(match kind {
        Kind::Users => user(tx, id, now)?,
        Kind::Courses => course(tx, id, now)?,
        Kind::Activities => {
            Removed { keys_ended: activity(tx, id, "activity deleted", now)?, ..Removed::default() }
        }
        Kind::Enrolments => enrolment(tx, id, now)?,
    }))
}

fn there(tx: &Tx<'_>, table: &Table, host: &str, key: &str) -> Result<Option<Row>, StoreError> {
    match known_host(tx.connection, host)? {
        Some(host) => known(tx, table, host, key),
        None => Ok(None),
    }
}

/// What is known of a person goes for good; the number stays, since log and grades refer to it.
fn user(tx: &mut Tx<'_>, id: i64, now: Millis) -> Result<Removed, StoreError> {
    let keys_ended = end_keys(tx, "user = ?2", [now, id], "user deleted", now)?;
    tx.connection
        .prepare_cached(
            "UPDATE users SET name = NULL, username = NULL, email = NULL, idnumber = NULL,
                              said = 0, deleted_at = ?2
             WHERE id = ?1",
        )?
        .execute([id, now])?;
    let enrolments =
        tx.connection.prepare_cached("DELETE FROM enrolments WHERE user = ?")?.execute([id])?;
    states::forget_user(tx, id)?;
    Ok(Removed { keys_ended, activities: 0, enrolments: enrolments as u64 })
}

fn course(tx: &mut Tx<'_>, id: i64, now: Millis) -> Result<Removed, StoreError> {
    let activities: Vec<i64> = tx
        .connection
        .prepare_cached("SELECT id FROM activities WHERE course = ? AND deleted_at IS NULL")?
        .query_map([id], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut keys_ended = 0;
    for number in &activities {
        keys_ended += activity(tx, *number, "course deleted", now)?;
    }
    let run = |sql: &str, values: &[i64]| -> Result<usize, StoreError> {
        Ok(tx.connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))?)
    };
    run("UPDATE activities SET section = NULL WHERE course = ?", &[id])?;
    run("DELETE FROM sections WHERE course = ?", &[id])?;
    run("UPDATE courses SET said = 0, deleted_at = ?2 WHERE id = ?1", &[id, now])?;
    let enrolments = run("DELETE FROM enrolments WHERE course = ?", &[id])?;
    Ok(Removed { keys_ended, activities: activities.len() as u64, enrolments: enrolments as u64 })
}

fn activity(tx: &mut Tx<'_>, id: i64, why: &str, now: Millis) -> Result<u64, StoreError> {
    let ended = end_keys(tx, "activity = ?2", [now, id], why, now)?;
    tx.connection
        .prepare_cached(
            "UPDATE activities SET said = 0, hidden = 0, deleted_at = ?2 WHERE id = ?1",
        )?
        .execute([id, now])?;
    states::forget(tx, id, None)?;
    tx.hide(id, false);
    Ok(ended)
}

/// Ends the user's keys in the course, unless another enrolment holds them.
fn enrolment(tx: &mut Tx<'_>, id: i64, now: Millis) -> Result<Removed, StoreError> {
    let (user, course): (i64, i64) = tx
        .connection
        .prepare_cached("DELETE FROM enrolments WHERE id = ? RETURNING user, course")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let holds = tx
        .connection
        .prepare_cached("SELECT 1 FROM enrolments WHERE user = ? AND course = ?")?
        .exists([user, course])?;
    let keys_ended = if holds {
        0
    } else {
        let of = "user = ?2 AND activity IN (SELECT id FROM activities WHERE course = ?3)";
        end_keys(tx, of, [now, user, course], "enrolment deleted", now)?
    };
    Ok(Removed { keys_ended, ..Removed::default() })
}

/// Ends the live keys of a condition, in which `?1` is now; how many there were.
fn end_keys(
    tx: &mut Tx<'_>,
    condition: &str,
    values: impl Params,
    why: &str,
    now: Millis,
) -> Result<u64, StoreError> {
    let sql =
        format!("SELECT id FROM keys WHERE {condition} AND ends_at > ?1 AND revoked_at IS NULL");
    let live: Vec<[u8; 16]> = tx
        .connection
        .prepare_cached(&sql)?
        .query_map(values, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in &live {
        calls::revoke(tx, KeyId(*id), why, now)?;
    }
    Ok(live.len() as u64)
}

/// The whole of [`crate::store::Directory::reset`].
pub(super) fn reset(
    tx: &mut Tx<'_>,
    host: &str,
    activity: &str,
    user: Option<&str>,
    now: Millis,
) -> Result<Option<Reset>, StoreError> {
    let Some(Row { id: activity, deleted: false }) = there(tx, &ACTIVITIES, host, activity)? else {
        return Ok(None);
    };
    let user = match user {
        None => None,
        Some(key) => match there(tx, &USERS, host, key)? {
            Some(Row { id, deleted: false }) => Some(id),
            _ => return Ok(None),
        },
    };
    let upto = tx.newest();
    tx.connection
        .prepare_cached("INSERT OR REPLACE INTO resets VALUES (?, ?, ?, ?)")?
        .execute(params![activity, user.unwrap_or(0), upto, now])?;
    let users: Vec<i64> = tx
        .connection
        .prepare_cached(
            "SELECT user FROM standings WHERE activity = ?1 AND (?2 IS NULL OR user = ?2)",
        )?
        .query_map(params![activity, user], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    states::forget(tx, activity, user)?;
    for user in &users {
        let (rules, before) = stood(tx, activity, *user)?;
        let last = before.as_ref().map_or(0, |before| before.last);
        let after = Standing { tally: Tally::new(rules.grades.max), last, ruling: None };
        write_standing(tx, activity, *user, &after, now)?;
        note_reset(tx, activity, *user, now)?;
        let subject = Subject { activity, user: *user, attempt: 0 };
        let happened = Happened { subject, submission: None, key: None, at: now };
        tell_change(tx, &rules, before.as_ref(), &after, &happened)?;
    }
    let keys_ended = match user {
        None => end_keys(tx, "activity = ?2", [now, activity], "reset", now)?,
        Some(user) => {
            end_keys(tx, "activity = ?2 AND user = ?3", [now, activity, user], "reset", now)?
        }
    };
    Ok(Some(Reset { standings: users.len() as u64, keys_ended }))
}
