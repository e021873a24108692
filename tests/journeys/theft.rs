//! A thief has copied a token out of the page's traffic. Whoever comes second finds him out; the page's
//! own login gives it a new key, which he has not.

use crate::stage::proxy::Fate;
use crate::stage::tab::{Book, Tab};
use crate::stage::world::{Place, World};

/// A page that has confirmed its first rotated token and has been offered no other yet.
async fn working(place: Place) -> (World, Tab) {
    let world = World::start(super::SDK, place).await;
    let tab = world.play("ada", "quiz").await;
    for question in 1..=2 {
        tab.answer(question).await;
        tab.saved().await;
        world.later(31);
    }
    (world, tab)
}

/// The page noticed nothing but a renewal; all of it is saved once.
async fn unharmed(world: &World, tab: &Tab, renewals: usize) -> Book {
    let book = tab.saved().await;
    assert_eq!(book.told("renewed").len(), renewals, "{book:#?}");
    assert!(book.told("ended").is_empty() && book.told("refused").is_empty(), "{book:#?}");
    assert_eq!(world.host.renewals(), vec!["200 ada"; renewals]);
    assert_eq!(tab.thrown(), [""; 0]);
    world.database.agrees("ada", "quiz", &[&book]);
    book
}

#[tokio::test(flavor = "multi_thread")]
async fn he_rotates_ahead_and_the_page_finds_him_out() {
    let (world, tab) = working(Place::Same).await;
    let mut thief = world.thief(&world.newest_token());
    // He confirms the token that the page holds, is offered the next, and goes on alone.
    thief.succeeds().await;
    world.later(31);
    thief.succeeds().await;
    thief.succeeds().await;
    world.later(31);
    assert_eq!(world.database.revoked(), [""; 0]);

    tab.answer(3).await;
    unharmed(&world, &tab, 1).await;
    let refused: Vec<_> =
        world.proxy.history().iter().filter(|call| call.status == Some(401)).cloned().collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert_eq!(refused[0].reply["error"]["code"], "key_renew");
    assert_eq!(world.database.revoked(), ["theft"]);
    thief.fails().await;

    tab.grade(9.0).await;
    unharmed(&world, &tab, 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn he_rotates_ahead_and_the_page_comes_just_after_him() {
    let (world, tab) = working(Place::Other).await;
    let mut thief = world.thief(&world.newest_token());
    thief.succeeds().await;
    world.later(31);
    thief.succeeds().await;
    thief.succeeds().await;
    // Within the late window the answer is still taken, but the page is told to renew at once, and
    // that ends the key in his hands.
    tab.answer(3).await;
    tab.until("widget.book().events.some((event) => event.name === 'renewed')").await;
    unharmed(&world, &tab, 1).await;
    assert_eq!(world.database.revoked(), ["renewed"]);
    thief.fails().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn he_uses_an_old_token_and_gives_himself_away() {
    let (world, tab) = working(Place::Same).await;
    let mut thief = world.thief(&world.newest_token());
    for question in 3..=5 {
        tab.answer(question).await;
        tab.saved().await;
        world.later(31);
    }
    assert_eq!(world.database.revoked(), [""; 0]);
    thief.fails().await;
    assert_eq!(world.database.revoked(), ["theft"]);
    thief.fails().await;

    tab.answer(6).await;
    tab.grade(7.0).await;
    unharmed(&world, &tab, 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_offered_a_successor_and_the_second_to_use_his_is_found_out() {
    let (world, tab) = working(Place::Same).await;
    // Let the page confirm its token, so that both hold the current one.
    tab.answer(3).await;
    tab.saved().await;
    let mut thief = world.thief(&world.newest_token());
    world.later(31);
    thief.succeeds().await;
    tab.answer(4).await;
    tab.saved().await;
    tab.answer(5).await;
    tab.saved().await;
    assert_eq!(world.database.revoked(), [""; 0]);
    thief.fails().await;
    assert_eq!(world.database.revoked(), ["theft"]);
    tab.answer(6).await;
    unharmed(&world, &tab, 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_launch_token_read_from_the_page_in_passing_does_not_last() {
    let world = World::start(super::SDK, Place::Other).await;
    let tab = world.play("ada", "quiz").await;
    let mut thief = world.thief(&world.host.launches()[0]);
    // He may even be first: one key it is, whoever starts it.
    thief.succeeds().await;
    tab.answer(1).await;
    tab.saved().await;
    assert_eq!(world.database.keys(), 1);
    world.later(31);
    tab.answer(2).await;
    tab.saved().await;
    tab.answer(3).await;
    tab.saved().await;
    // Both were given re-stamps of one generation, and the page has moved on to the next.
    world.later(31);
    thief.fails().await;
    assert_eq!(world.database.revoked(), ["theft"]);
    tab.answer(4).await;
    unharmed(&world, &tab, 1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn found_out_while_the_network_is_at_its_worst() {
    let (world, tab) = working(Place::Other).await;
    let mut thief = world.thief(&world.newest_token());
    thief.succeeds().await;
    world.later(31);
    thief.succeeds().await;
    thief.succeeds().await;
    world.later(31);
    // The refusal itself is lost, and the first call of the new key as well.
    world.proxy.next([Fate::ReplyLost, Fate::Lost, Fate::Pass, Fate::ReplyLost, Fate::Twice]);
    tab.answer(3).await;
    tab.grade(6.5).await;
    unharmed(&world, &tab, 1).await;
    assert_eq!(world.database.revoked(), ["theft"]);
    thief.fails().await;
    world.end().await;
}
