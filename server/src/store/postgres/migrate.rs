//! Bringing a database up to date, by one server at a time.

use super::connect::Target;
use super::{months, moving, sql};
use crate::store::StoreError;
use deadpool_postgres::{Client, Transaction};
use latchkey_protocol::Millis;

/// The migrations, in order. The database remembers how many it has seen.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_start.sql"),
    include_str!("../../../migrations/postgres/0002_scores.sql"),
];

/// Made before anything else, so that there is a row to hold.
const VERSION: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    one BIGINT PRIMARY KEY, version BIGINT NOT NULL, swept_at BIGINT NOT NULL DEFAULT 0)";

/// Held while a database is brought up to date. Any number that nobody else uses.
const LOCK: i64 = 0x6c61_7463_686b_6579;

/// Connects for nothing else than to bring the database up to date.
pub(super) fn alone(target: &Target, now: Millis) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StoreError::Database(error.to_string()))?;
    let pool = target.pool(1)?;
    runtime.block_on(async {
        let mut client = pool.get().await?;
        migrate(&mut client, now).await?;
        moving::refuse_unfinished(&client).await
    })
}

/// Brings the database up to date.
///
/// # Errors
/// Without a right to, or when it was made by a newer version of this program.
pub(super) async fn migrate(client: &mut Client, now: Millis) -> Result<(), StoreError> {
    migrate_by(MIGRATIONS, client, now).await
}

/// The same for a program that knows these migrations.
async fn migrate_by(known: &[&str], client: &mut Client, now: Millis) -> Result<(), StoreError> {
    // Another server may be at it, and building takes longer than a call may.
    client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
    let transaction = client.transaction().await?;
    lock(&transaction).await?;
    let seen = sql::row(&transaction, "SELECT version FROM schema_version FOR UPDATE", &[]).await?;
    let seen = seen.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let seen = usize::try_from(seen).unwrap_or(usize::MAX);
    if seen > known.len() {
        return Err(StoreError::Unreadable(format!(
            "the database is at version {seen}, this program knows {}; use a newer one",
            known.len()
        )));
    }
    for migration in &known[seen..] {
        transaction.batch_execute(migration).await?;
    }
    if seen < known.len() {
        let version = known.len() as i64;
        let write = "INSERT INTO schema_version (one, version) VALUES (1, $1)
                     ON CONFLICT (one) DO UPDATE SET version = excluded.version";
        sql::run(&transaction, write, &[&version]).await?;
    }
    months::make(&transaction, now).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_cluster::Database;
    use std::sync::Barrier;

    const NOW: Millis = 1_795_000_000_000;
    /// Fails if it is done twice, and is not done at once.
    const NEXT: &str = "CREATE TABLE later (id BIGINT PRIMARY KEY);
        INSERT INTO later SELECT count(*) FROM hosts;
        SELECT pg_sleep(0.2)";

    fn start(known: &[&str], database: &Database) -> Result<(), StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = Target::of(database.url())?.pool(1)?.get().await?;
            migrate_by(known, &mut client, NOW).await
        })
    }

    fn version(database: &Database) -> String {
        database.rows("SELECT version FROM schema_version").concat().concat()
    }

    #[test]
    fn an_older_database_is_brought_forward_once_by_servers_that_start_together() {
        let database = Database::new();
        start(&MIGRATIONS[..1], &database).unwrap();
        database.execute("INSERT INTO hosts (id, name) VALUES (1, 'school')");
        let newer: Vec<_> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
        let together = Barrier::new(3);
        std::thread::scope(|scope| {
            let one = || {
                together.wait();
                start(&newer, &database)
            };
            let servers = [scope.spawn(one), scope.spawn(one), scope.spawn(one)];
            servers.into_iter().for_each(|server| server.join().unwrap().unwrap());
        });
        assert_eq!(version(&database), newer.len().to_string());
        assert_eq!(database.rows("SELECT id FROM later"), [["1"]], "what was there is still there");
        // The way back is the backup.
        let refused = start(MIGRATIONS, &database).unwrap_err().to_string();
        let (found, known) = (newer.len(), MIGRATIONS.len());
        let words = format!("at version {found}, this program knows {known}; use a newer one");
        assert!(refused.contains(&words), "{refused}");
        assert_eq!(version(&database), newer.len().to_string());
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let database = Database::new();
        start(MIGRATIONS, &database).unwrap();
        let broken: Vec<_> =
            MIGRATIONS.iter().copied().chain([NEXT, "SELECT * FROM nowhere"]).collect();
        let refused = start(&broken, &database).unwrap_err().to_string();
        assert!(refused.contains("nowhere"), "{refused}");
        assert_eq!(version(&database), MIGRATIONS.len().to_string());
        start(&broken[..broken.len() - 1], &database).unwrap();
    }
}
