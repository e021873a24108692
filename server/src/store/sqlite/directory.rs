//! Hosts, users, courses and activities: created by the first launch that names them, updated by each
//! that says something new, and left as they are by one that says nothing. What the host has set in its
//! directory, launches leave alone.

mod read;
mod remove;
mod set;

use super::SqliteStore;
use super::submissions::word;
use super::tx::Tx;
use crate::store::{
    Change, Directory, Entity, Extent, Found, Items, Kind, Lookup, NewKey, Removed, Reset, Section,
    StoreError, Unset,
};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, params};

/// A table of the directory.
pub(super) struct Table {
    name: &'static str,
    /// Names and defaults. The place of each is its bit in `said`: never change it.
    columns: &'static [(&'static str, &'static str)],
    /// Whether a deleted row stays and launches write here too.
    kept: bool,
}

pub(super) const USERS: Table = Table {
    name: "users",
    columns: &[("name", "NULL"), ("username", "NULL"), ("email", "NULL"), ("idnumber", "NULL")],
    kept: true,
};
pub(super) const COURSES: Table = Table {
    name: "courses",
    columns: &[("title", "NULL"), ("shortname", "NULL"), ("idnumber", "NULL"), ("url", "NULL")],
    kept: true,
};
pub(super) const ACTIVITIES: Table = Table {
    name: "activities",
    columns: &[
        ("course", "NULL"),
        ("title", "NULL"),
        ("url", "NULL"),
        ("max", "100.0"),
        ("method", "'highest'"),
        ("attempts", "NULL"),
        ("section", "NULL"),
        ("hidden", "0"),
    ],
    kept: true,
};
pub(super) const ENROLMENTS: Table = Table {
    name: "enrolments",
    columns: &[("user", "NULL"), ("course", "NULL"), ("role", "NULL")],
    kept: false,
};

/// A row that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) deleted: bool,
}

/// The number of a host.
pub(super) fn host(tx: &Tx<'_>, name: &str) -> Result<i64, StoreError> {
    match known_host(tx.connection, name)? {
        Some(id) => Ok(id),
        None => Ok(tx
            .connection
            .prepare_cached("INSERT INTO hosts (name) VALUES (?) RETURNING id")?
            .query_row([name], |row| row.get(0))?),
    }
}

