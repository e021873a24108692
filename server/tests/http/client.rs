//! A small HTTP client, and an answer that can be asked questions.

use crate::server::{PATIENCE, Server};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use latchkey_protocol::error::ErrorCode;
use latchkey_server::instant;
use serde_json::{Value, json};

pub(crate) type HttpClient = Client<HttpConnector, Body>;

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A request being written.
pub(crate) struct Ask<'a> {
    server: &'a Server,
    request: axum::http::request::Builder,
    body: Body,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(server: &'a Server, method: &str, path: &str) -> Self {
        let uri = format!("http://{}{path}", server.address);
        let request = Request::builder().method(method).uri(uri);
        Self { server, request, body: Body::empty() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, value: &Value) -> Self {
        self.text("application/json", value.to_string())
    }

    pub(crate) fn text(self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.header("content-type", kind).body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::from(body.into());
        self
    }

    pub(crate) fn stream(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(self.body).unwrap();
        let answer = async {
            let (head, body) = self.server.http.request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer {
                status: head.status,
                headers: head.headers,
                body,
                now: self.server.latchkey.now(),
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap()
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The server's clock when it came.
    pub(crate) now: i64,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The renewed token.
    pub(crate) fn token(&self) -> Option<String> {
        self.json()["token"].as_str().map(str::to_owned)
    }

    /// `current` or `late`.
    pub(crate) fn state(&self) -> Option<String> {
        self.json()["key"]["state"].as_str().map(str::to_owned)
    }

    /// The result of a call that must have been done.
    #[track_caller]
    pub(crate) fn result(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let mut object = self.json();
        assert_eq!(object["status"], "ok", "{self:?}");
        object["result"].take()
    }

    /// The same, for calls of which only that it was done matters.
    #[track_caller]
    pub(crate) fn is_done(&self) -> &Self {
        self.result();
        self
    }

    /// The refusal as a line: status, code, field.
    #[track_caller]
    pub(crate) fn refusal(&self) -> String {
        let object = self.json();
        assert_eq!(object["status"], "error", "{self:?}");
        assert!(object.get("result").is_none(), "{self:?}");
        let error = &object["error"];
        let code = ErrorCode::parse(error["code"].as_str().unwrap()).unwrap();
        assert_eq!(code.status(), self.status.as_u16(), "{self:?}");
        let field = error["field"].as_str().map(|field| format!(" {field}")).unwrap_or_default();
        format!("{} {}{field}", self.status.as_u16(), code.as_str())
    }

    /// The body with what differs each time checked and put out of sight.
    #[track_caller]
    pub(crate) fn seen(&self) -> Value {
        let mut object = self.json();
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let time = object["server_time"].as_str().unwrap();
        assert_eq!(instant::parse(time), Some(self.now), "{self:?}");
        object["server_time"] = json!("[now]");
        let id = object["request_id"].as_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{self:?}");
        object["request_id"] = json!("[id]");
        if let Some(token) = object.get_mut("token") {
            assert!(token.as_str().unwrap().starts_with("lk1_"), "{token}");
            *token = json!("[token]");
        }
        if let Some(ends) = object.pointer_mut("/key/expires_at") {
            assert!(instant::parse(ends.as_str().unwrap()).unwrap() > self.now, "{ends}");
            *ends = json!("[end]");
        }
        if let Some(Value::Array(ids)) = object.pointer_mut("/result/ids") {
            for id in ids {
                assert!(id.as_str().unwrap().parse::<u64>().unwrap() > 0, "{id}");
                *id = json!("[entry]");
            }
        }
        object
    }

    /// The key presented was good once and is no more: nothing tells why.
    #[track_caller]
    pub(crate) fn is_over(&self) -> &Self {
        let expected = json!({
            "status": "error",
            "error": {
                "code": "key_renew",
                "message": ErrorCode::KeyRenew.message(),
                "retryable": false,
            },
            "server_time": "[now]",
            "request_id": "[id]",
        });
        assert_eq!(self.status, StatusCode::UNAUTHORIZED, "{self:?}");
        assert_eq!(self.seen(), expected);
        assert_eq!(self.headers.get(header::WWW_AUTHENTICATE), None);
        self
    }

    /// What a page that knows nothing of the clock can read: body without name and time, and the
    /// names of the headers.
    pub(crate) fn bytes(&self) -> String {
        let object = self.json();
        let text = String::from_utf8(self.body.to_vec()).unwrap();
        let text = text.replace(object["request_id"].as_str().unwrap(), "[id]");
        let text = text.replace(object["server_time"].as_str().unwrap(), "[now]");
        let mut names: Vec<_> = self.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        format!("{} {names:?} {text}", self.status)
    }
}
