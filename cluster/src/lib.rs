//! A PostgreSQL of a test run's own, and a database in it for each test.
//!
//! The server is started by the first test that asks, in a folder of its own and without a port, and goes with the process:
//! a shell waits at a pipe that the operating system closes, however the process ends. With
//! `POSTGRES_UNDER_TEST` set to the URL of a server (of its database `postgres`), that one is used instead and stays.

#![expect(clippy::expect_used, reason = "a test that has no database can only stop")]

mod cluster;

pub use cluster::{Beginning, Cluster, Data, Order};

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use tokio::sync::oneshot;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// The one of this process.
static SERVER: OnceLock<Server> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Server {
    url: String,
    /// Held as long as the process.
    _cluster: Option<Cluster>,
}

fn server() -> &'static Server {
    SERVER.get_or_init(|| match std::env::var("POSTGRES_UNDER_TEST") {
        Ok(url) => Server { url, _cluster: None },
        Err(_) => start(),
    })
}

fn start() -> Server {
    // Nothing of it outlives the process: no disk is waited for.
    let hasty = ["fsync=off", "full_page_writes=off", "max_connections=400"];
    let cluster = Cluster::start(&hasty, "");
    Server { url: cluster.url.clone(), _cluster: Some(cluster) }
}

/// A database of a test's own.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// A fresh one, empty.
    pub fn new() -> Self {
        Self::made("")
    }

    /// One more with all that is in this one now, as a restored copy would have it. Ends the connections of this one.
    pub fn copy(&self) -> Self {
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        );
        run(&server().url, &end);
        Self::made(&format!("TEMPLATE {}", self.name))
    }

    fn made(like: &str) -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let admin = &server().url;
        run(admin, &format!("CREATE DATABASE {name} {like}"));
        let (before, after) = admin.rsplit_once("/postgres").expect("the URL of `postgres`");
        let url = format!("{before}/{name}{after}");
        Self { name, url }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs SQL in it.
    pub fn execute(&self, sql: &str) {
        run(&self.url, sql);
    }

    /// The rows of a query, each value as its text; NULL is empty.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let (url, sql) = (self.url.clone(), sql.to_owned());
        let read = thread::spawn(move || {
            block_on(async {
                let client = connect(&url).await;
                client.simple_query(&sql).await
            })
        });
        let told = read.join().expect("a thread").expect("the query");
        let row = |row: SimpleQueryMessage| match row {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned());
                Some(values.collect())
            }
            _ => None,
        };
        told.into_iter().filter_map(row).collect()
    }

    /// Runs SQL in a transaction that stays open until what is returned is dropped.
    pub fn hold(&self, sql: &str) -> Held {
        let (url, sql) = (self.url.clone(), sql.to_owned());
        let (held, begun) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            block_on(async {
                let client = connect(&url).await;
                client.batch_execute(&format!("BEGIN; {sql}")).await.expect("the statements");
                held.send(()).expect("somebody waits");
                // Nothing is sent: what holds it is dropped.
                drop(released.await);
            });
        });
        begun.blocking_recv_anywhere();
        Held { release: Some(release), thread: Some(thread) }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

/// A transaction that is held open.
#[derive(Debug)]
pub struct Held {
    release: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the transaction");
        }
    }
}

/// Waiting without a runtime, or within one that may not be blocked by its own means.
trait Anywhere<T> {
    fn blocking_recv_anywhere(self) -> T;
}

impl<T: Send + 'static> Anywhere<T> for oneshot::Receiver<T> {
    fn blocking_recv_anywhere(self) -> T {
        let waiting = thread::spawn(move || self.blocking_recv());
        waiting.join().expect("a thread").expect("an answer")
    }
}

fn run(url: &str, sql: &str) {
    // A thread and runtime of its own: tests call this from within theirs.
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let done = thread::spawn(move || {
        block_on(async {
            let client = connect(&url).await;
            client.batch_execute(&sql).await
        })
    });
    done.join().expect("a thread").expect("the statements");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server");
    tokio::spawn(connection);
    client
}
