//! `run`: the whole bench, or the parts of it that are asked for.

use crate::case::Case;
use crate::clock;
use crate::filled::Shape;
use crate::host::Host;
use crate::load::WARM_UP;
use crate::mint;
use crate::page;
use crate::process::Place;
use crate::report::Report;
use crate::rounds::Pace;
use crate::seed::{self, Size};
use crate::stage::Bench;
use crate::store::Kind;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connections where one thing is compared with another.
const COMPARED_AT: usize = 64;
/// Connections at which several servers are: the fewer there are, the smaller the groups of each.
const NODES_AT: [usize; 2] = [COMPARED_AT, 256];

/// One part of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The cost of tokens themselves.
    Mint,
    /// All cases on an empty store.
    Empty,
    /// The cases that touch the store, on a filled one; on PostgreSQL in turn with an empty one.
    Filled,
    /// Latency at half of the rate at 64 connections, when calls come at a constant rate.
    Halfload,
    /// Two servers behind nginx against one. On PostgreSQL only.
    Nodes,
    /// Group commit against one commit for each call.
    Grouping,
    /// The server with metrics against one without.
    Metrics,
    /// Bytes per live key.
    Keys,
    /// Memory under forgeries.
    Forgeries,
    /// The bare handler against itself: what a share of 1 looks like here. Only if asked for.
    Calibrate,
}

/// What to measure, and how thoroughly.
#[derive(Args)]
pub(crate) struct Options {
    /// Under two minutes: fewer, shorter windows at 1 and 64 connections, no filled store unless
    /// --filled. For a first look, not for figures to quote.
    #[arg(long)]
    quick: bool,
    /// Half a minute: every part once and small, to see that every answer and row is right. Its figures
    /// mean nothing.
    #[arg(long, conflicts_with = "quick")]
    smoke: bool,
    /// The parts to run.
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Option<Vec<Part>>,
    /// The cases to run.
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Option<Vec<Case>>,
    /// Numbers of connections.
    #[arg(long, value_delimiter = ',')]
    connections: Option<Vec<usize>>,
    /// Windows of each side.
    #[arg(long)]
    windows: Option<u32>,
    /// Length of a window, seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// With --quick: measure the filled store too.
    #[arg(long)]
    filled: bool,
    /// On PostgreSQL: what filled databases are full of.
    #[arg(long, value_enum, value_delimiter = ',')]
    shapes: Option<Vec<Shape>>,
    /// A folder that `seed` has filled, with the same sizes; calls are added to it.
    #[arg(long)]
    filled_data: Option<PathBuf>,
    /// Entries of the filled store.
    #[arg(long)]
    entries: Option<usize>,
    /// Users of the filled store.
    #[arg(long)]
    users: Option<usize>,
    /// Activities of the filled store.
    #[arg(long)]
    activities: Option<usize>,
    /// Keys to keep alive when their memory is measured.
    #[arg(long)]
    keys: Option<u64>,
    /// Forgeries under which memory must stay flat.
    #[arg(long)]
    forgeries: Option<u64>,
    /// The database under the server.
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    store: Kind,
    /// The server's binary; built if not given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Folder for data, on a disk; beside the build if not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Writes every window as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Writes the tables into this Markdown file, between its lines `bench: begin` and `bench: end`; those of
    /// PostgreSQL between `bench postgres: begin` and `bench postgres: end`.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Fails if a target is not reached.
    #[arg(long)]
    strict: bool,
}

/// What is done where the options do not say otherwise.
struct Scale {
    connections: &'static [usize],
    windows: u32,
    seconds: f64,
    tries: u32,
    size: Size,
    /// Of a filled PostgreSQL.
    large: Size,
    keys: u64,
    forgeries: u64,
}

/// Five windows of 3 s for each side outlast the age at which keys move on: the generator follows
/// them under load.
const FULL: Scale = Scale {
    connections: &[1, 8, 64, 256],
    windows: 5,
    seconds: 3.0,
    tries: 3,
    size: Size::FULL,
    large: Size::LARGE,
    keys: 200_000,
    forgeries: 10_000_000,
};
const QUICK: Scale = Scale {
    connections: &[1, 64],
    windows: 2,
    seconds: 1.0,
    tries: 2,
    size: Size::FULL,
    large: Size { entries: 1_000_000, users: 10_000, activities: 100_000 },
    keys: 50_000,
    forgeries: 500_000,
};
const SMOKE: Scale = Scale {
    connections: &[8],
    windows: 1,
    seconds: 0.3,
    tries: 1,
    size: Size { entries: 2_000, users: 100, activities: 10 },
    large: Size { entries: 4_000, users: 200, activities: 600 },
    keys: 2_000,
    forgeries: 20_000,
};

