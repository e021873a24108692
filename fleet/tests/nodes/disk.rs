//! A disk that is full, with the logs of the servers on it as well.

use latchkey_fleet::books::{agree, sound};
use latchkey_fleet::clock::until;
use latchkey_fleet::disk::SmallDisk;
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::load::{Book, Load, Shape};
use latchkey_fleet::page::{Page, log};
use latchkey_fleet::postgres::Postgres;
use std::time::Duration;

const SHAPE: Shape = Shape { pages: 8, activities: 3, seed: 10, pause: Duration::from_millis(2) };

/// Fills the disk until a call is refused for it; how many calls that took.
async fn fill(disk: &mut SmallDisk, page: &mut Page, round: usize) -> Vec<String> {
    let mut ids = Vec::new();
    until("a refusal", async || {
        disk.fill();
        ids.push(format!("full-{round}-{}", ids.len()));
        let answer = page.ask("log", &log(ids.last()?)).await?;
        if answer.status == 200 {
            return None;
        }
        assert_eq!((answer.status, answer.code()), (503, "store_unavailable"), "{answer:?}");
        assert_eq!(answer.retry_after, Some(2));
        Some(())
    })
    .await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_on_a_full_disk() {
    let Some(mut disk) = SmallDisk::mount(80, "disk::postgres_on_a_full_disk") else { return };
    let folder = disk.folder("postgres");
    let small = ["min_wal_size=2MB", "max_wal_size=8MB", "autovacuum=off"];
    let mut postgres = Postgres::start_in(&folder, &small).await;
    let mut fleet = Fleet::start_in(disk.path(), &postgres.url(), &[None, None], "").await;
    let mut page = Page::open(&fleet.host, fleet.places()[0].clone(), "eva", "essay", None);
    let mut ids = Vec::new();
    let load = Load::start(&fleet, SHAPE);
    for round in 0..2 {
        load.more(100).await;
        ids.extend(fill(&mut disk, &mut page, round).await);
        disk.free();
        // Without room for its own log it may have given up: whoever watches over it starts it.
        postgres.up().await;
        load.more(100).await;
    }
    let mut books = load.finish().await;
    assert!(fleet.nodes.iter_mut().all(|node| !node.has_ended()), "no server was restarted");
    sound(&postgres).await;
    books.push(Book::untold("eva", "essay", ids));
    let found = agree(&fleet.places(), &books).await;
    assert_eq!(found.seen.renewals, 0, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_on_a_full_disk() {
    let Some(mut disk) = SmallDisk::mount(24, "disk::sqlite_on_a_full_disk") else { return };
    let mut fleet = Fleet::start_in(disk.path(), "sqlite:latchkey.db", &[None], "").await;
    let mut page = Page::open(&fleet.host, fleet.places()[0].clone(), "eva", "essay", None);
    let mut ids = Vec::new();
    let load = Load::start(&fleet, SHAPE);
    for round in 0..3 {
        load.more(100).await;
        ids.extend(fill(&mut disk, &mut page, round).await);
        disk.free();
        load.more(100).await;
    }
    let mut books = load.finish().await;
    assert!(fleet.nodes.iter_mut().all(|node| !node.has_ended()), "no server was restarted");
    books.push(Book::untold("eva", "essay", ids));
    let found = agree(&fleet.places(), &books).await;
    assert_eq!(found.seen.renewals, 0, "{found:?}");
}
