//! An honest client: what a page does, without a browser.
//!
//! One request at a time for each key. What is not answered, or answered with a code that says so, is asked again under
//! the same id; a token that is refused is replaced by the page's login.

use crate::clock::PATIENCE;
use crate::host::Host;
use crate::http::{Answer, Http, Place};
use hyper::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// After this long a client gives a request up: the default of `keys.client_deadline`.
pub const CLIENT_DEADLINE: Duration = Duration::from_secs(20);
/// The longest pause before something is asked again. Shorter than `Retry-After` says, to be the harder on
/// the servers.
const PAUSE: u64 = 200;

/// What a page has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests that were answered with success.
    pub answered: u64,
    /// Requests without an answer, or with one of the load balancer's own.
    pub lost: u64,
    /// Requests that were told to come back.
    pub told_to_wait: u64,
    /// Keys that were refused, and replaced.
    pub renewals: u64,
    /// The longest that a request took, answered or given up.
    pub longest: Duration,
}

/// It was given up; nobody knows whether it was done.
#[derive(Clone, Copy, Debug)]
pub struct GivenUp;

/// A page of one user in one activity.
#[derive(Debug)]
pub struct Page {
    host: Host,
    http: Http,
    user: String,
    activity: String,
    session: Option<String>,
    pauses: StdRng,
    /// The newest token it has.
    pub token: String,
    /// What it has seen.
    pub seen: Seen,
}

impl Page {
    /// Opens one.
    pub fn open(host: &Host, at: Place, user: &str, activity: &str, session: Option<&str>) -> Self {
        let (token, id) = host.launch(user, activity, session);
        Self {
            host: host.clone(),
            http: Http::new(at, CLIENT_DEADLINE),
            user: user.to_owned(),
            activity: activity.to_owned(),
            session: session.map(str::to_owned),
            pauses: StdRng::seed_from_u64(u64::from_be_bytes(id[..8].try_into().expect("8 bytes"))),
            token,
            seen: Seen::default(),
        }
    }

    /// Loads it anew: another key.
    pub fn reload(&mut self) {
        let session = self.session.as_deref();
        self.token = self.host.launch(&self.user, &self.activity, session).0;
    }

    /// Asks until it is done; its result. `once`: gives up when it is not answered at once, as a page that
    /// is closed.
    ///
    /// # Errors
    /// When it was given up.
    ///
    /// # Panics
    /// When it is refused for good, or not done in a minute.
    pub async fn call(&mut self, what: &str, body: &Value, once: bool) -> Result<Value, GivenUp> {
        let begun = Instant::now();
        loop {
            if let Some(result) = self.attempt(what, body).await {
                return Ok(result);
            }
            if once {
                return Err(GivenUp);
            }
            assert!(begun.elapsed() < PATIENCE, "{what} was not done: {:?}", self.seen);
            sleep(Duration::from_millis(self.pauses.random_range(5..PAUSE))).await;
        }
    }

    async fn attempt(&mut self, what: &str, body: &Value) -> Option<Value> {
        let begun = Instant::now();
        let path = format!("/v1/{what}");
        let answer = self.http.ask(Method::POST, &path, &self.token, body).await;
        self.seen.longest = self.seen.longest.max(begun.elapsed());
        let Ok(answer) = answer else {
            self.seen.lost += 1;
            return None;
        };
        if let Some(token) = answer.body["token"].as_str() {
            self.token = token.to_owned();
        }
        match answer.status {
            200 => {
                self.seen.answered += 1;
                if answer.body["key"]["state"] == "late" {
                    self.renew();
                }
                Some(answer.body["result"].clone())
            }
            401 => {
                assert!(answer.body["error"]["retryable"].is_boolean(), "{answer:?}");
                self.renew();
                None
            }
            // The balancer has nobody who answers.
            502 | 504 => {
                self.seen.lost += 1;
                None
            }
            503 => {
                // Without a code: a server that has only begun.
                assert!(matches!(answer.code(), "" | "store_unavailable"), "{answer:?}");
                assert!(answer.retry_after.is_some(), "{answer:?}");
                self.seen.told_to_wait += 1;
                None
            }
            _ => panic!("{what} was refused: {answer:?}"),
        }
    }

    fn renew(&mut self) {
        self.seen.renewals += 1;
        self.reload();
    }

    /// The same page on a connection of its own, to ask beside it.
    pub fn twin(&self) -> Self {
        let (host, at) = (&self.host, self.http.place());
        let mut twin = Self::open(host, at, &self.user, &self.activity, self.session.as_deref());
        twin.token.clone_from(&self.token);
        twin
    }

    /// Asks once, whatever comes.
    pub async fn ask(&mut self, what: &str, body: &Value) -> Option<Answer> {
        self.http.ask(Method::POST, &format!("/v1/{what}"), &self.token, body).await.ok()
    }
}

/// A call of `log` with one entry that names its operation.
pub fn log(id: &str) -> Value {
    json!({"id": id, "entries": [{"event": "answered", "data": {"op": id}}]})
}

/// A call of `grade` whose comment names its operation.
pub fn grade(id: &str, score: f64) -> Value {
    json!({"id": id, "score": score, "comment": id})
}
