//! A PostgreSQL of one's own that can be killed, stopped, filled, copied to standbys and promoted.

use crate::clock::until;
use latchkey_cluster::{Beginning, Cluster, Data, Order};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The name of the one database.
const DATABASE: &str = "postgres";
/// As small as many of them at once should be.
const USUAL: [&str; 2] = ["max_connections=200", "shared_buffers=16MB"];
/// So are the pieces of its own log.
const INITDB: &str = "--wal-segsize=1";

/// A server with its data; killed when it goes out of sight.
#[derive(Debug)]
pub struct Postgres {
    cluster: Cluster,
}

impl Postgres {
    /// A running one without anything in it. `settings`: each as `name=value`.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub async fn start(settings: &[&str]) -> Self {
        Self::begin(settings, None, Data::New).await
    }

    /// The same in a folder of its own within that one, which is given to it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_in(folder: &Path, settings: &[&str]) -> Self {
        Self::begin(settings, Some(folder), Data::New).await
    }

    /// What a base copy in that folder is restored to, as the settings say.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restored(copy: &BaseCopy, settings: &[&str]) -> Self {
        Self::begin(settings, None, Data::Copied(&copy.data)).await
    }

    /// A standby of this one, by that name.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub async fn standby(&self, name: &str, settings: &[&str]) -> Self {
        Self::begin(settings, None, Data::Following(&self.cluster, name)).await
    }

    async fn begin(settings: &[&str], within: Option<&Path>, data: Data<'_>) -> Self {
        let quoted: Vec<String> =
            USUAL.iter().chain(settings).map(|setting| as_in_a_file(setting)).collect();
        let settings: Vec<&str> = quoted.iter().map(String::as_str).collect();
        let how = Beginning { settings: &settings, initdb: INITDB, within, data, hba: "" };
        let mut server = Self { cluster: Cluster::begin(how) };
        server.up().await;
        server
    }

    /// Takes its data away, whatever it was, and makes it a standby of that one.
    ///
    /// # Panics
    /// When that cannot be copied.
    pub async fn follow(&mut self, primary: &Self, name: &str) {
        self.cluster.follow(&primary.cluster, name);
        self.up().await;
    }

    /// Makes a standby the primary.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn promote(&self) {
        self.rows("SELECT pg_promote()").await;
    }

    /// A base copy of what it has now.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub async fn copied(&self) -> BaseCopy {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let newest = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL").flatten();
        let newest = newest.map(|version| version.path()).max().expect("a version");
        let mut copy = Command::new(newest.join("bin/pg_basebackup"));
        copy.args(["-U", "test", "-c", "fast", "--no-sync", "-h"]).arg(self.cluster.folder());
        let copied = copy.arg("-D").arg(&data).status().expect("pg_basebackup");
        assert!(copied.success(), "no base copy was made");
        // Whoever restores it is the user `postgres`.
        let mut open = Command::new("chmod");
        let opened = open.args(["-R", "a+rX"]).arg(folder.path()).status().expect("chmod");
        assert!(opened.success());
        BaseCopy { data, _folder: folder }
    }

    /// Where it is, for servers that use it.
    pub fn url(&self) -> String {
        Self::url_of(&[self])
    }

    /// The same for servers that take whichever of these is the primary.
    pub fn url_of(servers: &[&Self]) -> String {
        let host = |server: &&Self| format!("host={}&", server.folder().display());
        let hosts: String = servers.iter().map(host).collect();
        format!("postgres://test@/{DATABASE}?{hosts}target_session_attrs=read-write")
    }

    /// Its folder, with its socket in it.
    pub fn folder(&self) -> &Path {
        self.cluster.folder()
    }

    /// Starts it if it does not run, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn up(&mut self) {
        until("PostgreSQL", async || {
            if !self.cluster.try_order(Order::Start) {
                return None;
            }
            self.connect().await
        })
        .await;
    }

    /// Kills it and all its processes, as a power cut does.
    pub async fn kill(&mut self) {
        self.cluster.order(Order::Kill);
    }

    /// Stops all its processes between any two instructions: it is there and says nothing.
    pub async fn pause(&mut self) {
        self.cluster.order(Order::Pause);
    }

    /// Lets them go on.
    pub async fn wake(&mut self) {
        self.cluster.order(Order::Wake);
    }

    /// Stops it as an operator does, or as the machine does that shuts down.
    pub async fn stop(&mut self) {
        self.cluster.order(Order::Stop);
    }

    /// Runs SQL in it; the rows of the last query, each value as its text, NULL as an empty one.
    ///
    /// # Panics
    /// When it does not answer or refuses.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let client = self.connect().await.expect("PostgreSQL");
        let told = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut rows = Vec::new();
        for message in told {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows.clear(),
                SimpleQueryMessage::Row(row) => {
                    let value = |at| row.get(at).unwrap_or_default().to_owned();
                    rows.push((0..row.len()).map(value).collect());
                }
                _ => {}
            }
        }
        rows
    }

    /// The first value of the only row.
    ///
    /// # Panics
    /// When there is none.
    pub async fn one(&self, sql: &str) -> String {
        let row = self.rows(sql).await.into_iter().next();
        row.and_then(|row| row.into_iter().next()).unwrap_or_else(|| panic!("{sql}: no row"))
    }

    /// Holds all strands until what is returned is dropped: nobody writes meanwhile.
    ///
    /// # Panics
    /// When it does not get them.
    pub async fn hold_strands(&self) -> Client {
        let client = self.connect().await.expect("PostgreSQL");
        let hold = "BEGIN; SELECT * FROM counters ORDER BY strand FOR UPDATE";
        until("all strands", async || {
            // Servers take several at once too: one of us may have to let go.
            let held = client.batch_execute(hold).await;
            if held.is_err() {
                client.batch_execute("ROLLBACK").await.expect("PostgreSQL");
            }
            held.ok()
        })
        .await;
        client
    }

    /// Makes time pass for all keys: as if each had moved on that much earlier.
    pub async fn age(&self, seconds: i64) {
        let mut sql = String::from("WITH held AS (SELECT strand, id FROM keys ");
        sql += "ORDER BY strand, id FOR UPDATE) UPDATE keys k ";
        write!(sql, "SET advanced_at = k.advanced_at - {seconds} * 1000 ").expect("a String");
        sql += "FROM held WHERE k.strand = held.strand AND k.id = held.id";
        let client = self.connect().await.expect("PostgreSQL");
        // Calls hold several keys at once too: one of us may have to let go.
        until("all keys", async || client.batch_execute(&sql).await.ok()).await;
    }

    /// A connection, if one is to be had.
    pub async fn connect(&self) -> Option<Client> {
        let (client, connection) = tokio_postgres::connect(&self.cluster.url, NoTls).await.ok()?;
        tokio::spawn(async move { drop(connection.await) });
        client.simple_query("SELECT 1").await.ok()?;
        Some(client)
    }
}

/// A base copy of a server's data.
#[derive(Debug)]
pub struct BaseCopy {
    data: PathBuf,
    _folder: TempDir,
}

/// `name=value` as a line of `postgresql.conf`.
fn as_in_a_file(setting: &str) -> String {
    let (name, value) = setting.split_once('=').expect("a name and a value");
    format!("{name} = '{}'", value.replace('\'', "''"))
}
