//! The threads that read, each with a connection of its own.

use super::schema;
use crate::store::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// Reading threads. Reads of pages in memory take microseconds: more threads than this would only
/// wait for the same cores.
const THREADS: usize = 4;

/// Nothing is ever sent: only the end is waited for.
pub(super) enum Never {}

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The way in to the readers.
#[derive(Debug)]
pub(super) struct Readers {
    queues: Vec<mpsc::Sender<Job>>,
    next: AtomicUsize,
}

impl Readers {
    /// Starts the threads. The receiver resolves, by its disconnection, when all have closed theirs.
    pub(super) fn start(path: &Path) -> Result<(Self, mpsc::Receiver<Never>), StoreError> {
        let (open, closed) = mpsc::channel();
        let mut queues = Vec::with_capacity(THREADS);
        for number in 0..THREADS {
            let connection = schema::open_reader(path)?;
            let (queue, jobs) = mpsc::channel::<Job>();
            let open = open.clone();
            std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || {
                    jobs.iter().for_each(|job| job(&connection));
                    drop(connection);
                    drop(open);
                })
                .map_err(|error| StoreError::Database(error.to_string()))?;
            queues.push(queue);
        }
        Ok((Self { queues, next: AtomicUsize::new(0) }, closed))
    }

    /// Reads on the next thread.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (reply, answer) = oneshot::channel();
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len();
        let job = Box::new(move |connection: &Connection| {
            // The one who asked may have gone.
            drop(reply.send(read(connection)));
        });
        self.queues[at].send(job).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}
