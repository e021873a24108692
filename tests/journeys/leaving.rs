//! A page that is left, hidden, kept in memory or prepared in advance.

use crate::stage::proxy::{Fate, Gate};
use crate::stage::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn away_and_back_with_the_back_button() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        tab.answer(1).await;
        tab.saved().await;
        // The answer is given, and the page left before it is acknowledged.
        world.proxy.next([Fate::Lost]);
        tab.answer(2).await;
        // On a slow machine the next attempt may have come before anybody looks.
        world.proxy.until("the attempt", |calls| calls.len() >= 2).await;
        let before = tab.book().await;
        tab.act("document.getElementById('away').click()").await;
        tab.until("document.querySelector('p#away')").await;
        // Sent on the way out.
        world.database.until_kept("ada", "quiz", 2).await;
        world.database.agrees("ada", "quiz", &[&before]);
        world.later(31);

        tab.act("history.back()").await;
        tab.until("window.widget && document.body.dataset.widget === 'ready'").await;
        tab.answer(3).await;
        tab.until("widget.book().outcomes.at(-1).state === 'saved'").await;
        if tab.eval::<bool>("window.restored === 1").await {
            // The page as it was: it still holds its key, and hears that all is saved.
            let book = tab.saved().await;
            assert_eq!(book.outcomes.len(), 3);
            world.database.agrees("ada", "quiz", &[&book]);
            assert_eq!(world.host.launches().len(), 1);
        } else {
            // A new page with a key of its own.
            let book = tab.saved().await;
            assert_eq!(book.outcomes.len(), 1);
            world.database.agrees("ada", "quiz", &[&before, &book]);
            assert_eq!(world.host.launches().len(), 2);
        }
        tab.until("Object.keys(localStorage).length === 0").await;
        assert_eq!(world.database.revoked(), [""; 0]);
        assert_eq!(tab.thrown(), [""; 0]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_away_and_back_the_key_is_over_and_renewed() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    let before = tab.saved().await;
    tab.act("document.getElementById('away').click()").await;
    tab.until("document.querySelector('p#away')").await;
    // A lesson later: no key lives that long without being used.
    world.later(45 * 60);
    tab.act("history.back()").await;
    tab.until("window.widget && document.body.dataset.widget === 'ready'").await;
    tab.answer(2).await;
    tab.until("widget.book().outcomes.at(-1).state === 'saved'").await;
    let book = tab.saved().await;
    let restored = tab.eval::<bool>("window.restored === 1").await;
    let books = if restored { vec![&book] } else { vec![&before, &book] };
    assert_eq!(book.told("renewed").len(), usize::from(restored));
    world.database.agrees("ada", "quiz", &books);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_by_another_tab_it_sends_what_it_has() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        let gate = Gate::closed();
        world.proxy.next([Fate::Held(gate.clone())]);
        tab.answer(1).await;
        world.proxy.until("the first attempt", |calls| calls.len() == 1).await;
        // These wait for the first, but must not wait when the page may be going away.
        tab.answer(2).await;
        tab.grade(5.0).await;
        let other = world.browser.tab().await;
        tab.until("document.visibilityState === 'hidden'").await;
        world.database.until_kept("ada", "quiz", 3).await;
        let book = tab.book().await;
        world.database.agrees("ada", "quiz", &[&book]);

        other.close().await;
        tab.front().await;
        gate.open();
        let book = tab.saved().await;
        world.database.agrees("ada", "quiz", &[&book]);
        assert_eq!(world.database.revoked(), [""; 0]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_without_a_network_it_sends_when_there_is_one_again() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        tab.offline(true).await;
        tab.answer(1).await;
        tab.grade(2.0).await;
        tab.until("widget.activity.unsaved === 2").await;
        let _other = world.browser.tab().await;
        tab.until("document.visibilityState === 'hidden'").await;
        // Nobody ever looks at the page again.
        tab.offline(false).await;
        world.database.until_kept("ada", "quiz", 2).await;
        let book = tab.book().await;
        world.database.agrees("ada", "quiz", &[&book]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_prepared_in_advance_waits_until_it_is_looked_at() {
    let world = World::start(super::SDK, Place::Same).await;
    // Something is left over, so that a page has a reason to send at once.
    let earlier = world.play("ada", "quiz").await;
    world.proxy.cut_off(&world.host.launches()[0]);
    earlier.answer(1).await;
    earlier.until("widget.activity.unsaved === 1").await;
    let left = earlier.book().await;
    earlier.close().await;

    // The driver lets go of the tab: Chromium prepares no pages for one that is watched.
    let tab = world.browser.tab().await;
    tab.go(&world.url("/door/quiz")).await;
    tab.until("document.getElementById('door')").await;
    tab.let_go(&world.browser).await;
    world.host.door.add_permits(1);
    world.host.until_prepared().await;
    let used = world.proxy.history();
    let launches = world.host.launches();
    assert_eq!(launches.len(), 2);
    let early = used.iter().any(|call| call.token == launches[1]);
    assert!(!early, "nobody has looked at the page yet: {used:#?}");
    assert_eq!(world.database.keys(), 0);

    world.host.door.add_permits(1);
    world.database.until_kept("ada", "quiz", 2).await;
    let kept = world.database.kept("ada", "quiz");
    let mut events: Vec<_> = kept.iter().map(|kept| kept.args["event"].as_str().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events, ["answered", "opened"]);
    assert!(kept.iter().any(|kept| kept.args == left.outcomes[0].args));
    assert_eq!(
        world.host.launches().len(),
        2,
        "the page that was prepared is the page that is shown"
    );
    assert_eq!(world.database.keys(), 1);
    world.end().await;
}
