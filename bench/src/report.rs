//! What a run found: which targets were reached, all of it as JSON for programs, and the page of tables.

use crate::case::Case;
use crate::filled::Filled;
use crate::flood::thousands;
use crate::halfload::HalfLoad;
use crate::machine;
use crate::memory::Growth;
use crate::mint::Mint;
use crate::nodes::Nodes;
use crate::rounds::{DISTURBED, Pace};
use crate::stage::{Filling, Pair, Row};
use crate::store::Kind;
use crate::tables::{filling_name, full, gains, half_loads, metrics, nodes, rates, verdicts};
use serde::Serialize;
use std::fmt::Write;

/// Connections at which the targets hold.
const TARGET_CONNECTIONS: usize = 64;
/// Group commit must be this many times faster.
const GROUP_GAIN: f64 = 8.0;
/// Most resident bytes of a live key.
const KEY_BYTES: f64 = 200.0;
/// Most resident bytes that any number of forgeries may leave behind: one arena of an allocator.
const FLAT_BYTES: f64 = 4e6;
/// A call on a full database may take this many times as long as on an empty one.
const FULL_SLOWER: f64 = 1.5;
/// Two servers must be no slower than one in sum. Runs of the same server differ by this much.
const NOISE: f64 = 0.08;

/// All findings of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) store: Kind,
    pub(crate) pace: Pace,
    pub(crate) mint: Option<Mint>,
    pub(crate) rows: Vec<Row>,
    pub(crate) grouping: Vec<Pair>,
    pub(crate) half: Vec<HalfLoad>,
    pub(crate) full: Vec<Filled>,
    pub(crate) nodes: Vec<Nodes>,
    /// With metrics and without.
    pub(crate) metrics: Vec<Pair>,
    pub(crate) keys: Option<Growth>,
    pub(crate) forgeries: Option<Growth>,
    pub(crate) targets: Vec<Target>,
}

/// One figure that was to be reached.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) found: String,
    pub(crate) reached: bool,
    /// Others disturbed at least one window of it to the last.
    pub(crate) noisy: bool,
}

/// The share of the bare handler's rate that a case must reach; none for what has no target.
fn wanted_share(store: Kind, filling: Filling, case: Case) -> Option<f64> {
    match (store, filling, case) {
        (_, _, Case::Forged) => Some(0.80),
        // The database's own work is done on the same cores.
        (Kind::Postgres, Filling::Empty, Case::Log) => Some(0.12),
        (Kind::Postgres, ..) => None,
        (Kind::Sqlite, Filling::Empty, Case::Log) | (Kind::Sqlite, _, Case::Grade) => Some(0.30),
        (Kind::Sqlite, Filling::Filled, Case::Log) => Some(0.15),
        (Kind::Sqlite, _, Case::Recent) => Some(0.20),
    }
}

impl Report {
    pub(crate) fn new(store: Kind, pace: Pace) -> Self {
        Self {
            machine: machine::description(),
            store,
            pace,
            mint: None,
            rows: Vec::new(),
            grouping: Vec::new(),
            half: Vec::new(),
            full: Vec::new(),
            nodes: Vec::new(),
            metrics: Vec::new(),
            keys: None,
            forgeries: None,
            targets: Vec::new(),
        }
    }

    /// Holds the findings against the targets.
    pub(crate) fn judge(&mut self) {
        let shares = self
            .rows
            .iter()
            .filter(|row| row.connections == TARGET_CONNECTIONS)
            .filter_map(|row| share_target(self.store, row));
        let gains = self
            .grouping
            .iter()
            .filter(|one| one.connections == TARGET_CONNECTIONS && self.store == Kind::Sqlite)
            .map(gain_target);
        let keys = self.keys.iter().map(|growth| Target {
            what: format!("bytes per live key, {} keys", thousands(growth.count)),
            wanted: format!("≤ {KEY_BYTES}"),
            found: format!("{:.0}", growth.bytes_each()),
            reached: growth.bytes_each() <= KEY_BYTES,
            noisy: false,
        });
        let forgeries = self.forgeries.iter().map(|growth| Target {
            what: format!("memory left by {} forgeries", thousands(growth.count)),
            wanted: format!("≤ {:.0} MB", FLAT_BYTES / 1e6),
            found: format!("{:.1} MB", growth.bytes() / 1e6),
            reached: growth.bytes() <= FLAT_BYTES,
            noisy: false,
        });
        let full = self
            .full
            .iter()
            .filter(|one| one.pair.connections == TARGET_CONNECTIONS)
            .map(full_target);
        let nodes = self
            .nodes
            .iter()
            .map(|one| &one.pair)
            .filter(|one| one.connections >= TARGET_CONNECTIONS)
            .map(nodes_target);
        let all = shares.chain(full).chain(nodes).chain(gains).chain(keys).chain(forgeries);
        self.targets = all.collect();
        if let Some(mint) = &self.mint {
            self.targets.extend(mint_targets(mint));
        }
    }

    /// The tables, in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "Machine: {}. {} windows of {} s for each figure, medians, and shares the medians of the rounds'; a window in which other processes had more than {:.0} % of the cores was tried again, {} times in all at the most.\n",
            self.machine,
            self.pace.windows,
            self.pace.length.as_secs_f64(),
            DISTURBED * 100.0,
            self.pace.tries
        );
        if !self.rows.is_empty() {
            let _ = write!(text, "\n{}", rates(&self.rows));
        }
        let tables = [
            half_loads(&self.half),
            full(&self.full),
            nodes(&self.nodes),
            gains(&self.grouping),
            metrics(&self.metrics),
        ];
        for table in tables.into_iter().flatten() {
            let _ = write!(text, "\n{table}");
        }
        for (name, growth) in [("live keys", &self.keys), ("forgeries", &self.forgeries)] {
            if let Some(growth) = growth {
                let count = thousands(growth.count);
                let _ = write!(text, "\nMemory, {count} {name}: {}.\n", growth.line());
            }
        }
        if let Some(mint) = &self.mint {
            let _ = write!(
                text,
                "\nTokens, ns each: launch token signed {:.0}, session token sealed {:.0}, verified {:.0}, forged one refused {:.0}, damaged one refused {:.0}.\n",
                mint.launch_ns, mint.seal_ns, mint.verify_ns, mint.forged_ns, mint.damaged_ns
            );
        }
        let _ = write!(text, "\n{}", verdicts(&self.targets));
        text
    }
}

