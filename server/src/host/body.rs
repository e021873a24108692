//! Bodies of hosts' requests: read whole and hashed before anybody looks into them.
//!
//! A directory is megabytes, and until its signature is checked anybody may have sent it. So all
//! unverified bodies together are bounded, not only each.

use crate::error::Refusal;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use latchkey_protocol::error::ErrorCode;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bodies of the largest size may be held at once.
const AT_ONCE: usize = 2;
/// Memory is shared out in pieces of this many bytes.
const PIECE: usize = 1024;
/// The slowest rate at which a large body may arrive, bytes a second.
const SLOWEST: u64 = 64 * 1024;

/// Room for bodies of hosts' requests.
#[derive(Debug)]
pub struct BodyRoom {
    limit: usize,
    free: Arc<Semaphore>,
}

/// A body read in full. Its room is given back when it is dropped.
#[derive(Debug)]
pub struct HostBody {
    /// What was sent.
    pub bytes: Bytes,
    /// SHA-256 of it.
    pub digest: [u8; 32],
    _room: Option<OwnedSemaphorePermit>,
}

impl BodyRoom {
    /// Room for bodies of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let pieces = limit.div_ceil(PIECE).saturating_mul(AT_ONCE).min(Semaphore::MAX_PERMITS);
        Self { limit, free: Arc::new(Semaphore::new(pieces)) }
    }

    /// Reads a body of that declared length. `deadline` is for the first bytes; a long body may take as long
    /// as the slowest rate allows.
    ///
    /// # Errors
    /// [`ErrorCode::BodyTooLarge`], [`ErrorCode::SlowSender`], or [`ErrorCode::Busy`] while other
    /// bodies take all the room.
    pub async fn read(
        &self,
        body: Body,
        declared: Option<u64>,
        deadline: Duration,
    ) -> Result<HostBody, Refusal> {
        let limit = self.limit as u64;
        if declared > Some(limit) {
            return Err(ErrorCode::BodyTooLarge.into());
        }
        let longest = deadline + Duration::from_secs(declared.unwrap_or(limit) / SLOWEST);
        match tokio::time::timeout(longest, self.collect(body, declared)).await {
            Ok(read) => read,
            Err(_) => Err(ErrorCode::SlowSender.into()),
        }
    }

    async fn collect(&self, mut body: Body, declared: Option<u64>) -> Result<HostBody, Refusal> {
        // What is declared is only believed as it arrives: reserving takes no memory until it is written.
        let expected = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let (mut bytes, mut hash) = (Vec::with_capacity(expected), Sha256::new());
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            // The connection broke: nobody is left to be told, but somebody must be.
            let frame =
                frame.map_err(|error| Refusal::new(ErrorCode::SlowSender).because(error))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > self.limit {
                return Err(ErrorCode::BodyTooLarge.into());
            }
            let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let wanted = (bytes.len() + data.len()).div_ceil(PIECE).saturating_sub(held);
            if wanted > 0 {
                let more = self.take(wanted)?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
            }
            hash.update(&data);
            bytes.extend_from_slice(&data);
        }
        Ok(HostBody { bytes: bytes.into(), digest: hash.finalize().into(), _room: room })
    }

    /// Never waits: whoever holds some and waits for more could wait for ever.
    fn take(&self, pieces: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        Arc::clone(&self.free).try_acquire_many_owned(pieces).map_err(|_| {
            Refusal::new(ErrorCode::Busy).after(2).because("bodies of hosts take all their room")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    async fn read(room: &BodyRoom, size: usize) -> Result<HostBody, ErrorCode> {
        let body = Body::from(vec![7; size]);
        room.read(body, None, DEADLINE).await.map_err(|refusal| refusal.code)
    }

    #[tokio::test]
    async fn both_sides_of_the_limit() {
        let room = BodyRoom::new(4096);
        let body = read(&room, 4096).await.unwrap();
        assert_eq!(body.bytes.len(), 4096);
        assert_eq!(body.digest, <[u8; 32]>::from(Sha256::digest([7; 4096])));
        assert_eq!(read(&room, 4097).await.unwrap_err(), ErrorCode::BodyTooLarge);
        let declared = room.read(Body::empty(), Some(4097), DEADLINE).await;
        assert_eq!(declared.unwrap_err().code, ErrorCode::BodyTooLarge);
        assert_eq!(read(&room, 0).await.unwrap().bytes.len(), 0);
    }

    #[tokio::test]
    async fn all_together_are_bounded_too() {
        let room = BodyRoom::new(4096);
        let (first, _second) = (read(&room, 4096).await.unwrap(), read(&room, 4096).await.unwrap());
        assert_eq!(read(&room, 1).await.unwrap_err(), ErrorCode::Busy);
        drop(first);
        assert!(read(&room, 4096).await.is_ok());
    }
}
