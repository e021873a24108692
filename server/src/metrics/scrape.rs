//! Where Prometheus asks: a listener of its own, so that the figures are never where the public is.

use crate::latchkey::Latchkey;
use crate::store::{PoolLoad, StoreError};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use latchkey_protocol::Millis;
use std::net::TcpListener;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the head of a scrape may take.
const HEAD: Duration = Duration::from_secs(10);
/// What is counted by reading tables is counted no more often.
const COUNT_EVERY: Millis = 60_000;
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers scrapes until it is dropped.
pub(crate) async fn serve(listener: TcpListener, latchkey: Weak<Latchkey>) {
    let router = Router::new().route("/metrics", get(scrape)).with_state(latchkey);
    if let Err(error) =
        crate::serve::serve_router(listener, router, HEAD, std::future::pending()).await
    {
        tracing::error!(%error, "metrics are not served any more");
    }
}

async fn scrape(State(latchkey): State<Weak<Latchkey>>) -> Response<Body> {
    // A connection that is kept open must not keep the store open.
    let Some(latchkey) = latchkey.upgrade() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    if let Err(error) = latchkey.look().await {
        // The counters are good all the same, and a scrape that fails would hide them.
        tracing::debug!(%error, "the store could not be counted");
    }
    match latchkey.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Latchkey {
    /// Brings the gauges up to date.
    async fn look(&self) -> Result<(), StoreError> {
        let metrics = &self.metrics;
        let load = self.store.load();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.queue.set(number(load.queue));
        for PoolLoad { pool, open, used, most, waiting } in load.pools {
            for (state, count) in [("open", open), ("used", used), ("most", most)] {
                let labels = vec![("pool", pool), ("state", state)];
                metrics.connections.get_or_create(&labels).set(number(count));
            }
            metrics.waiting.get_or_create(&vec![("pool", pool)]).set(number(waiting));
        }
        metrics.ready.set(self.not_ready().await.is_empty().into());
        let now = self.now();
        let last = metrics.counted_at.load(Ordering::Relaxed);
        if last <= now && now < last.saturating_add(COUNT_EVERY) {
            return Ok(());
        }
        let idle_since = now - self.in_force().windows.idle;
        let standing = self.store.standing(now, idle_since).await?;
        metrics.counted_at.store(now, Ordering::Relaxed);
        metrics.live_keys.set(number(standing.live_keys));
        metrics.outstanding.set(number(standing.outstanding));
        Ok(())
    }
}
