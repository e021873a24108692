//! Servers whose clocks are ten seconds apart, as far as the default settings allow.

use hyper::Method;
use latchkey_fleet::books::{agree, sound};
use latchkey_fleet::clock::until;
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::load::{Load, Shape};
use latchkey_fleet::postgres::Postgres;
use serde_json::json;
use std::time::Duration;

const CLOCKS: [Option<i32>; 3] = [None, Some(5), Some(-5)];
const SHAPE: Shape = Shape { pages: 12, activities: 5, seed: 8, pause: Duration::from_millis(2) };

#[tokio::test(flavor = "multi_thread")]
async fn honest_pages_notice_nothing() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::start(&postgres.url(), &CLOCKS, "").await;
    let load = Load::start(&fleet, SHAPE);
    for _ in 0..5 {
        load.more(150).await;
        postgres.age(31).await;
    }
    load.more(100).await;
    let books = load.finish().await;
    let found = agree(&fleet.places(), &books).await;
    assert_eq!((found.seen.renewals, found.seen.lost), (0, 0), "{found:?}");
    let moved = postgres.one("SELECT count(*) FROM keys WHERE hi > 2").await;
    assert_ne!(moved, "0", "tokens did change");
    sound(&postgres).await;
}

/// Whoever confirmed a token and whoever is asked: what was left behind works for as long as a client may take, and no
/// longer than the late window and the difference of the clocks.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_accepted_longer_than_the_clocks_are_apart() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::start(&postgres.url(), &CLOCKS, "").await;
    let empty = json!({"calls": []});
    let ask = async |server: usize, token: &str| {
        let answer = fleet.to(server).ask(Method::POST, "/v1/batch", token, &empty).await;
        answer.unwrap()
    };
    let mut left_behind = Vec::new();
    for confirms in 0..3 {
        for asked in 0..3 {
            let (launch, _) = fleet.host.launch("ada", &format!("{confirms}-{asked}"), None);
            assert_eq!(ask(confirms, &launch).await.status, 200);
            left_behind.push((confirms, asked, launch));
        }
    }
    postgres.age(41).await;
    for (confirms, _, launch) in &left_behind {
        let moved = "SELECT sum(hi) FROM keys";
        let before = postgres.one(moved).await;
        until("a confirmation", async || {
            let token = ask(*confirms, launch).await.body["token"].take();
            let Some(token) = token.as_str() else { return Some(()) };
            assert_eq!(ask(*confirms, token).await.status, 200);
            (postgres.one(moved).await != before).then_some(())
        })
        .await;
    }
    postgres.age(15).await;
    for (confirms, asked, old) in &left_behind {
        let answer = ask(*asked, old).await;
        assert_eq!(answer.status, 200, "confirmed at {confirms}, asked {asked}: {answer:?}");
        assert_eq!(answer.body["key"]["state"], "late");
        assert!(answer.body["token"].is_null(), "it earns nothing");
    }
    postgres.age(26).await;
    for (confirms, asked, old) in &left_behind {
        let answer = ask(*asked, old).await;
        assert_eq!(answer.status, 401, "confirmed at {confirms}, asked {asked}: {answer:?}");
    }
    let ended = postgres.one("SELECT count(*) FROM keys WHERE revoked_for = 'theft'").await;
    assert_eq!(ended, "9");
}
