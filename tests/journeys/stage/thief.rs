//! Somebody who has come by a token, anywhere in the world.

use super::wire::{Message, exchange};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A thief and what he holds.
pub(crate) struct Thief {
    server: SocketAddr,
    origin: String,
    pub(crate) token: String,
}

impl Thief {
    /// He writes whatever `Origin` helps him.
    pub(crate) fn with(server: SocketAddr, origin: &str, token: &str) -> Self {
        Self { server, origin: origin.to_owned(), token: token.to_owned() }
    }

    /// Asks for what is in the activity with his token, and keeps the one that is offered; status and
    /// error code.
    pub(crate) async fn peeks(&mut self) -> (u16, String) {
        let body = json!({ "calls": [{ "function": "recent", "args": {} }] }).to_string();
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
            ("Origin", self.origin.as_str()),
        ];
        let url = format!("http://{}/v1/batch", self.server);
        let request = Message::request("POST", &url, &headers, &body);
        let reply = exchange(&self.server.to_string(), &request).await.unwrap();
        let object: Value = serde_json::from_slice(&reply.body).unwrap();
        if let Some(token) = object["token"].as_str() {
            self.token = token.to_owned();
        }
        (reply.status(), object["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The same, where he must succeed.
    #[track_caller]
    pub(crate) fn succeeds(&mut self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let seen = self.peeks().await;
            assert_eq!(seen, (200, String::new()), "{caller}");
        }
    }

    /// The same, where he must be refused.
    #[track_caller]
    pub(crate) fn fails(&mut self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let seen = self.peeks().await;
            assert_eq!(seen, (401, "key_renew".to_owned()), "{caller}");
        }
    }
}
