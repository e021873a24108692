//! `/readyz`: which check failed, by a code and nothing else.

use crate::client::{Answer, client};
use crate::database::Database;
use crate::program::Program;
use crate::server::{PATIENCE, Server};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use latchkey_cluster::{Cluster, Order};
use latchkey_server::Starting;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_is_told_until_it_is_back() {
    let mut cluster = Cluster::start(&["fsync=off"], "");
    let url = cluster.url.clone();
    let server = Server::start_with(|config| config.store.url = url).await;
    assert_eq!(ready(&server).await, yes());
    cluster.order(Order::Kill);
    let (status, told) = ready(&server).await;
    assert_eq!((status, told.clone()), because("store", "store_unavailable"));
    assert!(!told.to_string().contains(cluster.folder().to_str().unwrap()));
    // It is alive all the same.
    assert_eq!(server.ask("GET", "/healthz").send().await.status.as_u16(), 200);
    cluster.order(Order::Start);
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

/// Before its settings and secrets are read.
#[tokio::test]
async fn a_server_that_has_only_begun_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let starting = Starting::on(Some(&listener)).unwrap();
    let ask = async |path: &str| {
        let request = Request::get(format!("http://{address}{path}")).body(Body::empty()).unwrap();
        client().request(request).await.unwrap()
    };
    let answer = ask("/readyz").await;
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(
        (&answer.headers()["retry-after"], &answer.headers()["cache-control"]),
        (&"2".parse().unwrap(), &"no-store".parse().unwrap())
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((503, told), because("server", "starting"));
    assert_eq!(ask("/healthz").await.status().as_u16(), 200);
    let early = ask("/v1/recent").await;
    assert_eq!(
        (early.status().as_u16(), &early.headers()["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    assert_eq!(early.headers()["cache-control"], "no-store");
    let body = early.into_body().collect().await.unwrap().to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&told["status"], &told["error"]["code"], &told["error"]["retryable"]),
        (&"error".into(), &"store_unavailable".into(), &true.into())
    );
    starting.end().await;
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
