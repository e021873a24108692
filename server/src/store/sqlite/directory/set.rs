//! Setting what a host says, item by item.

use super::super::submissions::word;
use super::super::tx::Tx;
use super::{ACTIVITIES, COURSES, ENROLMENTS, Row, Table, USERS, known};
use crate::store::{
    ActivityItem, Change, CourseItem, EnrolmentItem, Items, Section, StoreError, Unset, UserItem,
};
use latchkey_protocol::payload::Given;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};

type Outcome = Result<Change, Unset>;

/// The whole of [`crate::store::Directory::set`].
pub(super) fn set(tx: &mut Tx<'_>, host: &str, items: &Items) -> Result<Vec<Outcome>, StoreError> {
    let host = super::host(tx, host)?;
    match items {
        Items::Users(items) => items.iter().map(|item| user(tx, host, item)).collect(),
        Items::Courses(items) => items.iter().map(|item| course(tx, host, item)).collect(),
        Items::Activities(items) => items.iter().map(|item| activity(tx, host, item)).collect(),
        Items::Enrolments(items) => items.iter().map(|item| enrolment(tx, host, item)).collect(),
    }
}

fn user(tx: &Tx<'_>, host: i64, item: &UserItem) -> Result<Outcome, StoreError> {
    if let Given::Value(username) = &item.username
        && super::username_taken(tx, host, username, &item.id)?
    {
        return Ok(Err(Unset::Taken("username")));
    }
    let said = [text(&item.name), text(&item.username), text(&item.email), text(&item.idnumber)];
    Ok(Ok(write(tx, &USERS, host, &item.id, &said)?.1))
}

fn course(tx: &Tx<'_>, host: i64, item: &CourseItem) -> Result<Outcome, StoreError> {
    let said = [text(&item.title), text(&item.shortname), text(&item.idnumber), text(&item.page)];
    let (id, change) = write(tx, &COURSES, host, &item.id, &said)?;
    let rearranged = match &item.sections {
        Some(sections) => arrange(tx, id, sections)?,
        None => false,
    };
    Ok(Ok(if rearranged && change == Change::Unchanged { Change::Updated } else { change }))
}

/// Brings the sections of a course into the order given; whether anything was to be done.
fn arrange(tx: &Tx<'_>, course: i64, sections: &[Section]) -> Result<bool, StoreError> {
    let before = super::sections(tx.connection, course)?;
    if before == sections {
        return Ok(false);
    }
    for gone in before.iter().filter(|old| sections.iter().all(|new| new.id != old.id)) {
        tx.connection
            .prepare_cached(
                "UPDATE activities SET section = NULL
                 WHERE section = (SELECT id FROM sections WHERE course = ?1 AND key = ?2)
                   AND course = ?1",
            )?
            .execute(params![course, gone.id])?;
        tx.connection
            .prepare_cached("DELETE FROM sections WHERE course = ? AND key = ?")?
            .execute(params![course, gone.id])?;
    }
    for (position, section) in (0_i64..).zip(sections) {
        tx.connection
            .prepare_cached(
                "INSERT INTO sections (course, key, name, position) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (course, key) DO UPDATE SET name = ?3, position = ?4",
            )?
            .execute(params![course, section.id, section.name, position])?;
    }
    Ok(true)
}

fn activity(tx: &mut Tx<'_>, host: i64, item: &ActivityItem) -> Result<Outcome, StoreError> {
    let place = match place(tx, host, item)? {
        Ok(place) => place,
        Err(unset) => return Ok(Err(unset)),
    };
    let attempts = match item.attempts {
        Given::Absent => None,
        Given::Null => Some(Value::Null),
        Given::Value(attempts) => Some(Value::from(i64::from(attempts))),
    };
    let [course, section] = place;
    let said = [
        course,
        text(&item.title),
        text(&item.page),
        item.max.map(Value::from),
        item.method.map(word).transpose()?.map(Value::from),
        attempts,
        section,
        item.hidden.map(|hidden| Value::from(i64::from(hidden))),
    ];
    let (id, change) = write(tx, &ACTIVITIES, host, &item.id, &said)?;
    if let Some(hidden) = item.hidden {
        tx.hide(id, hidden);
    }
    Ok(Ok(change))
}

/// Course and section of an activity. Another course without a section of it means none of its sections.
fn place(
    tx: &Tx<'_>,
    host: i64,
    item: &ActivityItem,
) -> Result<Result<[Option<Value>; 2], Unset>, StoreError> {
    let before: Option<i64> = tx
        .connection
        .prepare_cached("SELECT course FROM activities WHERE host = ? AND key = ?")?
        .query_row(params![host, item.id], |row| row.get(0))
        .optional()?
        .flatten();
    let course = match &item.course {
        Given::Absent => before,
        Given::Null => None,
        Given::Value(key) => match known(tx, &COURSES, host, key)? {
            Some(Row { id, deleted: false }) => Some(id),
            _ => return Ok(Err(Unset::Unknown("course"))),
        },
    };
    let section = match &item.section {
        Given::Absent if course != before => Some(Value::Null),
        Given::Absent => None,
        Given::Null => Some(Value::Null),
        Given::Value(key) => {
            let id: Option<i64> = tx
                .connection
                .prepare_cached("SELECT id FROM sections WHERE course = ? AND key = ?")?
                .query_row(params![course, key], |row| row.get(0))
                .optional()?;
            match id {
                Some(id) => Some(Value::from(id)),
                None => return Ok(Err(Unset::Unknown("section"))),
            }
        }
    };
    let course = (!item.course.is_absent()).then(|| course.map_or(Value::Null, Value::from));
    Ok(Ok([course, section]))
}

