//! Hosts, users, courses and activities: created by the first launch that names them, updated by each
//! that says something new, and left as they are by one that says nothing.

use super::submissions::word;
use super::tx::Tx;
use crate::store::{NewKey, StoreError};
use rusqlite::types::ToSql;
use rusqlite::{OptionalExtension, params};

/// The number of a host.
pub(super) fn host(tx: &Tx<'_>, name: &str) -> Result<i64, StoreError> {
    let known = tx
        .connection
        .prepare_cached("SELECT id FROM hosts WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => Ok(tx
            .connection
            .prepare_cached("INSERT INTO hosts (name) VALUES (?) RETURNING id")?
            .query_row([name], |row| row.get(0))?),
    }
}

/// The number of the launch's user.
pub(super) fn user(tx: &Tx<'_>, host: i64, new: &NewKey) -> Result<i64, StoreError> {
    let id = identify(tx, "users", host, &new.user)?;
    if let Some(about) = &new.about_user {
        let set: [(&str, &dyn ToSql); 4] = [
            ("name", &about.name),
            ("username", &about.username),
            ("email", &about.email),
            ("idnumber", &about.idnumber),
        ];
        describe(tx, "users", id, &set)?;
    }
    Ok(id)
}

/// The number of the launch's activity, its course included.
pub(super) fn activity(tx: &Tx<'_>, host: i64, new: &NewKey) -> Result<i64, StoreError> {
    let id = identify(tx, "activities", host, &new.activity)?;
    if let Some(about) = &new.about_course {
        let course = identify(tx, "courses", host, &about.id)?;
        let set: [(&str, &dyn ToSql); 4] = [
            ("title", &about.title),
            ("shortname", &about.shortname),
            ("idnumber", &about.idnumber),
            ("url", &about.url),
        ];
        describe(tx, "courses", course, &set)?;
        describe(tx, "activities", id, &[("course", &course)])?;
    }
    if let Some(about) = &new.about_activity {
        let method = about.method.map(word).transpose()?;
        let set: [(&str, &dyn ToSql); 5] = [
            ("title", &about.title),
            ("url", &about.url),
            ("max", &about.max),
            ("method", &method),
            ("attempts", &about.attempts),
        ];
        describe(tx, "activities", id, &set)?;
    }
    Ok(id)
}

/// The number of what the host calls `key`, if it is known.
pub(super) fn find(
    tx: &Tx<'_>,
    table: &str,
    host: i64,
    key: &str,
) -> Result<Option<i64>, StoreError> {
    Ok(tx
        .connection
        .prepare_cached(&format!("SELECT id FROM {table} WHERE host = ? AND key = ?"))?
        .query_row(params![host, key], |row| row.get(0))
        .optional()?)
}

/// The same, made if it is new.
fn identify(tx: &Tx<'_>, table: &str, host: i64, key: &str) -> Result<i64, StoreError> {
    match find(tx, table, host, key)? {
        Some(id) => Ok(id),
        None => Ok(tx
            .connection
            .prepare_cached(&format!("INSERT INTO {table} (host, key) VALUES (?, ?) RETURNING id"))?
            .query_row(params![host, key], |row| row.get(0))?),
    }
}

/// Writes what is said and differs. A value that is null says nothing.
fn describe(
    tx: &Tx<'_>,
    table: &str,
    id: i64,
    set: &[(&str, &dyn ToSql)],
) -> Result<(), StoreError> {
    let columns = |joint: &str, write: fn(&str, usize) -> String| {
        let parts: Vec<_> =
            set.iter().enumerate().map(|(at, (name, _))| write(name, at + 2)).collect();
        parts.join(joint)
    };
    let assign = columns(", ", |name, at| format!("{name} = coalesce(?{at}, {name})"));
    let differs = columns(" OR ", |name, at| format!("?{at} IS NOT NULL AND {name} IS NOT ?{at}"));
    let mut values: Vec<&dyn ToSql> = vec![&id];
    values.extend(set.iter().map(|(_, value)| *value));
    tx.connection
        .prepare_cached(&format!("UPDATE {table} SET {assign} WHERE id = ?1 AND ({differs})"))?
        .execute(values.as_slice())?;
    Ok(())
}
