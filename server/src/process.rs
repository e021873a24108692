//! What a program that serves needs of its process: a log, and to be told when to stop.

use crate::config::{Config, ConfigError, LogFormat};
use crate::latchkey::Latchkey;
use crate::traces::{self, Traces};
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Starts the log on standard error, as `[log]` says, and the sending of spans, as `[tracing]` says: the way to flush them. Standard output is left to the lines that other
/// programs wait for.
///
/// # Errors
/// When `log.level` is no level.
pub fn start_log(config: &Config) -> Result<Option<Traces>, ConfigError> {
    let filter = EnvFilter::try_new(&config.log.level)
        .map_err(|_| ConfigError::value("log.level", "write error, warn, info, debug or trace"))?;
    // The driver of PostgreSQL tells the values of its statements: names, comments, ids of web sessions.
    let quiet = ["tokio_postgres=warn", "tokio_postgres::query=warn", SPANS_OFF];
    let filter = quiet
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    // A line that cannot be written, as on a full disk, is lost. To complain of it in the same place would panic.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = match config.log.format {
        LogFormat::Text => lines.with_ansi(false).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let log = tracing_subscriber::registry().with(lines);
    if config.tracing.otlp.is_empty() {
        log.init();
        return Ok(None);
    }
    let (spans, traces) = traces::layer(&config.tracing.otlp)?;
    log.with(spans).init();
    Ok(Some(traces))
}

/// Spans are for a collector: the log is read line by line.
const SPANS_OFF: &str = "latchkey_spans=off";

/// Resolves at the first SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: requests under way are finished");
    })
}

/// Reads the settings again at each SIGHUP and puts them in force. What cannot be leaves the old ones
/// in force, and the log says why. `started` are the settings as they were read at the start; `read`
/// reads them anew.
///
/// # Errors
/// When the signal cannot be listened to.
pub fn reload_at_hangup<E: Display>(
    latchkey: &Arc<Latchkey>,
    started: Config,
    read: impl Fn() -> Result<Config, E> + Send + 'static,
) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    // Weak: the store closes when the last share of the state is gone.
    let latchkey = Arc::downgrade(latchkey);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let Some(latchkey) = latchkey.upgrade() else { return };
            reload(&latchkey, &started, read());
        }
    });
    Ok(())
}

fn reload<E: Display>(latchkey: &Latchkey, started: &Config, read: Result<Config, E>) {
    let stays = "the settings are as they were";
    let config = match read {
        Ok(config) => config,
        Err(error) => return tracing::error!(%error, "{stays}"),
    };
    if let Err(error) = latchkey.reload(&config) {
        return tracing::error!(%error, "{stays}");
    }
    let waiting = started.needs_restart(&config);
    if !waiting.is_empty() {
        tracing::warn!(settings = waiting.join(", "), "changed, but read at the start only");
    }
    tracing::info!("settings read again and in force");
}
