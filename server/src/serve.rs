//! Connections: from a listener to the router, until told to stop.

use crate::config::Config;
use crate::latchkey::{Latchkey, StartError};
use crate::router::router;
use crate::tls::{OverTls, Tls};
use crate::webhooks::delivery::deliver;
use axum::{Extension, Router};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long requests under way may take after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long the store may take to write down the last of it.
const CLOSE: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted, where the system allows as many. A class that opens its page comes all at
/// once; whoever finds no room tries again a second later, which proxies do not wait for. 128 is what a listener has
/// otherwise.
const BACKLOG: i32 = 4096;
/// Pause between two steps of the sweep while there is more, and between two rounds.
const SWEEP_STEP: Duration = Duration::from_millis(100);
const SWEEP_ROUND: Duration = Duration::from_secs(600);

/// Serves on `listener` until `shutdown` resolves; then lets requests under way finish, closes the
/// store and returns.
///
/// # Errors
/// When the settings cannot be used, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    config: &Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    serve_opened(listener, Latchkey::open(config)?, shutdown).await
}

/// The same for a state that is already open, as of a host that shares it.
///
/// # Errors
/// When the listener fails.
pub async fn serve_opened(
    listener: TcpListener,
    latchkey: Arc<Latchkey>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let ended = latchkey.take_ended();
    let figures = latchkey
        .take_metrics_listener()
        .map(|listener| tokio::spawn(crate::metrics::serve(listener, Arc::downgrade(&latchkey))));
    let shutdown = drained(Arc::downgrade(&latchkey), shutdown);
    let sweeper = tokio::spawn(sweep(Arc::clone(&latchkey)));
    let messenger = tokio::spawn(deliver(Arc::clone(&latchkey)));
    let (deadline, tls) = (latchkey.read_deadline, latchkey.tls.clone());
    let mut router = router(latchkey);
    if tls.is_some() {
        router = router.layer(Extension(OverTls));
    }
    let served = serve_over(listener, tls, router, deadline, shutdown).await;
    sweeper.abort();
    messenger.abort();
    if let Some(figures) = figures {
        figures.abort();
    }
    // Aborting is asked, not done: its share of the store is gone once it has ended.
    let _ = sweeper.await;
    let _ = messenger.await;
    if let Some(ended) = ended
        && tokio::time::timeout(CLOSE, ended).await.is_err()
    {
        tracing::debug!("somebody else still uses the store");
    }
    served
}

/// Told to stop, it says so at `/readyz` for a while before it takes no more connections.
async fn drained(latchkey: Weak<Latchkey>, shutdown: impl Future<Output = ()> + Send + 'static) {
    shutdown.await;
    let Some(pause) = latchkey.upgrade().map(|latchkey| {
        latchkey.begin_to_drain();
        latchkey.drain
    }) else {
        return;
    };
    tokio::time::sleep(pause).await;
}

/// Serves any router the same way: no delay, a deadline for the head of each request, an orderly end.
///
/// # Errors
/// When the listener fails.
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    head_deadline: Duration,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    serve_over(listener, None, router, head_deadline, shutdown).await
}

async fn serve_over(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    head_deadline: Duration,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    listener.set_nonblocking(true)?;
    make_room(&listener)?;
    let handle = axum_server::Handle::<SocketAddr>::new();
    let stopper = handle.clone();
    let stopping = tokio::spawn(async move {
        shutdown.await;
        stopper.graceful_shutdown(Some(DRAIN));
    });
    let plain = NoDelayAcceptor::new();
    let server = axum_server::from_tcp(listener)?.handle(handle);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = match tls {
        None => careful(server.acceptor(plain), head_deadline).serve(service).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls.config()).handshake_timeout(head_deadline);
            let server = server.acceptor(acceptor.acceptor(plain));
            careful(server, head_deadline).serve(service).await
        }
    };
    stopping.abort();
    Ok(served?)
}

/// Lets more connections wait at a listener.
fn make_room(listener: &TcpListener) -> std::io::Result<()> {
    SockRef::from(listener).listen(BACKLOG)
}

/// What holds for every connection, plain or TLS.
fn careful<A>(
    server: axum_server::Server<SocketAddr, A>,
    head_deadline: Duration,
) -> axum_server::Server<SocketAddr, A> {
    // Telling HTTP/2 from HTTP/1 would wait for the first byte without a deadline.
    let mut server = server.http1_only();
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_deadline)
        // The last bytes of a page that goes away arrive together with the end of its connection.
        .half_close(true);
    server
}

async fn sweep(latchkey: Arc<Latchkey>) {
    loop {
        let pause = match latchkey.store().sweep(latchkey.now()).await {
            Ok(true) => SWEEP_STEP,
            Ok(false) => SWEEP_ROUND,
            Err(error) => {
                tracing::warn!(%error, "the sweep failed and will be tried again");
                SWEEP_ROUND
            }
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_whole_class_finds_room_before_anybody_is_accepted() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        make_room(&listener).unwrap();
        let address = listener.local_addr().unwrap();
        // One that finds none hears nothing for a second.
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(900)).unwrap();
        let connected: Vec<TcpStream> = (0..300).map(connect).collect();
        assert_eq!(connected.len(), 300);
    }
}