impl Options {
    fn scale(&self) -> &'static Scale {
        match (self.smoke, self.quick) {
            (true, _) => &SMOKE,
            (_, true) => &QUICK,
            _ => &FULL,
        }
    }

    fn parts(&self) -> Vec<Part> {
        match &self.parts {
            Some(parts) => parts.clone(),
            None => Part::value_variants()
                .iter()
                .copied()
                .filter(|part| *part != Part::Calibrate)
                .filter(|part| *part != Part::Nodes || self.store == Kind::Postgres)
                .filter(|part| *part != Part::Filled || !self.quick || self.filled)
                .collect(),
        }
    }

    fn cases(&self) -> Vec<Case> {
        let all = || Case::value_variants().to_vec();
        self.cases.clone().unwrap_or_else(all)
    }

    /// A forgery never comes as far as the store: what that holds or bears cannot matter.
    fn stored_cases(&self) -> Vec<Case> {
        self.cases().into_iter().filter(|case| *case != Case::Forged).collect()
    }

    fn connections(&self) -> Vec<usize> {
        self.connections.clone().unwrap_or_else(|| self.scale().connections.to_vec())
    }

    fn size(&self) -> Size {
        let size = match self.store {
            Kind::Sqlite => self.scale().size,
            Kind::Postgres => self.scale().large,
        };
        Size {
            entries: self.entries.unwrap_or(size.entries),
            users: self.users.unwrap_or(size.users),
            activities: self.activities.unwrap_or(size.activities),
        }
    }

    fn pace(&self) -> Result<Pace> {
        let scale = self.scale();
        let pace = Pace {
            windows: self.windows.unwrap_or(scale.windows),
            length: Duration::try_from_secs_f64(self.seconds.unwrap_or(scale.seconds))?,
            tries: scale.tries,
        };
        let measurable = pace.windows > 0 && pace.length >= WARM_UP;
        ensure!(measurable, "at least one window of at least {WARM_UP:?}");
        Ok(pace)
    }
}

/// Runs what `options` ask for.
pub(crate) async fn run(options: Options) -> Result<()> {
    let kept = options.filled_data.is_some() && options.store != Kind::Sqlite;
    ensure!(!kept, "--filled-data is a folder of SQLite: PostgreSQL is filled anew each time");
    let (pace, start) = (options.pace()?, clock::now());
    let place = Place::find(options.server.clone(), options.folder.clone(), options.store)?;
    let mut report = Report::new(options.store, pace);
    println!("{}", report.machine);
    let bench = Bench { bare: place.bare()?, place, host: Host::new(), pace };
    for part in options.parts() {
        measure(&bench, part, &options, &mut report).await?;
    }
    report.judge();
    let tables = report.markdown();
    println!("\n{tables}\ntook {} s", start.elapsed().as_secs());
    if let Some(path) = &options.out {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(path, json).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &options.markdown {
        page::write(path, options.store, &tables)?;
    }
    let reached = report.targets.iter().all(|target| target.reached);
    ensure!(reached || !options.strict, "not every target was reached");
    Ok(())
}

async fn measure(bench: &Bench, part: Part, options: &Options, report: &mut Report) -> Result<()> {
    match part {
        Part::Mint => report.mint = Some(mint::measure()?),
        Part::Empty => {
            for case in options.cases() {
                for connections in options.connections() {
                    report.rows.push(bench.empty(case, connections).await?);
                }
            }
        }
        Part::Calibrate => {
            for case in options.cases() {
                for connections in options.connections() {
                    bench.calibrate(case, connections).await?;
                }
            }
        }
        Part::Filled if options.store == Kind::Postgres => {
            full_and_empty(bench, options, report).await?;
        }
        Part::Filled => filled(bench, options, report).await?,
        Part::Halfload => {
            for case in options.stored_cases() {
                report.half.push(bench.half_load(case, COMPARED_AT).await?);
            }
        }
        Part::Nodes => {
            ensure!(options.store == Kind::Postgres, "several servers need --store postgres");
            let connections = options.connections.clone().unwrap_or_else(|| NODES_AT.to_vec());
            for case in options.stored_cases() {
                for connections in &connections {
                    report.nodes.push(bench.nodes(case, *connections).await?);
                }
            }
        }
        Part::Grouping => {
            for case in options.cases().into_iter().filter(|case| case.writes()) {
                report.grouping.push(bench.grouping(case, COMPARED_AT).await?);
            }
        }
        Part::Metrics => report.metrics.push(bench.metrics(Case::Log, COMPARED_AT).await?),
        Part::Keys => {
            let count = options.keys.unwrap_or(options.scale().keys);
            report.keys = Some(bench.live_keys(count).await?);
        }
        Part::Forgeries => {
            let count = options.forgeries.unwrap_or(options.scale().forgeries);
            report.forgeries = Some(bench.forgeries(count).await?);
        }
    }
    Ok(())
}

async fn filled(bench: &Bench, options: &Options, report: &mut Report) -> Result<()> {
    options.size().check()?;
    let new = bench.new_folder()?;
    let data: &Path = match &options.filled_data {
        Some(data) => data,
        None => {
            seed::fill(&bench.place, new.path(), options.size()).await?;
            new.path()
        }
    };
    for case in options.stored_cases() {
        for connections in options.connections() {
            let row = bench.filled(case, connections, data, options.size()).await?;
            report.rows.push(row);
        }
    }
    Ok(())
}

async fn full_and_empty(bench: &Bench, options: &Options, report: &mut Report) -> Result<()> {
    let size = options.size();
    let shapes = options.shapes.clone().unwrap_or_else(|| Shape::value_variants().to_vec());
    for shape in shapes {
        let data = bench.new_folder()?;
        bench.fill(shape, size, data.path()).await?;
        for case in options.stored_cases() {
            let at = (case, COMPARED_AT);
            report.full.push(bench.full_and_empty((shape, size), at, data.path()).await?);
        }
    }
    Ok(())
}
