//! `latchkey-soak`: two servers, nginx and PostgreSQL under steady load, one fault after the other, and at the end
//! whether everything that was acknowledged is there once.

#![expect(clippy::expect_used, reason = "where a part of the stage is missing, it can only stop")]

use clap::Parser;
use latchkey_fleet::books::{Found, agree, sizes, sound};
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::load::{Load, Shape};
use latchkey_fleet::postgres::Postgres;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Keeps servers under load while one fault follows another, then counts.
#[derive(Debug, Parser)]
struct Options {
    /// How long.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// What all chance follows from, but for what the machine makes of it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Servers.
    #[arg(long, default_value_t = 2)]
    nodes: usize,
    /// Pages at work.
    #[arg(long, default_value_t = 24)]
    pages: usize,
    /// Milliseconds that a page waits between two calls.
    #[arg(long, default_value_t = 15)]
    pause: u64,
    /// No faults: what a steady load comes to.
    #[arg(long)]
    calm: bool,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    ServerKilled,
    AllServersKilled,
    ServerPaused,
    ClockWrong,
    DatabaseKilled,
    DatabaseRestarted,
    DatabasePaused,
    StrandsHeld,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::ServerKilled,
        Self::AllServersKilled,
        Self::ServerPaused,
        Self::ClockWrong,
        Self::DatabaseKilled,
        Self::DatabaseRestarted,
        Self::DatabasePaused,
        Self::StrandsHeld,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::ServerKilled => "a server killed",
            Self::AllServersKilled => "all servers killed",
            Self::ServerPaused => "a server paused",
            Self::ClockWrong => "a server's clock wrong",
            Self::DatabaseKilled => "the database killed",
            Self::DatabaseRestarted => "the database restarted",
            Self::DatabasePaused => "the database paused",
            Self::StrandsHeld => "all strands held",
        }
    }
}

struct Stage {
    postgres: Postgres,
    fleet: Fleet,
    chance: StdRng,
}

impl Stage {
    async fn befall(&mut self, fault: Fault) {
        let nodes = self.fleet.nodes.len();
        let victim = self.chance.random_range(0..nodes);
        let moment = Duration::from_millis(self.chance.random_range(50..3_000));
        match fault {
            Fault::ServerKilled | Fault::AllServersKilled => {
                let all = fault == Fault::AllServersKilled;
                let victims = if all { 0..nodes } else { victim..victim + 1 };
                for node in &mut self.fleet.nodes[victims.clone()] {
                    node.kill().await;
                }
                sleep(moment).await;
                for node in &mut self.fleet.nodes[victims] {
                    node.again(None).await;
                }
            }
            Fault::ServerPaused => {
                self.fleet.nodes[victim].pause().await;
                sleep(moment).await;
                self.fleet.nodes[victim].wake().await;
            }
            Fault::ClockWrong => {
                let wrong = if self.chance.random() { 5 } else { -5 };
                self.fleet.nodes[victim].kill().await;
                self.fleet.nodes[victim].again(Some(wrong)).await;
                sleep(moment).await;
                self.fleet.nodes[victim].kill().await;
                self.fleet.nodes[victim].again(None).await;
            }
            Fault::DatabaseKilled => {
                self.postgres.kill().await;
                sleep(moment).await;
                self.postgres.up().await;
            }
            Fault::DatabaseRestarted => {
                self.postgres.stop().await;
                self.postgres.up().await;
            }
            Fault::DatabasePaused => {
                self.postgres.pause().await;
                sleep(moment).await;
                self.postgres.wake().await;
            }
            Fault::StrandsHeld => {
                let held = self.postgres.hold("SELECT * FROM counters FOR UPDATE").await;
                sleep(2 * moment).await;
                drop(held);
            }
        }
    }
}

/// Between two faults.
const QUIET: std::ops::Range<u64> = 500..4_000;
/// Longer than any fault lasts: a server that does not come back is a finding.
const LONGEST: Duration = Duration::from_secs(90);

fn say(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(options.nodes, &postgres.url()).await;
    let mut stage = Stage { postgres, fleet, chance: StdRng::seed_from_u64(options.seed) };
    let pause = Duration::from_millis(options.pause);
    let shape = Shape { pages: options.pages, activities: 7, seed: options.seed, pause };
    let load = Load::start(&stage.fleet, shape);
    let (begun, mut faults) = (Instant::now(), BTreeMap::<Fault, (u32, u64)>::new());
    let end = Duration::from_secs(options.minutes * 60);
    while begun.elapsed() < end {
        sleep(Duration::from_millis(stage.chance.random_range(QUIET))).await;
        if options.calm {
            continue;
        }
        let fault = *Fault::ALL.choose(&mut stage.chance).expect("a fault");
        let before = load.calls();
        timeout(LONGEST, stage.befall(fault)).await.expect("the stage stands again");
        let calls = load.calls();
        let told = faults.entry(fault).or_default();
        *told = (told.0 + 1, told.1 + calls - before);
        let at = begun.elapsed().as_secs();
        let (minutes, seconds) = (at / 60, at % 60);
        say(&format!(
            "{minutes:3}:{seconds:02} of {}:00  {calls:8} calls  {}",
            options.minutes,
            fault.name()
        ));
    }
    say("counting");
    let calls = load.calls();
    let took = begun.elapsed();
    let books = load.finish().await;
    let found = agree(&stage.fleet.places(), &books).await;
    sound(&stage.postgres).await;
    report(&faults, calls, took, &found);
    say("\n| table | rows | bytes of each, with indexes |\n|--|--|--|");
    for (table, rows, bytes) in sizes(&stage.postgres).await {
        say(&format!("| {table} | {rows} | {} |", bytes / rows.max(1)));
    }
    assert_eq!(found.seen.renewals, 0, "an honest page was refused its key");
}

fn report(faults: &BTreeMap<Fault, (u32, u64)>, calls: u64, took: Duration, found: &Found) {
    say("\n| fault | times | calls done meanwhile |\n|--|--|--|");
    for (fault, (times, calls)) in faults {
        say(&format!("| {} | {times} | {calls} |", fault.name()));
    }
    let seen = &found.seen;
    say(&format!(
        "\n| | |\n|--|--|\n| seconds | {} |\n| calls | {calls} |\n\
         | operations acknowledged, each there once | {} |\n| given up, there once | {} |\n\
         | given up, not there | {} |\n| doubled or lost | 0 |\n| requests without an answer | {} |\n\
         | answered 503 | {} |\n| keys refused to honest pages | {} |\n| longest request, s | {:.1} |",
        took.as_secs(),
        found.acknowledged,
        found.kept_untold,
        found.absent,
        seen.lost,
        seen.told_to_wait,
        seen.renewals,
        seen.longest.as_secs_f64(),
    ));
}
