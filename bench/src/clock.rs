//! The stopwatch and the wall clock of the bench: the only place that asks the machine for the time.

#![expect(
    clippy::disallowed_methods,
    reason = "a stopwatch is what this tool is; nothing is decided by its time"
)]

use anyhow::{Context, Result};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::macros::format_description;

/// The stopwatch.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch; 0 on a machine whose clock stands before it.
pub(crate) fn wall_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Seconds since the Unix epoch.
pub(crate) fn wall_seconds() -> u64 {
    wall_millis() / 1000
}

/// RFC 3339 with milliseconds, as JavaScript's `toISOString` writes it.
pub(crate) fn rfc3339(millis: u64) -> Result<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|at| {
            let shape = format_description!(
                "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
            );
            at.format(&shape).ok()
        })
        .context("the clock of this machine is out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_milliseconds_always() {
        let text = rfc3339(1_700_000_000_000).unwrap();
        assert_eq!(text, "2023-11-14T22:13:20.000Z");
    }
}
