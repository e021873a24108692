//! One attempt: resolve, look at the address, connect to exactly that one, send, read the status.

use super::address;
use crate::config::{ConfigError, WebhooksConfig};
use crate::policy::Networks;
use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use latchkey_protocol::Millis;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

/// Where messages go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// As in the settings.
    pub(super) url: String,
    /// Whether by TLS.
    pub(super) encrypted: bool,
    /// Name or address, without the brackets of IPv6.
    host: String,
    port: u16,
    /// `host[:port]`, as the receiver is told.
    authority: String,
    path: String,
}

impl Target {
    /// Reads a URL; `None` if it is none of `http` or `https`, or carries a login.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let encrypted = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if authority.as_str().contains('@') || host.is_empty() {
            return None;
        }
        // A port that is empty or no number must not become the default one.
        let bare = authority.as_str().len() == authority.host().len();
        let port = match authority.port_u16() {
            Some(port) => port,
            None if bare => [80, 443][usize::from(encrypted)],
            None => return None,
        };
        Some(Self {
            url: url.to_owned(),
            encrypted,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

/// Why an attempt failed, in words that may be shown: nothing of what the receiver said but its status.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Failure {
    /// The name could not be resolved.
    #[error("the name cannot be resolved")]
    Unresolved,
    /// An address to which nothing is sent.
    #[error("the address {0} is not public and not in webhooks.networks")]
    Refused(std::net::IpAddr),
    /// Plain HTTP to the public internet.
    #[error("plain http is only for addresses in webhooks.networks")]
    Plain,
    /// No connection.
    #[error("no connection: {0}")]
    Unconnected(std::io::ErrorKind),
    /// TLS could not be agreed on, or the certificate is not good.
    #[error("TLS: the certificate or the handshake is not good")]
    Tls,
    /// The connection broke, or what came back is no HTTP.
    #[error("the connection broke")]
    Broken,
    /// No answer in time.
    #[error("no answer in time")]
    Slow,
    /// Another status than success; and after which pause the receiver would like another attempt.
    #[error("{}", told(*.0))]
    Status(StatusCode, Option<Millis>),
}

fn told(status: StatusCode) -> String {
    match status.as_u16() {
        410 => "the receiver wants no more (410)".into(),
        300..=399 => format!("redirected ({}): write the new address", status.as_u16()),
        code => format!("answered {code}"),
    }
}

/// A message, ready to be sent.
pub(super) struct Letter {
    pub(super) id: String,
    /// Seconds since the Unix epoch, of this attempt.
    pub(super) seconds: i64,
    pub(super) signature: String,
    pub(super) body: Vec<u8>,
}

/// Sends messages.
pub(super) struct Client {
    networks: Networks,
    deadline: Duration,
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client(deadline {:?})", self.deadline)
    }
}

impl Client {
    /// As the settings say. The system's certificates are read only if some webhook needs them.
    pub(super) fn new(settings: &WebhooksConfig, encrypted: bool) -> Result<Self, ConfigError> {
        let networks = Networks::read(&settings.networks).map_err(|(at, problem)| {
            ConfigError::value(format!("webhooks.networks[{at}]"), problem)
        })?;
        let tls = if encrypted { Some(connector(settings)?) } else { None };
        Ok(Self { networks, deadline: settings.deadline, tls })
    }

    /// One attempt. Whatever the receiver does, it is over by the deadline.
    pub(super) async fn send(&self, target: &Target, letter: Letter) -> Result<(), Failure> {
        match tokio::time::timeout(self.deadline, self.attempt(target, letter)).await {
            Ok(ended) => ended,
            Err(_) => Err(Failure::Slow),
        }
    }

    async fn attempt(&self, target: &Target, letter: Letter) -> Result<(), Failure> {
        let addresses = self.resolve(target).await?;
        // To the very addresses that were looked at: asked again, the name might give others.
        let stream = TcpStream::connect(&addresses[..])
            .await
            .map_err(|error| Failure::Unconnected(error.kind()))?;
        match &self.tls {
            Some(tls) if target.encrypted => {
                let name = ServerName::try_from(target.host.clone()).map_err(|_| Failure::Tls)?;
                let stream = tls.connect(name, stream).await.map_err(|_| Failure::Tls)?;
                exchange(stream, target, letter).await
            }
            None if target.encrypted => Err(Failure::Tls),
            _ => exchange(stream, target, letter).await,
        }
    }

