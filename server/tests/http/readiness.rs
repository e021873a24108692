//! `/readyz`: which check failed, by a code and nothing else.

use crate::client::{Answer, client};
use crate::database::Database;
use crate::program::Program;
use crate::server::{PATIENCE, Server};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

async fn ready(server: &Server) -> (u16, Value) {
    let answer: Answer = server.ask("GET", "/readyz").send().await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("retry-after").is_some(), answer.status != 200);
    (answer.status.as_u16(), answer.json())
}

fn because(check: &str, code: &str) -> (u16, Value) {
    (503, json!({"status": "not_ready", "checks": [{"check": check, "code": code}]}))
}

fn yes() -> (u16, Value) {
    (200, json!({"status": "ready"}))
}

/// A PostgreSQL that can be stopped. Goes with the test, however that ends: a shell waits at a pipe.
struct Cluster {
    shell: Child,
    said: BufReader<std::process::ChildStdout>,
    folder: String,
}

/// Each line at the pipe stops or starts it.
const SCRIPT: &str = r#"
set -e
folder=$(mktemp -d)
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
"$bin/initdb" -D "$folder/data" -U test --auth=trust --no-sync -E UTF8 --locale=C >"$folder/log" 2>&1
start() {
  "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" -o "-c listen_addresses='' \
    -c unix_socket_directories=$folder -c fsync=off" start >/dev/null
}
start
echo "$folder"
while read -r word; do
  case $word in
    stop) "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null ;;
    start) start ;;
  esac
  echo done
done
"$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
rm -rf "$folder"
"#;

impl Cluster {
    fn start() -> Self {
        use std::os::unix::fs::MetadataExt;
        // PostgreSQL does not run as root.
        let as_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = Command::new(if as_root { "setpriv" } else { "sh" });
        if as_root {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
        }
        command.args(["-c", SCRIPT]).current_dir("/");
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        let folder = line(&mut said);
        assert!(!folder.is_empty(), "PostgreSQL did not start");
        Self { shell, said, folder }
    }

    fn url(&self) -> String {
        format!("postgres://test@/postgres?host={}", self.folder)
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.shell.stdin.as_mut().unwrap(), "{word}").unwrap();
        assert_eq!(line(&mut self.said), "done");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

fn line(said: &mut impl BufRead) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_is_told_until_it_is_back() {
    let mut cluster = Cluster::start();
    let url = cluster.url();
    let server = Server::start_with(|config| config.store.url = url).await;
    assert_eq!(ready(&server).await, yes());
    cluster.tell("stop");
    let (status, told) = ready(&server).await;
    assert_eq!((status, told.clone()), because("store", "store_unavailable"));
    assert!(!told.to_string().contains(&cluster.folder));
    // It is alive all the same.
    assert_eq!(server.ask("GET", "/healthz").send().await.status.as_u16(), 200);
    cluster.tell("start");
    // Connections that were cut are found out one by one.
    let back = async {
        while ready(&server).await != yes() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    server.page().log("on").await.is_done();
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_told() {
    let database = Database::postgres();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(folder, database.clone(), |_| ()).await;
    assert_eq!(ready(&server).await, yes());
    database.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',
        current_database()); END $$",
    );
    // Connections that are open still write.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.execute(end);
    let told = async {
        while ready(&server).await != because("store", "read_only") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_says_so_while_it_still_works() {
    let server = Server::start_with(|config| config.drain = Duration::from_secs(3_600)).await;
    let mut page = server.page();
    page.log("before").await.is_done();
    server.latchkey.begin_to_drain();
    assert_eq!(ready(&server).await, because("server", "draining"));
    page.log("meanwhile").await.is_done();
}

/// The program itself, told to stop: it drains, and then ends.
#[tokio::test]
async fn the_program_drains_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[("LATCHKEY_DRAIN", "2s")]);
    let address = program.address;
    let ended = tokio::task::spawn_blocking(move || program.terminate());
    let ask = async || {
        let request = Request::get(format!("http://{address}/readyz")).body(Body::empty()).unwrap();
        client().request(request).await.map(|answer| answer.status().as_u16())
    };
    let draining = async {
        while ask().await.unwrap() != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, draining).await.unwrap();
    assert!(ended.await.unwrap());
    assert!(ask().await.is_err());
}

/// Another server brings the database up to date, for as long as it takes.
#[tokio::test]
async fn a_server_that_waits_for_its_database_says_so() {
    let database = latchkey_cluster::Database::new();
    let held =
        database.hold(&format!("SELECT pg_advisory_xact_lock({})", 0x6c61_7463_686b_6579_i64));
    let folder = tempfile::tempdir().unwrap();
    let mut serve = crate::program::latchkey();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
    serve.env("LATCHKEY_STORE__URL", database.url());
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let starting =
        log.find_map(|line| Some(line.unwrap().split_once("starting address=")?.1.to_owned()));
    let address = starting.unwrap();
    let ask = async |path: &str| {
        let request = Request::get(format!("http://{address}{path}")).body(Body::empty()).unwrap();
        let answer = client().request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let migrating = r#"{"status":"not_ready","checks":[{"check":"server","code":"migrating"}]}"#;
    let waiting = async {
        while ask("/readyz").await != (503, migrating.to_owned()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert_eq!(ask("/healthz").await.0, 200);
    assert_eq!(ask("/v1/recent").await.0, 503);
    drop(held);
    let mut told = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
    assert_eq!(told.trim(), format!("listening on http://{address}"));
    assert_eq!(ask("/readyz").await, (200, r#"{"status":"ready"}"#.to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
}
