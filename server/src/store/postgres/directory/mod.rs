//! Users, courses, activities and enrolments, as hosts and their launches say.
//!
//! What a host sets is read, compared and written in a few statements over arrays, however many items there are.
//! Rows are held from the moment they are read. What deletes activities holds their strands, so nothing is under
//! way there meanwhile.

mod items;
mod read;
mod remove;
mod rows;
mod set;

use super::numbers::strand_of_key;
use super::sql::{self, transact};
use super::{PostgresStore, Shared};
use crate::store::{
    Change, Directory, Entity, Extent, Found, Items, Kind, Lookup, Removed, Reset, StoreError,
    Unset,
};
use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Transaction};
use latchkey_protocol::Millis;
use rows::{Column, Value};

/// A table of the directory.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The column that stands first in its primary key: `host` or `strand`.
    pub(super) place: &'static str,
    /// The place of each is its bit in `said`: never change it.
    columns: &'static [Column],
    /// Whether a deleted row stays and launches write here too.
    kept: bool,
}

const fn text(name: &'static str) -> Column {
    Column { name, default: Value::Text(None) }
}

const fn number(name: &'static str) -> Column {
    Column { name, default: Value::Number(None) }
}

pub(super) const USERS: Table = Table {
    name: "users",
    place: "host",
    columns: &[text("name"), text("username"), text("email"), text("idnumber")],
    kept: true,
};
pub(super) const COURSES: Table = Table {
    name: "courses",
    place: "host",
    columns: &[text("title"), text("shortname"), text("idnumber"), text("url")],
    kept: true,
};
pub(super) const ACTIVITIES: Table = Table {
    name: "activities",
    place: "strand",
    columns: &[
        number("course"),
        text("title"),
        text("url"),
        Column { name: "max", default: Value::Real(100.0) },
        Column {
            name: "method",
            default: Value::Text(Some(std::borrow::Cow::Borrowed("highest"))),
        },
        number("attempts"),
        number("section"),
        Column { name: "hidden", default: Value::Flag(false) },
    ],
    kept: true,
};
pub(super) const ENROLMENTS: Table = Table {
    name: "enrolments",
    place: "host",
    columns: &[number("user_id"), number("course"), text("role")],
    kept: false,
};

impl Table {
    /// Names and types of the columns, in the order of their bits in `said`.
    pub(super) fn told(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.columns.iter().map(|column| (column.name, column.default.kind()))
    }

    /// The value of the first column of the primary key.
    pub(super) fn place_of(&self, host: i64, key: &str) -> i64 {
        if self.place == "strand" { strand_of_key(host, key) } else { host }
    }
}

/// A row that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) deleted: bool,
}

/// What the host calls `key`, deleted or not, if it is known.
pub(super) async fn known(
    client: &impl GenericClient,
    table: &Table,
    host: i64,
    key: &str,
) -> Result<Option<Row>, StoreError> {
    found(client, table, host, key, "").await
}

/// The same, held until the commit: nobody changes or deletes it meanwhile.
pub(super) async fn held(
    tx: &Transaction<'_>,
    table: &Table,
    host: i64,
    key: &str,
) -> Result<Option<Row>, StoreError> {
    found(tx, table, host, key, "FOR UPDATE").await
}

async fn found(
    client: &impl GenericClient,
    table: &Table,
    host: i64,
    key: &str,
    lock: &str,
) -> Result<Option<Row>, StoreError> {
    let deleted = if table.kept { "deleted_at IS NOT NULL" } else { "FALSE" };
    let (name, place) = (table.name, table.place);
    let sql = format!("SELECT id, {deleted} FROM {name} WHERE {place} = $1 AND key = $2 {lock}");
    let found = sql::row(client, &sql, &[&table.place_of(host, key), &key]).await?;
    found.map(|row| Ok(Row { id: row.try_get(0)?, deleted: row.try_get(1)? })).transpose()
}

#[async_trait]
impl Directory for PostgresStore {
    async fn set(
        &self,
        host: &str,
        items: Items,
    ) -> Result<Vec<Result<Change, Unset>>, StoreError> {
        let host = self.shared.host(host).await?;
        let keys = items::names(&items);
        let fresh: Vec<i64> = self.shared.numbers(host, &keys).await?;
        let outcomes = transact!(self, |tx| set::set(&tx, host, &items, fresh.clone()).await)?;
        if matches!(items, Items::Activities(_)) {
            self.shared.doubt();
        }
        Ok(outcomes)
    }

    async fn find(&self, host: &str, kind: Kind, wanted: Lookup) -> Result<Found, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Found::None) };
        let client = self.shared.client().await?;
        read::wanted(&client, host, kind, &wanted).await
    }

    async fn list(
        &self,
        host: &str,
        kind: Kind,
        extent: Extent,
    ) -> Result<Vec<Entity>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Vec::new()) };
        let client = self.shared.client().await?;
        read::list(&client, host, kind, &extent).await
    }

    async fn remove(
        &self,
        host: &str,
        kind: Kind,
        id: &str,
        now: Millis,
    ) -> Result<Option<Removed>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(None) };
        let removed = transact!(self, |tx| remove::remove(&tx, host, kind, id, now).await)?;
        self.shared.doubt();
        Ok(removed)
    }

    async fn reset(
        &self,
        host: &str,
        activity: &str,
        user: Option<&str>,
        now: Millis,
    ) -> Result<Option<Reset>, StoreError> {
        let Some(number) = self.shared.known_host(host).await? else { return Ok(None) };
        let shared: &Shared = &self.shared;
        let whom = remove::Whom { host: number, name: host, activity, user };
        let done = transact!(self, |tx| remove::reset(shared, &tx, &whom, now).await)?;
        Ok(done.map(|(reset, posted)| {
            self.shared.doubt();
            self.shared.notify(posted);
            reset
        }))
    }
}
