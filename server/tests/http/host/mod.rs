//! What hosts call, with a signature.

mod command;
mod directory;
mod feed;
mod grades;
mod identity;
mod keys;
mod many;
mod removal;
mod signing;

use crate::client::Answer;
use crate::server::Server;
use latchkey_protocol::mac::Signer;
use latchkey_server::host::signature;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// A host that signs its requests.
pub(crate) struct Caller<'a> {
    server: &'a Server,
    host: &'static str,
    secret: [u8; 32],
}

/// The host `school`.
pub(crate) fn school(server: &Server) -> Caller<'_> {
    Caller { server, host: "school", secret: [11; 32] }
}

/// The host `academy`.
pub(crate) fn academy(server: &Server) -> Caller<'_> {
    Caller { server, host: "academy", secret: [22; 32] }
}

/// A nonce that no other test of this process uses.
pub(crate) fn nonce() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("nonce-{:016}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Caller<'_> {
    /// The header of a request signed now.
    pub(crate) fn sign(&self, method: &str, path: &str, body: &[u8]) -> String {
        let (secret, time) = (Signer::new(&self.secret), self.server.latchkey.now() / 1000);
        signature::sign(self.host, &secret, method, path, body, time, &nonce())
    }

    pub(crate) async fn send(&self, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Answer {
        let signed = self.sign(method, path, &body);
        let ask = self.server.ask(method, path).header("authorization", &signed);
        let ask = if kind.is_empty() { ask } else { ask.header("content-type", kind) };
        ask.body(body).send().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", Vec::new()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.text(path, body.to_string()).await
    }

    pub(crate) async fn text(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", path, "application/json", body.into()).await
    }

    /// Sets items of a list and gives what became of each: its outcome, or code and field.
    pub(crate) async fn set(&self, list: &str, items: Value) -> Vec<String> {
        let answer = self.post(&format!("/host/v1/{list}"), &json!({ list: items })).await;
        outcomes(&answer.result())
    }
}

/// What became of each item, in a line.
pub(crate) fn outcomes(result: &Value) -> Vec<String> {
    let items = result["items"].as_array().unwrap();
    let lines = items.iter().enumerate().map(|(at, item)| {
        assert_eq!(item["index"], at);
        match item["error"].as_object() {
            None => item["outcome"].as_str().unwrap().to_owned(),
            Some(error) => {
                assert_eq!(item["outcome"], "failed");
                assert!(item.get("url").is_none());
                let text = |name: &str| error[name].as_str().unwrap().to_owned();
                format!("{} {}", text("code"), text("field"))
            }
        }
    });
    lines.collect()
}
