//! What operators watch, for Prometheus.
//!
//! Counting is an atomic addition: each series is a handle that is kept, made when it is first needed, in a table by
//! the numbers of its labels. Nothing is allocated for a call, and no label comes from a request.

mod list;
mod scrape;

pub use list::{Kind, METRICS, Metric, Name, page};
pub(crate) use scrape::serve;

use crate::clock::Stopwatch;
use crate::config::Protocol;
use crate::functions::FUNCTIONS;
use crate::store::{Meter, Refused};
use latchkey_protocol::error::ErrorCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Registered, Registry};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

/// The labels of a series: names and values, all of them from lists.
type Labels = Vec<(&'static str, &'static str)>;
/// Outcomes of a call that are no refusals.
const OK: usize = 0;
const REPLAYED: usize = 1;

/// From a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Rows of the acceptance table, and refusals of a first use.
const ROWS: [&str; 13] = [
    "start", "current", "confirm", "late", "ahead", "stale", "fork", "dead", "unknown", "limited",
    "locked", "hidden", "ended",
];

/// Series of counters by two numbers, each made when it is first counted.
struct Table {
    family: Family<Labels, Counter>,
    handles: Vec<OnceLock<Counter>>,
    columns: usize,
}

impl Table {
    fn new(rows: usize, columns: usize) -> Self {
        let handles = (0..rows * columns).map(|_| OnceLock::new()).collect();
        Self { family: Family::default(), handles, columns }
    }

    fn count(&self, row: usize, column: usize, labels: impl FnOnce() -> Labels) {
        if let Some(handle) = self.handles.get(row * self.columns + column) {
            handle.get_or_init(|| self.family.get_or_create_owned(&labels())).inc();
        }
    }
}

/// What a call waits for the store for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waited {
    Look,
    Write,
    Read,
}

/// All series of a server.
pub struct Metrics {
    /// Whether anybody asks: times are only taken then.
    pub(crate) on: bool,
    registry: Registry,
    calls: Table,
    refusals: Table,
    decisions: Table,
    thefts: Counter,
    ahead: Counter,
    requests: [Histogram; 6],
    store: [Histogram; 3],
    queue: Gauge,
    connections: Family<Labels, Gauge>,
    waiting: Family<Labels, Gauge>,
    live_keys: Gauge,
    outstanding: Gauge,
    ready: Gauge,
    /// When the store was last counted.
    counted_at: AtomicI64,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn register(registry: &mut Registry, name: Name, metric: impl Registered) {
    let metric_list = name.metric();
    registry.register(metric_list.name, metric_list.about, metric);
}

/// Of a family, one handle for each value of its one label.
fn histograms<const N: usize>(
    registry: &mut Registry,
    name: Name,
    values: [&'static str; N],
) -> [Histogram; N] {
    let make: fn() -> Histogram = || Histogram::new(SECONDS);
    let family = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(make);
    register(registry, name, family.clone());
    let label = name.metric().labels[0];
    values.map(|value| family.get_or_create_owned(&vec![(label, value)]))
}

impl Metrics {
    /// Series that all stand at 0, and those of a store.
    pub(crate) fn new(meter: &Meter, on: bool) -> Self {
        let mut registry = Registry::with_prefix("latchkey");
        let codes = ErrorCode::ALL.len();
        let calls = Table::new(FUNCTIONS.len() + 1, codes + 2);
        let (refusals, decisions) = (Table::new(1, codes), Table::new(1, ROWS.len()));
        let (thefts, ahead) = (Counter::default(), Counter::default());
        let (queue, live_keys, outstanding, ready) = Default::default();
        let (connections, waiting): (Family<Labels, Gauge>, Family<Labels, Gauge>) =
            Default::default();
        let build = Family::<Labels, Gauge>::default();
        build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
        let all = &mut registry;
        register(all, Name::Build, build);
        register(all, Name::Calls, calls.family.clone());
        register(all, Name::Refusals, refusals.family.clone());
        register(all, Name::Decisions, decisions.family.clone());
        register(all, Name::Thefts, thefts.clone());
        register(all, Name::Ahead, ahead.clone());
        let requests =
            histograms(all, Name::Requests, ["json", "host", "form", "hacp", "scorm", "none"]);
        let store = histograms(all, Name::Store, ["look", "write", "read"]);
        register(all, Name::Groups, meter.groups.clone());
        register(all, Name::Queue, Gauge::clone(&queue));
        register(all, Name::Connections, connections.clone());
        register(all, Name::Waiting, waiting.clone());
        register(all, Name::LiveKeys, Gauge::clone(&live_keys));
        register(all, Name::Outstanding, Gauge::clone(&outstanding));
        register(all, Name::Ready, Gauge::clone(&ready));
        let counted_at = AtomicI64::new(i64::MIN);
        Self {
            on,
            registry,
            calls,
            refusals,
            decisions,
            thefts,
            ahead,
            requests,
            store,
            queue,
            connections,
            waiting,
            live_keys,
            outstanding,
            ready,
            counted_at,
        }
    }

    /// A call of that function was done, or refused with that code.
    pub(crate) fn call(&self, function: &str, outcome: Result<bool, ErrorCode>) {
        let known = FUNCTIONS.iter().position(|it| it.name() == function);
        let row = known.unwrap_or(FUNCTIONS.len());
        let column = match outcome {
            Ok(false) => OK,
            Ok(true) => REPLAYED,
            Err(code) => 2 + code as usize,
        };
        self.calls.count(row, column, || {
            let function = known.map_or("unknown", |at| FUNCTIONS[at].name());
            let outcome = match outcome {
                Ok(false) => "ok",
                Ok(true) => "replayed",
                Err(code) => code.as_str(),
            };
            vec![("function", function), ("outcome", outcome)]
        });
    }

    /// A request was refused as a whole.
    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refusals.count(0, code as usize, || vec![("code", code.as_str())]);
    }

    /// A key was presented and found to be so.
    pub(crate) fn decided(&self, row: &'static str) {
        if let Some(at) = ROWS.iter().position(|known| *known == row) {
            self.decisions.count(0, at, || vec![("row", ROWS[at])]);
        }
        match row {
            "stale" | "fork" => drop(self.thefts.inc()),
            "ahead" => drop(self.ahead.inc()),
            _ => {}
        }
    }

    /// A key was refused by the store.
    pub(crate) fn turned_down(&self, why: Refused) {
        self.decided(match why {
            Refused::Decided(decision) => decision.name(),
            Refused::Unknown | Refused::ForeignLaunch => "unknown",
            Refused::LaunchExpired | Refused::Deleted => "dead",
            Refused::SessionEnded => "ended",
            Refused::TooManyKeys => "limited",
            Refused::Locked => "locked",
            Refused::Hidden => "hidden",
        });
    }

    /// A request was answered after that time.
    pub(crate) fn answered(&self, protocol: Option<Protocol>, time: Duration) {
        let at = match protocol {
            Some(Protocol::Json) => 0,
            Some(Protocol::Host) => 1,
            Some(Protocol::Form) => 2,
            Some(Protocol::Hacp) => 3,
            Some(Protocol::Scorm) => 4,
            None => 5,
        };
        self.requests[at].observe(time.as_secs_f64());
    }

    /// Waits for the store, and counts how long.
    pub(crate) async fn timed<T>(&self, what: Waited, waiting: impl Future<Output = T>) -> T {
        let since = self.on.then(Stopwatch::start);
        let done = waiting.await;
        if let Some(since) = since {
            self.store[what as usize].observe(since.elapsed().as_secs_f64());
        }
        done
    }

    /// The text that Prometheus reads.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
