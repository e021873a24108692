//! Looking up and listing what a host has set, or its launches have told.

use super::super::numbers::{strand_of_key, strands_of};
use super::super::sql;
use super::super::words::{count, unword};
use super::{COURSES, USERS, known};
use crate::store::{Entity, Extent, Found, Kind, Lookup, Section, StoreError};
use deadpool_postgres::Client;
use futures_util::future::try_join_all;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// The columns of each kind, the number first, where they come from, and which are there. `$1` is the host.
fn source(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Users => (
            "t.id, t.key, t.name, t.username, t.email, t.idnumber",
            "users t",
            "t.host = $1 AND t.deleted_at IS NULL",
        ),
        Kind::Courses => (
            "t.id, t.key, t.title, t.shortname, t.idnumber, t.url",
            "courses t",
            "t.host = $1 AND t.deleted_at IS NULL",
        ),
        Kind::Activities => (
            "t.id, t.key, c.key, s.key, t.title, t.url, t.max, t.method, t.attempts, t.hidden",
            "activities t LEFT JOIN courses c ON c.host = $1 AND c.id = t.course
             LEFT JOIN sections s ON s.host = $1 AND s.id = t.section",
            "t.deleted_at IS NULL",
        ),
        Kind::Enrolments => (
            "t.id, t.key, u.key, c.key, t.role",
            "enrolments t JOIN users u ON u.host = $1 AND u.id = t.user_id
             JOIN courses c ON c.host = $1 AND c.id = t.course",
            "t.host = $1",
        ),
    }
}

/// A statement in the making: conditions and their values, `$1` being the host.
struct Asked<'a> {
    host: i64,
    sql: String,
    values: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

impl<'a> Asked<'a> {
    fn new(host: i64) -> Self {
        Self { host, sql: String::new(), values: Vec::new() }
    }

    /// Adds a text with one value, which stands where it says `?`.
    fn with(mut self, text: &str, value: impl ToSql + Sync + Send + 'a) -> Self {
        self.values.push(Box::new(value));
        self.sql.push_str(&text.replace('?', &format!("${}", self.values.len() + 1)));
        self
    }
}

/// The whole of [`crate::store::Directory::find`].
pub(super) async fn wanted(
    client: &Client,
    host: i64,
    kind: Kind,
    wanted: &Lookup,
) -> Result<Found, StoreError> {
    let asked = Asked::new(host);
    let asked = match wanted {
        Lookup::Id(id) if kind == Kind::Activities => asked
            .with(" AND t.strand = ?", strand_of_key(host, id))
            .with(" AND t.key = ?", id.as_str()),
        Lookup::Id(id) => asked.with(" AND t.key = ?", id.as_str()),
        // One of a fixed list, never a text of a request.
        Lookup::By(name, value) => asked.with(&format!(" AND t.{name} = ?"), value.as_str()),
    };
    let mut found = entities(client, kind, asked.with(" LIMIT ?", 2_i64)).await?;
    Ok(match (found.pop(), found.pop()) {
        (None, _) => Found::None,
        (Some(entity), None) => Found::One(entity),
        (Some(_), Some(_)) => Found::Several,
    })
}

/// The whole of [`crate::store::Directory::list`].
pub(super) async fn list(
    client: &Client,
    host: i64,
    kind: Kind,
    extent: &Extent,
) -> Result<Vec<Entity>, StoreError> {
    let after = extent.after.as_deref().unwrap_or_default();
    let strands: &[i64] = &strands_of(host);
    let mut asked = Asked::new(host);
    if kind == Kind::Activities && extent.filters.is_empty() {
        let keys = activities_after(client, host, after, extent.limit).await?;
        let places: Vec<i64> = keys.iter().map(|key| strand_of_key(host, key)).collect();
        let pairs = " AND (t.strand, t.key) IN (SELECT * FROM unnest(?::BIGINT[], ";
        asked = asked.with(pairs, places).with("?::TEXT[]))", keys);
    } else {
        asked = asked.with(" AND t.key > ?", after);
        if kind == Kind::Activities {
            asked = asked.with(" AND t.strand = ANY(?)", strands);
        }
        for (name, key) in &extent.filters {
            let (table, column) =
                if *name == "user" { (&USERS, "user_id") } else { (&COURSES, "course") };
            let Some(row) = known(client, table, host, key).await? else { return Ok(Vec::new()) };
            asked = asked.with(&format!(" AND t.{column} = ?"), row.id);
        }
    }
    entities(client, kind, asked.with(" ORDER BY t.key LIMIT ?", i64::from(extent.limit))).await
}

