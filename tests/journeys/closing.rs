//! A tab is closed in the moment after an answer.

use crate::stage::proxy::{Fate, Gate};
use crate::stage::tab::{Book, Tab};
use crate::stage::world::{Place, World};

/// Answers, and closes the tab when the first attempt has met its fate; what the page then believed.
async fn finish_and_close(world: &World, tab: Tab, first: Fate) -> Book {
    world.proxy.next([first]);
    tab.finish(1, 9.5).await;
    world.proxy.until("the first attempt", |calls| !calls.is_empty()).await;
    let book = tab.book().await;
    tab.close().await;
    book
}

/// Closes the tab while one answer is on its way and the score waits for its turn: nothing but the
/// closing itself can send the score.
async fn close_in_between(world: &World, tab: Tab, gate: &Gate) -> Book {
    world.proxy.next([Fate::Held(gate.clone())]);
    tab.answer(1).await;
    world.database.until_kept("ada", "quiz", 1).await;
    tab.grade(9.5).await;
    let book = tab.book().await;
    assert_eq!((book.unsaved, world.proxy.history().len()), (2, 1), "{book:#?}");
    tab.close().await;
    book
}

/// The next launch finds what is left, if anything is; all is kept once.
async fn next_launch(world: &World, book: &Book) {
    let tab = world.also("quiz").await;
    tab.until("widget.activity.unsaved === 0 && Object.keys(localStorage).length === 0").await;
    world.database.agrees("ada", "quiz", &[book]);
    assert_eq!(world.database.revoked(), [""; 0]);
    assert_eq!(tab.thrown(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_answer_goes_by_a_request_that_outlives_the_page() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        let gate = Gate::closed();
        let book = close_in_between(&world, tab, &gate).await;
        world.database.until_kept("ada", "quiz", 2).await;
        world.database.agrees("ada", "quiz", &[&book]);
        world.proxy.until("the last request", |calls| calls.last().unwrap().status.is_some()).await;
        let last = world.proxy.history().pop().unwrap();
        assert_eq!(last.status, Some(200), "{last:#?}");
        // To another origin a beacon: what needs no preflight is the only thing that still gets out.
        let kind = last.content_type.split(';').next().unwrap();
        let expected = match place {
            Place::Same => ("application/json", false),
            Place::Other => ("text/plain", true),
        };
        assert_eq!((kind, last.in_body), expected, "{last:#?}");
        gate.open();
        next_launch(&world, &book).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost_before_goes_with_it() {
    for place in [Place::Same, Place::Other] {
        for first in [Fate::Lost, Fate::ReplyLost] {
            let world = World::start(super::SDK, place).await;
            let tab = world.play("ada", "quiz").await;
            let book = finish_and_close(&world, tab, first).await;
            world.database.until_kept("ada", "quiz", 2).await;
            world.database.agrees("ada", "quiz", &[&book]);
            next_launch(&world, &book).await;
            world.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_network_cut_the_next_launch_sends_it_with_its_own_key() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        // All that the page ever sends bears this token, since no reply ever brings another.
        world.proxy.cut_off(&world.host.launches()[0]);
        let book = finish_and_close(&world, tab, Fate::Pass).await;
        assert_eq!(world.database.kept("ada", "quiz"), []);
        next_launch(&world, &book).await;
        assert_eq!(world.database.keys(), 1, "the key of the closed tab was never used");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_left_is_not_sent_for_another() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    world.proxy.cut_off(&world.host.launches()[0]);
    let book = finish_and_close(&world, tab, Fate::Pass).await;
    let ben = world.play("ben", "quiz").await;
    ben.answer(77).await;
    let his = ben.saved().await;
    world.database.agrees("ben", "quiz", &[&his]);
    assert_eq!(world.database.kept("ada", "quiz"), []);
    world.login_in(&ben, "ada").await;
    next_launch(&world, &book).await;
    world.database.agrees("ben", "quiz", &[&his]);
    world.end().await;
}
