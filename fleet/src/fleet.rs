//! Servers, and nginx before them.

use crate::balancer::Balancer;
use crate::clock::PATIENCE;
use crate::host::Host;
use crate::http::{Http, Place};
use crate::node::Node;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Servers that are one service.
#[derive(Debug)]
pub struct Fleet {
    /// The servers.
    pub nodes: Vec<Node>,
    /// The host whose pages use them.
    pub host: Host,
    balancer: Balancer,
    /// The settings of `[store]` beside its URL, and whatever comes behind them.
    settings: String,
    folder: TempDir,
}

impl Fleet {
    /// As many servers as there are clocks, each that many seconds wrong, on the store of that URL. `settings`: lines
    /// of `[store]` beside it.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn start(url: &str, clocks: &[Option<i32>], settings: &str) -> Self {
        Self::start_in(&std::env::temp_dir(), url, clocks, settings).await
    }

    /// The same with all that is theirs in that folder, their logs included.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn start_in(
        parent: &Path,
        url: &str,
        clocks: &[Option<i32>],
        settings: &str,
    ) -> Self {
        let folder = tempfile::tempdir_in(parent).expect("a folder");
        let file = write_settings(folder.path(), url, settings);
        let mut nodes = Vec::new();
        for (number, clock) in clocks.iter().enumerate() {
            let own = folder.path().join(format!("node-{number}"));
            make_data(folder.path(), &own);
            nodes.push(Node::start(&own, &file, *clock).await);
        }
        let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.address).collect();
        let balancer = Balancer::start(folder.path(), &addresses).await;
        let (host, settings) = (Host::new(1), settings.to_owned());
        host.set_clock(clocks.first().copied().flatten().unwrap_or_default());
        Self { nodes, host, balancer, settings, folder }
    }

    /// All servers are killed, and started again on the store of that URL with their clocks, and that of the host, that
    /// many seconds wrong.
    ///
    /// # Panics
    /// When one of them does not start.
    pub async fn again(&mut self, url: &str, clock: i32) {
        for node in &mut self.nodes {
            node.kill().await;
        }
        write_settings(self.folder.path(), url, &self.settings);
        self.host.set_clock(clock);
        for node in &mut self.nodes {
            node.again((clock != 0).then_some(clock)).await;
        }
    }

    /// That many servers whose clocks are right.
    pub async fn of(nodes: usize, url: &str) -> Self {
        Self::start(url, &vec![None; nodes], "").await
    }

    /// Where pages ask.
    pub fn front(&self) -> Place {
        self.balancer.place()
    }

    /// Where each server is asked by itself.
    pub fn places(&self) -> Vec<Place> {
        self.nodes.iter().map(Node::place).collect()
    }

    /// A connection to one server.
    pub fn to(&self, node: usize) -> Http {
        Http::new(self.nodes[node].place(), PATIENCE)
    }

    /// All that the servers have logged.
    pub fn logs(&self) -> String {
        self.nodes.iter().map(Node::log).collect()
    }
}

/// The settings that all servers share.
fn write_settings(folder: &Path, url: &str, store: &str) -> PathBuf {
    let text = format!(
        "public_url = \"https://latch.example\"\n\
         trusted_proxies = [\"127.0.0.1\"]\n\n\
         [store]\nurl = \"{url}\"\n{store}\n\n\
         [keys]\nper_user = 100000\nper_session = 100000\n\n\
         [limits]\nburst = 0\nrequests_burst = 0\n\n{}",
        Host::settings()
    );
    let file = folder.join("latchkey.toml");
    std::fs::write(&file, text).expect("a file");
    file
}

/// A data folder with the secrets that the first server has made.
fn make_data(folder: &Path, own: &Path) {
    std::fs::create_dir_all(own.join("data")).expect("a folder");
    let made = folder.join("node-0/data/secrets.toml");
    if made.exists() {
        std::fs::copy(made, own.join("data/secrets.toml")).expect("a copy");
    }
}
