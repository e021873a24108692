//! What operators watch of it.

use super::SqliteStore;
use crate::store::{Load, Meter, Metered, Standing, StoreError};
use async_trait::async_trait;
use latchkey_protocol::Millis;

#[async_trait]
impl Metered for SqliteStore {
    fn meter(&self) -> Meter {
        self.shared.meter.clone()
    }

    fn load(&self) -> Load {
        Load { queue: self.writer.waiting(), pools: Vec::new() }
    }

    async fn standing(&self, now: Millis, idle_since: Millis) -> Result<Standing, StoreError> {
        let count = move |connection: &rusqlite::Connection| {
            let live = "SELECT count(*) FROM keys WHERE revoked_at IS NULL AND ends_at > ?
                        AND (advanced_at > ? OR NOT rotating)";
            let waiting =
                "SELECT coalesce(sum(last - sent), 0) FROM lanes WHERE due_at IS NOT NULL";
            let live: i64 = connection.query_row(live, [now, idle_since], |row| row.get(0))?;
            let waiting: i64 = connection.query_row(waiting, [], |row| row.get(0))?;
            Ok(Standing { live_keys: live.unsigned_abs(), outstanding: waiting.unsigned_abs() })
        };
        self.readers.run(count).await
    }
}
