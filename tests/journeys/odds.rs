//! Machines as they are: storage that takes nothing, clocks that are wrong, a long time without a network.

use crate::stage::world::{Place, World};

/// Runs before the page's own scripts: storage as in a browser that forbids it.
const FORBIDDEN: &str = "Object.defineProperty(window, 'localStorage', {
    get() { throw new DOMException('no', 'SecurityError'); } });";
/// Storage that is full.
const FULL: &str = "Storage.prototype.setItem = () => {
    throw new DOMException('full', 'QuotaExceededError'); };";

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_stored_it_is_said_and_sent_all_the_same() {
    for storage in [FORBIDDEN, FULL] {
        let world = World::start(super::SDK, Place::Other).await;
        let tab = world.login("ada").await;
        tab.before_all(storage).await;
        tab.open(&world.url("/play/quiz")).await;
        tab.offline(true).await;
        tab.until("!navigator.onLine").await;
        tab.answer(1).await;
        tab.grade(7.0).await;
        let book = tab.book().await;
        let last = *book.told("unsaved").last().unwrap();
        assert_eq!((&last["count"], &last["durable"]), (&2.into(), &false.into()));
        tab.offline(false).await;
        let book = tab.saved().await;
        world.database.agrees("ada", "quiz", &[&book]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_day_wrong_changes_nothing() {
    for days in [-1, 1] {
        let world = World::start(super::SDK, Place::Same).await;
        let tab = world.login("ada").await;
        let wrong = format!(
            "{{ const now = Date.now; Date.now = () => now() + {days} * 864e5;
                const Real = Date;
                globalThis.Date = class extends Real {{
                    constructor(...of) {{ of.length ? super(...of) : super(Real.now()); }}
                }}; }}"
        );
        tab.before_all(&wrong).await;
        tab.open(&world.url("/play/quiz")).await;
        tab.grade(4.0).await;
        tab.saved().await;
        // The key moves on, and ends, by the server's clock alone.
        world.later(40);
        tab.answer(1).await;
        tab.saved().await;
        world.later(40 * 60);
        tab.grade(9.0).await;
        let book = tab.saved().await;
        assert_eq!(book.outcomes[2].result["standing"]["score"], 9.0);
        world.database.agrees("ada", "quiz", &[&book]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_answers_without_a_network_go_in_few_requests() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(0).await;
    tab.saved().await;
    tab.offline(true).await;
    tab.until("!navigator.onLine").await;
    for n in 1..=200 {
        tab.answer(n).await;
    }
    let before = world.proxy.history().len();
    tab.offline(false).await;
    let book = tab.saved().await;
    let requests = world.proxy.history().len() - before;
    assert!((2..10).contains(&requests), "{requests} requests");
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}
