//! The servers as processes of their own: started, asked where they listen, stopped.

use crate::clock;
use crate::host::{self, Setup};
use crate::link::Address;
use crate::store::{Kind, Store};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// What both servers print once they take connections.
pub(crate) const LISTENING: &str = "listening on http://";
/// The file in a data folder that all servers of a site share.
const SECRETS: &str = "secrets.toml";
/// How long a server may take to finish its work after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A running server. Killed when dropped, so that a bench that fails leaves nothing behind.
pub(crate) struct Running {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Running {
    /// Starts `program` and waits until it says where it listens. What it writes to stderr goes to `log`.
    fn start<A: AsRef<OsStr>>(program: &Path, arguments: &[A], log: PathBuf) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).with_context(|| log.display().to_string())?)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        let address = loop {
            let Some(line) = lines.next() else {
                let status = child.wait()?;
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("{} ended at once ({status}):\n{said}", program.display());
            };
            if let Some((_, address)) = line?.split_once(LISTENING) {
                break address.trim().trim_end_matches('/').parse()?;
            }
        };
        // A pipe that nobody reads fills up and stops its writer.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Self { child, address, log })
    }

    /// The same, for a client.
    pub(crate) fn address(&self) -> Address {
        Address::Tcp(self.address)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to finish (SIGTERM) and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let sent = Command::new("kill")
            .args(["-s", "TERM", &self.pid().to_string()])
            .status()
            .context("running kill")?;
        ensure!(sent.success(), "could not stop process {}", self.pid());
        let since = clock::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(since.elapsed() < STOP_LIMIT, "the server does not stop");
            thread::sleep(POLL);
        };
        if !status.success() {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("the server ended with {status}:\n{said}");
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where programs and data are.
pub(crate) struct Place {
    /// The binary under test.
    pub(crate) server: PathBuf,
    /// The folder for data: on a disk, not in memory.
    pub(crate) folder: PathBuf,
    /// The databases.
    pub(crate) store: Store,
}

impl Place {
    /// The server beside this program, built first unless `server` names one; data in `folder`, or
    /// beside the build.
    pub(crate) fn find(
        server: Option<PathBuf>,
        folder: Option<PathBuf>,
        kind: Kind,
    ) -> Result<Self> {
        let own = std::env::current_exe().context("where is this program?")?;
        let beside = own.parent().context("where is this program?")?;
        let server = match server {
            Some(server) => server,
            None => {
                build(beside)?;
                beside.join("latchkey")
            }
        };
        ensure!(server.is_file(), "no server at {}", server.display());
        let folder = folder.unwrap_or_else(|| beside.join("bench-data"));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        Ok(Self { server, folder, store: Store::start(kind) })
    }

    /// Starts the server under test on `data`.
    pub(crate) async fn latchkey(&self, data: &Path, setup: Setup) -> Result<Running> {
        fs::create_dir_all(data)?;
        let config = data.join("bench.toml");
        fs::write(&config, host::settings(&self.store.url(data).await?, setup))?;
        let arguments = [
            "serve".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
            "--listen".as_ref(),
            "127.0.0.1:0".as_ref(),
            "--data".as_ref(),
            data.as_os_str(),
        ];
        Running::start(&self.server, &arguments, data.join("server.log"))
    }

    /// A second server on the database of the one with that data folder, with its secrets. Its own folder is `data`.
    pub(crate) async fn second(&self, first: &Path, data: &Path, setup: Setup) -> Result<Running> {
        self.store.share(first, data)?;
        fs::create_dir_all(data)?;
        fs::copy(first.join(SECRETS), data.join(SECRETS)).context("copying the secrets")?;
        self.latchkey(data, setup).await
    }

    /// Starts the bare handler.
    pub(crate) fn bare(&self) -> Result<Running> {
        let own = std::env::current_exe()?;
        let arguments = ["bare", "--listen", "127.0.0.1:0"];
        Running::start(&own, &arguments, self.folder.join("bare.log"))
    }
}

/// Builds the server into the folder that this program was built into.
fn build(beside: &Path) -> Result<()> {
    ensure!(
        beside.ends_with("release"),
        "figures of a debug build say nothing: run with --release"
    );
    let target = beside.parent().context("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "latchkey-server"])
        .args(["--bin", "latchkey", "--target-dir"])
        .arg(target)
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "the server does not build");
    Ok(())
}
