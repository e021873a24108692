//! What the log does not say, even at its most talkative.

use crate::client::{HttpClient, client};
use crate::program::{Program, launch, read};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use latchkey_protocol::launch::UserDescription;
use serde_json::{Value, json};
use std::path::Path;

/// In every value that a request can carry; never in the log.
const CANARY: &str = "canary7f3a";

struct Talk {
    http: HttpClient,
    base: String,
    /// Every token that went either way.
    tokens: Vec<String>,
}

impl Talk {
    async fn post(&mut self, path: &str, token: &str, body: Value) -> Value {
        self.send("POST", path, token, "application/json", body.to_string()).await
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        kind: &str,
        body: String,
    ) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", kind)
            .header("cookie", format!("session={CANARY}"))
            .header("user-agent", CANARY)
            .header("origin", format!("https://{CANARY}.example"))
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
            .unwrap();
        let answer = self.http.request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let object: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.tokens.push(token.to_owned());
        self.tokens.extend(object["token"].as_str().map(str::to_owned));
        object
    }
}

/// Calls of every kind, good and bad.
async fn talk(folder: &Path, program: &Program) -> Vec<String> {
    let launched = launch(folder, |claims| {
        claims.sub = format!("user-{CANARY}");
        claims.activity = format!("activity-{CANARY}");
        claims.session = Some(format!("login-{CANARY}"));
        let name = Some(CANARY.to_owned());
        claims.user = Some(UserDescription { name, ..UserDescription::default() });
    });
    let base = format!("http://{}", program.address);
    let mut talk = Talk { http: client(), base, tokens: Vec::new() };
    let entries = json!({"id": CANARY, "entries": [{"event": CANARY, "data": {"x": CANARY}}]});
    let first = talk.post("/v1/log", &launched, entries.clone()).await;
    assert_eq!(first["status"], "ok", "{first}");
    let token = first["token"].as_str().unwrap().to_owned();
    talk.post("/v1/log", &token, entries).await;
    talk.post("/v1/log", &token, json!({"id": CANARY, "entries": [{"event": "other"}]})).await;
    talk.post("/v1/grade", &token, json!({"score": 5, "comment": CANARY})).await;
    talk.post("/v1/grade", &token, json!({"score": CANARY})).await;
    talk.post("/v1/grade", &token, json!({"score": 1, "unknown": CANARY})).await;
    talk.post("/v1/recent", &token, json!({"before": CANARY})).await;
    talk.post(&format!("/v1/{CANARY}"), &token, json!({})).await;
    talk.post(&format!("/{CANARY}"), &token, json!({})).await;
    let calls = json!([{"id": CANARY, "function": CANARY, "args": {CANARY: CANARY}}]);
    talk.post("/v1/batch", &token, json!({ "calls": calls })).await;
    let two = format!("{{\"token\":\"lk1_{CANARY}\"}}");
    talk.send("POST", "/v1/batch", &token, "text/plain", two).await;
    talk.send("POST", "/v1/grade", &token, CANARY, "{}".into()).await;
    talk.send("POST", "/v1/grade", &token, "application/json", CANARY.into()).await;
    talk.send("GET", &format!("/v1/recent?before={CANARY}"), &token, "text/plain", String::new())
        .await;
    talk.send("GET", &format!("/v1/entries/{CANARY}"), &token, "text/plain", String::new()).await;
    talk.send("OPTIONS", "/v1/grade", &token, "text/plain", String::new()).await;
    // Forged, and then found in two hands.
    talk.post("/v1/log", &format!("{}x", &token[..75]), json!({})).await;
    talk.post("/v1/log", &launched[..launched.len() - 4], json!({})).await;
    let (_, secrets) = crate::program::secrets(folder);
    let key = secrets.keyring.open(&token, i64::MAX).unwrap().key_id;
    let stolen = secrets.keyring.seal(key, 0, [1; 8], 0);
    let over = talk.post("/v1/grade", &stolen, json!({"score": 5})).await;
    assert_eq!(over["error"]["code"], "key_renew", "{over}");
    talk.tokens
}

#[tokio::test]
async fn no_token_no_secret_and_no_body_is_ever_logged() {
    for format in ["text", "json"] {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("LATCHKEY_LOG__LEVEL", "trace"), ("LATCHKEY_LOG__FORMAT", format)];
        let program = Program::start(folder.path(), &settings);
        let tokens = talk(folder.path(), &program).await;
        let log = program.log.clone();
        assert!(program.terminate());
        let log = read(&log);
        for expected in ["DEBUG", "unknown_function", "key_invalid", "two hands", "stopping"] {
            assert!(log.contains(expected), "{expected} is not in the log: {log}");
        }
        for token in &tokens {
            // Of a launch token the header is no secret; its claims and its signature are.
            let parts: Vec<&str> = token.split('.').collect();
            for part in parts.iter().skip(parts.len() - 1) {
                let end = &part[part.len() - 24..];
                assert!(!log.contains(end), "a token: {}", line_with(&log, end));
            }
        }
        let file = read(&folder.path().join("data/secrets.toml"));
        let secrets: Vec<_> = file.split('"').filter(|text| text.len() == 43).collect();
        assert_eq!(secrets.len(), 2, "{file}");
        for secret in secrets {
            assert!(!log.contains(secret), "a secret: {}", line_with(&log, secret));
        }
        assert!(!log.contains(CANARY), "a request: {}", line_with(&log, CANARY));
    }
}

fn line_with<'a>(log: &'a str, text: &str) -> &'a str {
    log.lines().find(|line| line.contains(text)).unwrap_or_default()
}
