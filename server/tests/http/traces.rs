//! Spans as a collector receives them: a small one, which decodes what OpenTelemetry's protocol says.

use crate::client::client;
use crate::program::{Program, launch};
use crate::server::PATIENCE;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};
use axum::routing::post;
use bytes::Bytes;
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

type Batches = mpsc::UnboundedSender<ExportTraceServiceRequest>;

async fn take(State(batches): State<Batches>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let _ = batches.send(ExportTraceServiceRequest::decode(body).unwrap());
}

/// A collector: its address, and what it receives.
async fn collector() -> (String, mpsc::UnboundedReceiver<ExportTraceServiceRequest>) {
    let (batches, received) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/traces", post(take)).with_state(batches);
    tokio::spawn(async move {
        axum_server::from_tcp(listener.into_std().unwrap())
            .unwrap()
            .serve(router.into_make_service())
            .await
    });
    (format!("http://{address}"), received)
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: &Any| match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let all = span.attributes.iter();
    all.map(|it| (it.key.clone(), text(it.value.as_ref().unwrap().value.as_ref().unwrap())))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_a_call_and_the_store_are_one_trace() {
    let (address, mut received) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[("LATCHKEY_TRACING__OTLP", &address)]);
    let token = launch(folder.path(), |claims| claims.sub = "ada-the-user".into());
    let uri = format!("http://{}/v1/grade?secret-in-query", program.address);
    let request = Request::post(uri)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("user-agent", "secret-agent")
        .body(Body::from(r#"{"score":7,"comment":"secret-comment"}"#))
        .unwrap();
    let answer = client().request(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let renewed = String::from_utf8(body.to_vec()).unwrap();
    let log = program.log.clone();
    // What was gathered is sent at the end at the latest.
    assert!(tokio::task::spawn_blocking(move || program.terminate()).await.unwrap());

    let (mut spans, mut raw) = (Vec::new(), Vec::new());
    while spans.iter().all(|span: &Span| span.name != "request") {
        let batch = tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap();
        raw.extend(batch.encode_to_vec());
        for resource in batch.resource_spans {
            let named = resource.resource.unwrap().attributes;
            assert!(named.iter().any(|it| it.key == "service.name"));
            spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
    }
    let one = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {spans:?}");
        found[0]
    };
    let (request, call) = (one("request"), one("call"));
    assert!(request.parent_span_id.is_empty());
    assert_eq!(call.parent_span_id, request.span_id);
    let told = attributes(request);
    assert_eq!(
        (&*told["method"], &*told["route"], &*told["status"]),
        ("POST", "/v1/{function}", "200")
    );
    let store: Vec<_> = spans.iter().filter(|span| span.name == "store").collect();
    assert_eq!(
        store.iter().map(|it| attributes(it)["operation"].clone()).collect::<Vec<_>>(),
        ["look", "write"]
    );
    for span in store {
        assert_eq!((&span.parent_span_id, &span.trace_id), (&call.span_id, &request.trace_id));
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    // Nothing that anybody has said, in whatever part of it.
    let raw = String::from_utf8_lossy(&raw);
    for said in ["secret", "ada-the-user", "quiz", "lk1_", "eyJ", &token[..40], &renewed[..40]] {
        assert!(!raw.contains(said), "{said}");
    }
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("request{"), "spans are no part of the log: {log}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LATCHKEY_TRACING__OTLP", "http://127.0.0.1:1")];
    let program = Program::start(folder.path(), &settings);
    let uri = format!("http://{}/readyz", program.address);
    let answer = client().request(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(tokio::task::spawn_blocking(move || program.terminate()).await.unwrap());
}
