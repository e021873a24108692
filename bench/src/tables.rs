//! Tables, in Markdown that also lines up as plain text.

use crate::filled::Filled;
use crate::flood::thousands;
use crate::halfload::HalfLoad;
use crate::load::Window;
use crate::nodes::Nodes;
use crate::report::Target;
use crate::rounds::Series;
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
        cells.push(noise(&one.one, &one.other));
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
    let line = |one: &Pair| {
        let mut cells = compared(one);
        cells.push(format!("{:.1}", one.one.median.server_cpu_us));
        cells.push(format!("{:.1}", one.other.median.server_cpu_us));
        cells.push(noise(&one.one, &one.other));
        cells
    };
    lines(&head, all, line)
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
        cells.extend(compared(&one.pair));
        cells.push(format!("{:.1}", one.pair.one.median.server_cpu_us));
        cells.push(format!("{:.1}", one.pair.other.median.server_cpu_us));
        cells.push(noise(&one.pair.one, &one.pair.other));
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
        thousands(one.requests_per_second.round() as u64),
        thousands(other.requests_per_second.round() as u64),
        format!("{:.2}", pair.gain()),
        format!("{:.2}", one.p50_us / 1e3),
        format!("{:.2}", one.p99_us / 1e3),
        format!("{:.2}", other.p50_us / 1e3),
        format!("{:.2}", other.p99_us / 1e3),
    ]
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
        let (ours, bare) = (&one.latchkey.median, &one.bare.median);
        let mut cells = vec![
            one.case.to_string(),
            one.connections.to_string(),
            thousands(one.full.round() as u64),
            thousands((one.full / 2.0).round() as u64),
        ];
        for window in [ours, bare] {
            let latencies = [window.p50_us, window.p99_us, window.p999_us];
            cells.extend(latencies.map(|latency| format!("{:.2}", latency / 1e3)));
        }
        cells.push(format!("{:.2}", ours.late_us / 1e3));
        cells.push(format!("{:.1}", ours.server_cpu_us));
        cells.push(noise(&one.latchkey, &one.bare));
        cells
    };
    lines(&head, all, line)
}

/// One server and two.
pub(crate) fn nodes(all: &[Nodes]) -> Option<String> {
    let head = [
        "servers",
        "conns",
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
        let all = [&of.two, &of.one, &of.direct];
        let [two, one, direct] = all.map(|series| &series.median);
        let rate = |window: &Window| thousands(window.requests_per_second.round() as u64);
        let mut cells = vec![of.case.to_string(), of.connections.to_string()];
        cells.extend([rate(two), rate(one), format!("{:.2}", of.share()), rate(direct)]);
        for window in [two, one] {
            cells.push(format!("{:.2}", window.p50_us / 1e3));
            cells.push(format!("{:.2}", window.p99_us / 1e3));
        }
        cells.extend([two, one, direct].map(|window| format!("{:.1}", window.server_cpu_us)));
        cells.push(noise(&of.two, &of.one));
        cells
    };
    lines(&head, all, line)
}

/// A table with a line for each; none without any.
fn lines<T>(head: &[&str], all: &[T], line: impl Fn(&T) -> Vec<String>) -> Option<String> {
    (!all.is_empty()).then(|| table(head, all.iter().map(line).collect()))
}

fn noise(one: &Series, other: &Series) -> String {
    match one.noisy + other.noisy {
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
