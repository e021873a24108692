//! The examples of `docs/hosts.md`, run by the interpreters that hosts run them with.
//!
//! `cargo xtask test` installs these: PHP and curl from Debian, PyJWT and jose as their lock files say.

use crate::client::client;
use crate::program::{Program, run};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// 32 bytes in base64url.
const SECRET: &str = "c2Nob29sIHNjaG9vbCBzY2hvb2wgc2Nob29sIHNjaG8";
const OTHER: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn settings(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("latchkey.toml");
    let text = format!(
        "public_url = \"https://latch.example\"\n\
         [[hosts]]\nid = \"school\"\nsecrets = [{{ number = 1, secret = \"{SECRET}\" }}]\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// What an example prints, run with that secret.
fn said(program: &str, file: &str, server: &Program, secret: &str, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.arg(root().join("docs/examples").join(file)).args(words);
    command.env("HOST_SECRET", secret).env("LATCH_URL", format!("http://{}", server.address));
    let output = run(&mut command);
    let said = String::from_utf8(output.stdout).unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {file} {words:?}: {said}{problem}");
    said.trim_end().to_owned()
}

/// A grade with the launch token that an example has minted.
async fn graded(server: &Program, token: &str) -> Value {
    let request = Request::post(format!("http://{}/v1/grade", server.address))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(r#"{"score":8.5}"#))
        .unwrap();
    let answer = client().request(request).await.unwrap().into_body();
    serde_json::from_slice(&answer.collect().await.unwrap().to_bytes()).unwrap()
}

/// Status and answer of a call.
fn called(said: &str) -> (String, Value) {
    let (status, answer) = said.split_once(' ').unwrap_or_else(|| panic!("{said}"));
    (status.to_owned(), serde_json::from_str(answer).unwrap_or_else(|_| panic!("{said}")))
}

async fn mints_and_calls(program: &str, file: &str) {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder);
    let server = Program::start(folder.path(), &[("LATCHKEY_CONFIG", settings.to_str().unwrap())]);
    let say = |secret, words: &[&str]| said(program, file, &server, secret, words);

    let token = say(SECRET, &["mint", "u1", "quiz-1"]);
    let receipt = graded(&server, &token).await;
    assert_eq!(receipt["result"]["max"], 10.0, "{file}: {receipt}");
    let forged = graded(&server, &say(OTHER, &["mint", "u1", "quiz-1"])).await;
    assert_eq!(forged["error"]["code"], "key_invalid", "{file}: {forged}");

    let users = json!({"users": [{"id": "u1", "name": "Ådá & \"Co\"", "idnumber": "CS2121212"}]});
    let users = users.to_string();
    let set = ["call", "POST", "/host/v1/users", &users];
    let (status, answer) = called(&say(SECRET, &set));
    assert_eq!(status, "200", "{file}: {answer}");
    assert_eq!(answer["result"]["items"][0]["outcome"], "updated", "{file}: {answer}");
    let find = ["call", "GET", "/host/v1/users?by=idnumber&value=CS2121212"];
    let (_, answer) = called(&say(SECRET, &find));
    assert_eq!(answer["result"]["name"], "Ådá & \"Co\"", "{file}: {answer}");
    let gone = ["call", "DELETE", "/host/v1/users/u1"];
    let (_, answer) = called(&say(SECRET, &gone));
    assert_eq!(answer["result"]["keys_ended"], 1, "{file}: {answer}");
    let (status, answer) = called(&say(OTHER, &set));
    assert_eq!(status, "401", "{file}: {answer}");
    assert_eq!(answer["error"]["code"], "host_unauthorized", "{file}: {answer}");
}

#[tokio::test]
async fn php() {
    mints_and_calls("php", "latchkey.php").await;
}

#[tokio::test]
async fn python() {
    let python = root().join("target/tools/python/bin/python");
    mints_and_calls(python.to_str().unwrap(), "latchkey.py").await;
}

#[tokio::test]
async fn node() {
    mints_and_calls("node", "latchkey.mjs").await;
}

#[tokio::test]
async fn shell() {
    mints_and_calls("sh", "latchkey.sh").await;
}

/// Whoever copies from the document copies what was run here.
#[test]
fn the_document_shows_the_files() {
    let document = std::fs::read_to_string(root().join("docs/hosts.md")).unwrap();
    for file in
        ["latchkey.php", "site.php", "latchkey.py", "latchkey.mjs", "latchkey.sh", "webhook.mjs"]
    {
        let text = std::fs::read_to_string(root().join("docs/examples").join(file)).unwrap();
        let shown = document.contains(&format!("\n{text}```\n"));
        assert!(shown, "docs/hosts.md does not show docs/examples/{file} as it is");
    }
}