fn share_target(store: Kind, row: &Row) -> Option<Target> {
    let wanted = wanted_share(store, row.filling, row.case)?;
    Some(Target {
        what: format!(
            "{}, {} store: share of the bare handler's rate",
            row.case,
            filling_name(row.filling)
        ),
        wanted: format!("≥ {wanted:.2}"),
        found: format!("{:.2}", row.share()),
        reached: row.share() >= wanted,
        noisy: row.noisy() > 0,
    })
}

fn full_target(one: &Filled) -> Target {
    Target {
        what: format!("{}, {}: time of an empty database", one.pair.case, one.shape.told(one.size)),
        wanted: format!("≤ {FULL_SLOWER:.1} ×"),
        found: format!("{:.2} ×", one.slower()),
        reached: one.slower() <= FULL_SLOWER,
        noisy: one.pair.noisy() > 0,
    }
}

fn nodes_target(one: &Pair) -> Target {
    Target {
        what: format!(
            "{}, {} connections: two servers behind nginx against one",
            one.case, one.connections
        ),
        wanted: format!("≥ 1.0 ± {NOISE:.2}"),
        found: format!("{:.2}", one.gain()),
        reached: one.gain() >= 1.0 - NOISE,
        noisy: one.noisy() > 0,
    }
}

fn gain_target(one: &Pair) -> Target {
    Target {
        what: format!("{}: group commit against one commit a call", one.case),
        wanted: format!("≥ {GROUP_GAIN:.0} ×"),
        found: format!("{:.1} ×", one.gain()),
        reached: one.gain() >= GROUP_GAIN,
        noisy: one.noisy() > 0,
    }
}

fn mint_targets(mint: &Mint) -> [Target; 3] {
    let target = |what: &str, limit: f64, found: f64| Target {
        what: what.to_owned(),
        wanted: format!("< {limit:.0} µs"),
        found: format!("{:.2} µs", found / 1e3),
        reached: found < limit * 1e3,
        noisy: false,
    };
    [
        target("minting a launch token", 5.0, mint.launch_ns),
        target("verifying a session token", 2.0, mint.verify_ns),
        target("refusing a forged token", 1.0, mint.forged_ns),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filled::Shape;
    use crate::rounds::Series;
    use crate::seed::Size;
    use std::time::Duration;

    const PACE: Pace = Pace { windows: 5, length: Duration::from_secs(2), tries: 3 };

    fn series(rate: f64, noisy: bool) -> Series {
        Series::of(&[(rate, noisy)])
    }

    fn row(filling: Filling, case: Case, connections: usize, rate: f64) -> Row {
        Row { filling, case, connections, latchkey: series(rate, false), bare: series(100.0, true) }
    }

    fn pair(case: Case, connections: usize, rate: f64) -> Pair {
        Pair { case, connections, one: series(rate, false), other: series(100.0, false) }
    }

    #[test]
    fn shares_are_judged_at_64_connections_only() {
        let mut report = Report::new(Kind::Sqlite, PACE);
        report.rows = vec![
            row(Filling::Empty, Case::Log, 1, 1.0),
            row(Filling::Empty, Case::Log, 64, 29.0),
            row(Filling::Filled, Case::Log, 64, 29.0),
            row(Filling::Empty, Case::Recent, 64, 20.0),
            row(Filling::Empty, Case::Forged, 64, 79.0),
        ];
        report.judge();
        let reached: Vec<_> = report.targets.iter().map(|target| target.reached).collect();
        assert_eq!(reached, [false, true, true, false]);
        assert!(report.targets.iter().all(|target| target.noisy));
        assert!(report.markdown().contains("NOT REACHED, noisy"));
    }

    #[test]
    fn group_commit_is_judged_by_its_gain() {
        let mut report = Report::new(Kind::Sqlite, PACE);
        for rate in [799.0, 800.0] {
            report.grouping.push(pair(Case::Grade, 64, rate));
        }
        report.judge();
        let reached: Vec<_> = report.targets.iter().map(|target| target.reached).collect();
        assert_eq!(reached, [false, true]);
    }

    #[test]
    fn full_databases_and_several_servers_are_judged() {
        let mut report = Report::new(Kind::Postgres, PACE);
        let size = Size { entries: 10, users: 5, activities: 5 };
        for (connections, rate) in [(8, 1.0), (64, 66.0), (64, 67.0)] {
            let pair = pair(Case::Log, connections, rate);
            report.full.push(Filled { shape: Shape::Wide, size, pair });
        }
        for rate in [91.0, 92.0] {
            let (pair, direct) = (pair(Case::Log, 256, rate), series(50.0, false));
            report.nodes.push(Nodes { pair, direct });
        }
        report.judge();
        let reached: Vec<_> = report.targets.iter().map(|target| target.reached).collect();
        assert_eq!(reached, [false, true, false, true]);
        let text = report.markdown();
        assert!(text.contains("5 activities") && text.contains("1.0 ± 0.08"), "{text}");
    }
}
