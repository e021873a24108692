//! The host whose pages use the servers: its launch tokens, and what it reads back.

use crate::clock::{PATIENCE, until, wall_seconds};
use crate::http::{Answer, Http, Place};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::KeyId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

const NAME: &str = "school";
const SECRET: [u8; 32] = *b"the secret of a school in a test";

/// A host. All copies are the same one.
#[derive(Clone, Debug)]
pub struct Host {
    signer: Signer,
    ids: Arc<Mutex<StdRng>>,
    /// By how many seconds its clock is wrong.
    clock: Arc<AtomicI64>,
}

impl Host {
    /// One whose keys have ids that follow from the seed.
    pub fn new(seed: u64) -> Self {
        let ids = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        Self { signer: Signer::new(&SECRET), ids, clock: Arc::default() }
    }

    /// Its part of the servers' settings.
    pub fn settings() -> String {
        format!(
            "[[hosts]]\nid = \"{NAME}\"\nbearer = true\n\
             secrets = [{{ number = 1, secret = \"{}\" }}]\n",
            secret()
        )
    }

    /// From now on its clock is wrong by so many seconds.
    pub fn set_clock(&self, wrong: i32) {
        self.clock.store(wrong.into(), Ordering::Relaxed);
    }

    /// A launch token, and the id of its key.
    ///
    /// # Panics
    /// When the names are no names.
    pub fn launch(&self, user: &str, activity: &str, session: Option<&str>) -> (String, [u8; 16]) {
        let id: [u8; 16] = self.ids.lock().unwrap().random();
        let now = wall_seconds() + self.clock.load(Ordering::Relaxed);
        let mut claims = LaunchClaims::new(NAME, user, activity, KeyId(id), now);
        claims.session = session.map(str::to_owned);
        let functions = LaunchClaims::DEFAULT_FUNCTIONS.into_iter().chain(["state"]);
        claims.functions = Some(functions.map(str::to_owned).collect());
        (claims.sign(1, &self.signer).expect("a launch token"), id)
    }

    /// A request of the host's own.
    pub async fn ask(at: &Place, method: Method, path: &str) -> Option<Answer> {
        Http::new(at.clone(), PATIENCE).ask(method, path, &secret(), &Value::Null).await.ok()
    }

    /// All items of a feed from its beginning, page by page, each page from the next of these places.
    ///
    /// # Panics
    /// When there are none to be had, or a feed gives an item twice.
    pub async fn feed(places: &[Place], name: &str) -> Vec<Value> {
        let (mut items, mut since, mut asked) = (Vec::new(), String::new(), 0);
        loop {
            let path = format!("/host/v1/{name}?limit=1000{since}");
            let page = until("a page of a feed", async || {
                asked += 1;
                let at = &places[asked % places.len()];
                Self::ask(at, Method::GET, &path).await.filter(|answer| answer.status == 200)
            });
            let page = page.await.body["result"].take();
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            since = format!("&since={}", page["next"].as_str().expect("a cursor"));
            if page["more"] == false {
                return items;
            }
        }
    }
}

fn secret() -> String {
    URL_SAFE_NO_PAD.encode(SECRET)
}
