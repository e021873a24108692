//! `latchkey-soak`: two servers, nginx and PostgreSQL with two standbys under steady load, one fault after the other,
//! and at the end whether everything that was acknowledged is there once.
//!
//! However it ends, everything that it has started ends with it.

#![expect(clippy::expect_used, reason = "where a part of the stage is missing, it can only stop")]

mod faults;
mod machines;

use clap::Parser;
use faults::{Fault, Stage};
use latchkey_fleet::books::{Found, agree, sizes, sound};
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::load::{Load, Shape};
use machines::Machines;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
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

/// Between two faults.
const QUIET: std::ops::Range<u64> = 500..4_000;
/// Seconds after which a key moves on to its next token, and one more.
const KEYS_MOVE_ON: i64 = 31;
/// Longer than any fault lasts: a server that does not come back is a finding.
const LONGEST: Duration = Duration::from_secs(90);

fn say(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let stopped = async |kind| signal(kind).expect("signals").recv().await;
    // What is dropped here is ended.
    let told = tokio::select! {
        () = soak(&options) => return ExitCode::SUCCESS,
        _ = stopped(SignalKind::interrupt()) => 2,
        _ = stopped(SignalKind::terminate()) => 15,
        _ = stopped(SignalKind::hangup()) => 1,
    };
    say("stopped: nothing was counted");
    ExitCode::from(128 + told)
}

async fn soak(options: &Options) {
    let machines = Machines::start().await;
    let fleet = Fleet::of(options.nodes, &machines.url()).await;
    let mut stage = Stage { machines, fleet, chance: StdRng::seed_from_u64(options.seed) };
    let pause = Duration::from_millis(options.pause);
    let shape = Shape { pages: options.pages, activities: 7, seed: options.seed, pause };
    let load = Load::start(&stage.fleet, shape);
    let (begun, mut faults) = (Instant::now(), BTreeMap::<Fault, (u32, u64)>::new());
    let end = Duration::from_secs(options.minutes * 60);
    let mut round = Vec::new();
    while begun.elapsed() < end {
        sleep(Duration::from_millis(stage.chance.random_range(QUIET))).await;
        load.goes_on();
        // Every key is due to move on.
        stage.machines.primary().age(KEYS_MOVE_ON).await;
        if options.calm {
            continue;
        }
        if round.is_empty() {
            // Each once, in any order, and then again.
            round = Fault::ALL.to_vec();
            round.shuffle(&mut stage.chance);
        }
        let fault = round.pop().expect("a fault");
        let before = load.calls();
        timeout(LONGEST, stage.befall(fault)).await.expect("the stage stands again");
        let calls = load.calls();
        let told = faults.entry(fault).or_default();
        *told = (told.0 + 1, told.1 + calls - before);
        tell(begun.elapsed(), options, calls, fault.name());
    }
    let (calls, took) = (load.calls(), begun.elapsed());
    tell(took, options, calls, "the end: pages finish what they have begun");
    let books = load.finish().await;
    tell(begun.elapsed(), options, calls, "what pages were told against what hosts are told");
    let found = agree(&stage.fleet.places(), &books).await;
    tell(begun.elapsed(), options, calls, "what is in the database");
    sound(stage.machines.primary()).await;
    report(&faults, calls, took, &found);
    say("\n| table | rows | bytes of each, with indexes |\n|--|--|--|");
    for (table, rows, bytes) in sizes(stage.machines.primary()).await {
        say(&format!("| {table} | {rows} | {} |", bytes / rows.max(1)));
    }
    assert_eq!(found.seen.renewals, 0, "an honest page was refused its key");
}

fn tell(at: Duration, options: &Options, calls: u64, what: &str) {
    let (minutes, seconds) = (at.as_secs() / 60, at.as_secs() % 60);
    say(&format!("{minutes:3}:{seconds:02} of {}:00  {calls:8} calls  {what}", options.minutes));
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
