//! The command line of the demo.

use clap::Parser;
use latchkey_demo::{Demo, Options};
use latchkey_server::process::{start_log, stop_signal};
use std::error::Error;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

/// A small school site whose activities keep their grades with Latchkey.
///
/// One process, three servers: the site and, at origins of their own, the Latchkey API and what teachers bring. Prints
/// `demo on http://ADDR` and `api on http://ADDR` when both are ready.
#[derive(Parser)]
#[command(name = "latchkey-demo", version)]
struct Cli {
    /// Address of the site; port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:8430")]
    listen: SocketAddr,
    /// Address of the Latchkey API; port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:8431")]
    api_listen: SocketAddr,
    /// Address of what teachers bring, isolated from the site.
    #[arg(long, default_value = "127.0.0.1:8432")]
    content_listen: SocketAddr,
    /// Folder for users, grades and secrets.
    #[arg(long, default_value = "latchkey-demo-data")]
    data: PathBuf,
    /// File of Latchkey settings; its addresses, data folder and host "demo" are given by this program.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How browsers reach the site, where that is not its address: "https://school.example".
    #[arg(long)]
    site_url: Option<String>,
    /// How browsers reach the API, where that is not its address.
    #[arg(long)]
    api_url: Option<String>,
    /// How browsers reach what teachers bring, where that is not its address: best a name that has nothing else.
    #[arg(long)]
    content_url: Option<String>,
    /// Folder of the repository, for what `cargo xtask demo` builds and fetches; where this was compiled
    /// without.
    #[arg(long)]
    built: Option<PathBuf>,
    /// Address of a second site, in PHP: it is there where PHP is installed.
    #[arg(long, default_value = "127.0.0.1:8433")]
    neighbour_listen: SocketAddr,
    /// Without the second site.
    #[arg(long)]
    no_neighbour: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("latchkey-demo: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line. Nobody can be told that nobody can be told.
fn say(to: &mut dyn Write, line: &str) {
    let _ = writeln!(to, "{line}");
    let _ = to.flush();
}

fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    let Cli { listen, api_listen, content_listen, data, config, .. } = cli;
    let Cli { site_url, api_url, content_url, built, .. } = cli;
    let content_listen = Some(content_listen);
    let neighbour = (!cli.no_neighbour).then_some(cli.neighbour_listen);
    let options =
        Options { data, config, site_url, api_url, content_listen, content_url, built, neighbour };
    start_log(&options.settings()?)?;
    let bind = |to| TcpListener::bind(to).map_err(|error| format!("{to}: {error}"));
    let (site, api) = (bind(listen)?, bind(api_listen)?);
    let (site_address, api_address) = (site.local_addr()?, api.local_addr()?);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let demo = Demo::open(site_address, api_address, &options)?;
        let shutdown = stop_signal()?;
        let out = &mut std::io::stdout();
        say(out, &format!("demo on http://{site_address}"));
        say(out, &format!("api on http://{api_address}"));
        say(out, &format!("content on {}", demo.content()));
        if let Some(url) = demo.neighbour() {
            say(out, &format!("a second site, in PHP, on {url}"));
        }
        demo.logins().for_each(|line| say(out, &line));
        Ok(demo.serve(site, api, shutdown).await?)
    })
}
