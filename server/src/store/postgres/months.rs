//! The log by months: each is a partition, made ahead, and dropped whole where the operator wants no more of it.

use super::numbers::{first_seq, month, month_name};
use super::sql;
use crate::store::StoreError;
use deadpool_postgres::Transaction;
use latchkey_protocol::Millis;

/// Months made ahead of the one that is.
const AHEAD: i64 = 2;
/// Rows deleted at once where an old month is no partition of its own.
const STEP: i64 = 10_000;

/// The name of the partition of a month.
fn partition(month: i64) -> String {
    format!("entries_{}", month_name(month))
}

/// Makes the partitions of this month and the next ones. Entries that came before their partition was made stay in the
/// one without a month, and with them that month.
pub(super) async fn make(transaction: &Transaction<'_>, now: Millis) -> Result<(), StoreError> {
    for month in month(now)..=month(now) + AHEAD {
        let name = partition(month);
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

/// Drops what is older than the present month and `keep` before it; how many partitions.
pub(super) async fn drop_before(
    transaction: &Transaction<'_>,
    keep: u32,
    now: Millis,
) -> Result<usize, StoreError> {
    let first = month(now) - i64::from(keep);
    if first <= 0 {
        return Ok(0);
    }
    // To drop one, nobody may be reading the log. Calls behind this must not wait: it is tried again.
    transaction.batch_execute("SET LOCAL lock_timeout = '500ms'").await?;
    let sql = "SELECT tablename FROM pg_tables
               WHERE schemaname = current_schema() AND tablename LIKE 'entries\\_2%'";
    let mut dropped = 0;
    for row in sql::rows(transaction, sql, &[]).await? {
        let name: String = row.try_get(0)?;
        if name < partition(first) {
            // Another server may have been faster.
            transaction.batch_execute(&format!("DROP TABLE IF EXISTS {name}")).await?;
            dropped += 1;
        }
    }
    let delete = "DELETE FROM entries_other WHERE (strand, seq) IN (
                      SELECT strand, seq FROM entries_other WHERE seq < $1
                      ORDER BY strand, seq LIMIT $2)";
    sql::run(transaction, delete, &[&first_seq(first), &STEP]).await?;
    Ok(dropped)
}