fn known_host(connection: &Connection, name: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT id FROM hosts WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

/// The number of the launch's user.
pub(super) fn user(tx: &Tx<'_>, host: i64, new: &NewKey) -> Result<i64, StoreError> {
    let id = identify(tx, &USERS, host, &new.user)?.id;
    if let Some(about) = &new.about_user {
        // A login name that somebody else has must not keep the student from working: it is left out.
        let username = match &about.username {
            Some(name) if username_taken(tx, host, name, &new.user)? => &None,
            username => username,
        };
        let set: [&dyn ToSql; 4] = [&about.name, username, &about.email, &about.idnumber];
        describe(tx, &USERS, id, &set)?;
    }
    Ok(id)
}

/// Whether another user of the host has that login name.
fn username_taken(
    tx: &Tx<'_>,
    host: i64,
    username: &str,
    except: &str,
) -> Result<bool, StoreError> {
    Ok(tx
        .connection
        .prepare_cached("SELECT 1 FROM users WHERE host = ? AND username = ? AND key <> ?")?
        .exists(params![host, username, except])?)
}

/// The number of the launch's activity, its course included.
pub(super) fn activity(tx: &Tx<'_>, host: i64, new: &NewKey) -> Result<i64, StoreError> {
    let id = identify(tx, &ACTIVITIES, host, &new.activity)?.id;
    if new.about_course.is_none() && new.about_activity.is_none() {
        return Ok(id);
    }
    let mut course = None;
    if let Some(about) = &new.about_course {
        let row = identify(tx, &COURSES, host, &about.id)?;
        let set: [&dyn ToSql; 4] = [&about.title, &about.shortname, &about.idnumber, &about.url];
        if !row.deleted {
            describe(tx, &COURSES, row.id, &set)?;
            course = Some(row.id);
        }
    }
    let about = new.about_activity.clone().unwrap_or_default();
    let method = about.method.map(word).transpose()?;
    let set: [&dyn ToSql; 6] =
        [&course, &about.title, &about.url, &about.max, &method, &about.attempts];
    describe(tx, &ACTIVITIES, id, &set)?;
    Ok(id)
}

/// The number of what the host calls `key`, unless it is unknown or deleted.
pub(super) fn find(
    tx: &Tx<'_>,
    table: &str,
    host: i64,
    key: &str,
) -> Result<Option<i64>, StoreError> {
    Ok(tx
        .connection
        .prepare_cached(&format!(
            "SELECT id FROM {table} WHERE host = ? AND key = ? AND deleted_at IS NULL"
        ))?
        .query_row(params![host, key], |row| row.get(0))
        .optional()?)
}

/// What the host calls `key`, deleted or not, if it is known.
pub(super) fn known(
    tx: &Tx<'_>,
    table: &Table,
    host: i64,
    key: &str,
) -> Result<Option<Row>, StoreError> {
    let deleted = if table.kept { "deleted_at IS NOT NULL" } else { "0" };
    Ok(tx
        .connection
        .prepare_cached(&format!(
            "SELECT id, {deleted} FROM {} WHERE host = ? AND key = ?",
            table.name
        ))?
        .query_row(params![host, key], |row| Ok(Row { id: row.get(0)?, deleted: row.get(1)? }))
        .optional()?)
}

/// The same, made if it is new.
fn identify(tx: &Tx<'_>, table: &Table, host: i64, key: &str) -> Result<Row, StoreError> {
    if let Some(row) = known(tx, table, host, key)? {
        return Ok(row);
    }
    let sql = format!("INSERT INTO {} (host, key) VALUES (?, ?) RETURNING id", table.name);
    let mut statement = tx.connection.prepare_cached(&sql)?;
    let id = statement.query_row(params![host, key], |row| row.get(0))?;
    Ok(Row { id, deleted: false })
}

/// Writes what a launch says of the first columns, where it differs and the directory has said nothing. A value that is
/// null says nothing.
fn describe(tx: &Tx<'_>, table: &Table, id: i64, set: &[&dyn ToSql]) -> Result<(), StoreError> {
    let columns = |joint: &str, write: fn(&str, usize) -> String| {
        let names = table.columns.iter().take(set.len()).enumerate();
        names.map(|(at, (name, _))| write(name, at)).collect::<Vec<_>>().join(joint)
    };
    let assign = columns(", ", |name, at| {
        let bit = 1 << at;
        format!(
            "{name} = CASE WHEN said & {bit} THEN {name} ELSE coalesce(?{}, {name}) END",
            at + 2
        )
    });
    let differs = columns(" OR ", |name, at| {
        let (bit, value) = (1 << at, at + 2);
        format!("?{value} IS NOT NULL AND (said & {bit}) = 0 AND {name} IS NOT ?{value}")
    });
    let mut values: Vec<&dyn ToSql> = vec![&id];
    values.extend(set);
    tx.connection
        .prepare_cached(&format!(
            "UPDATE {} SET {assign} WHERE id = ?1 AND ({differs})",
            table.name
        ))?
        .execute(values.as_slice())?;
    Ok(())
}

/// The sections of a course in their order.
fn sections(connection: &Connection, course: i64) -> Result<Vec<Section>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT key, name FROM sections WHERE course = ? ORDER BY position")?;
    let rows =
        statement.query_map([course], |row| Ok(Section { id: row.get(0)?, name: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[async_trait]
impl Directory for SqliteStore {
    async fn set(
        &self,
        host: &str,
        items: Items,
    ) -> Result<Vec<Result<Change, Unset>>, StoreError> {
        let host = host.to_owned();
        self.writer.run(move |tx| set::set(tx, &host, &items)).await
    }

    async fn find(&self, host: &str, kind: Kind, wanted: Lookup) -> Result<Found, StoreError> {
        let host = host.to_owned();
        self.readers.run(move |connection| read::wanted(connection, &host, kind, &wanted)).await
    }

    async fn list(
        &self,
        host: &str,
        kind: Kind,
        extent: Extent,
    ) -> Result<Vec<Entity>, StoreError> {
        let host = host.to_owned();
        self.readers.run(move |connection| read::list(connection, &host, kind, &extent)).await
    }

    async fn remove(
        &self,
        host: &str,
        kind: Kind,
        id: &str,
        now: Millis,
    ) -> Result<Option<Removed>, StoreError> {
        let (host, id) = (host.to_owned(), id.to_owned());
        self.writer.run(move |tx| remove::remove(tx, &host, kind, &id, now)).await
    }

    async fn reset(
        &self,
        host: &str,
        activity: &str,
        user: Option<&str>,
        now: Millis,
    ) -> Result<Option<Reset>, StoreError> {
        let (host, activity) = (host.to_owned(), activity.to_owned());
        let user = user.map(str::to_owned);
        self.writer.run(move |tx| remove::reset(tx, &host, &activity, user.as_deref(), now)).await
    }
}
