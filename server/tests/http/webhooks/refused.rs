//! Where nothing is sent, and whom nothing is told.

use super::receiver::Receiver;
use super::{failure, server_with, state};
use crate::server::Server;
use latchkey_server::config::Config;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

#[tokio::test]
async fn this_machine_and_its_neighbours_are_out_of_reach() {
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    for (host, address) in [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/latest/meta-data");
            let server = server_with(&url, |config| {
                // The one machine that is allowed is another.
                config.webhooks.networks = vec!["10.0.0.1".into()];
                config.hosts[0].webhooks[0].events = vec!["grade.changed".into()];
            })
            .await;
            server.page().grade(1.0).await.is_done();
            let told = failure(&server).await;
            let refused = |address: &str| {
                format!("the address {address} is not public and not in webhooks.networks")
            };
            // A name may have an address of each version.
            assert!(told == refused(address) || told == refused("::1"), "{url}: {told}");
        }
    }
    assert!(receiver.is_quiet().await);
}

fn certificate() -> (String, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn encrypted(receiver: &Receiver, change: impl FnOnce(&mut Config)) -> Server {
    let server = server_with(&format!("https://{}/hooks", receiver.address), |config| {
        config.hosts[0].webhooks[0].events = vec!["grade.changed".into()];
        change(config);
    })
    .await;
    server.page().grade(1.0).await.is_done();
    server
}

#[tokio::test]
async fn by_tls_to_one_whose_certificate_is_trusted() {
    let (pem, tls) = certificate();
    let receiver = Receiver::encrypted(tls).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, pem).unwrap();
    let server = encrypted(&receiver, |config| config.webhooks.authorities = file).await;
    receiver.next().await.verified(server.latchkey.now());
}

#[tokio::test]
async fn not_by_tls_to_one_that_anybody_could_be() {
    let (_, tls) = certificate();
    let receiver = Receiver::encrypted(tls).await;
    let server = encrypted(&receiver, |_| ()).await;
    assert_eq!(failure(&server).await, "TLS: the certificate or the handshake is not good");
    assert!(receiver.is_quiet().await);
    // The certificate of another.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, certificate().0).unwrap();
    let server = encrypted(&receiver, |config| config.webhooks.authorities = file).await;
    assert_eq!(failure(&server).await, "TLS: the certificate or the handshake is not good");
    assert_eq!(state(&server).await.waiting, 1);
    assert!(receiver.is_quiet().await);
}

#[tokio::test]
async fn one_that_speaks_no_http_is_tried_again() {
    let (_, tls) = certificate();
    let receiver = Receiver::encrypted(tls).await;
    let server = server_with(&receiver.url(), |_| ()).await;
    server.page().grade(1.0).await.is_done();
    assert_eq!(failure(&server).await, "the connection broke");
}
