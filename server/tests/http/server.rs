//! A server in this process, and launches for it.

use crate::client::{Answer, Ask, HttpClient, client};
use crate::database::Database;
use crate::program::{latchkey, run};
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::{Branch, KeyId, Token};
use latchkey_server::clock::{Entropy, ManualClock};
use latchkey_server::config::{Config, HostConfig};
use latchkey_server::{Latchkey, StartError, serve_opened};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// When every test begins: 2026-11-18T11:06:40Z.
pub(crate) const START: i64 = 1_795_000_000_000;
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// The late window `W` and the rotation age `R`, by default.
pub(crate) const W: i64 = 30 * SECOND;
pub(crate) const R: i64 = 30 * SECOND;

/// Longest that any single answer may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Secrets of the two hosts.
const HOSTS: [(&str, [u8; 32]); 2] = [("school", [11; 32]), ("academy", [22; 32])];

/// A running server. Its folder goes with it.
pub(crate) struct Server {
    pub(crate) latchkey: Arc<Latchkey>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    database: Database,
    /// The settings in force.
    config: std::sync::Mutex<Config>,
    pub(crate) http: HttpClient,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), StartError>>,
}

/// What a stopped server leaves.
pub(crate) struct Stopping {
    pub(crate) served: JoinHandle<Result<(), StartError>>,
    pub(crate) address: SocketAddr,
    pub(crate) database: Database,
    pub(crate) folder: TempDir,
}

fn settings(folder: &TempDir) -> Config {
    let mut config = Config::load(None).unwrap();
    config.data = folder.path().join("data");
    config.public_url = "https://latch.example".into();
    config.limits.burst = 0;
    config.hosts =
        HOSTS.iter().map(|(id, secret)| HostConfig::new(*id, base64url(secret))).collect();
    config
}

