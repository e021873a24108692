//! What operators watch of it.

use super::{PostgresStore, sql};
use crate::store::{Load, Meter, Metered, PoolLoad, Standing, StoreError};
use async_trait::async_trait;
use deadpool_postgres::Pool;
use latchkey_protocol::Millis;

fn load(name: &'static str, pool: &Pool) -> PoolLoad {
    let status = pool.status();
    PoolLoad {
        pool: name,
        open: status.size as u64,
        used: status.size.saturating_sub(status.available) as u64,
        most: status.max_size as u64,
        waiting: status.waiting as u64,
    }
}

#[async_trait]
impl Metered for PostgresStore {
    fn meter(&self) -> Meter {
        self.shared.meter.clone()
    }

    fn load(&self) -> Load {
        let shared = &self.shared;
        Load {
            queue: self.tasks.get().map_or(0, |writers| writers.waiting()),
            pools: vec![load("calls", &shared.writers), load("other", &shared.pool)],
        }
    }

    async fn standing(&self, now: Millis, idle_since: Millis) -> Result<Standing, StoreError> {
        let client = self.shared.client().await?;
        let live = "SELECT count(*) FROM keys WHERE revoked_at IS NULL AND ends_at > $1
                    AND (advanced_at > $2 OR NOT rotating)";
        let live = sql::row(&client, live, &[&now, &idle_since]).await?;
        let live: i64 = live.map_or(Ok(0), |row| row.try_get(0))?;
        let waiting = "SELECT coalesce(sum(last - sent), 0)::BIGINT FROM lanes
                       WHERE due_at IS NOT NULL";
        let waiting = sql::row(&client, waiting, &[]).await?;
        let waiting: i64 = waiting.map_or(Ok(0), |row| row.try_get(0))?;
        Ok(Standing { live_keys: live.unsigned_abs(), outstanding: waiting.unsigned_abs() })
    }
}
