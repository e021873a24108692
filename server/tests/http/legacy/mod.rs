//! Older content over its older wires.

mod form;
mod form_bounds;
mod form_repeats;
mod form_state;
mod hacp;
mod scorm;

use crate::client::Answer;
use crate::server::Server;
use latchkey_protocol::error::ErrorCode;
use latchkey_server::config::{Config, Protocol};
use std::collections::HashMap;

/// The type under which players post.
const FORM: &str = "application/x-www-form-urlencoded";

/// A server that takes forms beside JSON.
async fn server() -> Server {
    server_with(|_| ()).await
}

async fn server_with(change: impl FnOnce(&mut Config)) -> Server {
    let change = |config: &mut Config| {
        config.protocols.push(Protocol::Form);
        change(config);
    };
    Server::start_with(change).await
}

/// What a player reads of an answer.
struct Variables {
    seen: HashMap<String, String>,
    answer: Answer,
}

impl Variables {
    /// Reads an answer as ActionScript does, which holds the facts that players insist on.
    #[track_caller]
    fn of(answer: Answer) -> Self {
        assert_eq!(answer.status.as_u16(), 200, "players throw other bodies away: {answer:?}");
        let body = std::str::from_utf8(&answer.body).unwrap();
        let escaped = |c: char| c.is_ascii_alphanumeric() || "%=&".contains(c);
        assert!(!body.is_empty() && body.chars().all(escaped), "{body}");
        assert!(!body.starts_with('&') && !body.ends_with('&'), "{body}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/x-www-form-urlencoded; charset=utf-8")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-permitted-cross-domain-policies"), Some("none"));
        assert_eq!(answer.header("set-cookie"), None);
        let pairs = form_urlencoded::parse(body.as_bytes()).into_owned();
        let mut seen = HashMap::new();
        for (name, text) in pairs {
            assert_eq!(seen.insert(name, text), None, "twice: {body}");
        }
        assert!(["ok", "error"].contains(&&*seen["status"]), "{body}");
        Self { seen, answer }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.seen.get(name).map(String::as_str)
    }

    #[track_caller]
    fn key(&self) -> String {
        self.seen["key"].clone()
    }

    /// Done, or what was said instead.
    #[track_caller]
    fn is_ok(&self) -> &Self {
        assert_eq!(self.get("status"), Some("ok"), "{:?}", self.seen);
        self
    }

    /// The refusal as a line: code, field.
    #[track_caller]
    fn refusal(&self) -> String {
        assert_eq!(self.get("status"), Some("error"), "{:?}", self.seen);
        let code = ErrorCode::parse(&self.seen["code"]).unwrap();
        assert_eq!(self.get("message"), Some(code.message()));
        assert_eq!(self.get("retryable"), Some(if code.retryable() { "true" } else { "false" }));
        let field = self.get("field").map(|field| format!(" {field}")).unwrap_or_default();
        format!("{}{field}", code.as_str())
    }
}

impl Server {
    /// Posts a form as a player does.
    async fn form(&self, function: &str, body: &str) -> Variables {
        let path = format!("/legacy/v1/{function}");
        Variables::of(self.ask("POST", &path).text(FORM, body.to_owned()).send().await)
    }

    /// The same with a key.
    async fn form_with(&self, key: &str, function: &str, body: &str) -> Variables {
        self.form(function, &format!("key={}&{body}", escaped(key))).await
    }
}

/// A text as ActionScript 2 writes it.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
