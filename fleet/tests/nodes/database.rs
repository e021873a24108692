//! The database dies, is restarted, holds things back, or stands still.

use hyper::Method;
use latchkey_fleet::books::{agree, sound};
use latchkey_fleet::clock::until;
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::http::{Answer, Http};
use latchkey_fleet::load::{Book, Load, Shape};
use latchkey_fleet::page::{CLIENT_DEADLINE, Page, log};
use latchkey_fleet::postgres::Postgres;
use latchkey_fleet::wire::Wire;
use serde_json::{Value, json};
use std::time::Duration;

const SHAPE: Shape = Shape { pages: 12, activities: 5, seed: 7, pause: Duration::from_millis(2) };

/// The calls of these pages, each of one entry, all at the same time.
async fn all(pages: &mut [Page], round: &str) -> Vec<Answer> {
    let mut asked = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        let (mut page, id) = (page.twin(), format!("{round}-{number}"));
        asked.push(tokio::spawn(async move { page.ask("log", &log(&id)).await }));
    }
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.unwrap().expect("an answer within the client's deadline"));
    }
    answers
}

fn told_to_come_back(answer: &Answer) -> bool {
    (answer.status, answer.code(), answer.retry_after) == (503, "store_unavailable", Some(2))
}

/// Pages at every server, with keys that are known there.
async fn pages(fleet: &Fleet, each: usize) -> Vec<Page> {
    let mut pages = Vec::new();
    for number in 0..each * fleet.nodes.len() {
        let at = fleet.places()[number % fleet.nodes.len()].clone();
        let (user, activity) = (format!("user-{number}"), format!("quiz-{number}"));
        let mut page = Page::open(&fleet.host, at, &user, &activity, None);
        page.call("log", &log(&format!("first-{number}")), false).await.unwrap();
        pages.push(page);
    }
    pages
}

/// The same calls again until they are done: each is there once.
async fn done_once(postgres: &Postgres, pages: &mut [Page], round: &str) {
    for (number, page) in pages.iter_mut().enumerate() {
        let id = format!("{round}-{number}");
        page.call("log", &log(&id), false).await.unwrap();
        let count = format!("SELECT count(*) FROM entries WHERE data LIKE '%\"{id}\"%'");
        assert_eq!(postgres.one(&count).await, "1");
        assert_eq!(page.seen.renewals, 0);
    }
    sound(postgres).await;
}

async fn health(server: &mut Http, path: &str) -> u16 {
    server.ask(Method::GET, path, "", &Value::Null).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted_it_is_found_again() {
    let mut postgres = Postgres::start(&[]).await;
    let mut fleet = Fleet::of(2, &postgres.url()).await;
    let mut page = Page::open(&fleet.host, fleet.places()[0].clone(), "eva", "essay", None);
    page.call("log", &log("here"), false).await.unwrap();
    let load = Load::start(&fleet, SHAPE);
    for round in 0..4 {
        load.more(150).await;
        if round % 2 == 0 {
            postgres.kill().await;
        } else {
            postgres.stop().await;
        }
        // Nobody waits for ever, and nobody is told a falsehood.
        let answer = page.ask("log", &log("away")).await.expect("an answer");
        assert!(told_to_come_back(&answer), "{answer:?}");
        for server in 0..2 {
            assert_eq!(health(&mut fleet.to(server), "/readyz").await, 503);
            assert_eq!(health(&mut fleet.to(server), "/healthz").await, 200);
        }
        postgres.up().await;
        for server in 0..2 {
            until("readiness", async || {
                (health(&mut fleet.to(server), "/readyz").await == 200).then_some(())
            })
            .await;
        }
    }
    load.more(150).await;
    let mut books = load.finish().await;
    books.push(Book::untold("eva", "essay", ["here".into(), "away".into()]));
    assert!(fleet.nodes.iter_mut().all(|node| !node.has_ended()), "no server was restarted");
    let found = agree(&fleet.places(), &books).await;
    assert_eq!(found.seen.renewals, 0, "{found:?}");
    assert!(found.seen.told_to_wait > 0 && found.acknowledged > 300, "{found:?}");
    sound(&postgres).await;
}

/// Somebody holds what every call needs, and servers have a single connection for each purpose.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_back_is_told_in_time() {
    let postgres = Postgres::start(&[]).await;
    let small = "writers = 1\nconnections = 1\ngroup = 4";
    let fleet = Fleet::start(&postgres.url(), &[None, None], small).await;
    let mut pages = pages(&fleet, 6).await;
    let held = postgres.hold_strands().await;
    let answers = all(&mut pages, "held").await;
    assert!(answers.iter().all(told_to_come_back), "{answers:?}");
    // Who only reads is not held up.
    for page in &mut pages[..2] {
        assert_eq!(page.ask("recent", &json!({"limit": 1})).await.unwrap().status, 200);
    }
    drop(held);
    done_once(&postgres, &mut pages, "held").await;
}

/// It is there and says nothing, as behind a network that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_is_not_waited_for() {
    let mut postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(2, &postgres.url()).await;
    let mut pages = pages(&fleet, 4).await;
    postgres.pause().await;
    let answers = all(&mut pages, "still").await;
    assert!(answers.iter().all(told_to_come_back), "{answers:?}");
    let mut server = Http::new(fleet.places()[0].clone(), CLIENT_DEADLINE);
    assert_eq!(health(&mut server, "/readyz").await, 503);
    postgres.wake().await;
    done_once(&postgres, &mut pages, "still").await;
}

/// Nothing arrives at either end, and nobody is told that a connection is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_silent_is_not_waited_for() {
    let postgres = Postgres::start(&[]).await;
    let wires = [Wire::to(postgres.folder()).await];
    let mut fleet = Fleet::of(2, &Wire::url_of(&wires)).await;
    let mut pages = pages(&fleet, 4).await;
    wires[0].cut();
    let answers = all(&mut pages, "silent").await;
    assert!(answers.iter().all(told_to_come_back), "{answers:?}");
    for server in 0..2 {
        assert_eq!(health(&mut fleet.to(server), "/readyz").await, 503);
        assert_eq!(health(&mut fleet.to(server), "/healthz").await, 200);
    }
    // What was on its way arrives now, after everybody has given it up.
    wires[0].mend();
    done_once(&postgres, &mut pages, "silent").await;
    assert!(fleet.nodes.iter_mut().all(|node| !node.has_ended()), "no server was restarted");
}
