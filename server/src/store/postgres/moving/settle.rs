//! What PostgreSQL adds for itself, made again from what was written.

use super::growth;
use crate::store::StoreError;
use crate::store::moving::Marks;
use crate::store::postgres::numbers::{STRANDS, count_of, strands_of};
use crate::store::postgres::sql;
use deadpool_postgres::{Client, Transaction};

/// Who has joined by the log and the submissions beyond these marks.
pub(super) async fn link(client: &Client, past: &Marks) -> Result<(), StoreError> {
    for strand in growth::upto(client).await?.into_keys() {
        let past = past.get(&strand).copied().unwrap_or(0);
        for from in ["entries", "submissions"] {
            let joins = format!(
                "INSERT INTO joins (strand, activity, user_id)
                 SELECT DISTINCT strand, activity, user_id FROM {from}
                 WHERE strand = $1 AND seq > $2 ON CONFLICT DO NOTHING"
            );
            sql::run(client, &joins, &[&strand, &past]).await?;
        }
    }
    Ok(())
}

/// Counters, places of keys and who has joined by a key: again what they were before if it is done twice.
pub(super) async fn settle(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let places = "INSERT INTO key_places (id, activity, ends_at)
                  SELECT id, activity, ends_at FROM keys ON CONFLICT DO NOTHING";
    sql::run(tx, places, &[]).await?;
    let joins = "INSERT INTO joins (strand, activity, user_id)
                 SELECT DISTINCT strand, activity, user_id FROM keys ON CONFLICT DO NOTHING";
    sql::run(tx, joins, &[]).await?;
    for host in sql::rows(tx, "SELECT id FROM hosts", &[]).await? {
        let host: i64 = host.try_get(0)?;
        let strands: &[i64] = &strands_of(host);
        let last = "SELECT greatest(
                (SELECT max(id) FROM users WHERE host = $1),
                (SELECT max(id) FROM courses WHERE host = $1),
                (SELECT max(id) FROM sections WHERE host = $1),
                (SELECT max(id) FROM enrolments WHERE host = $1),
                (SELECT max(id) FROM activities WHERE strand = ANY($2)))";
        let last = sql::row(tx, last, &[&host, &strands]).await?;
        let last: Option<i64> = last.map(|row| row.try_get(0)).transpose()?.flatten();
        let insert = "INSERT INTO numbers (host, last) VALUES ($1, $2)
                      ON CONFLICT (host) DO UPDATE SET last = excluded.last";
        sql::run(tx, insert, &[&host, &last.map_or(0, count_of)]).await?;
        for strand in strands {
            let last = "SELECT greatest(
                    (SELECT max(seq) FROM entries WHERE strand = $1),
                    (SELECT max(seq) FROM submissions WHERE strand = $1),
                    (SELECT max(seq) FROM rulings WHERE strand = $1),
                    (SELECT max(upto) FROM resets WHERE strand = $1), 0)";
            let last = sql::row(tx, last, &[strand]).await?;
            let last: i64 = last.map_or(Ok(0), |row| row.try_get(0))?;
            let insert = "INSERT INTO counters (strand, last) VALUES ($1, $2)
                          ON CONFLICT (strand) DO UPDATE SET last = excluded.last";
            sql::run(tx, insert, &[strand, &(last / STRANDS)]).await?;
        }
    }
    Ok(())
}
