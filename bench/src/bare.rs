//! What Latchkey is held against: a handler that reads a typed JSON body, does nothing, and
//! answers typed JSON of about the same length.

use crate::process::LISTENING;
use anyhow::Result;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A token of the right shape, sealed by nobody.
pub(crate) const TOKEN: &str =
    "lk1_AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAC1rj7G";
const TIME: &str = "2026-01-01T00:00:00.000Z";
const UUID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Short, as the numbers of a young log are.
const ENTRY: &str = "123456";
const ENTRY_URL: &str = "http://127.0.0.1:65535/v1/entries/123456";

#[derive(Deserialize)]
struct LogInput {
    entries: Vec<LogEntry>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read from the request like a real handler's, then dropped")]
struct LogEntry {
    id: String,
    event: String,
    data: Answer,
    at: String,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "read from the request like a real handler's, then dropped")]
struct Answer {
    question: u32,
    answer: String,
}

#[derive(Deserialize)]
struct GradeInput {
    score: f64,
    max: f64,
}

#[derive(Deserialize)]
struct RecentInput {
    limit: usize,
}

#[derive(Serialize)]
struct Reply<R> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    server_time: &'static str,
    request_id: &'static str,
}

#[derive(Serialize)]
struct Key {
    state: &'static str,
    expires_at: &'static str,
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    message: &'static str,
    retryable: bool,
}

#[derive(Serialize)]
struct LogResult {
    accepted: usize,
    ids: Vec<String>,
}

#[derive(Serialize)]
struct GradeResult {
    submission: &'static str,
    url: &'static str,
    score: f64,
    max: f64,
    attempt: u32,
    standing: Standing,
    attempts_left: Option<u32>,
}

#[derive(Serialize)]
struct Standing {
    score: f64,
    max: f64,
    method: &'static str,
}

#[derive(Serialize)]
struct RecentResult {
    items: Vec<Item>,
    next: Option<&'static str>,
}

#[derive(Serialize)]
struct Item {
    id: &'static str,
    kind: &'static str,
    event: &'static str,
    data: ItemData,
    at: &'static str,
    user: ItemUser,
    url: &'static str,
}

#[derive(Serialize)]
struct ItemData {
    question: u32,
    answer: &'static str,
}

#[derive(Serialize)]
struct ItemUser {
    id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    own: bool,
}

fn done<R>(result: R) -> Json<Reply<R>> {
    Json(Reply {
        status: "ok",
        result: Some(result),
        error: None,
        token: Some(TOKEN),
        key: Some(Key { state: "current", expires_at: TIME }),
        server_time: TIME,
        request_id: UUID,
    })
}

async fn log(Json(input): Json<LogInput>) -> Json<Reply<LogResult>> {
    let ids: Vec<_> = input.entries.into_iter().map(|entry| entry.id).collect();
    done(LogResult { accepted: ids.len(), ids })
}

async fn grade(Json(input): Json<GradeInput>) -> Json<Reply<GradeResult>> {
    done(GradeResult {
        submission: UUID,
        url: ENTRY_URL,
        score: input.score,
        max: input.max,
        attempt: 1,
        standing: Standing { score: input.score, max: input.max, method: "highest" },
        attempts_left: None,
    })
}

async fn recent(Json(input): Json<RecentInput>) -> Json<Reply<RecentResult>> {
    let item = || Item {
        id: ENTRY,
        kind: "log",
        event: "answered",
        data: ItemData { question: 3, answer: "b" },
        at: TIME,
        user: ItemUser { id: "u1", name: None, own: true },
        url: ENTRY_URL,
    };
    done(RecentResult {
        items: std::iter::repeat_with(item).take(input.limit).collect(),
        next: Some(ENTRY),
    })
}

async fn off(Json(input): Json<LogInput>) -> (StatusCode, Json<Reply<()>>) {
    drop(input.entries);
    let reply = Reply {
        status: "error",
        result: None,
        error: Some(Refusal {
            code: "key_invalid",
            message: "This key is not valid here. Renew it through the page's renewal address, or reload the page.",
            retryable: false,
        }),
        token: None,
        key: None,
        server_time: TIME,
        request_id: UUID,
    };
    (StatusCode::UNAUTHORIZED, Json(reply))
}

/// Its routes: the paths of Latchkey, and one for refusals.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/v1/log", post(log))
        .route("/v1/grade", post(grade))
        .route("/v1/recent", post(recent))
        .route("/v1/off", post(off))
}

/// Serves until the process is killed. Multi-threaded, as the server under test is.
pub(crate) fn serve(listen: SocketAddr) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        println!("{LISTENING}{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // Without it an answer may wait for an acknowledgement; a socket that refuses still works.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, routes()).await?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Seen;

    #[test]
    fn the_token_has_the_right_shape() {
        assert!(Seen::read(TOKEN.as_bytes()).is_some());
    }
}
