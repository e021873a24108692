//! Measures Latchkey against a bare axum JSON handler.
//!
//! * [`case`], [`client`] — what is sent, and what makes an answer right.
//! * [`load`], [`arrivals`], [`rounds`], [`stage`] — a window, windows in turn, all windows of one line of the table.
//! * [`halfload`], [`nodes`], [`filled`] — latency at half load, several servers, a full PostgreSQL.
//! * [`memory`], [`mint`] — bytes per live key, memory under forgeries, the cost of tokens themselves.
//! * [`seed`] fills a store through the server; [`copies`] a PostgreSQL faster, of which [`proof`] is asked. [`bare`] —
//!   the handler to compare with.
//! * [`report`], [`tables`], [`page`] — which targets were reached, in JSON and in Markdown.

#![expect(clippy::print_stdout, reason = "a tool that measures talks to its terminal")]

mod arrivals;
mod bare;
mod case;
mod client;
mod clock;
mod copies;
mod filled;
mod flood;
mod halfload;
mod host;
mod ids;
mod link;
mod load;
mod machine;
mod memory;
mod mint;
mod nodes;
mod page;
mod process;
mod proof;
mod reply;
mod report;
mod rounds;
mod rows;
mod run;
mod seed;
mod stage;
mod store;
mod tables;
mod text;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use process::Place;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The server's own, so that the bare handler is as well off as it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures a Latchkey server against a bare axum JSON handler.
#[derive(Parser)]
#[command(name = "latchkey-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds both servers, measures them in turn and prints the tables.
    Run(Box<run::Options>),
    /// Serves the bare handler until killed.
    Bare {
        /// Where to listen; port 0 takes a free one.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Fills a store, for `run --filled-data`.
    Seed {
        /// The data folder of the store; made if absent.
        #[arg(long)]
        data: PathBuf,
        /// The server's binary; built if not given.
        #[arg(long)]
        server: Option<PathBuf>,
        #[command(flatten)]
        size: seed::Size,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Run(options) => one_thread()?.block_on(run::run(*options)),
        Command::Bare { listen } => bare::serve(listen),
        Command::Seed { data, server, size } => {
            let place = Place::find(server, None, store::Kind::Sqlite)?;
            one_thread()?.block_on(seed::fill(&place, &data, size))
        }
    }
}

/// The generator has one thread: the cores are the servers'.
fn one_thread() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")
}
