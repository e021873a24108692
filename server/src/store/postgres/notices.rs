//! Notices among servers: what one has ended or hidden, the others look up at once.
//!
//! They carry no authority and may be lost: a notice only makes a server read again what it believes of keys, which
//! it does after a second in any case. So they are sent after the commit, and where the database knows no `LISTEN`
//! all goes on without. Nothing else in the program uses it.

use super::Shared;
use super::connect::{Target, Told};
use crate::store::StoreError;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use latchkey_protocol::token::KeyId;
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client};

/// Notices that may wait to be sent. More are not worth waiting for: a second is soon over.
const QUEUE: usize = 1_024;
/// The pause before a lost connection is made again; twice as long before each further try, up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// A database that takes longer to say where it listens is asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// One key.
    Key(KeyId),
    /// All of them.
    All,
}

impl Notice {
    /// As it is sent by that server.
    fn text(self, server: i64) -> String {
        match self {
            Self::Key(id) => format!("{server} {id}"),
            Self::All => format!("{server} all"),
        }
    }

    /// Reads one, unless that server sent it itself. One that cannot be read comes from a newer version: to be on
    /// the safe side it means everything.
    fn parse(text: &str, server: i64) -> Option<Self> {
        match text.split_once(' ') {
            Some((sender, _)) if sender == server.to_string() => None,
            Some((_, id)) => Some(KeyId::parse(id).map_or(Self::All, Self::Key)),
            None => Some(Self::All),
        }
    }
}

/// The way to the other servers.
#[derive(Debug)]
pub(super) struct Notices(mpsc::Sender<Notice>);

/// What is to be sent, before anybody sends it.
pub(super) type Waiting = mpsc::Receiver<Notice>;

impl Notices {
    pub(super) fn new() -> (Self, Waiting) {
        let (sender, waiting) = mpsc::channel(QUEUE);
        (Self(sender), waiting)
    }

    /// After the commit of what others are to look up.
    pub(super) fn send(&self, notice: Notice) {
        // A full queue means that the connection is away, and what comes back with it is doubt.
        let _ = self.0.try_send(notice);
    }
}

/// Sends and hears until the store is gone.
pub(super) async fn exchange(
    shared: Weak<Shared>,
    target: Target,
    server: i64,
    mut waiting: Waiting,
) {
    let mut pause = PAUSE;
    loop {
        match tokio::time::timeout(PATIENCE, listening(&target)).await {
            Ok(Ok((client, told))) => {
                pause = PAUSE;
                // What was told meanwhile went by.
                let Some(()) = doubt(&shared, Notice::All) else { return };
                match attend(&shared, server, &client, told, &mut waiting).await {
                    Some(error) => {
                        tracing::info!(%error, "notices of other servers are missed for a while")
                    }
                    None => return,
                }
            }
            Ok(Err(StoreError::Database(error))) => {
                tracing::info!(
                    error,
                    "no notices of other servers: they are known within a second"
                );
                return;
            }
            Ok(Err(error)) => tracing::info!(%error, "no notices of other servers for a while"),
            Err(_) => tracing::info!("no notices of other servers for a while: no answer"),
        }
        // Notices that nobody hears must not keep the store from closing.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = closed(&mut waiting) => return,
        }
        pause = (2 * pause).min(LONGEST);
    }
}

/// Until nobody is left who could send.
async fn closed(waiting: &mut Waiting) {
    while waiting.recv().await.is_some() {}
}

/// Makes keys be read again; `None` if the store is gone.
fn doubt(shared: &Weak<Shared>, notice: Notice) -> Option<()> {
    let shared = shared.upgrade()?;
    match notice {
        Notice::Key(id) => shared.known.doubt_one(&id),
        Notice::All => shared.known.doubt(),
    }
    Some(())
}

/// A connection that hears.
async fn listening(target: &Target) -> Result<(Client, Told), StoreError> {
    let (client, mut told) = target.listen().await?;
    {
        let mut listens = std::pin::pin!(client.batch_execute("LISTEN latchkey"));
        loop {
            tokio::select! {
                done = &mut listens => break done?,
                message = told.next() => match message {
                    Some(message) => drop(message?),
                    None => return Err(StoreError::Unreachable("the connection ended".into())),
                },
            }
        }
    }
    Ok((client, told))
}

/// Hears and sends on one connection until it fails, or, with `None`, until the store is gone.
async fn attend(
    shared: &Weak<Shared>,
    server: i64,
    client: &Client,
    mut told: Told,
    waiting: &mut Waiting,
) -> Option<StoreError> {
    // One at a time: the answer comes by the same connection that is read here.
    let mut sending: Option<BoxFuture<'_, Result<u64, tokio_postgres::Error>>> = None;
    loop {
        tokio::select! {
            message = told.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => {
                    if let Some(notice) = Notice::parse(told.payload(), server) {
                        doubt(shared, notice)?;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(error.into()),
                None => return Some(StoreError::Unreachable("the connection ended".into())),
            },
            notice = waiting.recv(), if sending.is_none() => {
                let text = notice?.text(server);
                sending = Some(Box::pin(async move {
                    client.execute("SELECT pg_notify('latchkey', $1)", &[&text]).await
                }));
            }
            sent = done(&mut sending) => {
                sending = None;
                if let Err(error) = sent {
                    return Some(error.into());
                }
            }
        }
    }
}

/// What comes of what is under way; never, if nothing is.
async fn done<T>(under_way: &mut Option<BoxFuture<'_, T>>) -> T {
    match under_way {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_reads_as_it_was_sent() {
        let id = KeyId([7; 16]);
        for notice in [Notice::Key(id), Notice::All] {
            assert_eq!(Notice::parse(&notice.text(-5), 6), Some(notice));
            assert_eq!(Notice::parse(&notice.text(-5), -5), None, "its own");
        }
        for strange in ["", "7", "7 ", "x y z", "7 something-new"] {
            assert_eq!(Notice::parse(strange, 6), Some(Notice::All), "{strange}");
        }
    }
}
