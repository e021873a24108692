//! A receiver that is none of ours: the one that `docs/hosts.md` shows, on the library of the standard's authors.

use super::killed::{Environment, grade};
use super::receiver::SECRET;
use crate::client::client;
use crate::program::Program;
use axum::body::Body;
use axum::http::Request;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documents_receiver_takes_what_is_ours_and_nothing_else() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/webhook.mjs");
    let mut node = Command::new("node");
    node.arg(file).arg("0").env("WEBHOOK_SECRET", SECRET);
    let mut node = node.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();
    let url = format!("http://127.0.0.1:{}/", port.strip_prefix("listening on ").unwrap());

    let forged = Request::post(&url)
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", "1795000000")
        .header("webhook-signature", "v1,AAAA")
        .body(Body::from(r#"{"type":"grade.changed","data":{"url":"https://elsewhere.example"}}"#))
        .unwrap();
    assert_eq!(client().request(forged).await.unwrap().status(), 400);

    let environment = Environment::new(&url);
    let program = Program::start(environment.folder(), &environment.settings());
    grade(&program, "ada").await;
    assert_eq!(
        lines.next().unwrap().unwrap(),
        "grade.changed https://latch.example/host/v1/grades/quiz/ada"
    );
    assert!(program.terminate());
    node.kill().unwrap();
    node.wait().unwrap();
}
