//! The command line.

use clap::{Args, Parser, Subcommand};
use latchkey_protocol::launch::{Placement, RecentScope, Rotation};
use latchkey_protocol::token::KeyId;
use latchkey_server::clock::{Clock, Entropy, SystemClock};
use latchkey_server::config::{Config, ConfigError};
use latchkey_server::host::client;
use latchkey_server::keys::mint;
use latchkey_server::process::{reload_at_hangup, start_log, stop_signal};
use latchkey_server::secrets::Secrets;
use latchkey_server::{Latchkey, Starting, backup, moving, serve_opened};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
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
    /// Run the server. Prints one line, `listening on http://ADDR` or
    /// `https://ADDR`, when it is ready; reads the settings again at SIGHUP.
    Serve {
        #[command(flatten)]
        settings: Settings,
        /// Address to listen on, instead of the setting; port 0 takes any that is free.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Print a launch token, to try the server with curl.
    Mint(Box<Mint>),
    /// Do what a host does.
    Host {
        #[command(subcommand)]
        command: HostCommand,
    },
    /// See how webhooks fare, or have their events sent again, by the running server.
    Webhooks {
        #[command(subcommand)]
        command: WebhooksCommand,
    },
    /// Move all data of a stopped server to another database, and compare both at the end. One that was
    /// interrupted goes on. With --ahead first, while the server runs, it stands still for less long.
    Copy {
        #[command(flatten)]
        settings: Settings,
        /// Where the data is: sqlite:FILE or postgres://user:password@host/database.
        #[arg(long)]
        from: String,
        /// Where it is to go: an empty database, or one that does not exist yet.
        #[arg(long)]
        to: String,
        /// Bring the log, the submissions and the rulings so far, while servers go on writing. May be
        /// repeated, each time for what has come since; the target stays closed until a copy without.
        #[arg(long)]
        ahead: bool,
    },
    /// Copy the SQLite database to a file, while the server runs, and check the copy.
    Backup {
        #[command(flatten)]
        settings: Settings,
        /// File to be made.
        #[arg(long)]
        to: PathBuf,
    },
    /// Put such a copy into a data folder that has no database. The server must not run.
    Restore {
        #[command(flatten)]
        settings: Settings,
        /// The copy.
        #[arg(long)]
        from: PathBuf,
    },
    /// Read the settings, say what is wrong with them or what they come to.
    CheckConfig {
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Subcommand)]
enum WebhooksCommand {
    /// Print the webhooks of a host: what waits, what failed, what is disabled.
    List(Asker),
    /// Send everything again that happened since a time, and enable the webhook.
    Replay {
        /// Id of the webhook.
        id: String,
        /// The time, as in 2026-11-22T09:30:00Z.
        #[arg(long)]
        since: String,
        #[command(flatten)]
        asker: Asker,
    },
}

/// Who asks which server.
#[derive(Args)]
struct Asker {
    #[command(flatten)]
    settings: Settings,
    /// Host whose webhooks; the only one of the settings without.
    #[arg(long)]
    host: Option<String>,
    /// Address of the server, as in https://latch.example; by the settings without.
    #[arg(long)]
    server: Option<String>,
}

#[derive(Subcommand)]
enum HostCommand {
    /// Sign a request with a secret of a host, send it, and print the answer.
    Call(Box<HostCall>),
}

#[derive(Args)]
struct HostCall {
    #[command(flatten)]
    settings: Settings,
    /// GET, POST or DELETE.
    method: String,
    /// Path and query, as in /host/v1/users?limit=5.
    path: String,
    /// File with the body, or - for standard input. Without: no body.
    #[arg(long)]
    body: Option<PathBuf>,
    /// Type of the body.
    #[arg(long = "type", default_value = "application/json")]
    kind: String,
    /// Host that calls; the only one of the settings without.
    #[arg(long)]
    host: Option<String>,
    /// Address of the server, as in https://latch.example; by the settings without.
    #[arg(long)]
    server: Option<String>,
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
    fn load(&self) -> Result<Config, ConfigError> {
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
        Command::Serve { settings, listen } => run(settings, listen),
        Command::Mint(mint) => print_token(&mint),
        Command::Host { command: HostCommand::Call(call) } => call_as_host(&call),
        Command::Webhooks { command } => call_as_host(&command.into_call()),
        Command::Copy { settings, from, to, ahead } => copy(&settings, &from, &to, ahead),
        Command::Backup { settings, to } => back_up(&settings, &to),
        Command::Restore { settings, from } => restore(&settings, &from),
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

fn run(settings: Settings, listen: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let started = settings.load()?;
    let mut config = started.clone();
    let traces = start_log(&config)?;
    let listener = TcpListener::bind(listen.unwrap_or(config.listen))
        .map_err(|error| format!("{}: {error}", listen.unwrap_or(config.listen)))?;
    config.listen = listener.local_addr()?;
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads_on(cores))
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let plain = !config.tls.is_on();
        let starting = Arc::new(Starting::on(plain.then_some(&listener))?);
        tracing::info!(address = %config.listen, "starting");
        let latchkey = {
            let (config, starting) = (config.clone(), Arc::clone(&starting));
            let open = move || {
                Latchkey::open_from(&config, Arc::new(SystemClock), Entropy::System, &starting)
            };
            tokio::task::spawn_blocking(open).await??
        };
        if let Some(starting) = Arc::into_inner(starting) {
            starting.end().await;
        }
        let secrets = latchkey.secrets();
        let (path, made) = (secrets.path.display().to_string(), secrets.made);
        tracing::info!(secrets = path, made, "open");
        if let Some(address) = latchkey.metrics_address() {
            tracing::info!(%address, "metrics at /metrics");
        }
        // Before the line that says that it is ready: from then on signals may come.
        let shutdown = stop_signal()?;
        reload_at_hangup(&latchkey, started, move || settings.load())?;
        let scheme = if config.tls.is_on() { "https" } else { "http" };
        say(&mut std::io::stdout(), &format!("listening on {scheme}://{}", config.listen));
        Ok(serve_opened(listener, latchkey, shutdown).await?)
    });
    if let Some(traces) = traces {
        traces.flush();
    }
    served
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

