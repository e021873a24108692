//! Spans for OpenTelemetry: request, call, store. Off unless `[tracing] otlp` names a collector.
//!
//! Spans are of a target of their own, which the log never takes: switched off, each is a look at a number. They
//! hold names from lists of this program (method, route, function, code) and numbers, and nothing that a client has
//! said.

use crate::config::ConfigError;
use axum::http::Uri;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tokio::runtime::Runtime;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

/// The target of spans.
pub(crate) const TARGET: &str = "latchkey_spans";
/// How long a collector may take to take a batch.
const DEADLINE: Duration = Duration::from_secs(10);
/// Most of an answer that is read.
const MOST: usize = 64 * 1024;

/// A span of this program, with fields from its own lists.
macro_rules! span {
    ($name:literal $(, $($field:tt)*)?) => {
        tracing::info_span!(target: $crate::traces::TARGET, $name $(, $($field)*)?)
    };
}
pub(crate) use span;

/// The way of spans to a collector.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends what has been gathered. For the end of the program.
    pub fn flush(&self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The address of a collector.
///
/// # Errors
/// If it is none.
pub(crate) fn address(otlp: &str) -> Result<String, ConfigError> {
    let uri: Option<Uri> = otlp.parse().ok();
    let plain = uri.as_ref().is_some_and(|uri| {
        uri.scheme_str() == Some("http")
            && uri.authority().is_some_and(|it| !it.as_str().contains('@'))
            && uri.query().is_none()
    });
    if !plain {
        let problem = "write it as in http://127.0.0.1:4318: a collector nearby, by plain HTTP";
        return Err(ConfigError::value("tracing.otlp", problem));
    }
    Ok(format!("{}/v1/traces", otlp.trim_end_matches('/')))
}

/// What gathers spans, and what sends them.
///
/// # Errors
/// If the setting is no address.
pub(crate) fn layer<S>(otlp: &str) -> Result<(impl Layer<S>, Traces), ConfigError>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    let failed =
        |error: &dyn std::fmt::Display| ConfigError::value("tracing.otlp", error.to_string());
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new().map_err(|error| failed(&error))?)
        .with_endpoint(address(otlp)?)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(DEADLINE)
        .build()
        .map_err(|error| failed(&error))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("latchkey").build())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("latchkey"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false);
    let only = Targets::new().with_target(TARGET, tracing::Level::INFO);
    Ok((spans.with_filter(only), Traces(provider)))
}

/// Sends batches with the HTTP client that is there, on a thread of its own: they are made on a thread that no
/// runtime drives.
#[derive(Debug)]
struct Sender {
    http: Client<HttpConnector, Full<Bytes>>,
    runtime: Runtime,
}

impl Sender {
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("traces")
            .enable_all()
            .build()?;
        Ok(Self { http: Client::builder(TokioExecutor::new()).build_http(), runtime })
    }
}

#[async_trait::async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move {
            let answer = http.request(request.map(Full::new));
            let answer = tokio::time::timeout(DEADLINE, answer).await??;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MOST).collect();
            let body = tokio::time::timeout(DEADLINE, body).await??.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        });
        sending.await?
    }
}
