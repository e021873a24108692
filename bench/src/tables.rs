//! Tables, in Markdown that also lines up as plain text.

use crate::filled::Filled;
use crate::flood::thousands;
use crate::halfload::HalfLoad;
use crate::load::Window;
use crate::nodes::Nodes;
use crate::report::Target;
use crate::stage::{Filling, Pair, Row};
use std::fmt::Write;

/// A filling in a word.
pub(crate) fn filling_name(filling: Filling) -> &'static str {
    match filling {
        Filling::Empty => "empty",
        Filling::Filled => "filled",
    }
}

/// Cases against the bare handler.
pub(crate) fn rates(rows: &[Row]) -> String {
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
            rate(ours),
            rate(bare),
            format!("{:.2}", row.share()),
            ms(ours.p50_us),
            ms(ours.p99_us),
            ms(bare.p50_us),
            ms(bare.p99_us),
            us(ours.server_cpu_us),
            us(bare.server_cpu_us),
            us(ours.bench_cpu_us),
            us(bare.bench_cpu_us),
            format!("{:.0}", ours.sync_us),
            format!("{:.1} %", ours.others.max(bare.others) * 100.0),
            format!("{:.0}", ours.reply_bytes),
            format!("{:.0}", bare.reply_bytes),
            noise(row.noisy()),
        ]
    });
    table(&head, lines.collect())
}

/// With and without group commit; none if that was not measured.
pub(crate) fn gains(all: &[Pair]) -> Option<String> {
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
    let line = |one: &Pair| {
        let mut cells = compared(one);
        cells[4] = format!("{:.1} ×", one.gain());
        cells.push(format!("{:.0}", one.one.median.sync_us));
        cells.push(noise(one.noisy()));
        cells
    };
    lines(&head, all, line)
}

/// With and without metrics.
pub(crate) fn metrics(all: &[Pair]) -> Option<String> {
    let head = [
        "metrics", "conns", "req/s", "without", "share", "p50 ms", "p99 ms", "p50 w/o", "p99 w/o",
        "CPU µs", "CPU w/o", "",
    ];
    lines(&head, all, with_cpu)
}

/// A full database against an empty one.
pub(crate) fn full(all: &[Filled]) -> Option<String> {
    let head = [
        "full database",
        "case",
        "conns",
        "req/s",
        "empty",
        "share",
        "p50 ms",
        "p99 ms",
        "p50 empty",
        "p99 empty",
        "CPU µs",
        "CPU empty",
        "",
    ];
    let line = |one: &Filled| {
        let mut cells = vec![one.shape.told(one.size)];
        cells.extend(with_cpu(&one.pair));
        cells
    };
    lines(&head, all, line)
}

/// Two that were compared: case, connections, both rates, the one as a share of the other, latencies of both.
fn compared(pair: &Pair) -> Vec<String> {
    let (one, other) = (&pair.one.median, &pair.other.median);
    vec![
        pair.case.to_string(),
        pair.connections.to_string(),
        rate(one),
        rate(other),
        format!("{:.2}", pair.gain()),
        ms(one.p50_us),
        ms(one.p99_us),
        ms(other.p50_us),
        ms(other.p99_us),
    ]
}

/// The same, and then the CPU of both, and noise.
fn with_cpu(pair: &Pair) -> Vec<String> {
    let mut cells = compared(pair);
    cells.extend([&pair.one, &pair.other].map(|series| us(series.median.server_cpu_us)));
    cells.push(noise(pair.noisy()));
    cells
}

/// Latencies at half load, the bare handler's at the same rate below each.
pub(crate) fn half_loads(all: &[HalfLoad]) -> Option<String> {
    let head = [
        "half load",
        "conns",
        "full req/s",
        "half",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "bare p50",
        "bare p99",
        "bare p99.9",
        "sent late, p99",
        "CPU µs",
        "",
    ];
    let line = |one: &HalfLoad| {
        let (ours, bare) = (&one.pair.one.median, &one.pair.other.median);
        let mut cells = vec![
            one.pair.case.to_string(),
            one.pair.connections.to_string(),
            thousands(one.full.round() as u64),
            thousands((one.full / 2.0).round() as u64),
        ];
        for window in [ours, bare] {
            let latencies = [window.p50_us, window.p99_us, window.p999_us];
            cells.extend(latencies.map(ms));
        }
        cells.push(ms(ours.late_us));
        cells.push(us(ours.server_cpu_us));
        cells.push(noise(one.pair.noisy()));
        cells
    };
    lines(&head, all, line)
}

/// One server and two.
pub(crate) fn nodes(all: &[Nodes]) -> Option<String> {
    let head = [
        "servers",
        "conns",
        "rounds",
        "two, nginx",
        "one, nginx",
        "share",
        "one, direct",
        "p50 two",
        "p99 two",
        "p50 one",
        "p99 one",
        "CPU µs two",
        "CPU µs one",
        "CPU direct",
        "",
    ];
    let line = |of: &Nodes| {
        let all = [&of.pair.one, &of.pair.other, &of.direct];
        let [two, one, direct] = all.map(|series| &series.median);
        let rounds = of.pair.one.windows.len();
        let mut cells =
            vec![of.pair.case.to_string(), of.pair.connections.to_string(), rounds.to_string()];
        cells.extend([rate(two), rate(one), format!("{:.2}", of.pair.gain()), rate(direct)]);
        for window in [two, one] {
            cells.push(ms(window.p50_us));
            cells.push(ms(window.p99_us));
        }
        cells.extend([two, one, direct].map(|window| us(window.server_cpu_us)));
        cells.push(noise(of.pair.noisy()));
        cells
    };
    lines(&head, all, line)
}

/// A table with a line for each; none without any.
fn lines<T>(head: &[&str], all: &[T], line: impl Fn(&T) -> Vec<String>) -> Option<String> {
    (!all.is_empty()).then(|| table(head, all.iter().map(line).collect()))
}

/// Calls a second.
fn rate(window: &Window) -> String {
    thousands(window.requests_per_second.round() as u64)
}

/// Microseconds, in milliseconds.
fn ms(us: f64) -> String {
    format!("{:.2}", us / 1e3)
}

/// Microseconds.
fn us(us: f64) -> String {
    format!("{us:.1}")
}

fn noise(windows: usize) -> String {
    match windows {
        0 => String::new(),
        count => format!("noisy ({count})"),
    }
}

/// What was wanted and found.
pub(crate) fn verdicts(targets: &[Target]) -> String {
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

    #[test]
    fn columns_line_up() {
        let text = table(&["a", "µs"], vec![vec!["long cell".into(), "1".into()]]);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [18, 18, 18]);
    }
}
