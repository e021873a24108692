//! A power cut under load: what was acknowledged is there, once; what was not can be sent again, and then
//! is there once.

use crate::client::{HttpClient, client};
use crate::database::{Database, on_postgres};
use crate::program::{Program, database, launch};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

const USERS: usize = 12;
/// Acknowledged calls after which the power goes.
const ENOUGH: usize = 400;
const SETTINGS: &[(&str, &str)] = &[
    ("LATCHKEY_PUBLIC_URL", "https://latch.example"),
    ("LATCHKEY_LIMITS__BURST", "0"),
    ("LATCHKEY_KEYS__ROTATE_AFTER", "20ms"),
    ("LATCHKEY_KEYS__CLIENT_DEADLINE", "19ms"),
];

/// A page at work, and what it knows of its operations.
struct Worker {
    http: HttpClient,
    token: String,
    user: usize,
    /// Each operation sent, and its result if one came.
    sent: Vec<(Value, Option<Value>)>,
}

impl Worker {
    /// Operation number `n`: every third a grade.
    fn operation(&self, n: usize) -> Value {
        let id = format!("{}-{n}", self.user);
        let args = match n % 3 {
            0 => json!({"score": n % 100, "comment": id}),
            _ => json!({"entries": [{"event": "step", "data": {"id": id}}, {"event": "twin"}]}),
        };
        let function = if n.is_multiple_of(3) { "grade" } else { "log" };
        json!({"id": id, "function": function, "args": args})
    }

    /// Sends one operation; `None` if the server is not there any more.
    async fn send(&mut self, address: SocketAddr, operation: &Value) -> Option<Value> {
        let request = Request::post(format!("http://{address}/v1/batch"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(json!({"calls": [operation]}).to_string()))
            .unwrap();
        let answer = self.http.request(request).await.ok()?;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        let object: Value = serde_json::from_slice(&body).ok()?;
        assert_eq!(object["status"], "ok", "an honest page is never refused: {object}");
        if let Some(token) = object["token"].as_str() {
            token.clone_into(&mut self.token);
        }
        let outcome = object["result"]["calls"][0].clone();
        assert_eq!(outcome["status"], "ok", "{object}");
        Some(outcome)
    }

    /// Works until the power goes.
    async fn work(mut self, address: SocketAddr, acknowledged: &AtomicUsize) -> Self {
        for n in 0.. {
            let operation = self.operation(n);
            let outcome = self.send(address, &operation).await;
            let gone = outcome.is_none();
            self.sent.push((operation, outcome.map(|mut outcome| outcome["result"].take())));
            if gone {
                break;
            }
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        self
    }
}

/// How often each operation's mark is in the database.
fn found(database: &Database, sql: &str) -> HashMap<String, i64> {
    let rows = database.rows(sql).into_iter();
    rows.map(|row| (row[0].clone(), row[1].parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), SETTINGS);
    let address = program.address;
    let acknowledged = std::sync::Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..USERS)
        .map(|user| {
            let token = launch(folder.path(), |claims| claims.sub = format!("user-{user}"));
            let worker = Worker { http: client(), token, user, sent: Vec::new() };
            let acknowledged = std::sync::Arc::clone(&acknowledged);
            tokio::spawn(async move { worker.work(address, &acknowledged).await })
        })
        .collect();
    while acknowledged.load(Ordering::SeqCst) < ENOUGH {
        tokio::task::yield_now().await;
    }
    program.kill();
    let workers = futures_util::future::join_all(workers).await;

    let program = Program::start(folder.path(), SETTINGS);
    let mut expected = 0;
    for worker in workers {
        let mut worker = worker.unwrap();
        assert!(worker.sent.last().unwrap().1.is_none(), "cut off in the middle");
        // The page holds its key over the crash, and sends all of it again.
        for (operation, result) in std::mem::take(&mut worker.sent) {
            let again = worker.send(program.address, &operation).await.unwrap();
            expected += 1;
            if let Some(result) = result {
                assert_eq!(again["replayed"], true, "acknowledged, so it was there: {operation}");
                assert_eq!(again["result"], result);
            }
        }
    }
    assert!(program.terminate());

    let database = database(folder.path());
    let id = if on_postgres() { "data::JSON ->> 'id'" } else { "data ->> 'id'" };
    let logged = found(
        &database,
        &format!("SELECT {id}, count(*) FROM entries WHERE event = 'step' GROUP BY 1"),
    );
    let graded = found(&database, "SELECT comment, count(*) FROM submissions GROUP BY 1");
    assert_eq!(logged.len() + graded.len(), expected);
    assert!(logged.values().chain(graded.values()).all(|count| *count == 1));
    let twins = database.number("SELECT count(*) FROM entries WHERE event = 'twin'");
    assert_eq!(twins, i64::try_from(logged.len()).unwrap(), "a call is stored whole");
    if !on_postgres() {
        assert_eq!(database.rows("PRAGMA integrity_check"), [["ok"]]);
    }
}
