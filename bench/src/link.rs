//! Connections to what is measured.

use anyhow::{Context, Result};
pub(crate) use latchkey_fleet::http::Place as Address;
use latchkey_fleet::http::Stream;

/// A connection, without Nagle's delay.
pub(crate) async fn connect(server: &Address) -> Result<Box<dyn Stream>> {
    server.connect().await.with_context(|| format!("connecting to {server:?}"))
}
