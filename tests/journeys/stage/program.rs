//! The server as a program of its own, which can be killed at any moment.

use super::PATIENCE;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

/// The program's file, built if it is not there or not new.
async fn binary() -> &'static PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT
        .get_or_init(|| async {
            // target/debug/deps/journeys-…: the program is two steps up.
            let here = std::env::current_exe().unwrap();
            let profile = here.parent().and_then(Path::parent).unwrap();
            let mut build = Command::new(env!("CARGO"));
            build.args([
                "build",
                "--quiet",
                "--locked",
                "-p",
                "latchkey-server",
                "--bin",
                "latchkey",
            ]);
            if profile.ends_with("release") {
                build.arg("--release");
            }
            build.arg("--target-dir").arg(profile.parent().unwrap());
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(build.status().await.unwrap().success(), "the server does not build");
            profile.join("latchkey")
        })
        .await
}

/// A running server.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts it with these settings and waits until it listens.
    pub(crate) async fn start(settings: &Path, listen: &str) -> Self {
        let mut command = Command::new(binary().await);
        command.args(["serve", "--listen", listen, "--config"]).arg(settings);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let line = line.expect("the server ended before it listened");
        let address = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Kills it as a power cut does: nothing in it hears of that.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
