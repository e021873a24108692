//! Login sessions of a host that is built on this library.

use super::{PostgresStore, sql};
use crate::store::{StoreError, WebSessions};
use async_trait::async_trait;
use latchkey_protocol::Millis;

#[async_trait]
impl WebSessions for PostgresStore {
    async fn create_web_session(
        &self,
        id: &str,
        record: &str,
        expires_at: Millis,
    ) -> Result<bool, StoreError> {
        let client = self.shared.client().await?;
        let insert = "INSERT INTO web_sessions (id, expires_at, record) VALUES ($1, $2, $3)
                      ON CONFLICT DO NOTHING";
        Ok(sql::run(&client, insert, &[&id, &expires_at, &record]).await? == 1)
    }

    async fn save_web_session(
        &self,
        id: &str,
        record: &str,
        expires_at: Millis,
    ) -> Result<(), StoreError> {
        let client = self.shared.client().await?;
        let update = "UPDATE web_sessions SET expires_at = $2, record = $3 WHERE id = $1";
        sql::run(&client, update, &[&id, &expires_at, &record]).await.map(drop)
    }

    async fn load_web_session(&self, id: &str, now: Millis) -> Result<Option<String>, StoreError> {
        let client = self.shared.client().await?;
        let load = "SELECT record FROM web_sessions WHERE id = $1 AND expires_at > $2";
        let found = sql::row(&client, load, &[&id, &now]).await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?)
    }

    async fn delete_web_session(&self, id: &str) -> Result<(), StoreError> {
        let client = self.shared.client().await?;
        sql::run(&client, "DELETE FROM web_sessions WHERE id = $1", &[&id]).await.map(drop)
    }

    async fn sweep(&self, now: Millis) -> Result<bool, StoreError> {
        self.sweep_on(now).await
    }
}
