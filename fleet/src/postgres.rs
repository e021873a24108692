//! A PostgreSQL of one's own that can be killed, stopped, filled, copied to standbys and promoted.

use crate::clock::until;
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The name of the one database.
const DATABASE: &str = "postgres";

/// A server with its data; killed when it goes out of sight.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    data: PathBuf,
    settings: Vec<String>,
    child: Option<Child>,
    /// Goes with its folder, unless that is somebody else's.
    _ours: Option<TempDir>,
}

impl Postgres {
    /// A running one without anything in it.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub async fn start(settings: &[&str]) -> Self {
        let ours = tempfile::tempdir().expect("a folder");
        let data = ours.path().join("data");
        Self { _ours: Some(ours), ..Self::start_on(data, settings).await }
    }

    /// The same with its data in that folder, beside which its socket lies.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_on(data: PathBuf, settings: &[&str]) -> Self {
        let mut server = Self::at(data, settings).await;
        let mut init = server.command("initdb");
        init.arg("-D").arg(&server.data).args(["-U", "test", "--auth=trust", "--no-sync"]);
        init.args(["-E", "UTF8", "--locale=C", "--wal-segsize=1"]).stdout(Stdio::null());
        assert!(init.status().await.expect("initdb").success(), "no database was made");
        server.up().await;
        server
    }

    async fn at(data: PathBuf, settings: &[&str]) -> Self {
        let folder = data.parent().expect("a folder around it").to_owned();
        if is_root() {
            // PostgreSQL does not run as root.
            let mut give = Command::new("chown");
            assert!(give.arg("postgres").arg(&folder).status().await.expect("chown").success());
        }
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Self { folder, data, settings, child: None, _ours: None }
    }

    /// A standby of this one, by that name.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub async fn standby(&self, name: &str, settings: &[&str]) -> Self {
        let ours = tempfile::tempdir().expect("a folder");
        let mut standby = Self::at(ours.path().join("data"), settings).await;
        standby._ours = Some(ours);
        let mut copy = standby.command("pg_basebackup");
        copy.arg("-h").arg(&self.folder).args(["-U", "test", "-c", "fast", "--no-sync", "-D"]);
        assert!(copy.arg(&standby.data).status().await.expect("pg_basebackup").success());
        standby.follow(self, name).await;
        standby
    }

    /// Starts it as a standby of that one.
    async fn follow(&mut self, primary: &Self, name: &str) {
        let from = primary.folder.display();
        let from = format!("primary_conninfo=host={from} user=test application_name={name}");
        self.settings.retain(|setting| !setting.starts_with("primary_conninfo"));
        self.settings.push(from);
        std::fs::write(self.data.join("standby.signal"), "").expect("a file");
        self.up().await;
    }

    /// Makes a standby the primary.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn promote(&self) {
        self.rows("SELECT pg_promote()").await;
    }

    /// Where it is, for servers that use it.
    pub fn url(&self) -> String {
        Self::url_of(&[self])
    }

    /// The same for servers that take whichever of these is the primary.
    pub fn url_of(servers: &[&Self]) -> String {
        let host = |server: &&Self| format!("host={}&", server.folder.display());
        let hosts: String = servers.iter().map(host).collect();
        format!("postgres://test@/{DATABASE}?{hosts}target_session_attrs=read-write")
    }

    /// Starts it if it does not run, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn up(&mut self) {
        let begin = async |server: &mut Self| {
            if !server.is_running() {
                server.child = Some(server.spawn());
            }
            server.connect().await
        };
        until("PostgreSQL", async || begin(self).await).await;
    }

    fn spawn(&self) -> Child {
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data);
        let folder = format!("unix_socket_directories={}", self.folder.display());
        let usual = ["listen_addresses=", &folder, "max_connections=200", "shared_buffers=16MB"];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let log = self.folder.join("log.txt");
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.kill_on_drop(true).spawn().expect("PostgreSQL")
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|it| it.try_wait().expect("a process").is_none())
    }

    /// Kills it and all its processes, as a power cut does.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("a running PostgreSQL");
        let number = child.id().expect("its number");
        let children = children(number);
        child.kill().await.expect("a process to kill");
        if !children.is_empty() {
            // Some notice by themselves that they are alone.
            let mut kill = Command::new("kill");
            kill.arg("-9").args(children).stderr(Stdio::null());
            kill.status().await.expect("kill");
        }
    }

    /// Stops all its processes between any two instructions: it is there and says nothing.
    pub async fn pause(&self) {
        self.signal("-STOP").await;
    }

    /// Lets them go on.
    pub async fn wake(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, name: &str) {
        let number = self.child.as_ref().and_then(Child::id).expect("a running PostgreSQL");
        let mut kill = Command::new("kill");
        // First the one that would start others.
        kill.arg(name).arg(number.to_string()).args(children(number)).stderr(Stdio::null());
        kill.status().await.expect("kill");
    }

    /// Stops it as an operator does, or as the machine does that shuts down.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("a running PostgreSQL");
        let number = child.id().expect("its number").to_string();
        let told = Command::new("kill").args(["-INT", &number]).status().await;
        assert!(told.expect("kill").success());
        child.wait().await.expect("its end");
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

    /// Runs SQL in a transaction that stays open until what is returned is dropped.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn hold(&self, sql: &str) -> Client {
        let client = self.connect().await.expect("PostgreSQL");
        client.batch_execute(&format!("BEGIN; {sql}")).await.expect("the statements");
        client
    }

    /// Makes time pass for all keys: as if each had moved on that much earlier.
    pub async fn age(&self, seconds: i64) {
        let mut sql = String::from("WITH held AS (SELECT strand, id FROM keys ");
        sql += "ORDER BY strand, id FOR UPDATE) UPDATE keys k ";
        write!(sql, "SET advanced_at = k.advanced_at - {seconds} * 1000 ").expect("a String");
        sql += "FROM held WHERE k.strand = held.strand AND k.id = held.id";
        self.rows(&sql).await;
    }

    async fn connect(&self) -> Option<Client> {
        let url = format!("postgres://test@/{DATABASE}?host={}", self.folder.display());
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.ok()?;
        tokio::spawn(async move { drop(connection.await) });
        client.simple_query("SELECT 1").await.ok()?;
        Some(client)
    }

    /// One of its programs, as the user who owns the data, and ended with us.
    fn command(&self, name: &str) -> Command {
        let program = folder_of_programs().join(name);
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
        }
        command.args(["--pdeathsig", "KILL"]).arg(program).current_dir(&self.folder);
        command
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

/// Where Debian puts the newest version.
fn folder_of_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let newest = folders.filter(|folder| folder.join("initdb").exists()).max();
    newest.expect("PostgreSQL: is it installed? (cargo xtask test installs it)")
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<String> {
    let list = Path::new("/proc").join(parent.to_string()).join("task").join(parent.to_string());
    let list = std::fs::read_to_string(list.join("children")).unwrap_or_default();
    list.split_whitespace().map(str::to_owned).collect()
}
