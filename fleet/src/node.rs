//! One server: the program, which can be killed, paused, and started with a clock that is wrong.

use crate::child::child;
use crate::clock::{PATIENCE, until};
use crate::http::Place;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// The program's file, built if it is not there or not new.
pub(crate) async fn program() -> &'static PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT
        .get_or_init(|| async {
            // target/debug/latchkey-soak, or target/debug/deps/nodes-…
            let here = std::env::current_exe().expect("this program's file");
            let mut profile = here.parent().expect("its folder");
            if profile.ends_with("deps") {
                profile = profile.parent().expect("the folder of the profile");
            }
            let cargo = env!("CARGO");
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--locked", "-p", "latchkey-server"]);
            build.args(["--bin", "latchkey"]);
            if profile.ends_with("release") {
                build.arg("--release");
            }
            build.arg("--target-dir").arg(profile.parent().expect("the target folder"));
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(build.status().await.expect("cargo").success(), "the server does not build");
            profile.join("latchkey")
        })
        .await
}

/// A server, running or not.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    settings: PathBuf,
    /// How wrong its clock is, as libfaketime takes it.
    clock: Option<String>,
    child: Child,
    /// Where it listens, before and after it is started anew.
    pub address: SocketAddr,
}

impl Node {
    /// Starts one on that folder. `clock`: by how many seconds its clock is wrong.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(folder: &Path, settings: &Path, clock: Option<i32>) -> Self {
        let clock = clock.map(|seconds| format!("{seconds:+}s"));
        let listen = format!("127.0.0.1:{}", port());
        let started = spawn(folder, settings, clock.as_deref(), &listen).await;
        let (child, address) = started.unwrap_or_else(|| panic!("{}", log(folder)));
        Self { folder: folder.into(), settings: settings.into(), clock, child, address }
    }

    /// Where it is asked.
    pub fn place(&self) -> Place {
        Place::Tcp(self.address)
    }

    /// Kills it as a power cut does: nothing in it hears of that.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process to kill");
    }

    /// Starts it anew, where it was, with that clock.
    ///
    /// # Panics
    /// When it does not come up, as it may not while the database is away.
    pub async fn again(&mut self, clock: Option<i32>) {
        self.clock = clock.map(|seconds| format!("{seconds:+}s"));
        let (folder, settings, clock) = (&self.folder, &self.settings, self.clock.as_deref());
        let listen = self.address.to_string();
        let started = until("a server", async || spawn(folder, settings, clock, &listen).await);
        (self.child, self.address) = started.await;
    }

    /// Runs another command of the program on its settings and its folder.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn command(&self, words: &[&str]) {
        let mut command = Command::new(program().await);
        command.args(words).arg("--config").arg(&self.settings).arg("--data").arg(self.data());
        let output = command.output().await.expect("the program");
        assert!(output.status.success(), "{words:?}: {output:?}");
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where its metrics are, in its present life, if its settings say that there are any.
    pub fn metrics(&self) -> Option<Place> {
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("metrics at /metrics"))?;
        let (_, address) = line.split_once("address=")?;
        Some(Place::Tcp(address.trim().parse().ok()?))
    }

    /// Stops it between any two instructions.
    pub async fn pause(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on.
    pub async fn wake(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, name: &str) {
        let number = self.child.id().expect("a running server").to_string();
        let sent = Command::new("kill").args([name, &number]).status().await;
        assert!(sent.expect("kill").success());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a process").is_some()
    }

    /// All that it has logged, in all its lives.
    pub fn log(&self) -> String {
        log(&self.folder)
    }
}

/// A free port that no outgoing connection is given: a server that is killed comes back to the same one.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other programs of tests begin elsewhere.
    let first = std::process::id() as u16 % 1_000 * 20;
    let ports =
        std::iter::repeat_with(|| 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(1_000).find(free).expect("a free port")
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default()
}

/// What shows a program another time, as Debian has it.
fn library() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut files = places.map(|place| place.path().join("faketime/libfaketimeMT.so.1"));
    let found = files.find(|file| file.exists());
    found.expect("libfaketime: is it installed? (cargo xtask test installs it)")
}

async fn spawn(
    folder: &Path,
    settings: &Path,
    clock: Option<&str>,
    listen: &str,
) -> Option<(Child, SocketAddr)> {
    let program = program().await;
    let mut command = child(program);
    if let Some(clock) = clock {
        // The wall clock alone: no timer runs otherwise. Not by the program `faketime`, which would stand in between.
        command.env("LD_PRELOAD", library()).env("FAKETIME", clock);
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LATCHKEY_") {
            command.env_remove(name);
        }
    }
    let log = File::options().create(true).append(true).open(folder.join("log.txt"));
    command.args(["serve", "--listen", listen, "--data"]).arg(folder.join("data"));
    command.arg("--config").arg(settings);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.expect("a log"));
    let mut child = command.spawn().expect("the server");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.ok()?.ok()??;
    let address = line.strip_prefix("listening on http://")?.parse().ok()?;
    Some((child, address))
}