fn enrolment(tx: &Tx<'_>, host: i64, item: &EnrolmentItem) -> Result<Outcome, StoreError> {
    let new = known(tx, &ENROLMENTS, host, &item.id)?.is_none();
    let reference = |table: &Table, key: &Option<String>, name: &'static str| match key {
        None if new => Ok(Err(Unset::Missing(name))),
        None => Ok(Ok(None)),
        Some(key) => Ok::<_, StoreError>(match known(tx, table, host, key)? {
            Some(Row { id, deleted: false }) => Ok(Some(Value::from(id))),
            _ => Err(Unset::Unknown(name)),
        }),
    };
    let user = match reference(&USERS, &item.user, "user")? {
        Ok(user) => user,
        Err(unset) => return Ok(Err(unset)),
    };
    let course = match reference(&COURSES, &item.course, "course")? {
        Ok(course) => course,
        Err(unset) => return Ok(Err(unset)),
    };
    Ok(Ok(write(tx, &ENROLMENTS, host, &item.id, &[user, course, text(&item.role)])?.1))
}

fn text(given: &Given<String>) -> Option<Value> {
    match given {
        Given::Absent => None,
        Given::Null => Some(Value::Null),
        Given::Value(text) => Some(Value::from(text.clone())),
    }
}

/// Writes one row, made if it is new; its number, and what became of it. A row that was deleted is new.
fn write(
    tx: &Tx<'_>,
    table: &Table,
    host: i64,
    key: &str,
    said: &[Option<Value>],
) -> Result<(i64, Change), StoreError> {
    let mask = said
        .iter()
        .enumerate()
        .fold(0_i64, |mask, (bit, value)| if value.is_some() { mask | 1 << bit } else { mask });
    let Some(before) = read(tx, table, host, key)? else {
        return Ok((insert(tx, table, host, key, said, mask)?, Change::Created));
    };
    let same =
        said.iter().zip(&before.values).all(|(new, old)| new.as_ref().is_none_or(|new| new == old));
    let change = match (before.deleted, same) {
        (true, _) => Change::Created,
        (false, true) => Change::Unchanged,
        (false, false) => Change::Updated,
    };
    if change != Change::Unchanged || mask & !before.said != 0 {
        update(tx, table, before.id, said, mask)?;
    }
    Ok((before.id, change))
}

struct Before {
    id: i64,
    deleted: bool,
    said: i64,
    values: Vec<Value>,
}

fn read(tx: &Tx<'_>, table: &Table, host: i64, key: &str) -> Result<Option<Before>, StoreError> {
    let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    let state = if table.kept { "deleted_at IS NOT NULL, said" } else { "0, -1" };
    let sql = format!(
        "SELECT id, {state}, {} FROM {} WHERE host = ? AND key = ?",
        columns.join(", "),
        table.name
    );
    let row = tx
        .connection
        .prepare_cached(&sql)?
        .query_row(params![host, key], |row| {
            let values = (0..columns.len()).map(|at| row.get(at + 3)).collect::<Result<_, _>>()?;
            Ok(Before { id: row.get(0)?, deleted: row.get(1)?, said: row.get(2)?, values })
        })
        .optional()?;
    Ok(row)
}

fn insert(
    tx: &Tx<'_>,
    table: &Table,
    host: i64,
    key: &str,
    said: &[Option<Value>],
    mask: i64,
) -> Result<i64, StoreError> {
    let (mut names, mut places) = ("host, key".to_owned(), "?1, ?2".to_owned());
    for (at, (name, default)) in table.columns.iter().enumerate() {
        names.push_str(&format!(", {name}"));
        places.push_str(&format!(", coalesce(?{}, {default})", at + 4));
    }
    if table.kept {
        names.push_str(", said");
        places.push_str(", ?3");
    }
    let sql = format!("INSERT INTO {} ({names}) VALUES ({places}) RETURNING id", table.name);
    let head = [Value::from(host), Value::from(key.to_owned()), Value::from(mask)];
    let values = said.iter().map(|value| value.clone().unwrap_or(Value::Null));
    let mut statement = tx.connection.prepare_cached(&sql)?;
    Ok(statement.query_row(params_from_iter(head.into_iter().chain(values)), |row| row.get(0))?)
}

fn update(
    tx: &Tx<'_>,
    table: &Table,
    id: i64,
    said: &[Option<Value>],
    mask: i64,
) -> Result<(), StoreError> {
    let mut assign: Vec<_> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, (name, _))| {
            format!("{name} = CASE WHEN ?2 & {} THEN ?{} ELSE {name} END", 1 << at, at + 3)
        })
        .collect();
    if table.kept {
        assign.push("said = said | ?2, deleted_at = NULL".to_owned());
    }
    let sql = format!("UPDATE {} SET {} WHERE id = ?1", table.name, assign.join(", "));
    let head = [Value::from(id), Value::from(mask)];
    let values = said.iter().map(|value| value.clone().unwrap_or(Value::Null));
    tx.connection
        .prepare_cached(&sql)?
        .execute(params_from_iter(head.into_iter().chain(values)))?;
    Ok(())
}
