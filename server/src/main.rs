//! The command line.

use clap::{Args, Parser, Subcommand};
use latchkey_protocol::launch::{Placement, RecentScope, Rotation};
use latchkey_protocol::token::KeyId;
use latchkey_server::clock::{Clock, Entropy, SystemClock};
use latchkey_server::config::Config;
use latchkey_server::keys::mint;
use latchkey_server::process::{start_log, stop_signal};
use latchkey_server::secrets::Secrets;
use latchkey_server::{Latchkey, serve_opened};
use std::error::Error;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// A call is many small pieces of memory, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keys for embedded code, bound to one user and one activity.
#[derive(Parser)]
#[command(name = "latchkey", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server. Prints one line, `listening on http://ADDR`, when it is ready.
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// Address to listen on, instead of the setting; port 0 takes any that is free.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Print a launch token, to try the server with curl.
    Mint(Box<Mint>),
    /// Read the settings, say what is wrong with them or what they come to.
    CheckConfig {
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Args)]
struct Settings {
    /// File of settings; the defaults without one.
    #[arg(long, env = "LATCHKEY_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for the database and the secrets, instead of the setting.
    #[arg(long)]
    data: Option<PathBuf>,
}

impl Settings {
    fn load(&self) -> Result<Config, Box<dyn Error>> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

#[derive(Args)]
struct Mint {
    #[command(flatten)]
    settings: Settings,
    /// Host that launches.
    #[arg(long)]
    host: String,
    /// The user, by the host's own primary key.
    #[arg(long)]
    user: String,
    /// The activity, by the host's own primary key.
    #[arg(long)]
    activity: String,
    /// What the key may call, as in log,grade; the default three without.
    #[arg(long, value_delimiter = ',')]
    functions: Option<Vec<String>>,
    /// Whose entries `recent` shows: own or activity.
    #[arg(long, default_value = "own", value_parser = recent)]
    recent: RecentScope,
    /// Page origin that may use the key; may be repeated. The host's without.
    #[arg(long = "origin")]
    origins: Vec<String>,
    /// Network that may use the key: CIDR, range or prefix; may be repeated.
    #[arg(long = "network")]
    networks: Vec<String>,
    /// The host's web session, whose end ends the key.
    #[arg(long)]
    session: Option<String>,
    /// Whether the token changes with use: on or off.
    #[arg(long, default_value = "on", value_parser = rotation)]
    rotation: Rotation,
    /// Maximum score of the activity.
    #[arg(long)]
    max: Option<f64>,
    /// How long the token waits for its first use, as in 15m.
    #[arg(long, value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
}

fn recent(text: &str) -> Result<RecentScope, String> {
    match text {
        "own" => Ok(RecentScope::Own),
        "activity" => Ok(RecentScope::Activity),
        _ => Err("own or activity".into()),
    }
}

fn rotation(text: &str) -> Result<Rotation, String> {
    match text {
        "on" => Ok(Rotation::On),
        "off" => Ok(Rotation::Off),
        _ => Err("on or off".into()),
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve { settings, listen } => run(&settings, listen),
        Command::Mint(mint) => print_token(&mint),
        Command::CheckConfig { settings } => check(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&mut std::io::stderr(), &format!("latchkey: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line. Nobody can be told that nobody can be told.
fn say(to: &mut dyn Write, line: &str) {
    let _ = writeln!(to, "{line}");
    let _ = to.flush();
}

fn run(settings: &Settings, listen: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let mut config = settings.load()?;
    start_log(&config)?;
    let listener = TcpListener::bind(listen.unwrap_or(config.listen))
        .map_err(|error| format!("{}: {error}", listen.unwrap_or(config.listen)))?;
    config.listen = listener.local_addr()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let latchkey = Latchkey::open(&config)?;
        let secrets = latchkey.secrets();
        let (path, made) = (secrets.path.display().to_string(), secrets.made);
        tracing::info!(secrets = path, made, "open");
        say(&mut std::io::stdout(), &format!("listening on http://{}", config.listen));
        let shutdown = stop_signal()?;
        Ok(serve_opened(listener, latchkey, shutdown).await?)
    })
}

fn print_token(mint: &Mint) -> Result<(), Box<dyn Error>> {
    // Without the store: the server may be running on it.
    let config = mint.settings.load()?;
    let (now, entropy) = (SystemClock.now(), Entropy::System);
    let secrets = Secrets::open(&config, &entropy, now)?;
    let (id, wait) = (KeyId(entropy.bytes()), mint.expires.unwrap_or(config.keys.start_limit));
    let mut claims = mint::claims(&mint.host, &mint.user, &mint.activity, id, wait, now);
    claims.functions.clone_from(&mint.functions);
    claims.recent = mint.recent;
    claims.origins = (!mint.origins.is_empty()).then(|| mint.origins.clone());
    claims.networks = (!mint.networks.is_empty()).then(|| mint.networks.clone());
    claims.session.clone_from(&mint.session);
    claims.rotation = mint.rotation;
    claims.placement = mint.max.map(|max| Placement { max: Some(max), ..Placement::default() });
    let token = mint::sign(&secrets.hosts, &config.lifetimes(), &claims, now)
        .map_err(|error| format!("cannot mint: {error}"))?;
    say(&mut std::io::stdout(), &token);
    Ok(())
}

fn check(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let config = settings.load()?;
    config.sqlite_file()?;
    say(&mut std::io::stdout(), &format!("{config:#?}"));
    Ok(())
}
