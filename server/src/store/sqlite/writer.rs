//! The one thread that writes, and its group commit.
//!
//! Jobs that wait together are done in one transaction with one fsync, and are answered after it. When
//! any job of a group fails, the whole group is rolled back and each job is done again by itself, so that a
//! failure reaches only the one that caused it; jobs can therefore run more than once.

use super::Shared;
use super::reader::Never;
use super::tx::{HeadFlush, Tx};
use crate::store::StoreError;
use rusqlite::Connection;
use std::sync::Arc;
use std::vec::Drain;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait before senders have to.
const QUEUE: usize = 4096;

/// Something to be done in a transaction, and somebody who waits for it.
pub(super) trait Job: Send {
    /// Does it; called again after a rollback.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    /// Tells how it went, after the commit or the rollback.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Task<F, R> {
    work: F,
    result: Option<R>,
    reply: oneshot::Sender<Result<R, StoreError>>,
}

impl<F, R> Job for Task<F, R>
where
    F: FnMut(&mut Tx<'_>) -> Result<R, StoreError> + Send,
    R: Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.result = Some((self.work)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        let answer = outcome.and_then(|()| result.ok_or(StoreError::Closed));
        // The one who asked may have gone; the work is done all the same.
        drop(reply.send(answer));
    }
}

/// The way in to the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    /// Starts the thread. It ends when the last sender is gone and the queue is empty; the receiver
    /// returned here then resolves.
    pub(super) fn start(
        connection: Connection,
        shared: Arc<Shared>,
        group: usize,
        readers: std::sync::mpsc::Receiver<Never>,
    ) -> Result<(Self, oneshot::Receiver<()>), StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (done, ended) = oneshot::channel();
        let mut state = State::load(connection, shared)?;
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                state.work_off(jobs, group.max(1));
                // The last connection to close folds the log of changes into the file: this one.
                let _ = readers.recv();
                drop(state);
                // Nobody need wait for the end.
                let _ = done.send(());
            })
            .map_err(|error| StoreError::Database(error.to_string()))?;
        Ok((Self { queue }, ended))
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> u64 {
        (self.queue.max_capacity() - self.queue.capacity()) as u64
    }

    /// Does `work` in a transaction and returns after its commit. The work is done even if the caller
    /// goes away meanwhile.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        work: impl FnMut(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task { work, result: None, reply };
        self.queue.send(Box::new(task)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Rulings take their numbers from the log's sequence.
const LAST_SEQ: &str = "SELECT max((SELECT coalesce(max(seq), 0) FROM entries),
                                   (SELECT coalesce(max(seq), 0) FROM rulings))";

fn done(job: Box<dyn Job>) {
    job.answer(Ok(()));
}

struct State {
    connection: Connection,
    /// Where those wait who are answered.
    runtime: Option<Handle>,
    shared: Arc<Shared>,
    last_seq: i64,
    flush: HeadFlush,
}

impl State {
    fn load(connection: Connection, shared: Arc<Shared>) -> Result<Self, StoreError> {
        let last_seq = connection.query_row(LAST_SEQ, [], |row| row.get(0))?;
        let flush = HeadFlush::recover(&connection, &shared.heads, last_seq)?;
        let runtime = Handle::try_current().ok();
        Ok(Self { connection, runtime, shared, last_seq, flush })
    }

    fn work_off(&mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>, most: usize) {
        let mut group = Vec::with_capacity(most);
        while jobs.blocking_recv_many(&mut group, most) > 0 {
            self.shared.meter.groups.observe(group.len() as f64);
            match self.transact(&mut group) {
                Ok(()) => self.tell_done(group.drain(..)),
                Err(error) if group.len() == 1 => {
                    group.drain(..).for_each(|job| job.answer(Err(error.clone())));
                }
                Err(_) => {
                    for job in group.drain(..) {
                        let mut alone = vec![job];
                        let outcome = self.transact(&mut alone);
                        for job in alone {
                            job.answer(outcome.clone());
                        }
                    }
                }
            }
        }
    }

    /// Answers a group that is done: within the runtime, where each answer only makes a task ready. From this thread
    /// each would go through the queue that all threads share, and may have to wake a worker.
    fn tell_done(&self, group: Drain<'_, Box<dyn Job>>) {
        match &self.runtime {
            Some(runtime) if group.len() > 1 => {
                let group: Vec<_> = group.collect();
                drop(runtime.spawn(async { group.into_iter().for_each(done) }));
            }
            _ => group.for_each(done),
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut tx = Tx::new(&self.connection, &self.shared, self.last_seq);
        let done = group
            .iter_mut()
            .try_for_each(|job| job.run(&mut tx))
            .and_then(|()| self.flush.step(&tx))
            .and_then(|()| Ok(self.connection.prepare_cached("COMMIT")?.execute([]).map(drop)?));
        match done {
            Ok(()) => {
                self.last_seq = tx.publish(&mut self.flush);
                self.flush.settle(&self.shared.heads);
                Ok(())
            }
            Err(error) => {
                self.flush.forget_step();
                if !self.connection.is_autocommit() {
                    // The first error is the one to tell; a failed rollback shows at the next BEGIN.
                    drop(self.connection.execute_batch("ROLLBACK"));
                }
                tracing::error!(%error, jobs = group.len(), "a transaction failed");
                Err(error)
            }
        }
    }
}
