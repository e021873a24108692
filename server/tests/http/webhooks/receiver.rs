//! A host's end of a webhook: a real server that answers as the test says, and verifies by itself.

use crate::server::PATIENCE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// The secret of all webhooks here.
pub(crate) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// How a request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// With 204, once the test has a permit to give.
    Permitted(Arc<Semaphore>),
    /// With a header.
    With(u16, &'static str, String),
    /// Never, while the receiver is there.
    Silence,
    /// By closing the connection.
    HangUp,
}

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// `type` and the activity, in a line.
    pub(crate) fn line(&self) -> String {
        let message = self.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{} {}", text(&message["type"]), text(&message["data"]["activity"]))
    }

    /// Checks the signature as the standard says, with nothing of ours: HMAC from the bare hash.
    #[track_caller]
    pub(crate) fn verified(&self, now: i64) -> &Self {
        let seconds = &self.headers["webhook-timestamp"];
        assert_eq!(seconds.parse::<i64>().unwrap(), now / 1000, "the time of the attempt");
        assert!(!self.id().contains('.'));
        let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let pad = |with: u8| -> Vec<u8> {
            (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ with).collect()
        };
        let message = [self.id().as_bytes(), b".", seconds.as_bytes(), b".", &self.body].concat();
        let inner = Sha256::digest([pad(0x36), message].concat());
        let outer = Sha256::digest([pad(0x5c), inner.to_vec()].concat());
        let expected = format!("v1,{}", STANDARD.encode(outer));
        let given: Vec<_> = self.headers["webhook-signature"].split(' ').collect();
        assert!(given.contains(&expected.as_str()), "{given:?}");
        self
    }
}

type Script = dyn Fn(usize, &Received) -> Reply + Send + Sync;

/// A receiver; gone when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Mutex<mpsc::UnboundedReceiver<Received>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    /// Answers everything with 204.
    pub(crate) async fn start() -> Self {
        Self::answering(|_, _| Reply::Status(204)).await
    }

    /// Answers as the script says, which gets the number of the request.
    pub(crate) async fn answering(
        script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listening(Arc::new(script), None).await
    }

    /// The same by TLS.
    pub(crate) async fn encrypted(tls: TlsAcceptor) -> Self {
        Self::listening(Arc::new(|_, _| Reply::Status(200)), Some(tls)).await
    }

    async fn listening(script: Arc<Script>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, sender, tls) = (Arc::clone(&script), sender.clone(), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, number, &script, &sender).await,
                        Some(tls) => {
                            // Whoever does not trust us breaks off here.
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, number, &script, &sender).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, received: Mutex::new(received), _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?from=latchkey", self.address)
    }

    /// The next request.
    pub(crate) async fn next(&self) -> Received {
        let mut received = self.received.lock().await;
        tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap()
    }

    /// Whether nothing has come that was not taken.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.received.lock().await.try_recv().is_err()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    script: &Arc<Script>,
    sender: &mpsc::UnboundedSender<Received>,
) {
    let request = read(&mut stream).await;
    let reply = script(number, &request);
    sender.send(request).unwrap();
    let (status, header) = match reply {
        Reply::Status(status) => (status, String::new()),
        Reply::Permitted(permits) => {
            permits.acquire().await.unwrap().forget();
            (204, String::new())
        }
        Reply::With(status, name, value) => (status, format!("{name}: {value}\r\n")),
        Reply::Silence => std::future::pending().await,
        Reply::HangUp => return,
    };
    let answer = format!("HTTP/1.1 {status} Told\r\n{header}Content-Length: 0\r\n\r\n");
    // The sender may have gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Received {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "cut off");
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap().split(' ');
    assert_eq!(request.next(), Some("POST"));
    let path = request.next().unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while bytes.len() < end + 4 + length {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "cut off");
    }
    Received { path, headers, body: bytes[end + 4..].to_vec() }
}
