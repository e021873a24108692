//! Bringing a database up to date, by one server at a time.

use super::numbers::{first_seq, month, month_name};
use super::{connect, sql};
use crate::store::StoreError;
use deadpool_postgres::{Client, Transaction};
use latchkey_protocol::Millis;
use tokio_postgres::Config;

/// The migrations, in order. The database remembers how many it has seen.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("../../../migrations/postgres/0001_start.sql")];

/// Made before anything else, so that there is a row to hold.
const VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    one BIGINT PRIMARY KEY, version BIGINT NOT NULL, swept_at BIGINT NOT NULL DEFAULT 0)";

/// Held while a database is brought up to date. Any number that nobody else uses.
const LOCK: i64 = 0x6c61_7463_686b_6579;

/// Months made ahead of the one that is.
const AHEAD: i64 = 2;

/// Connects for nothing else than to bring the database up to date.
pub(super) fn alone(config: &Config, now: Millis) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StoreError::Database(error.to_string()))?;
    let pool = connect::pool(config, 1)?;
    runtime.block_on(async { migrate(&mut pool.get().await?, now).await })
}

/// Brings the database up to date.
///
/// # Errors
/// Without a right to, or when it was made by a newer version of this program.
async fn migrate(client: &mut Client, now: Millis) -> Result<(), StoreError> {
    // Another server may be at it, and building takes longer than a call may.
    client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    let transaction = client.transaction().await?;
    lock(&transaction).await?;
    let seen = sql::row(&transaction, "SELECT version FROM schema_version FOR UPDATE", &[]).await?;
    let seen = seen.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let seen = usize::try_from(seen).unwrap_or(usize::MAX);
    if seen > MIGRATIONS.len() {
        return Err(StoreError::Unreadable(format!(
            "the database is at version {seen}, this program knows {}; use a newer one",
            MIGRATIONS.len()
        )));
    }
    for migration in &MIGRATIONS[seen..] {
        transaction.batch_execute(migration).await?;
    }
    if seen < MIGRATIONS.len() {
        let version = MIGRATIONS.len() as i64;
        let write = "INSERT INTO schema_version (one, version) VALUES (1, $1)
                     ON CONFLICT (one) DO UPDATE SET version = excluded.version";
        sql::run(&transaction, write, &[&version]).await?;
    }
    months(&transaction, now).await?;
    transaction.commit().await?;
    Ok(())
}

/// One server at a time. Engines without advisory locks have the row of the version, from the second start on,
/// and refuse a table that is made twice.
async fn lock(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    sql::run(transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    transaction.batch_execute(VERSION).await?;
    Ok(())
}

/// Makes the partitions of the log for this month and the next ones. Entries that came before their partition was
/// made stay in the one without a month, and with them that month.
pub(super) async fn months(transaction: &Transaction<'_>, now: Millis) -> Result<(), StoreError> {
    for month in month(now)..=month(now) + AHEAD {
        let name = format!("entries_{}", month_name(month));
        let (from, to) = (first_seq(month), first_seq(month + 1));
        let there = "SELECT 1 FROM pg_tables WHERE tablename = $1";
        if sql::row(transaction, there, &[&name]).await?.is_some() {
            continue;
        }
        let astray = "SELECT 1 FROM entries_other WHERE seq >= $1 AND seq < $2 LIMIT 1";
        if sql::row(transaction, astray, &[&from, &to]).await?.is_some() {
            continue;
        }
        let make =
            format!("CREATE TABLE {name} PARTITION OF entries FOR VALUES FROM ({from}) TO ({to})");
        transaction.batch_execute(&make).await?;
    }
    Ok(())
}
