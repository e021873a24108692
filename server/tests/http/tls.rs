//! TLS by the server itself: deadlines, half-closed connections and an orderly end hold there too.

use crate::server::{PATIENCE, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use latchkey_server::clock::{Clock, SystemClock};
use latchkey_server::config::Config;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate of `localhost` in two files.
struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let key = pem("PRIVATE KEY", &signing_key.serialize_der());
        std::fs::write(folder.path().join("certificate.pem"), pem("CERTIFICATE", cert.der()))
            .unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        Self { folder, der: cert.der().clone() }
    }

    fn on(&self, config: &mut Config) {
        config.tls.certificate = self.folder.path().join("certificate.pem");
        config.tls.key = self.folder.path().join("key.pem");
    }

    /// A connection by somebody who trusts this certificate and no other.
    async fn connect(&self, server: &Server) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connection = TcpStream::connect(server.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, connection).await
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

async fn start(certificate: &Certificate) -> Server {
    Server::start_with(|config| certificate.on(config)).await
}

/// `POST /v1/grade` with a fresh launch token.
fn grade(server: &Server, head: &str, body: &str) -> String {
    format!(
        "POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{head}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.launch(),
        body.len()
    )
}

/// Reads until the server closes, however it does.
async fn read_out(connection: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request on a connection of its own, answered in full.
async fn ask(server: &Server, certificate: &Certificate, request: &str) -> String {
    let mut connection = certificate.connect(server).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    read_out(&mut connection).await
}

async fn is_well(server: &Server, certificate: &Certificate) {
    let request = grade(server, "Connection: close\r\n", r#"{"score":1}"#);
    let answer = ask(server, certificate, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_call_over_tls() {
    let certificate = Certificate::new();
    let server = start(&certificate).await;
    is_well(&server, &certificate).await;
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
    // Who trusts another certificate does not get as far as a request.
    assert!(Certificate::new().connect(&server).await.is_err());
}

#[tokio::test]
async fn plain_http_is_no_request_here() {
    let certificate = Certificate::new();
    let server = start(&certificate).await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(grade(&server, "", r#"{"score":1}"#).as_bytes()).await.unwrap();
    let answer = read_out(&mut connection).await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
    is_well(&server, &certificate).await;
}

#[tokio::test]
async fn its_own_tls_is_https_and_a_proxys_silence_is_not() {
    let certificate = Certificate::new();
    let server = Server::start_with(|config| {
        certificate.on(config);
        config.require_https = true;
        config.trusted_proxies = vec!["127.0.0.0/8".into()];
    })
    .await;
    let from =
        |head: &str| grade(&server, &format!("{head}Connection: close\r\n"), r#"{"score":1}"#);
    for (head, status) in [
        ("", "200 OK"),
        ("X-Forwarded-For: 203.0.113.7\r\n", "403 Forbidden"),
        ("X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n", "200 OK"),
    ] {
        let answer = ask(&server, &certificate, &from(head)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head}{answer}");
    }
}

#[tokio::test]
async fn a_handshake_a_head_and_a_body_have_a_deadline() {
    let certificate = Certificate::new();
    let server = Server::start_with(|config| {
        certificate.on(config);
        config.limits.read_deadline = Duration::from_millis(200);
    })
    .await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(read_out(&mut silent).await, "");
    let mut halting = TcpStream::connect(server.address).await.unwrap();
    halting.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    assert!(!read_out(&mut halting).await.contains("HTTP"));
    let answer = ask(&server, &certificate, "POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Ty").await;
    assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
    let slow = grade(&server, "", r#"{"score":1}"#);
    let answer = ask(&server, &certificate, &slow[..slow.len() - 5]).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    is_well(&server, &certificate).await;
}

/// Stops the server, which finishes what it has taken, and counts.
async fn submissions_at_the_end(server: Server, certificate: &Certificate) -> i64 {
    // Once the server has answered these, it has seen what came before.
    for _ in 0..10 {
        let healthy = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert!(ask(&server, certificate, healthy).await.ends_with("ok\n"));
    }
    let stopping = server.stop();
    tokio::time::timeout(PATIENCE, stopping.served).await.unwrap().unwrap().unwrap();
    stopping.database.number("SELECT count(*) FROM submissions")
}

/// The last bytes of the request and the end of its connection arrive together.
#[tokio::test]
async fn a_page_that_sends_and_leaves_has_saved_its_work() {
    for orderly in [true, false] {
        let certificate = Certificate::new();
        let server = start(&certificate).await;
        let mut connection = certificate.connect(&server).await.unwrap();
        let request = grade(&server, "", r#"{"score":55}"#);
        connection.write_all(request.as_bytes()).await.unwrap();
        connection.flush().await.unwrap();
        if orderly {
            connection.shutdown().await.unwrap();
        }
        // Without a word of goodbye: the end of the connection, and not of the TLS session.
        drop(connection);
        assert_eq!(submissions_at_the_end(server, &certificate).await, 1, "orderly: {orderly}");
    }
}

#[tokio::test]
async fn a_half_closed_connection_gets_its_answer() {
    let certificate = Certificate::new();
    let server = start(&certificate).await;
    let mut connection = certificate.connect(&server).await.unwrap();
    let request = grade(&server, "", r#"{"score":55}"#);
    connection.write_all(request.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let answer = read_out(&mut connection).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn an_orderly_end_finishes_what_is_under_way() {
    let certificate = Certificate::new();
    let server = start(&certificate).await;
    let body = r#"{"score":77}"#;
    let request = grade(&server, "Expect: 100-continue\r\n", body);
    let (head, _) = request.split_at(request.len() - body.len());
    let mut connection = certificate.connect(&server).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let stopping = server.stop();
    let refused = async {
        while TcpStream::connect(stopping.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    connection.write_all(body.as_bytes()).await.unwrap();
    let answer = read_out(&mut connection).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    tokio::time::timeout(PATIENCE, stopping.served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let server = start(&old).await;
    let mut connection = old.connect(&server).await.unwrap();
    server.reload(|config| new.on(config)).unwrap();
    assert!(old.connect(&server).await.is_err());
    is_well(&server, &new).await;
    // A connection under the old one goes on.
    let request = grade(&server, "Connection: close\r\n", r#"{"score":1}"#);
    connection.write_all(request.as_bytes()).await.unwrap();
    assert!(read_out(&mut connection).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named_and_leave_the_old_in_force() {
    let certificate = Certificate::new();
    let server = start(&certificate).await;
    let folder = certificate.folder.path();
    let other = pem("PRIVATE KEY", &KeyPair::generate().unwrap().serialize_der());
    for (name, content, setting) in [
        ("certificate.pem", "no certificate", "tls.certificate"),
        ("certificate.pem", "", "tls.certificate"),
        ("key.pem", "no key", "tls.key"),
        ("key.pem", &other, "tls.certificate"),
    ] {
        let kept = std::fs::read(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), content).unwrap();
        let error = server.reload(|config| config.enabled = false).unwrap_err().to_string();
        assert!(error.contains(setting) && !error.contains("no key\n"), "{name}: {error}");
        std::fs::write(folder.join(name), kept).unwrap();
        is_well(&server, &certificate).await;
    }
    let missing = server.reload(|config| config.tls.key = folder.join("missing.pem"));
    assert!(missing.unwrap_err().to_string().contains("missing.pem"));
    is_well(&server, &certificate).await;
}

/// `latchkey host call` over https, by a machine that trusts this certificate and by one that does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_calls_over_https_from_the_command_line() {
    let certificate = Certificate::new();
    let server = start(&certificate).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("latchkey.toml");
    let secret = crate::server::base64url(&[11; 32]);
    let text = format!(
        "[[hosts]]\nid = \"school\"\nsecrets = [{{ number = 1, secret = \"{secret}\" }}]\n"
    );
    std::fs::write(&settings, text).unwrap();
    // The program's clock is the machine's.
    server.after(SystemClock.now() - server.latchkey.now());
    let call = |authorities: PathBuf| {
        let mut command = crate::program::latchkey();
        command.args(["host", "call", "GET", "/host/v1/users", "--config"]).arg(&settings);
        command.arg("--server").arg(format!("https://localhost:{}", server.address.port()));
        command.env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR");
        command.output().unwrap()
    };
    let trusting = call(certificate.folder.path().join("certificate.pem"));
    assert!(trusting.status.success(), "{trusting:?}");
    assert!(String::from_utf8_lossy(&trusting.stdout).contains("\"items\":[]"), "{trusting:?}");
    let other = Certificate::new();
    let wary = call(other.folder.path().join("certificate.pem"));
    assert!(!wary.status.success() && wary.stdout.is_empty(), "{wary:?}");
    assert!(String::from_utf8_lossy(&wary.stderr).contains("certificate"), "{wary:?}");
}
