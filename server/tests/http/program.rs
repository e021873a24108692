//! The program itself, as an operator runs it.

use crate::database::Database;
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::token::KeyId;
use latchkey_server::clock::{Clock, Entropy, SystemClock};
use latchkey_server::config::Config;
use latchkey_server::keys::mint;
use latchkey_server::secrets::Secrets;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// The program with none of the settings that this machine may have.
pub(crate) fn latchkey() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LATCHKEY_") {
            command.env_remove(name);
        }
    }
    command
}

/// Databases of the programs of this run, by their folders.
static DATABASES: Mutex<BTreeMap<PathBuf, Database>> = Mutex::new(BTreeMap::new());

/// The database of the program that runs, or ran, on that folder.
pub(crate) fn database(folder: &Path) -> Database {
    let mut databases = DATABASES.lock().unwrap();
    let fresh = || Database::fresh(&folder.join("data"));
    databases.entry(folder.to_owned()).or_insert_with(fresh).clone()
}

/// A running program; killed when it goes out of sight.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) log: PathBuf,
}

impl Program {
    /// Starts it on that folder and waits for the line that says where it listens.
    pub(crate) fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let log = folder.join("stderr.txt");
        let mut command = latchkey();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
        command.env("LATCHKEY_STORE__URL", database(folder).url());
        command.envs(settings.iter().copied());
        command
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}{}", read(&log)));
        Self { address: address.parse().unwrap(), child, log }
    }

    /// Its number, to send signals to.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator does; whether it ended well.
    pub(crate) fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The secrets of the deployment in that folder.
pub(crate) fn secrets(folder: &Path) -> (Config, Secrets) {
    let mut config = Config::load(None).unwrap();
    config.data = folder.join("data");
    let secrets = Secrets::open(&config, &Entropy::System, SystemClock.now()).unwrap();
    (config, secrets)
}

/// A launch token of the host `local`, minted beside the running program.
pub(crate) fn launch(folder: &Path, change: impl FnOnce(&mut LaunchClaims)) -> String {
    let (config, secrets) = secrets(folder);
    let (now, id) = (SystemClock.now(), KeyId(Entropy::System.bytes()));
    let mut claims = mint::claims("local", "ada", "quiz", id, Duration::from_secs(900), now);
    change(&mut claims);
    mint::sign(&secrets.hosts, &config.lifetimes(), &claims, now).unwrap()
}