impl WebhooksCommand {
    /// The host's own request for it.
    fn into_call(self) -> HostCall {
        let (method, path, asker) = match self {
            Self::List(asker) => ("GET", "/host/v1/webhooks".to_owned(), asker),
            Self::Replay { id, since, asker } => {
                let escaped = |text: &str| {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()
                };
                let (id, since) = (escaped(&id), escaped(&since));
                ("POST", format!("/host/v1/webhooks/{id}/replay?since={since}"), asker)
            }
        };
        let Asker { settings, host, server } = asker;
        let (method, kind) = (method.to_owned(), "application/json".to_owned());
        HostCall { settings, method, path, body: None, kind, host, server }
    }
}

fn call_as_host(call: &HostCall) -> Result<(), Box<dyn Error>> {
    let config = call.settings.load()?;
    let (now, entropy) = (SystemClock.now(), Entropy::System);
    let secrets = Secrets::open(&config, &entropy, now)?;
    let mut hosts = secrets.hosts.iter();
    let (id, host) = match (&call.host, hosts.next(), hosts.next()) {
        (None, Some(only), None) => only,
        (None, ..) => return Err("there are several hosts: say which by --host".into()),
        (Some(id), ..) => secrets.hosts.get_key_value(id).ok_or("there is no such host")?,
    };
    let newest = host.secrets.iter().max_by_key(|(number, _)| *number);
    let (_, secret) = newest.ok_or("the host has no secret")?;
    let body = match call.body.as_deref().map(|path| (path, path.to_str())) {
        None => Vec::new(),
        Some((_, Some("-"))) => {
            let mut body = Vec::new();
            std::io::stdin().read_to_end(&mut body)?;
            body
        }
        Some((path, _)) => {
            std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?
        }
    };
    let scheme = if config.tls.is_on() { "https" } else { "http" };
    let server = match (&call.server, config.public_url.as_str()) {
        (Some(server), _) => server.clone(),
        (None, "") => format!("{scheme}://{}", config.listen),
        (None, public) => public.to_owned(),
    };
    let nonce: String = entropy.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = client::HostRequest {
        method: &call.method,
        target: &call.path,
        kind: &call.kind,
        body: body.into(),
    };
    let by = client::Signature { host: id, secret, now, nonce: &nonce };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, answer) = runtime.block_on(client::send(&server, request, &by))?;
    say(&mut std::io::stdout(), &String::from_utf8_lossy(&answer));
    if (200..300).contains(&status) { Ok(()) } else { Err(format!("status {status}").into()) }
}

fn copy(settings: &Settings, from: &str, to: &str, ahead: bool) -> Result<(), Box<dyn Error>> {
    let config = settings.load()?;
    let copy = if ahead { moving::ahead } else { moving::copy };
    Ok(copy(from, to, &config.data, &mut std::io::stdout())?)
}

fn back_up(settings: &Settings, to: &Path) -> Result<(), Box<dyn Error>> {
    let place = settings.load()?.store_place()?;
    Ok(backup::backup(&place, to, &mut std::io::stdout())?)
}

fn restore(settings: &Settings, from: &Path) -> Result<(), Box<dyn Error>> {
    let place = settings.load()?.store_place()?;
    Ok(backup::restore(from, &place, &mut std::io::stdout())?)
}

fn check(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let config = settings.load()?;
    config.store_place()?;
    config.check_files()?;
    say(&mut std::io::stdout(), &config.shown(settings.config.as_deref())?);
    Ok(())
}
