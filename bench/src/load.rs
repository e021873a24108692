//! The load generator: one thread, one call in flight on each connection, every answer judged.

use crate::client::{Client, connect};
use crate::clock;
use crate::machine::{Ours, Snapshot, Spent};
use crate::reply::Reader;
use anyhow::{Context, Result};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Connections open and caches fill before anything is measured.
pub(crate) const WARM_UP: Duration = Duration::from_millis(300);
/// How long the last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

const WARMING: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// Figures of one window, or the medians of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Window {
    /// Answers within the window.
    pub(crate) calls: f64,
    pub(crate) requests_per_second: f64,
    /// Latency that half of the calls keep under, microseconds.
    pub(crate) p50_us: f64,
    /// Latency that all but one in a hundred keep under, microseconds.
    pub(crate) p99_us: f64,
    /// CPU time of the server for a call, microseconds.
    pub(crate) server_cpu_us: f64,
    /// CPU time of the load generator for a call, microseconds.
    pub(crate) bench_cpu_us: f64,
    /// One page written and synced, just before the window, microseconds.
    pub(crate) sync_us: f64,
    /// Share of all cores that other processes had.
    pub(crate) others: f64,
    /// Bytes of an answer on the wire.
    pub(crate) reply_bytes: f64,
}

/// What came of a window.
pub(crate) struct Outcome {
    pub(crate) clients: Vec<Client>,
    pub(crate) window: Window,
    /// Every right answer, those before and after the window included.
    pub(crate) answers: u64,
}

/// What one connection saw.
struct Seen {
    client: Client,
    latencies: Vec<u32>,
    answers: u64,
}

/// Lets every client of `clients` call `server` for `length`, and measures.
pub(crate) async fn window(
    clients: Vec<Client>,
    server: SocketAddr,
    ours: &Ours,
    length: Duration,
) -> Result<Outcome> {
    let phase = Arc::new(AtomicU8::new(WARMING));
    let mut tasks = Vec::with_capacity(clients.len());
    for client in clients {
        tasks.push(tokio::spawn(calls(client, server, Arc::clone(&phase))));
    }
    sleep(WARM_UP).await;
    let before = Snapshot::take(ours)?;
    phase.store(MEASURED, Ordering::Relaxed);
    sleep(length).await;
    phase.store(OVER, Ordering::Relaxed);
    let spent = Snapshot::take(ours)?.since(&before);
    let seen =
        timeout(LAST_ANSWERS, all(tasks)).await.context("the last answers did not come")??;
    Ok(summary(seen, spent))
}

async fn all(tasks: Vec<JoinHandle<Result<Seen>>>) -> Result<Vec<Seen>> {
    let mut seen = Vec::with_capacity(tasks.len());
    for task in tasks {
        seen.push(task.await??);
    }
    Ok(seen)
}

/// The life of one connection: call, judge, adopt the renewed token, call again.
async fn calls(mut client: Client, server: SocketAddr, phase: Arc<AtomicU8>) -> Result<Seen> {
    let mut stream = connect(server).await?;
    let mut reader = Reader::new();
    let (mut latencies, mut answers) = (Vec::new(), 0);
    while phase.load(Ordering::Relaxed) != OVER {
        let request = client.request(clock::wall_millis());
        let sent = clock::now();
        stream.write_all(request).await?;
        let reply = reader.next(&mut stream).await?;
        let took = sent.elapsed();
        if phase.load(Ordering::Relaxed) == MEASURED {
            latencies.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        }
        client.judge(&reply, clock::wall_seconds())?;
        answers += 1;
        if reply.close {
            stream = connect(server).await?;
            reader = Reader::new();
        }
    }
    Ok(Seen { client, latencies, answers })
}

fn summary(seen: Vec<Seen>, spent: Spent) -> Outcome {
    let answers = seen.iter().map(|seen| seen.answers).sum();
    let mut latencies: Vec<u32> = Vec::new();
    let mut clients = Vec::with_capacity(seen.len());
    for one in seen {
        latencies.extend_from_slice(&one.latencies);
        clients.push(one.client);
    }
    latencies.sort_unstable();
    let calls = latencies.len() as f64;
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / calls.max(1.0);
    let window = Window {
        calls,
        requests_per_second: calls / spent.wall.as_secs_f64(),
        p50_us: percentile(&latencies, 50) / 1e3,
        p99_us: percentile(&latencies, 99) / 1e3,
        server_cpu_us: per_call(spent.server),
        bench_cpu_us: per_call(spent.bench),
        sync_us: 0.0,
        others: spent.others,
        reply_bytes: clients.first().map_or(0.0, |client| client.reply_size as f64),
    };
    Outcome { clients, window, answers }
}

