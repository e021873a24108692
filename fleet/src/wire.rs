//! A network that can go silent: nothing arrives any more, and nobody is told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Read at once.
const PIECE: usize = 16 * 1024;

/// A port at which a socket of the file system is reached.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    flows: watch::Sender<bool>,
    listening: AbortHandle,
}

impl Wire {
    /// One to the PostgreSQL whose socket is in that folder.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn to(folder: &Path) -> Self {
        let socket = folder.join(".s.PGSQL.5432");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its number");
        let (flows, watched) = watch::channel(true);
        let listening = tokio::spawn(listen(listener, socket, watched)).abort_handle();
        Self { address, flows, listening }
    }

    /// Where servers find the one among these ends that takes writes.
    pub fn url_of(wires: &[Self]) -> String {
        let places: Vec<_> = wires.iter().map(|wire| wire.address.to_string()).collect();
        format!("postgres://test@{}/postgres?connect_timeout=2", places.join(","))
    }

    /// From now on what is sent does not arrive, in either direction: neither bytes nor the end of a connection.
    pub fn cut(&self) {
        self.flows.send_replace(false);
    }

    /// All of it arrives, late.
    pub fn mend(&self) {
        self.flows.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, socket: PathBuf, flows: watch::Receiver<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        let (socket, mut flows) = (socket.clone(), flows.clone());
        tokio::spawn(async move {
            // Whoever connects to a network that is silent waits.
            let Ok(_) = flows.wait_for(|flows| *flows).await else { return };
            // Nobody at the other end: a connection that ends at once.
            let Ok(far) = UnixStream::connect(socket).await else { return };
            carry(near, far, &flows).await;
        });
    }
}

async fn carry(near: TcpStream, far: UnixStream, flows: &watch::Receiver<bool>) {
    drop(near.set_nodelay(true));
    let ((near_reads, near_writes), (far_reads, far_writes)) =
        (near.into_split(), far.into_split());
    let there = one_way(near_reads, far_writes, flows.clone());
    let back = one_way(far_reads, near_writes, flows.clone());
    tokio::join!(there, back);
}

/// What comes from one end, to the other, for as long as both are there.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut flows: watch::Receiver<bool>,
) {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.unwrap_or(0);
        if flows.wait_for(|flows| *flows).await.is_err() {
            return;
        }
        if read == 0 || to.write_all(&piece[..read]).await.is_err() {
            break;
        }
    }
    // An end of one direction is the end of both, as between PostgreSQL and its clients.
    drop(to.shutdown().await);
}
