//! nginx before the servers, with the file that the documentation shows.

use crate::child::child;
use crate::clock::until;
use crate::http::Place;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::net::UnixStream;
use tokio::process::Child;

/// What an operator is told to write.
const EXAMPLE: &str = include_str!("../../docs/examples/nginx.conf");
/// The line of the example that says where nginx listens, and those on its certificate.
const LISTEN: &str = "listen 443 ssl;";
const CERTIFICATE: &str = "ssl_certificate";
/// The lines of the example that name servers.
const SERVER: &str = "server 10.0.0.";

/// A running nginx; killed when it goes out of sight.
#[derive(Debug)]
pub struct Balancer {
    child: Child,
    socket: PathBuf,
}

impl Balancer {
    /// Starts one in that folder, before these servers.
    ///
    /// # Panics
    /// When nginx is not installed or does not start.
    pub async fn start(folder: &Path, servers: &[SocketAddr]) -> Self {
        let socket = folder.join("nginx.sock");
        let file = folder.join("nginx.conf");
        std::fs::write(&file, settings(folder, &socket, servers)).expect("a file");
        let ours = format!(
            "daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/nginx.log;",
            folder.display()
        );
        let mut command = child("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-g", &ours]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("setpriv");
        until("nginx", async || {
            let ended = child.try_wait().expect("nginx");
            let log = || std::fs::read_to_string(folder.join("nginx.log"));
            let installed = "is it installed? (cargo xtask test installs it)";
            assert!(ended.is_none(), "nginx ended; {installed} {:?}", log());
            UnixStream::connect(&socket).await.ok()
        })
        .await;
        Self { child, socket }
    }

    /// Its one process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running nginx")
    }

    /// Where it is asked.
    pub fn place(&self) -> Place {
        Place::Unix(self.socket.clone())
    }
}

/// The example with these addresses: nothing else of it is changed.
fn settings(folder: &Path, socket: &Path, servers: &[SocketAddr]) -> String {
    let mut text = String::new();
    let mut named = false;
    for line in EXAMPLE.lines() {
        let start = line.trim_start();
        if start.starts_with(CERTIFICATE) {
            continue;
        }
        if let Some(rest) = start.strip_prefix(SERVER) {
            if !std::mem::replace(&mut named, true) {
                let (_, options) = rest.split_once(' ').expect("options of a server");
                for server in servers {
                    writeln!(text, "server {server} {options}").expect("a String");
                }
            }
            continue;
        }
        text += &line.replace(LISTEN, &format!("listen unix:{};", socket.display()));
        text.push('\n');
        if start == "http {" {
            // Its own folders may belong to somebody else.
            for part in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
                writeln!(text, "{part}_temp_path {}/{part};", folder.display()).expect("a String");
            }
            text += "access_log off;\n";
        }
    }
    assert!(named && text.contains("nginx.sock"), "the example has other lines");
    text
}
