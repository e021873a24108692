//! Keys as their host sees them.

use super::{Shared, SqliteStore};
use crate::store::{HeldKey, HeldKeys, KeyFilter, StoreError};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use std::sync::Arc;

const COLUMNS: &str =
    "SELECT k.id, u.key, a.key, k.attempt, k.session, k.\"grant\", k.rotating, k.created_at,
        k.advanced_at, k.ends_at, k.revoked_at, k.revoked_for
 FROM keys k JOIN hosts h ON h.id = k.host JOIN users u ON u.id = k.user
 JOIN activities a ON a.id = k.activity";

#[async_trait]
impl HeldKeys for SqliteStore {
    async fn live_keys(
        &self,
        host: &str,
        filter: KeyFilter,
        idle_since: Millis,
        now: Millis,
    ) -> Result<Vec<HeldKey>, StoreError> {
        let (host, shared) = (host.to_owned(), Arc::clone(&self.shared));
        self.readers
            .run(move |connection| live(&shared, connection, &host, &filter, idle_since, now))
            .await
    }

    async fn held_key(&self, host: &str, id: KeyId) -> Result<Option<HeldKey>, StoreError> {
        let (host, shared) = (host.to_owned(), Arc::clone(&self.shared));
        self.readers
            .run(move |connection| {
                let sql = format!("{COLUMNS} WHERE k.id = ? AND h.name = ?");
                let row = connection
                    .prepare_cached(&sql)?
                    .query_row(params![id.0, host], read)
                    .optional()?;
                row.map(|row| held(&shared, connection, row)).transpose()
            })
            .await
    }
}

fn live(
    shared: &Shared,
    connection: &Connection,
    host: &str,
    filter: &KeyFilter,
    idle_since: Millis,
    now: Millis,
) -> Result<Vec<HeldKey>, StoreError> {
    let mut sql = format!(
        "{COLUMNS} WHERE h.name = ? AND k.id > ? AND k.revoked_at IS NULL AND k.ends_at > ?
         AND (k.rotating = 0 OR k.advanced_at > ?)"
    );
    let mut values = vec![
        Value::from(host.to_owned()),
        Value::from(filter.after.map_or_else(Vec::new, |id| id.0.to_vec())),
        Value::from(now),
        Value::from(idle_since),
    ];
    for (condition, value) in [
        (" AND k.user = (SELECT id FROM users WHERE host = h.id AND key = ?)", &filter.user),
        (
            " AND k.activity = (SELECT id FROM activities WHERE host = h.id AND key = ?)",
            &filter.activity,
        ),
        (" AND k.session = ?", &filter.session),
    ] {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(Value::from(value.clone()));
        }
    }
    sql.push_str(" ORDER BY k.id LIMIT ?");
    values.push(Value::from(filter.limit));
    let rows: Vec<_> = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), read)?
        .collect::<Result<_, _>>()?;
    rows.into_iter().map(|row| held(shared, connection, row)).collect()
}

/// A row, and the number of its grant.
type Read = (Box<dyn FnOnce(Arc<crate::store::Grant>) -> HeldKey>, i64);

fn read(row: &Row<'_>) -> rusqlite::Result<Read> {
    let (id, user, activity) = (KeyId(row.get(0)?), row.get(1)?, row.get(2)?);
    let (attempt, session, rotating) = (row.get(3)?, row.get(4)?, row.get(6)?);
    let (created_at, advanced_at, ends_at) = (row.get(7)?, row.get(8)?, row.get(9)?);
    let revoked_at: Option<Millis> = row.get(10)?;
    let why: Option<String> = row.get(11)?;
    let revoked = revoked_at.map(|at| (at, why.unwrap_or_default()));
    let whole = move |grant| HeldKey {
        id,
        user,
        activity,
        attempt,
        session,
        grant,
        rotating,
        created_at,
        advanced_at,
        ends_at,
        revoked,
    };
    Ok((Box::new(whole), row.get(5)?))
}

fn held(shared: &Shared, connection: &Connection, row: Read) -> Result<HeldKey, StoreError> {
    let (whole, grant) = row;
    Ok(whole(shared.grants.get(connection, grant)?))
}
