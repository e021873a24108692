//! Looking up and listing what a host has set, or its launches have told.

use super::super::submissions::unword;
use super::{known_host, sections};
use crate::store::{Entity, Extent, Found, Kind, Lookup, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

/// The columns of each kind, the number first, and where they come from.
fn source(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Users => (
            "t.id, t.key, t.name, t.username, t.email, t.idnumber",
            "users t WHERE t.deleted_at IS NULL",
        ),
        Kind::Courses => (
            "t.id, t.key, t.title, t.shortname, t.idnumber, t.url",
            "courses t WHERE t.deleted_at IS NULL",
        ),
        Kind::Activities => (
            "t.id, t.key, course.key, s.key, t.title, t.url, t.max, t.method, t.attempts, t.hidden",
            "activities t LEFT JOIN courses course ON course.id = t.course
             LEFT JOIN sections s ON s.id = t.section WHERE t.deleted_at IS NULL",
        ),
        Kind::Enrolments => (
            "t.id, t.key, user.key, course.key, t.role",
            "enrolments t JOIN users user ON user.id = t.user
             JOIN courses course ON course.id = t.course WHERE true",
        ),
    }
}

/// The whole of [`crate::store::Directory::find`].
pub(super) fn wanted(
    connection: &Connection,
    host: &str,
    kind: Kind,
    wanted: &Lookup,
) -> Result<Found, StoreError> {
    let Some(host) = known_host(connection, host)? else { return Ok(Found::None) };
    let (column, value) = match wanted {
        Lookup::Id(id) => ("key", id),
        // One of a fixed list, never a text of a request.
        Lookup::By(name, value) => (*name, value),
    };
    let condition = format!("t.host = ? AND t.{column} = ? LIMIT 2");
    let values = [Value::from(host), Value::from(value.clone())];
    let mut found = entities(connection, kind, &condition, values)?;
    Ok(match (found.pop(), found.pop()) {
        (None, _) => Found::None,
        (Some(entity), None) => Found::One(entity),
        (Some(_), Some(_)) => Found::Several,
    })
}

/// The whole of [`crate::store::Directory::list`].
pub(super) fn list(
    connection: &Connection,
    host: &str,
    kind: Kind,
    extent: &Extent,
) -> Result<Vec<Entity>, StoreError> {
    let Some(host) = known_host(connection, host)? else { return Ok(Vec::new()) };
    let mut condition = "t.host = ? AND t.key > ?".to_owned();
    let mut values = vec![Value::from(host), Value::from(extent.after.clone().unwrap_or_default())];
    for (name, key) in &extent.filters {
        let table = if *name == "user" { "users" } else { "courses" };
        condition.push_str(&format!(
            " AND t.{name} = (SELECT id FROM {table} f WHERE f.host = t.host AND f.key = ?)"
        ));
        values.push(Value::from(key.clone()));
    }
    condition.push_str(" ORDER BY t.key LIMIT ?");
    values.push(Value::from(extent.limit));
    entities(connection, kind, &condition, values)
}

fn entities(
    connection: &Connection,
    kind: Kind,
    condition: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<Entity>, StoreError> {
    let (columns, from) = source(kind);
    let sql = format!("SELECT {columns} FROM {from} AND {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params_from_iter(values), |row| Ok((row.get(0)?, entity(kind, row)?)))?
        .collect::<Result<Vec<(i64, Entity)>, _>>()?;
    rows.into_iter()
        .map(|(number, mut entity)| {
            if let Entity::Course { sections: list, .. } = &mut entity {
                *list = sections(connection, number)?;
            }
            Ok(entity)
        })
        .collect()
}

fn entity(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Entity> {
    Ok(match kind {
        Kind::Users => Entity::User {
            id: row.get(1)?,
            name: row.get(2)?,
            username: row.get(3)?,
            email: row.get(4)?,
            idnumber: row.get(5)?,
        },
        Kind::Courses => Entity::Course {
            id: row.get(1)?,
            title: row.get(2)?,
            shortname: row.get(3)?,
            idnumber: row.get(4)?,
            page: row.get(5)?,
            sections: Vec::new(),
        },
        Kind::Activities => Entity::Activity {
            id: row.get(1)?,
            course: row.get(2)?,
            section: row.get(3)?,
            title: row.get(4)?,
            page: row.get(5)?,
            max: row.get(6)?,
            method: unword(row, 7)?,
            attempts: row.get(8)?,
            hidden: row.get(9)?,
        },
        Kind::Enrolments => Entity::Enrolment {
            id: row.get(1)?,
            user: row.get(2)?,
            course: row.get(3)?,
            role: row.get(4)?,
        },
    })
}
