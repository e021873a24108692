//! Servers that die at any moment, and one that sleeps.

use latchkey_fleet::books::{agree, sound};
use latchkey_fleet::clock::until;
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::load::{Load, Shape};
use latchkey_fleet::page::{Page, log};
use latchkey_fleet::postgres::Postgres;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::time::Duration;

const SHAPE: Shape = Shape { pages: 16, activities: 5, seed: 6, pause: Duration::from_millis(2) };

/// One after the other at moments that follow from a seed, now and then all of them.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_servers_lose_and_double_nothing() {
    let postgres = Postgres::start(&[]).await;
    let mut fleet = Fleet::of(3, &postgres.url()).await;
    let mut chance = StdRng::seed_from_u64(SHAPE.seed);
    let load = Load::start(&fleet, SHAPE);
    for round in 0..10 {
        load.more(chance.random_range(20..120)).await;
        if round % 3 == 2 {
            // Tokens change hands while it happens.
            postgres.age(31).await;
            load.more(chance.random_range(5..40)).await;
        }
        let all = round % 5 == 4;
        let victims =
            if all { 0..3 } else { [0..1, 1..2, 2..3][chance.random_range(0..3)].clone() };
        for victim in victims.clone() {
            fleet.nodes[victim].kill().await;
        }
        if !all {
            load.more(chance.random_range(10..60)).await;
        }
        for victim in victims {
            fleet.nodes[victim].again(None).await;
        }
    }
    load.more(100).await;
    let books = load.finish().await;
    let found = agree(&fleet.places(), &books).await;
    assert_eq!(found.seen.renewals, 0, "no honest page is taken for a thief: {found:?}");
    assert!(found.seen.lost > 0, "{found:?}");
    assert!(found.acknowledged > 500, "{found:?}");
    sound(&postgres).await;
    let moved = postgres.one("SELECT count(*) FROM keys WHERE hi > 0").await;
    assert_ne!(moved, "0", "tokens did change");
}

/// A server stands still with a request in its hands while the page goes on elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wakes_up_late_does_no_harm() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(2, &postgres.url()).await;
    let mut page = Page::open(&fleet.host, fleet.places()[0].clone(), "ada", "quiz", None);
    page.call("log", &log("before"), true).await.unwrap();
    let before = page.token.clone();

    // The request lies in the socket of a server that does not run.
    fleet.nodes[0].pause().await;
    let asleep = fleet.to(0);
    let (body, token) = (log("asleep"), before.clone());
    let asleep = tokio::spawn(async move {
        let mut server = asleep;
        server.ask(hyper::Method::POST, "/v1/log", &token, &body).await
    });
    let mut elsewhere = Page::open(&fleet.host, fleet.places()[1].clone(), "ada", "quiz", None);
    elsewhere.token = before.clone();
    // The page repeats it at the other one, and its key moves on by two generations there.
    for generation in 1..=2 {
        elsewhere.call("log", &log("asleep"), true).await.unwrap();
        postgres.age(31).await;
        until("the next generation", async || {
            elsewhere.call("batch", &json!({"calls": []}), true).await.unwrap();
            let moved = postgres.one("SELECT hi FROM keys").await;
            (moved == generation.to_string()).then_some(())
        })
        .await;
    }
    fleet.nodes[0].wake().await;
    let answer = asleep.await.unwrap().unwrap();
    // What woke up is a token of long ago: it is refused by the row, whatever the server remembered.
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.code(), "key_renew");
    let kept = "SELECT count(*) FROM entries WHERE data LIKE '%asleep%'";
    assert_eq!(postgres.one(kept).await, "1", "done once");
    // It cannot be told from a thief's. The page renews, and goes on.
    elsewhere.call("log", &log("after"), false).await.unwrap();
    assert_eq!(elsewhere.seen.renewals, 1);
    sound(&postgres).await;
}

/// A server stands still in the middle of its transactions: what it holds is free again before long, and
/// what it does when it wakes up is done once.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_does_not_hold_the_others_up_for_ever() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(2, &postgres.url()).await;
    let load = Load::start(&fleet, Shape { pages: 32, ..SHAPE });
    for round in 0..3 {
        load.more(60).await;
        fleet.nodes[round % 2].pause().await;
        // Many more would wait for what it has in its hands.
        load.more(6).await;
        fleet.nodes[round % 2].wake().await;
    }
    load.more(100).await;
    let books = load.finish().await;
    let found = agree(&fleet.places(), &books).await;
    assert_eq!(found.seen.renewals, 0, "{found:?}");
    sound(&postgres).await;
}