/// The smallest of the `sorted` values that `percent` of all do not exceed; 0 if there are none.
fn percentile(sorted: &[u32], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |value| f64::from(*value))
}

impl Window {
    /// The median of each figure for itself.
    pub(crate) fn medians(windows: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(windows.iter().map(figure).collect());
        Self {
            calls: of(|w| w.calls),
            requests_per_second: of(|w| w.requests_per_second),
            p50_us: of(|w| w.p50_us),
            p99_us: of(|w| w.p99_us),
            server_cpu_us: of(|w| w.server_cpu_us),
            bench_cpu_us: of(|w| w.bench_cpu_us),
            sync_us: of(|w| w.sync_us),
            others: of(|w| w.others),
            reply_bytes: of(|w| w.reply_bytes),
        }
    }
}

/// The middle value, or the mean of the two in the middle; 0 if there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bare;
    use crate::case::Case;
    use crate::ids::Ids;
    use clap::ValueEnum;
    use tokio::net::TcpListener;

    fn clients(case: Case, count: usize) -> Vec<Client> {
        let client = || Client::bare(case, bare::TOKEN, Ids::new().unwrap()).unwrap();
        std::iter::repeat_with(client).take(count).collect()
    }

    #[tokio::test]
    async fn every_case_runs_against_the_bare_handler() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async move { axum::serve(listener, bare::routes()).await };
        let server = tokio::spawn(server);
        let own = std::process::id();
        let ours = Ours { server: own, servers: vec![own], store: None };
        let length = Duration::from_millis(50);
        for case in Case::value_variants() {
            let outcome = window(clients(*case, 3), address, &ours, length).await;
            let outcome = outcome.unwrap();
            assert_eq!(outcome.clients.len(), 3);
            assert!(outcome.window.calls > 0.0, "{case}");
            assert!(outcome.answers as f64 >= outcome.window.calls, "{case}");
        }
        // A server that is not there must end the window, not leave it without calls.
        let wrong = window(clients(Case::Log, 1), closed().await, &ours, length).await;
        assert!(wrong.is_err());
        server.abort();
    }

    /// An address where nobody listens any more.
    async fn closed() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), 50.0);
        assert_eq!(percentile(&hundred, 99), 99.0);
        assert_eq!(percentile(&hundred, 100), 100.0);
        assert_eq!(percentile(&[7], 50), 7.0);
        assert_eq!(percentile(&[7], 99), 7.0);
        assert_eq!(percentile(&[1, 9], 50), 1.0);
        assert_eq!(percentile(&[1, 9], 51), 9.0);
        assert_eq!(percentile(&[], 99), 0.0);
    }

    #[test]
    fn medians_of_odd_even_and_none() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0, 7.0]), 6.0);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn each_figure_of_windows_has_its_own_median() {
        let window = |rate: f64, p99_us: f64| Window {
            requests_per_second: rate,
            p99_us,
            ..Window::default()
        };
        let all = [window(10.0, 3.0), window(30.0, 1.0), window(20.0, 2.0)];
        let middle = Window::medians(&all);
        assert_eq!((middle.requests_per_second, middle.p99_us), (20.0, 2.0));
    }

    #[test]
    fn cpu_is_divided_by_the_calls_of_the_window() {
        let seen = |latencies: Vec<u32>| Seen {
            client: clients(Case::Log, 1).remove(0),
            latencies,
            answers: 5,
        };
        let spent = Spent {
            wall: Duration::from_secs(2),
            server: Duration::from_micros(40),
            bench: Duration::from_micros(20),
            others: 0.0,
        };
        let outcome = summary(vec![seen(vec![1_000, 4_000]), seen(vec![2_000, 3_000])], spent);
        assert_eq!(outcome.answers, 10);
        let window = outcome.window;
        assert_eq!((window.calls, window.requests_per_second), (4.0, 2.0));
        assert_eq!((window.p50_us, window.p99_us), (2.0, 4.0));
        assert_eq!((window.server_cpu_us, window.bench_cpu_us), (10.0, 5.0));
    }
}