impl Server {
    /// With the default settings, but no limit of rate.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// With settings of the test's own.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::fresh(&folder.path().join("data"));
        Self::start_on(folder, database, change).await
    }

    /// On a database of the test's own.
    pub(crate) async fn start_on(
        folder: TempDir,
        database: Database,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = settings(&folder);
        config.store.url = database.url();
        change(&mut config);
        Self::on(folder, database, config, Arc::new(ManualClock::new(START)))
    }

    fn on(folder: TempDir, database: Database, config: Config, clock: Arc<ManualClock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let latchkey =
            Latchkey::open_with(&config, Arc::clone(&clock) as _, Entropy::seeded(7)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(serve_opened(listener, Arc::clone(&latchkey), shutdown));
        let config = std::sync::Mutex::new(config);
        Self { latchkey, clock, address, folder, database, config, http: client(), stop, served }
    }

    /// Stopped in order, and started again on the same folder.
    pub(crate) async fn restarted(self) -> Self {
        let Self { latchkey, clock, folder, database, config, stop, served, http, .. } = self;
        stop.send(()).unwrap();
        drop((latchkey, http));
        served.await.unwrap().unwrap();
        Self::on(folder, database, config.into_inner().unwrap(), clock)
    }

    /// Stopped in order, its data copied by the program, and started again on the copy.
    pub(crate) async fn moved_to(self, target: Database) -> Self {
        let Self { latchkey, clock, folder, database, config, stop, served, http, .. } = self;
        stop.send(()).unwrap();
        drop((latchkey, http));
        served.await.unwrap().unwrap();
        copy(&database.url(), &target.url());
        let mut config = config.into_inner().unwrap();
        config.store.url = target.url();
        Self::on(folder, target, config, clock)
    }

    /// Puts changed settings in force, or says why not.
    pub(crate) fn reload(&self, change: impl FnOnce(&mut Config)) -> Result<(), StartError> {
        let mut config = self.config.lock().unwrap();
        let mut changed = config.clone();
        change(&mut changed);
        self.latchkey.reload(&changed)?;
        *config = changed;
        Ok(())
    }

    /// Tells it to stop and lets go of it.
    pub(crate) fn stop(self) -> Stopping {
        let Self { served, address, folder, database, stop, .. } = self;
        stop.send(()).unwrap();
        Stopping { served, address, database, folder }
    }

    /// Moves the clock.
    pub(crate) fn after(&self, time: i64) {
        self.clock.advance(time);
    }

    /// Claims of the host `school` for user `ada` in activity `quiz`.
    pub(crate) fn claims(&self) -> LaunchClaims {
        self.claims_for("school", "ada", "quiz")
    }

    pub(crate) fn claims_for(&self, host: &str, user: &str, activity: &str) -> LaunchClaims {
        self.latchkey.claims(host, user, activity)
    }

    /// A launch token as a host signs it, whatever it says.
    pub(crate) fn sign(&self, claims: &LaunchClaims) -> String {
        let (_, secret) = HOSTS.iter().find(|(id, _)| *id == claims.iss).unwrap();
        claims.sign(1, &Signer::new(secret)).unwrap()
    }

    /// A launch token of [`Server::claims`].
    pub(crate) fn launch(&self) -> String {
        self.sign(&self.claims())
    }

    /// A launch token of changed [`Server::claims`].
    pub(crate) fn launch_with(&self, change: impl FnOnce(&mut LaunchClaims)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        self.sign(&claims)
    }

    /// A page that has just been rendered.
    pub(crate) fn page(&self) -> Page<'_> {
        Page { server: self, token: self.launch() }
    }

    /// The same with changed claims.
    pub(crate) fn page_with(&self, change: impl FnOnce(&mut LaunchClaims)) -> Page<'_> {
        Page { server: self, token: self.launch_with(change) }
    }

    /// The same for another user of another host or activity.
    pub(crate) fn page_for(&self, host: &str, user: &str, activity: &str) -> Page<'_> {
        Page { server: self, token: self.sign(&self.claims_for(host, user, activity)) }
    }

    /// A request to this server.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        Ask::new(self, method, path)
    }

    /// One call with that token.
    pub(crate) async fn call(&self, token: &str, function: &str, args: Value) -> Answer {
        let path = format!("/v1/{function}");
        self.ask("POST", &path).bearer(token).json(&args).send().await
    }

    /// What a session token says.
    pub(crate) fn opened(&self, token: &str) -> Token {
        self.latchkey.secrets().keyring.open(token, self.latchkey.now()).unwrap()
    }

    /// A session token that this server could have made.
    pub(crate) fn seal(&self, key: KeyId, generation: u32, branch: Branch) -> String {
        self.latchkey.secrets().keyring.seal(key, generation, branch, self.latchkey.now())
    }

    /// The database, as another program may open it.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// A number read from the database.
    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.database.number(sql)
    }
}

/// Copies a database by the program; what it says.
pub(crate) fn copy(from: &str, to: &str) -> String {
    let done = run(latchkey().args(["copy", "--from", from, "--to", to]));
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// A conforming client: presents its newest token and adopts the one in the reply.
pub(crate) struct Page<'a> {
    pub(crate) server: &'a Server,
    pub(crate) token: String,
}

impl Page<'_> {
    pub(crate) async fn call(&mut self, function: &str, args: Value) -> Answer {
        let answer = self.server.call(&self.token, function, args).await;
        if let Some(token) = answer.token() {
            self.token = token;
        }
        answer
    }

    /// Logs one event.
    pub(crate) async fn log(&mut self, event: &str) -> Answer {
        self.call("log", serde_json::json!({"entries": [{"event": event}]})).await
    }

    pub(crate) async fn grade(&mut self, score: f64) -> Answer {
        self.call("grade", serde_json::json!({ "score": score })).await
    }

    pub(crate) async fn recent(&mut self) -> Answer {
        self.call("recent", serde_json::json!({})).await
    }

    /// The newest events, newest first.
    pub(crate) async fn events(&mut self) -> Vec<String> {
        let answer = self.call("recent", serde_json::json!({"kinds": ["log"]})).await;
        let items = answer.result()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["event"].as_str().unwrap().to_owned()).collect()
    }

    /// The generation of the newest token.
    pub(crate) fn generation(&self) -> u32 {
        self.server.opened(&self.token).generation
    }
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
