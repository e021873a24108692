//! What makes a signed request good once.

use super::directory;
use super::tx::Tx;
use crate::store::StoreError;
use latchkey_protocol::Millis;
use rusqlite::params;

/// Nonces are kept this much longer than they could be used: our own clock may be set back.
const KEEP: Millis = 15 * 60 * 1000;

/// Remembers a nonce until its time is past; `false` if it was known.
pub(super) fn spend(
    tx: &Tx<'_>,
    host: &str,
    nonce: &str,
    until: Millis,
    now: Millis,
) -> Result<bool, StoreError> {
    let host = directory::host(tx, host)?;
    tx.connection.prepare_cached("DELETE FROM nonces WHERE until < ?")?.execute([now - KEEP])?;
    let inserted = tx
        .connection
        .prepare_cached("INSERT OR IGNORE INTO nonces VALUES (?, ?, ?)")?
        .execute(params![host, nonce, until])?;
    Ok(inserted == 1)
}
