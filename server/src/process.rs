//! What a program that serves needs of its process: a log, and to be told when to stop.

use crate::config::{Config, ConfigError, LogFormat};
use std::future::Future;
use tracing_subscriber::EnvFilter;

/// Starts the log on standard error, as `[log]` says. Standard output is left to the lines that other
/// programs wait for.
///
/// # Errors
/// When `log.level` is no level.
pub fn start_log(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.log.level)
        .map_err(|_| ConfigError::value("log.level", "write error, warn, info, debug or trace"))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Resolves at the first SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
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
