//! What Prometheus reads: exact counts after a known set of calls, and nothing that anybody has said.

use crate::client::client;
use crate::database::{Database, on_postgres};
use crate::host::school;
use crate::server::{R, Server};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use latchkey_server::metrics::{Kind, METRICS};
use serde_json::json;

async fn watched() -> Server {
    Server::start_with(|config| config.metrics.listen = "127.0.0.1:0".into()).await
}

/// The whole text.
async fn scrape(server: &Server) -> String {
    let address = server.latchkey.metrics_address().unwrap();
    let request = Request::get(format!("http://{address}/metrics")).body(Body::empty()).unwrap();
    let answer = client().request(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The value of a series; 0 if it is not there yet.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[track_caller]
fn assert_values(text: &str, expected: &[(&str, f64)]) {
    for (series, expected) in expected {
        let found = value(text, &format!("latchkey_{series}"));
        assert!((found - expected).abs() < 1e-9, "{series}: {found}, not {expected}\n{text}");
    }
}

#[tokio::test]
async fn every_call_is_counted_once() {
    let server = watched().await;
    let mut page = server.page();
    page.log("one").await.is_done();
    page.call("grade", json!({"score": 5, "id": "a"})).await.is_done();
    page.call("grade", json!({"score": 5, "id": "a"})).await.is_done();
    assert_eq!(
        page.call("grade", json!({"score": 101})).await.refusal(),
        "422 score_above_max score"
    );
    let calls = json!([
        {"function": "log", "args": {"entries": [{"event": "x"}]}},
        {"function": "log", "args": {"entries": []}},
        {"function": "<script>", "args": {}},
    ]);
    page.call("batch", json!({ "calls": calls })).await.is_done();
    page.recent().await.is_done();
    server.call("forged", "log", json!({})).await;
    server.ask("POST", "/v1/log").json(&json!({})).send().await;
    school(&server).get("/host/v1/users").await.is_done();
    let text = scrape(&server).await;
    assert_values(
        &text,
        &[
            (r#"calls_total{function="log",outcome="ok"}"#, 2.0),
            (r#"calls_total{function="log",outcome="too_many_entries"}"#, 0.0),
            (r#"calls_total{function="log",outcome="out_of_range"}"#, 1.0),
            (r#"calls_total{function="grade",outcome="ok"}"#, 1.0),
            (r#"calls_total{function="grade",outcome="replayed"}"#, 1.0),
            (r#"calls_total{function="grade",outcome="score_above_max"}"#, 1.0),
            (r#"calls_total{function="recent",outcome="ok"}"#, 1.0),
            (r#"calls_total{function="unknown",outcome="unknown_function"}"#, 1.0),
            (r#"refusals_total{code="score_above_max"}"#, 1.0),
            (r#"refusals_total{code="key_invalid"}"#, 1.0),
            (r#"refusals_total{code="key_missing"}"#, 1.0),
            (r#"decisions_total{row="start"}"#, 1.0),
            (r#"decisions_total{row="current"}"#, 5.0),
            ("thefts_total", 0.0),
            (r#"request_seconds_count{protocol="json"}"#, 8.0),
            (r#"request_seconds_count{protocol="host"}"#, 1.0),
            (r#"store_seconds_count{operation="look"}"#, 6.0),
            (r#"store_seconds_count{operation="read"}"#, 1.0),
            (r#"store_seconds_count{operation="write"}"#, 5.0),
            ("live_keys", 1.0),
            ("webhook_events_outstanding", 0.0),
            ("queue_depth", 0.0),
            ("ready", 1.0),
            (concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""}"#), 1.0),
        ],
    );
    assert!(value(&text, "latchkey_group_calls_count") >= 5.0, "{text}");
    assert_eq!(text.contains(r#"pool_connections{pool="calls",state="most"}"#), on_postgres());
    for said in ["script", "ada", "quiz", "school", "local", "one"] {
        assert!(!text.contains(&format!("\"{said}")), "{said}: {text}");
    }
}

#[tokio::test]
async fn rows_of_the_table_and_thefts_are_counted() {
    let server = watched().await;
    let mut page = server.page();
    page.log("start").await.is_done();
    let thief = page.token.clone();
    for event in ["current", "confirm", "current", "confirm"] {
        // What is offered after this time is presented at once.
        server.after(if event == "current" { R } else { 0 });
        page.log(event).await.is_done();
    }
    server.call(&thief, "recent", json!({})).await.is_over();
    server.call(&page.token, "recent", json!({})).await.is_over();
    let text = scrape(&server).await;
    assert_values(
        &text,
        &[
            (r#"decisions_total{row="start"}"#, 1.0),
            (r#"decisions_total{row="current"}"#, 2.0),
            (r#"decisions_total{row="confirm"}"#, 2.0),
            (r#"decisions_total{row="stale"}"#, 1.0),
            (r#"decisions_total{row="dead"}"#, 1.0),
        ],
    );
    assert_values(&text, &[("thefts_total", 1.0), ("ahead_total", 0.0), ("live_keys", 0.0)]);
}

#[tokio::test]
async fn every_metric_is_told_with_its_meaning() {
    let server = watched().await;
    server.page().log("one").await.is_done();
    server.call("forged", "log", json!({})).await;
    let text = scrape(&server).await;
    // What a store has not got is not told.
    let told: Vec<_> =
        METRICS.iter().filter(|it| on_postgres() || !it.name.starts_with("pool_")).collect();
    for metric in &told {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        assert!(text.contains(&format!("# TYPE latchkey_{} {kind}\n", metric.name)), "{text}");
        assert!(
            text.contains(&format!("# HELP latchkey_{} {}", metric.name, metric.about)),
            "{text}"
        );
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(types, told.len(), "{text}");
}

#[tokio::test]
async fn the_public_does_not_see_them_and_nobody_without_the_setting() {
    let server = watched().await;
    assert_eq!(server.ask("GET", "/metrics").send().await.status.as_u16(), 404);
    assert_eq!(Server::start().await.latchkey.metrics_address(), None);
}

/// A store that is down does not hide the counters.
#[tokio::test]
async fn a_store_that_fails_is_told() {
    let server = watched().await;
    server.page().log("one").await.is_done();
    let hidden = if on_postgres() { "schema_version" } else { "keys" };
    server.database().execute(&format!("ALTER TABLE {hidden} RENAME TO gone"));
    let text = scrape(&server).await;
    assert_values(&text, &[(r#"calls_total{function="log",outcome="ok"}"#, 1.0)]);
    if let Database::Postgres(_) = server.database() {
        assert_values(&text, &[("ready", 0.0)]);
    }
}
