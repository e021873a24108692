//! What a run found: tables for people, JSON for programs, and which targets were reached.

use crate::case::Case;
use crate::flood::thousands;
use crate::machine;
use crate::memory::Growth;
use crate::mint::Mint;
use crate::rounds::{DISTURBED, Pace, Series};
use crate::stage::{Filling, Grouping, Row};
use crate::store::Kind;
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

/// All findings of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) store: Kind,
    pub(crate) pace: Pace,
    pub(crate) mint: Option<Mint>,
    pub(crate) rows: Vec<Row>,
    pub(crate) grouping: Vec<Grouping>,
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
        self.targets = shares.chain(gains).chain(keys).chain(forgeries).collect();
        if let Some(mint) = &self.mint {
            self.targets.extend(mint_targets(mint));
        }
    }

    /// The tables, in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "Machine: {}. {} windows of {} s for each figure, medians; a window in which other processes had more than {:.0} % of the cores was tried again, {} times in all at the most.\n",
            self.machine,
            self.pace.windows,
            self.pace.length.as_secs_f64(),
            DISTURBED * 100.0,
            self.pace.tries
        );
        if !self.rows.is_empty() {
            let _ = write!(text, "\n{}", rates(&self.rows));
        }
        if !self.grouping.is_empty() {
            let _ = write!(text, "\n{}", gains(&self.grouping));
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
        noisy: row.latchkey.noisy + row.bare.noisy > 0,
    })
}

fn gain_target(one: &Grouping) -> Target {
    Target {
        what: format!("{}: group commit against one commit a call", one.case),
        wanted: format!("≥ {GROUP_GAIN:.0} ×"),
        found: format!("{:.1} ×", one.gain()),
        reached: one.gain() >= GROUP_GAIN,
        noisy: one.grouped.noisy + one.single.noisy > 0,
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

fn filling_name(filling: Filling) -> &'static str {
    match filling {
        Filling::Empty => "empty",
        Filling::Filled => "filled",
    }
}

fn rates(rows: &[Row]) -> String {
    let head = [
        "store",
        "case",
        "conns",
        "req/s",
        "bare",
        "share",
        "p50 ms",
        "p99 ms",
        "bare p50",
        "bare p99",
        "CPU µs",
        "bare CPU",
        "gen. µs",
        "bare gen.",
        "sync µs",
        "others",
        "bytes",
        "bare b.",
        "",
    ];
    let lines = rows.iter().map(|row| {
        let (ours, bare) = (&row.latchkey.median, &row.bare.median);
        vec![
            filling_name(row.filling).to_owned(),
            row.case.to_string(),
            row.connections.to_string(),
            thousands(ours.requests_per_second.round() as u64),
            thousands(bare.requests_per_second.round() as u64),
            format!("{:.2}", row.share()),
            format!("{:.2}", ours.p50_us / 1e3),
            format!("{:.2}", ours.p99_us / 1e3),
            format!("{:.2}", bare.p50_us / 1e3),
            format!("{:.2}", bare.p99_us / 1e3),
            format!("{:.1}", ours.server_cpu_us),
            format!("{:.1}", bare.server_cpu_us),
            format!("{:.1}", ours.bench_cpu_us),
            format!("{:.1}", bare.bench_cpu_us),
            format!("{:.0}", ours.sync_us),
            format!("{:.1} %", ours.others.max(bare.others) * 100.0),
            format!("{:.0}", ours.reply_bytes),
            format!("{:.0}", bare.reply_bytes),
            noise(&row.latchkey, &row.bare),
        ]
    });
    table(&head, lines.collect())
}

fn gains(all: &[Grouping]) -> String {
    let head = [
        "group commit",
        "conns",
        "req/s",
        "one by one",
        "gain",
        "p50 ms",
        "p99 ms",
        "p50 single",
        "p99 single",
        "sync µs",
        "",
    ];
    let lines = all.iter().map(|one| {
        let (grouped, single) = (&one.grouped.median, &one.single.median);
        vec![
            one.case.to_string(),
            one.connections.to_string(),
            thousands(grouped.requests_per_second.round() as u64),
            thousands(single.requests_per_second.round() as u64),
            format!("{:.1} ×", one.gain()),
            format!("{:.2}", grouped.p50_us / 1e3),
            format!("{:.2}", grouped.p99_us / 1e3),
            format!("{:.2}", single.p50_us / 1e3),
            format!("{:.2}", single.p99_us / 1e3),
            format!("{:.0}", grouped.sync_us),
            noise(&one.grouped, &one.single),
        ]
    });
    table(&head, lines.collect())
}

fn noise(one: &Series, other: &Series) -> String {
    match one.noisy + other.noisy {
        0 => String::new(),
        count => format!("noisy ({count})"),
    }
}

fn verdicts(targets: &[Target]) -> String {
    let lines = targets.iter().map(|target| {
        let verdict = if target.reached { "reached" } else { "NOT REACHED" };
        let noisy = if target.noisy { ", noisy" } else { "" };
        vec![
            target.what.clone(),
            target.wanted.clone(),
            target.found.clone(),
            format!("{verdict}{noisy}"),
        ]
    });
    table(&["target", "wanted", "found", ""], lines.collect())
}

/// A Markdown table whose columns also line up as plain text.
fn table(head: &[&str], lines: Vec<Vec<String>>) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head[column].chars().count()).max(2)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut put = |cells: Vec<&str>| {
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    };
    put(head.to_vec());
    let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
    put(rules.iter().map(String::as_str).collect());
    for line in &lines {
        put(line.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Window;
    use std::time::Duration;

    const PACE: Pace = Pace { windows: 5, length: Duration::from_secs(2), tries: 3 };

    fn series(rate: f64, noisy: usize) -> Series {
        Series {
            name: "x",
            median: Window { requests_per_second: rate, ..Window::default() },
            noisy,
            windows: Vec::new(),
        }
    }

    fn row(filling: Filling, case: Case, connections: usize, rate: f64) -> Row {
        Row { filling, case, connections, latchkey: series(rate, 0), bare: series(100.0, 1) }
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
            report.grouping.push(Grouping {
                case: Case::Grade,
                connections: 64,
                grouped: series(rate, 0),
                single: series(100.0, 0),
            });
        }
        report.judge();
        let reached: Vec<_> = report.targets.iter().map(|target| target.reached).collect();
        assert_eq!(reached, [false, true]);
    }

    #[test]
    fn columns_line_up() {
        let text = table(&["a", "µs"], vec![vec!["long cell".into(), "1".into()]]);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [18, 18, 18]);
    }
}
