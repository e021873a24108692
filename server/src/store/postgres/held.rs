//! Keys as their host sees them.

use super::directory::{ACTIVITIES, USERS, known};
use super::numbers::{host_of, strand_of, strands_of};
use super::words::{count, sixteen};
use super::{PostgresStore, Shared, sql};
use crate::store::{HeldKey, HeldKeys, KeyFilter, StoreError};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// `$1` is the host.
const COLUMNS: &str = "SELECT k.id, u.key, a.key, k.attempt, k.session, k.rotating, k.created_at,
        k.advanced_at, k.ends_at, k.revoked_at, k.revoked_for, k.grant_id, g.text
    FROM keys k JOIN users u ON u.host = $1 AND u.id = k.user_id
    JOIN activities a ON a.strand = k.strand AND a.id = k.activity
    JOIN grants g ON g.id = k.grant_id";

#[async_trait]
impl HeldKeys for PostgresStore {
    async fn live_keys(
        &self,
        host: &str,
        filter: KeyFilter,
        idle_since: Millis,
        now: Millis,
    ) -> Result<Vec<HeldKey>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(Vec::new()) };
        let client = self.shared.client().await?;
        let after = filter.after.map_or_else(Vec::new, |id| id.0.to_vec());
        let limit = i64::from(filter.limit);
        let mut strands = strands_of(host).to_vec();
        let mut numbers = Vec::new();
        for (table, column, key) in
            [(&USERS, "user_id", &filter.user), (&ACTIVITIES, "activity", &filter.activity)]
        {
            let Some(key) = key else { continue };
            let Some(row) = known(&client, table, host, key).await? else { return Ok(Vec::new()) };
            if column == "activity" {
                strands = vec![strand_of(row.id)];
            }
            numbers.push((column, row.id));
        }
        let mut sql = format!(
            "{COLUMNS} WHERE k.strand = ANY($2) AND k.id > $3 AND k.revoked_at IS NULL
             AND k.ends_at > $4 AND (NOT k.rotating OR k.advanced_at > $5)"
        );
        let mut values: Vec<&(dyn ToSql + Sync)> =
            vec![&host, &strands, &after, &now, &idle_since, &limit];
        for (column, number) in &numbers {
            values.push(number);
            sql.push_str(&format!(" AND k.{column} = ${}", values.len()));
        }
        if let Some(session) = &filter.session {
            values.push(session);
            sql.push_str(&format!(" AND k.session = ${}", values.len()));
        }
        sql.push_str(" ORDER BY k.id LIMIT $6");
        let rows = sql::rows(&client, &sql, &values).await?;
        rows.iter().map(|row| held(&self.shared, row)).collect()
    }

    async fn held_key(&self, host: &str, id: KeyId) -> Result<Option<HeldKey>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(None) };
        let client = self.shared.client().await?;
        let id = &id.0[..];
        let place = "SELECT activity FROM key_places WHERE id = $1";
        let Some(row) = sql::row(&client, place, &[&id]).await? else { return Ok(None) };
        let activity: i64 = row.try_get(0)?;
        if host_of(activity) != host {
            return Ok(None);
        }
        let sql = format!("{COLUMNS} WHERE k.strand = $2 AND k.id = $3");
        let found = sql::row(&client, &sql, &[&host, &strand_of(activity), &id]).await?;
        found.map(|row| held(&self.shared, &row)).transpose()
    }
}

fn held(shared: &Shared, row: &Row) -> Result<HeldKey, StoreError> {
    let revoked_at: Option<Millis> = row.try_get(9)?;
    let why: Option<String> = row.try_get(10)?;
    let text: &str = row.try_get(12)?;
    let grant = shared.known.grant(sixteen(row.try_get(11)?)?, || serde_json::from_str(text).ok());
    Ok(HeldKey {
        id: KeyId(sixteen(row.try_get(0)?)?),
        user: row.try_get(1)?,
        activity: row.try_get(2)?,
        attempt: count(row.try_get(3)?)?,
        session: row.try_get(4)?,
        grant: grant.ok_or_else(|| StoreError::Unreadable("a grant".into()))?,
        rotating: row.try_get(5)?,
        created_at: row.try_get(6)?,
        advanced_at: row.try_get(7)?,
        ends_at: row.try_get(8)?,
        revoked: revoked_at.map(|at| (at, why.unwrap_or_default())),
    })
}
