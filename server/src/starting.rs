//! Before the server: whoever asks is told that it is not ready yet, instead of waiting.
//!
//! To open a database may take long, as when another server brings it up to date. Health and readiness are answered
//! meanwhile at the address of the server; everything else is refused, and clients come back.

use crate::clock::{Clock, Entropy, SystemClock};
use crate::error::Refusal;
use crate::readiness::{NotReady, told};
use crate::reply::Reply;
use crate::serve::serve_router;
use crate::store::StoreError;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response, header};
use axum::routing::get;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);

/// Refuses any call as one is refused whose store does not answer.
async fn not_yet(headers: HeaderMap) -> Response<Body> {
    let refusal = Refusal::from(StoreError::Unreachable("the server has only begun".into()));
    let id = u64::from_be_bytes(Entropy::System.bytes());
    let (now, origin) = (SystemClock.now(), headers.get(header::ORIGIN).cloned());
    Reply::refused(refusal).logged(None).into_response(now, format!("{id:016x}"), origin)
}

/// Answers until the server is there.
#[derive(Debug)]
pub struct Starting {
    migrating: Arc<AtomicBool>,
    answering: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Starting {
    /// Answers on that listener, which goes to the server afterwards. On none, as where it is to speak TLS, nobody
    /// is answered.
    ///
    /// # Errors
    /// When the listener cannot be shared.
    pub fn on(listener: Option<&TcpListener>) -> std::io::Result<Self> {
        let migrating = Arc::new(AtomicBool::new(false));
        let listener = listener.map(TcpListener::try_clone).transpose()?;
        let known = Arc::clone(&migrating);
        let answering = listener.map(|listener| {
            let (stop, stopped) = oneshot::channel::<()>();
            let ready = move || {
                let migrating = known.load(Ordering::Relaxed);
                std::future::ready(told(vec![if migrating {
                    NotReady::Migrating
                } else {
                    NotReady::Starting
                }]))
            };
            let router = Router::new()
                .route("/healthz", get(async || "ok\n"))
                .route("/readyz", get(ready))
                .fallback(not_yet);
            let stopped = async {
                // Whether it is told or dropped.
                drop(stopped.await);
            };
            let serving = tokio::spawn(async move {
                if let Err(error) = serve_router(listener, router, HEAD, stopped).await {
                    tracing::debug!(%error, "nobody is answered before the start");
                }
            });
            (stop, serving)
        });
        Ok(Self { migrating, answering })
    }

    /// What is to be told from now on: that the database is brought up to date.
    pub(crate) fn migrates(&self) {
        self.migrating.store(true, Ordering::Relaxed);
    }

    /// Ends; new connections wait for the server.
    pub async fn end(self) {
        if let Some((stop, serving)) = self.answering {
            drop(stop);
            drop(serving.await);
        }
    }
}
