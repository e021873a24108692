//! The load generator: one thread, one call in flight on each connection, every answer judged.

use crate::arrivals::Arrivals;
use crate::client::Client;
use crate::clock;
use crate::link::{Address, connect};
use crate::machine::{Ours, Snapshot, Spent};
use crate::reply::Reader;
use anyhow::{Context, Result};
use serde::Serialize;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
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

/// When calls are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Demand {
    /// On each connection as soon as the one before is answered.
    Closed,
    /// So many a second, on whichever connection is free.
    Open(f64),
}

/// Whose turn it is to call, and which calls are measured.
enum Turns {
    Closed(AtomicU8),
    Open { arrivals: Arc<Arrivals>, measured: Mutex<(Option<Instant>, Option<Instant>)> },
}

impl Turns {
    fn begin(demand: Demand) -> Self {
        match demand {
            Demand::Closed => Self::Closed(AtomicU8::new(WARMING)),
            Demand::Open(per_second) => {
                Self::Open { arrivals: Arrivals::begin(per_second), measured: Mutex::default() }
            }
        }
    }

    /// From when on the next call is under way; none when there is to be no more.
    async fn next(&self) -> Option<Instant> {
        match self {
            Self::Closed(phase) => (phase.load(Ordering::Relaxed) != OVER).then(clock::now),
            Self::Open { arrivals, .. } => arrivals.next().await,
        }
    }

    /// Whether a call that has just been answered counts.
    fn counts(&self, due: Instant) -> bool {
        match self {
            Self::Closed(phase) => phase.load(Ordering::Relaxed) == MEASURED,
            Self::Open { measured, .. } => {
                let (from, to) = *measured.lock().unwrap_or_else(PoisonError::into_inner);
                from.is_some_and(|from| due >= from) && to.is_none_or(|to| due < to)
            }
        }
    }

    fn measure(&self) {
        match self {
            Self::Closed(phase) => phase.store(MEASURED, Ordering::Relaxed),
            Self::Open { measured, .. } => {
                measured.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(clock::now());
            }
        }
    }

    fn end(&self, callers: usize) {
        match self {
            Self::Closed(phase) => phase.store(OVER, Ordering::Relaxed),
            Self::Open { arrivals, measured } => {
                let now = clock::now();
                measured.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(now);
                arrivals.close(now, callers);
            }
        }
    }
}

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
    /// Latency that all but one in a thousand keep under, microseconds.
    pub(crate) p999_us: f64,
    /// How late the calls themselves were made, which is part of their latency: all but one in a hundred were less,
    /// microseconds.
    pub(crate) late_us: f64,
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
    late: Vec<u32>,
    answers: u64,
}

/// Lets the clients of `clients` call `server` for `length`, and measures.
pub(crate) async fn window(
    clients: Vec<Client>,
    server: &Address,
    demand: Demand,
    ours: &Ours,
    length: Duration,
) -> Result<Outcome> {
    let turns = Arc::new(Turns::begin(demand));
    let mut tasks = Vec::with_capacity(clients.len());
    for client in clients {
        tasks.push(tokio::spawn(calls(client, server.clone(), Arc::clone(&turns))));
    }
    sleep(WARM_UP).await;
    let before = Snapshot::take(ours)?;
    turns.measure();
    sleep(length).await;
    turns.end(tasks.len());
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
async fn calls(mut client: Client, server: Address, turns: Arc<Turns>) -> Result<Seen> {
    let mut stream = connect(&server).await?;
    let mut reader = Reader::new();
    let (mut latencies, mut late, mut answers) = (Vec::new(), Vec::new(), 0);
    let nanos = |took: Duration| u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
    while let Some(due) = turns.next().await {
        let request = client.request(clock::wall_millis());
        let sent = clock::now();
        stream.write_all(request).await?;
        let reply = reader.next(&mut stream).await?;
        let took = due.elapsed();
        if turns.counts(due) {
            latencies.push(nanos(took));
            late.push(nanos(sent.saturating_duration_since(due)));
        }
        client.judge(&reply, clock::wall_seconds())?;
        answers += 1;
        if reply.close {
            stream = connect(&server).await?;
            reader = Reader::new();
        }
    }
    Ok(Seen { client, latencies, late, answers })
}

fn summary(seen: Vec<Seen>, spent: Spent) -> Outcome {
    let answers = seen.iter().map(|seen| seen.answers).sum();
    let (mut latencies, mut late) = (Vec::<u32>::new(), Vec::<u32>::new());
    let mut clients = Vec::with_capacity(seen.len());
    for one in seen {
        latencies.extend_from_slice(&one.latencies);
        late.extend_from_slice(&one.late);
        clients.push(one.client);
    }
    latencies.sort_unstable();
    late.sort_unstable();
    let calls = latencies.len() as f64;
    let per_call = |time: Duration| time.as_secs_f64() * 1e6 / calls.max(1.0);
    let window = Window {
        calls,
        requests_per_second: calls / spent.wall.as_secs_f64(),
        p50_us: below(&latencies, 500) / 1e3,
        p99_us: below(&latencies, 990) / 1e3,
        p999_us: below(&latencies, 999) / 1e3,
        late_us: below(&late, 990) / 1e3,
        server_cpu_us: per_call(spent.server),
        bench_cpu_us: per_call(spent.bench),
        sync_us: 0.0,
        others: spent.others,
        reply_bytes: clients.first().map_or(0.0, |client| client.reply_size as f64),
    };
    Outcome { clients, window, answers }
}

/// The smallest of the `sorted` values that so many in a thousand do not exceed; 0 if there are none.
fn below(sorted: &[u32], in_thousand: usize) -> f64 {
    let rank = (sorted.len() * in_thousand).div_ceil(1_000).max(1);
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
            p999_us: of(|w| w.p999_us),
            late_us: of(|w| w.late_us),
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
        let address = Address::Tcp(listener.local_addr().unwrap());
        let server = async move { axum::serve(listener, bare::routes()).await };
        let server = tokio::spawn(server);
        let own = std::process::id();
        let ours = Ours { asked: vec![own], servers: vec![own], store: None };
        let length = Duration::from_millis(50);
        for case in Case::value_variants() {
            for demand in [Demand::Closed, Demand::Open(500.0)] {
                let outcome = window(clients(*case, 3), &address, demand, &ours, length).await;
                let outcome = outcome.unwrap();
                assert_eq!(outcome.clients.len(), 3);
                assert!(outcome.window.calls > 0.0, "{case}");
                assert!(outcome.answers as f64 >= outcome.window.calls, "{case}");
            }
        }
        // A server that is not there must end the window, not leave it without calls.
        let wrong =
            window(clients(Case::Log, 1), &closed().await, Demand::Closed, &ours, length).await;
        assert!(wrong.is_err());
        server.abort();
    }

    /// An address where nobody listens any more.
    async fn closed() -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Address::Tcp(listener.local_addr().unwrap())
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(below(&hundred, 500), 50.0);
        assert_eq!(below(&hundred, 990), 99.0);
        assert_eq!(below(&hundred, 1_000), 100.0);
        assert_eq!(below(&[7], 500), 7.0);
        assert_eq!(below(&[7], 990), 7.0);
        assert_eq!(below(&[1, 9], 500), 1.0);
        assert_eq!(below(&[1, 9], 510), 9.0);
        assert_eq!(below(&[], 990), 0.0);
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
            late: latencies.clone(),
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