/// The keys of the next activities, whatever their strand: of each strand as many as are asked for at the most.
async fn activities_after(
    client: &Client,
    host: i64,
    after: &str,
    limit: u32,
) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT key FROM activities WHERE strand = $1 AND key > $2 AND deleted_at IS NULL
               ORDER BY key LIMIT $3";
    let most = i64::from(limit);
    let strands = strands_of(host).into_iter().map(|strand| async move {
        let rows = sql::rows(client, sql, &[&strand, &after, &most]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>, StoreError>>()
    });
    let mut keys = try_join_all(strands).await?.concat();
    keys.sort_unstable();
    keys.truncate(limit as usize);
    Ok(keys)
}

async fn entities(
    client: &Client,
    kind: Kind,
    asked: Asked<'_>,
) -> Result<Vec<Entity>, StoreError> {
    let (columns, from, there) = source(kind);
    let sql = format!("SELECT {columns} FROM {from} WHERE {there} {}", asked.sql);
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&asked.host];
    values.extend(asked.values.iter().map(|value| &**value as &(dyn ToSql + Sync)));
    let rows = sql::rows(client, &sql, &values).await?;
    let mut arranged = match kind {
        Kind::Courses => sections(client, asked.host, &rows).await?,
        _ => HashMap::new(),
    };
    let read = |row: &Row| {
        let mut entity = entity(kind, row)?;
        if let Entity::Course { sections, .. } = &mut entity {
            *sections = arranged.remove(&row.try_get(0)?).unwrap_or_default();
        }
        Ok(entity)
    };
    rows.iter().map(read).collect()
}

/// The sections of these courses, in their order.
async fn sections(
    client: &Client,
    host: i64,
    courses: &[Row],
) -> Result<HashMap<i64, Vec<Section>>, StoreError> {
    let courses: Vec<i64> =
        courses.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_, StoreError>>()?;
    let sql = "SELECT course, key, name FROM sections WHERE host = $1 AND course = ANY($2)
               ORDER BY course, position";
    let mut found = HashMap::<i64, Vec<Section>>::new();
    for row in sql::rows(client, sql, &[&host, &courses]).await? {
        let section = Section { id: row.try_get(1)?, name: row.try_get(2)? };
        found.entry(row.try_get(0)?).or_default().push(section);
    }
    Ok(found)
}

fn entity(kind: Kind, row: &Row) -> Result<Entity, StoreError> {
    Ok(match kind {
        Kind::Users => Entity::User {
            id: row.try_get(1)?,
            name: row.try_get(2)?,
            username: row.try_get(3)?,
            email: row.try_get(4)?,
            idnumber: row.try_get(5)?,
        },
        Kind::Courses => Entity::Course {
            id: row.try_get(1)?,
            title: row.try_get(2)?,
            shortname: row.try_get(3)?,
            idnumber: row.try_get(4)?,
            page: row.try_get(5)?,
            sections: Vec::new(),
        },
        Kind::Activities => Entity::Activity {
            id: row.try_get(1)?,
            course: row.try_get(2)?,
            section: row.try_get(3)?,
            title: row.try_get(4)?,
            page: row.try_get(5)?,
            max: row.try_get(6)?,
            method: unword(row.try_get(7)?)?,
            attempts: row.try_get::<_, Option<i64>>(8)?.map(count).transpose()?,
            hidden: row.try_get(9)?,
        },
        Kind::Enrolments => Entity::Enrolment {
            id: row.try_get(1)?,
            user: row.try_get(2)?,
            course: row.try_get(3)?,
            role: row.try_get(4)?,
        },
    })
}