    /// The addresses to connect to, in this order. If any that the name has is refused, the name is not
    /// trusted at all.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let found = lookup_host((target.host.as_str(), target.port)).await;
        let found: Vec<_> = found.map_err(|_| Failure::Unresolved)?.collect();
        for address in &found {
            let ip = address.ip().to_canonical();
            if !address::is_allowed(ip, &self.networks) {
                return Err(Failure::Refused(ip));
            }
            if !target.encrypted && !self.networks.contains(ip) {
                return Err(Failure::Plain);
            }
        }
        if found.is_empty() { Err(Failure::Unresolved) } else { Ok(found) }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    target: &Target,
    letter: Letter,
) -> Result<(), Failure> {
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Broken)?;
    let request = Request::post(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("latchkey/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header("webhook-id", letter.id)
        .header("webhook-timestamp", letter.seconds)
        .header("webhook-signature", letter.signature)
        .body(Full::new(Bytes::from(letter.body)))
        .map_err(|_| Failure::Broken)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection may end in the moment in which it gives the answer.
        _ = connection => answer.await,
    };
    let answer = answer.map_err(|_| Failure::Broken)?;
    // The body is nobody's business here: it is not read, and the connection goes.
    if answer.status().is_success() {
        return Ok(());
    }
    let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = asked.and_then(|seconds| seconds.trim().parse::<u32>().ok());
    Err(Failure::Status(answer.status(), asked.map(|seconds| Millis::from(seconds) * 1000)))
}

/// TLS with the system's certificates, and those of `webhooks.authorities`.
fn connector(settings: &WebhooksConfig) -> Result<TlsConnector, ConfigError> {
    let wrong = |problem: String| ConfigError::value("webhooks.authorities", problem);
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    let path = &settings.authorities;
    if !path.as_os_str().is_empty() {
        let read = CertificateDer::pem_file_iter(path)
            .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        for certificate in read {
            let certificate =
                certificate.map_err(|error| wrong(format!("{}: {error}", path.display())))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
    }
    // The provider by name: rustls panics where it would have to choose one.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_what_is_none() {
        let target = Target::parse("https://school.example/hooks/latchkey?x=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("school.example", 443));
        assert_eq!((target.path.as_str(), target.encrypted), ("/hooks/latchkey?x=1", true));
        let target = Target::parse("http://[::1]:8080").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8080));
        assert_eq!((target.path.as_str(), target.authority.as_str()), ("/", "[::1]:8080"));
        for url in [
            "",
            "school.example",
            "/hooks",
            "ftp://school.example/",
            "https://",
            "https://user:word@school.example/",
            "https://school.example:x/",
            "https://school.example:99999/",
            "https://school.example:/",
            "https://school example/",
            "file:///etc/passwd",
        ] {
            assert!(Target::parse(url).is_none(), "{url}");
        }
    }

    #[tokio::test]
    async fn an_address_is_looked_at_however_it_is_written() {
        let settings = WebhooksConfig::default();
        let client = Client::new(&settings, false).unwrap();
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "127.0.0.1",
            "127.1",
            "0",
            "localhost",
            "[::1]",
            "[fe80::1]",
            "[fd00:ec2::254]",
            "10.0.0.1",
        ] {
            let target = Target::parse(&format!("https://{host}/latest/meta-data")).unwrap();
            let refused = client.resolve(&target).await.unwrap_err();
            assert!(matches!(refused, Failure::Refused(_)), "{host}: {refused}");
        }
        let plain = Target::parse("http://1.1.1.1/").unwrap();
        assert_eq!(client.resolve(&plain).await.unwrap_err(), Failure::Plain);
        let encrypted = Target::parse("https://1.1.1.1/").unwrap();
        assert_eq!(client.resolve(&encrypted).await.unwrap(), ["1.1.1.1:443".parse().unwrap()]);
    }
}
