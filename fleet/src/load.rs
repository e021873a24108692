//! Many pages at work, each with a book of what it was told.

use crate::clock::until;
use crate::fleet::Fleet;
use crate::host::Host;
use crate::http::Place;
use crate::page::{Page, Seen, grade, log};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How much is asked, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Pages at the same time.
    pub pages: usize,
    /// Activities that they share. Each page is of a user of its own.
    pub activities: usize,
    /// What all chance follows from.
    pub seed: u64,
    /// Pause of a page between two calls.
    pub pause: Duration,
}

/// An operation that a page has asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its id.
    pub id: String,
    /// Of a grade.
    pub score: Option<f64>,
    /// The number of its entry or submission, if it was acknowledged.
    pub told: Option<String>,
}

/// What a page has asked and been told.
#[derive(Clone, Debug)]
pub struct Book {
    /// The user.
    pub user: String,
    /// The activity.
    pub activity: String,
    /// In the order of asking.
    pub asked: Vec<Asked>,
    /// How it went.
    pub seen: Seen,
}

impl Book {
    /// Of a page that asked for entries and was told nothing of use.
    pub fn untold(user: &str, activity: &str, ids: impl IntoIterator<Item = String>) -> Self {
        let asked = ids.into_iter().map(|id| Asked { id, score: None, told: None }).collect();
        let (user, activity) = (user.to_owned(), activity.to_owned());
        Self { user, activity, asked, seen: Seen::default() }
    }
}

#[derive(Debug)]
struct Work {
    shape: Shape,
    host: Host,
    front: Place,
    stop: AtomicBool,
    calls: AtomicU64,
}

/// Pages at work.
#[derive(Debug)]
pub struct Load {
    work: Arc<Work>,
    pages: Vec<JoinHandle<Book>>,
}

impl Load {
    /// Sets pages to work, through the load balancer.
    pub fn start(fleet: &Fleet, shape: Shape) -> Self {
        let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
        let (host, front) = (fleet.host.clone(), fleet.front());
        let work = Arc::new(Work { shape, host, front, stop, calls });
        let page = |number| tokio::spawn(at_work(Arc::clone(&work), number));
        let pages = (0..shape.pages).map(page).collect();
        Self { work, pages }
    }

    /// How many calls have ended.
    pub fn calls(&self) -> u64 {
        self.work.calls.load(Ordering::Relaxed)
    }

    /// Waits for that many further calls to end.
    ///
    /// # Panics
    /// When the pages come to a halt.
    pub async fn more(&self, calls: u64) {
        let enough = self.calls() + calls;
        until("the end of calls", async || (self.calls() >= enough).then_some(())).await;
    }

    /// Looks whether they are all still at work.
    ///
    /// # Panics
    /// When one of them has failed.
    pub fn goes_on(&self) {
        assert!(!self.pages.iter().any(JoinHandle::is_finished), "a page has failed");
    }

    /// Lets every page finish what it has begun; their books.
    ///
    /// # Panics
    /// When one of them has failed.
    pub async fn finish(self) -> Vec<Book> {
        self.work.stop.store(true, Ordering::Relaxed);
        let mut books = Vec::new();
        for page in self.pages {
            books.push(page.await.expect("a page"));
        }
        books
    }
}

async fn at_work(work: Arc<Work>, number: usize) -> Book {
    let shape = work.shape;
    let mut chance = StdRng::seed_from_u64(shape.seed ^ (number as u64) << 32);
    let user = format!("user-{number}");
    let activity = format!("quiz-{}", number % shape.activities);
    let mut page = Page::open(&work.host, work.front.clone(), &user, &activity, None);
    let mut asked = Vec::new();
    while !work.stop.load(Ordering::Relaxed) {
        if chance.random_ratio(1, 40) {
            page.reload();
        }
        let id = format!("{:016x}-{number}-{}", shape.seed, asked.len());
        // A page that is closed before it has its answer.
        let once = chance.random_ratio(1, 10);
        match chance.random_range(0..10) {
            0..6 => {
                let told = page.call("log", &log(&id), once).await;
                let told = told.ok().map(|result| text(&result["ids"][0]));
                asked.push(Asked { id, score: None, told });
            }
            6..8 => {
                let score = f64::from(chance.random_range(0..400_u16)) / 4.0;
                let told = page.call("grade", &grade(&id, score), once).await;
                let told = told.ok().map(|result| text(&result["submission"]));
                asked.push(Asked { id, score: Some(score), told });
            }
            8 => {
                let ids = [format!("{id}a"), format!("{id}b"), format!("{id}c")];
                asked.extend(batch(&mut page, ids, once).await);
            }
            _ => drop(page.call("recent", &json!({"limit": 5}), once).await),
        }
        work.calls.fetch_add(1, Ordering::Relaxed);
        sleep(shape.pause).await;
    }
    Book { user, activity, asked, seen: page.seen }
}

/// Two entries and a grade in one request.
async fn batch(page: &mut Page, ids: [String; 3], once: bool) -> Vec<Asked> {
    let score = 12.5;
    let call = |function: &str, mut args: Value| {
        let id = args.as_object_mut().and_then(|args| args.remove("id"));
        json!({"id": id, "function": function, "args": args})
    };
    let calls = [
        call("log", log(&ids[0])),
        call("grade", grade(&ids[1], score)),
        call("log", log(&ids[2])),
    ];
    let told = page.call("batch", &json!({"calls": calls}), once).await.ok();
    let told = |at: usize, of: &str| {
        let done = &told.as_ref()?["calls"][at];
        assert_eq!(done["status"], "ok", "{done}");
        Some(text(done["result"].pointer(of).expect("a number")))
    };
    let numbers = [told(0, "/ids/0"), told(1, "/submission"), told(2, "/ids/0")];
    let scores = [None, Some(score), None];
    let each = ids.into_iter().zip(scores).zip(numbers);
    each.map(|((id, score), told)| Asked { id, score, told }).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a number as a text").to_owned()
}
