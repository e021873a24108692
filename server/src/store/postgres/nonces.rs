//! What makes a signed request of a host good once.

use super::{PostgresStore, sql};
use crate::store::{Nonces, StoreError};
use async_trait::async_trait;
use latchkey_protocol::Millis;

/// Nonces are kept this much longer than they could be used: a clock may be set back, and those of several
/// servers differ.
pub(super) const KEEP: Millis = 15 * 60 * 1000;

#[async_trait]
impl Nonces for PostgresStore {
    async fn spend_nonce(
        &self,
        host: &str,
        nonce: &str,
        until: Millis,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let host = self.shared.host(host).await?;
        let client = self.shared.client().await?;
        let old = now.saturating_sub(KEEP);
        sql::run(&client, "DELETE FROM nonces WHERE host = $1 AND until < $2", &[&host, &old])
            .await?;
        let insert = "INSERT INTO nonces (host, nonce, until) VALUES ($1, $2, $3)
                      ON CONFLICT DO NOTHING";
        Ok(sql::run(&client, insert, &[&host, &nonce, &until]).await? == 1)
    }
}
