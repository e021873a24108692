//! Signs a request as a host and sends it: `latchkey host call`.
//!
//! On hyper, which the server is made of already, one connection a request.

use super::signature;
use axum::http::uri::{InvalidUri, Scheme};
use axum::http::{Request, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use latchkey_protocol::Millis;
use latchkey_protocol::mac::Signer;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a whole exchange may take: setting 40,000 users over a slow line included.
const DEADLINE: Duration = Duration::from_secs(120);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address of the server.
    #[error("the address of the server cannot be read: {0}")]
    Address(#[from] InvalidUri),
    /// Neither `http` nor `https`, or no host.
    #[error("write the address of the server as in https://latch.example")]
    NoServer,
    /// A path that does not begin with a slash.
    #[error("write the path as in /host/v1/users?limit=5")]
    NoPath,
    /// The connection.
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    /// The request or the answer.
    #[error("the exchange failed: {0}")]
    Http(String),
    /// It takes too long.
    #[error("no answer in two minutes")]
    Slow,
}

/// A request to be signed.
#[derive(Debug)]
pub struct HostRequest<'a> {
    /// `GET`, `POST`, `DELETE`.
    pub method: &'a str,
    /// Path and query, as they are to stand in the request line.
    pub target: &'a str,
    /// Type of the body.
    pub kind: &'a str,
    /// The body; empty for none.
    pub body: Bytes,
}

/// Who signs it, and when.
#[derive(Debug)]
pub struct Signature<'a> {
    /// Host id.
    pub host: &'a str,
    /// A secret of the host.
    pub secret: &'a Signer,
    /// The time.
    pub now: Millis,
    /// Fresh randomness.
    pub nonce: &'a str,
}

/// Sends a request to the server of that address; status and body of the answer.
///
/// # Errors
/// When there is no answer. A refusal is one.
pub async fn send(
    server: &str,
    request: HostRequest<'_>,
    by: &Signature<'_>,
) -> Result<(u16, Bytes), ClientError> {
    let server: Uri = server.parse()?;
    let host = server.host().ok_or(ClientError::NoServer)?.trim_matches(['[', ']']).to_owned();
    let tls = match server.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err(ClientError::NoServer),
    };
    if !request.target.starts_with('/') {
        return Err(ClientError::NoPath);
    }
    let authority = server.authority().map(ToString::to_string).unwrap_or_default();
    let request = build(&authority, request, by)?;
    let port = server.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let exchange = async {
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        if tls {
            let name = ServerName::try_from(host).map_err(|_| ClientError::NoServer)?;
            exchange(connector()?.connect(name, stream).await?, request).await
        } else {
            exchange(stream, request).await
        }
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap_or(Err(ClientError::Slow))
}

fn build(
    authority: &str,
    request: HostRequest<'_>,
    by: &Signature<'_>,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let HostRequest { method, target, kind, body } = request;
    let time = by.now.div_euclid(1000);
    let signed = signature::sign(by.host, by.secret, method, target, &body, time, by.nonce);
    let mut head = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, authority)
        .header(header::AUTHORIZATION, signed)
        .header(header::USER_AGENT, concat!("latchkey/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    if !body.is_empty() {
        head = head.header(header::CONTENT_TYPE, kind);
    }
    head.body(Full::new(body)).map_err(|error| ClientError::Http(error.to_string()))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), ClientError> {
    let broken = |error: hyper::Error| ClientError::Http(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await.map_err(broken)?.to_bytes()))
    };
    // The connection is driven beside the exchange, and its own end is told by that.
    let driven = async {
        drop(connection.await);
        std::future::pending().await
    };
    tokio::select! {
        answer = answer => answer,
        never = driven => never,
    }
}

/// TLS with the system's certificates.
fn connector() -> Result<TlsConnector, ClientError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    // The provider by name: rustls panics where it would have to choose one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Http(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
