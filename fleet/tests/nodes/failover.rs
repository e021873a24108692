//! The primary is gone and a standby takes its place.

use latchkey_fleet::books::{agree, sound};
use latchkey_fleet::clock::until;
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::load::{Book, Load, Shape};
use latchkey_fleet::page::{Page, log};
use latchkey_fleet::postgres::Postgres;
use serde_json::json;
use std::time::Duration;

const SHAPE: Shape = Shape { pages: 12, activities: 5, seed: 9, pause: Duration::from_millis(2) };

/// How far a standby has come, as a number.
async fn received(standby: &Postgres) -> u64 {
    let sql = "SELECT pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')";
    standby.one(sql).await.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_quorum_of_standbys_has_outlives_the_primary() {
    let quorum = "synchronous_standby_names=ANY 1 (a, b)";
    let mut primary = Postgres::start(&[quorum]).await;
    let mut a = primary.standby("a", &[]).await;
    let mut b = primary.standby("b", &[]).await;
    let all = Postgres::url_of(&[&primary, &a, &b]);
    let mut fleet = Fleet::of(2, &all).await;

    // Without any standby nothing is acknowledged, since it would be on one machine only.
    let mut page = Page::open(&fleet.host, fleet.front(), "ada", "quiz", None);
    page.call("log", &log("first"), false).await.unwrap();
    a.kill().await;
    b.kill().await;
    let answer = page.ask("log", &log("alone")).await.expect("an answer");
    assert_eq!((answer.status, answer.code()), (503, "store_unavailable"));
    assert_eq!(answer.retry_after, Some(2));
    a.up().await;
    b.up().await;
    page.call("log", &log("alone"), false).await.unwrap();
    let count = "SELECT count(*) FROM entries WHERE data LIKE '%\"alone\"%'";
    assert_eq!(primary.one(count).await, "1");

    let load = Load::start(&fleet, SHAPE);
    load.more(200).await;
    primary.age(31).await;
    load.more(200).await;
    primary.kill().await;
    let promoted = if received(&a).await >= received(&b).await { &a } else { &b };
    promoted.promote().await;
    load.more(200).await;
    promoted.age(31).await;
    load.more(200).await;
    let mut books = load.finish().await;
    books.push(Book::untold("ada", "quiz", ["first".into(), "alone".into()]));
    assert!(fleet.nodes.iter_mut().all(|node| !node.has_ended()), "no server was restarted");
    let found = agree(&fleet.places(), &books).await;
    assert_eq!(found.seen.renewals, 0, "{found:?}");
    assert!(!fleet.logs().contains("ahead of the database"), "no key has moved back");
    sound(promoted).await;
}

/// An operator promotes a standby that has not received all: what is lost is lost, but honest pages go on.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_lagging_standby_took_over_honest_pages_go_on() {
    let mut primary = Postgres::start(&[]).await;
    let mut standby = primary.standby("a", &[]).await;
    let fleet = Fleet::of(2, &Postgres::url_of(&[&primary, &standby])).await;
    let mut page = Page::open(&fleet.host, fleet.front(), "ada", "quiz", None);
    page.call("log", &log("kept"), false).await.unwrap();
    until("the standby", async || {
        let there = "SELECT count(*) FROM pg_class WHERE relname = 'entries'";
        let there = standby.one(there).await == "1";
        let kept = "SELECT count(*) FROM entries WHERE kind = 0";
        (there && standby.one(kept).await == "1").then_some(())
    })
    .await;
    standby.stop().await;

    // All this is acknowledged, and known to the primary alone.
    page.call("log", &log("lost"), false).await.unwrap();
    for generation in 1..=3 {
        primary.age(31).await;
        until("the next generation", async || {
            page.call("batch", &json!({"calls": []}), false).await.unwrap();
            (primary.one("SELECT hi FROM keys").await == generation.to_string()).then_some(())
        })
        .await;
    }
    let mut newer = Page::open(&fleet.host, fleet.front(), "ben", "quiz", None);
    newer.call("log", &log("lost-too"), false).await.unwrap();
    newer.call("batch", &json!({"calls": []}), false).await.unwrap();
    primary.kill().await;
    standby.up().await;
    standby.promote().await;

    page.call("log", &log("after"), false).await.unwrap();
    assert_eq!(page.seen.renewals, 0, "its key was taken up again");
    assert_eq!(standby.one("SELECT hi FROM keys").await, "3");
    let alarm = "a key is ahead of the database: it has lost commits";
    assert_eq!(fleet.logs().matches(alarm).count(), 1, "{}", fleet.logs());
    // A key that started since is not there any more: its page renews.
    newer.call("log", &log("after-too"), false).await.unwrap();
    assert_eq!(newer.seen.renewals, 1);
    let kept = "SELECT data FROM entries WHERE kind = 0 ORDER BY strand, seq";
    let kept = standby.rows(kept).await.concat();
    assert_eq!(kept, [r#"{"op":"kept"}"#, r#"{"op":"after"}"#, r#"{"op":"after-too"}"#]);
    sound(&standby).await;
}
