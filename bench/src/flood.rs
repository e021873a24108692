//! Many requests as fast as possible: pipelined, every answer judged, no latencies.

use crate::clock;
use crate::link::{Address, connect};
use crate::reply::{Reader, Reply};
use anyhow::{Context, Result, ensure};
use memchr::memmem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

const CONNECTIONS: u64 = 64;
/// Requests under way on one connection.
const DEPTH: usize = 16;
/// How often progress is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// What a right answer looks like.
#[derive(Clone, Copy)]
pub(crate) struct Right {
    pub(crate) status: u16,
    /// A text that shows in it.
    pub(crate) mark: &'static str,
}

impl Right {
    fn judge(self, reply: &Reply<'_>) -> Result<()> {
        let right =
            reply.status == self.status && memmem::find(reply.body, self.mark.as_bytes()).is_some();
        ensure!(right, "a wrong answer: {} {}", reply.status, reply.excerpt());
        Ok(())
    }
}

/// How progress is told: of what, and how many of it a request stands for.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) what: &'static str,
    pub(crate) each: u64,
}

/// Sends the requests `range`, made by `make`, and judges each answer.
pub(crate) async fn flood<M>(
    server: SocketAddr,
    range: std::ops::Range<u64>,
    make: M,
    right: Right,
    shown: Shown,
) -> Result<()>
where
    M: Fn(u64, &mut Vec<u8>) -> Result<()> + Send + Sync + 'static,
{
    let (make, done) = (Arc::new(make), Arc::new(AtomicU64::new(0)));
    let total = range.end - range.start;
    let mut tasks = JoinSet::new();
    for first in 0..CONNECTIONS.min(total) {
        let numbers = (range.start + first..range.end).step_by(CONNECTIONS as usize);
        let (make, done) = (Arc::clone(&make), Arc::clone(&done));
        tasks.spawn(async move { send(server, numbers, &*make, right, &done).await });
    }
    let start = clock::now();
    let mut ticks = tokio::time::interval(SHOWN_EVERY);
    ticks.tick().await;
    loop {
        tokio::select! {
            task = tasks.join_next() => match task {
                Some(task) => task??,
                None => break,
            },
            _ = ticks.tick() => eprintln!(
                "  {}: {} of {}, {} s",
                shown.what,
                thousands(done.load(Ordering::Relaxed) * shown.each),
                thousands(total * shown.each),
                start.elapsed().as_secs()
            ),
        }
    }
    Ok(())
}

async fn send<M>(
    server: SocketAddr,
    mut numbers: impl Iterator<Item = u64>,
    make: &M,
    right: Right,
    done: &AtomicU64,
) -> Result<()>
where
    M: Fn(u64, &mut Vec<u8>) -> Result<()>,
{
    let (mut stream, mut reader) = (connect(&Address::Tcp(server)).await?, Reader::new());
    let mut requests = Vec::new();
    loop {
        requests.clear();
        let mut sent = 0;
        for number in numbers.by_ref().take(DEPTH) {
            make(number, &mut requests)?;
            sent += 1;
        }
        if sent == 0 {
            return Ok(());
        }
        stream.write_all(&requests).await?;
        for _ in 0..sent {
            let reply = reader.next(&mut stream).await.context("in a pipeline")?;
            right.judge(&reply)?;
        }
        done.fetch_add(sent, Ordering::Relaxed);
    }
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let all = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in all {
            assert_eq!(thousands(number), text);
        }
    }
}
