//! Windows in turn: whatever slows this machine down meets both sides alike.

use crate::client::Client;
use crate::link::Address;
use crate::load::{self, Demand, Outcome, Window, median};
use crate::machine::{self, Ours};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// Share of all cores above which other processes have disturbed a window.
pub(crate) const DISTURBED: f64 = 0.05;

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Pace {
    /// Windows of each side.
    pub(crate) windows: u32,
    /// Length of a window.
    pub(crate) length: Duration,
    /// How often a disturbed window is tried before it counts as it is.
    pub(crate) tries: u32,
}

/// One of those that take turns.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) address: Address,
    /// Its processes.
    pub(crate) pids: Vec<u32>,
    pub(crate) demand: Demand,
    pub(crate) clients: Vec<Client>,
    /// Every right answer so far.
    pub(crate) answers: u64,
    pub(crate) windows: Vec<Measured>,
}

/// A window and whether it was disturbed to the last.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    #[serde(flatten)]
    pub(crate) window: Window,
    pub(crate) noisy: bool,
}

/// All windows of one contender in one row of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) median: Window,
    /// How many windows were disturbed to the last.
    pub(crate) noisy: usize,
    pub(crate) windows: Vec<Measured>,
}

impl Series {
    /// The rate as a share of the other's: the median of what the rounds say, each by itself, since the machine
    /// changes its speed from one round to the next.
    pub(crate) fn share_of(&self, other: &Self) -> f64 {
        let rate = |measured: &Measured| measured.window.requests_per_second;
        let rounds = self.windows.iter().zip(&other.windows);
        median(rounds.map(|(one, other)| rate(one) / rate(other).max(f64::MIN_POSITIVE)).collect())
    }
}

impl Contender {
    pub(crate) fn new(
        name: &'static str,
        (address, pids): (Address, Vec<u32>),
        clients: Vec<Client>,
    ) -> Self {
        let (demand, answers, windows) = (Demand::Closed, 0, Vec::new());
        Self { name, address, pids, demand, clients, answers, windows }
    }

    /// What its windows so far say together; there are none any more.
    pub(crate) fn take_series(&mut self) -> Series {
        let measured = std::mem::take(&mut self.windows);
        let windows: Vec<_> = measured.iter().map(|measured| measured.window).collect();
        Series {
            name: self.name,
            median: Window::medians(&windows),
            noisy: measured.iter().filter(|one| one.noisy).count(),
            windows: measured,
        }
    }

    /// What its windows say together.
    pub(crate) fn series(mut self) -> Series {
        self.take_series()
    }
}

/// Gives each of `all` its windows by turns, there and back: none of them always follows the same other. `folder` is
/// where the disk is probed, `store` the process of a database.
pub(crate) async fn take_turns(
    all: &mut [Contender],
    pace: Pace,
    folder: &Path,
    store: Option<u32>,
) -> Result<()> {
    let servers: Vec<u32> = all.iter().flat_map(|one| one.pids.iter().copied()).collect();
    let mut turns: Vec<_> = all.iter_mut().collect();
    for _ in 0..pace.windows {
        for contender in &mut turns {
            let (asked, servers) = (contender.pids.clone(), servers.clone());
            let ours = Ours { asked, servers, store };
            undisturbed(contender, &ours, pace, folder).await?;
        }
        turns.reverse();
    }
    Ok(())
}

/// One window, repeated while others disturb it.
async fn undisturbed(
    contender: &mut Contender,
    ours: &Ours,
    pace: Pace,
    folder: &Path,
) -> Result<()> {
    for tried in 1..=pace.tries {
        let last = tried == pace.tries;
        let sync = machine::sync_time(folder)?;
        let clients = std::mem::take(&mut contender.clients);
        let Outcome { clients, mut window, answers } =
            load::window(clients, &contender.address, contender.demand, ours, pace.length).await?;
        contender.clients = clients;
        contender.answers += answers;
        window.sync_us = sync.as_secs_f64() * 1e6;
        let disturbed = window.others > DISTURBED;
        let remark = match (disturbed, last) {
            (false, _) => "",
            (true, true) => " noisy",
            (true, false) => " disturbed, again",
        };
        println!("  {:<12}{}{remark}", contender.name, line(&window));
        if !disturbed || last {
            contender.windows.push(Measured { window, noisy: disturbed });
            break;
        }
    }
    Ok(())
}

/// The figures of one window in a line.
pub(crate) fn line(window: &Window) -> String {
    format!(
        "{:>8.0} req/s  p50 {:>7.3} ms  p99 {:>7.3} ms  CPU/call {:>6.1} µs + {:>4.1} µs generator  fdatasync {:>5.0} µs  others {:>4.1} %",
        window.requests_per_second,
        window.p50_us / 1e3,
        window.p99_us / 1e3,
        window.server_cpu_us,
        window.bench_cpu_us,
        window.sync_us,
        window.others * 100.0
    )
}

#[cfg(test)]
impl Series {
    /// Windows of these rates, disturbed or not.
    pub(crate) fn of(windows: &[(f64, bool)]) -> Self {
        let address = Address::Tcp(([127, 0, 0, 1], 9).into());
        let mut contender = Contender::new("bare", (address, vec![1]), Vec::new());
        for (requests_per_second, noisy) in windows.iter().copied() {
            let window = Window { requests_per_second, ..Window::default() };
            contender.windows.push(Measured { window, noisy });
        }
        contender.series()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_counts_its_noise() {
        let series = Series::of(&[(1.0, false), (3.0, true), (2.0, true)]);
        assert_eq!(series.noisy, 2);
        assert_eq!(series.median.requests_per_second, 2.0);
    }

    #[test]
    fn a_share_is_that_of_most_rounds_whatever_the_machine_did_between_them() {
        let quiet = |rates: [f64; 3]| Series::of(&rates.map(|rate| (rate, false)));
        let (half, whole) = (quiet([10.0, 2.0, 30.0]), quiet([20.0, 4.0, 20.0]));
        assert_eq!(half.share_of(&whole), 0.5);
        assert_eq!(Series::of(&[]).share_of(&whole), 0.0);
    }
}
