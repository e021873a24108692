//! Logging out, logging in as somebody else, and coming late: what the login has to do with the key.

use crate::stage::host::HOST;
use crate::stage::world::{Place, World};
use serde_json::json;

const ENDED: &str = "widget.book().events.some((event) => event.name === 'ended')";

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_in_another_tab_ends_the_key_and_keeps_the_answers() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        tab.answer(1).await;
        tab.saved().await;
        let unused = world.also("quiz").await;

        let other = world.also("essay").await;
        other.act("document.querySelector('#logout button').click()").await;
        other.until("document.querySelector('p#away')").await;

        // The key in use, and the launch that nobody has used yet.
        for (tab, n) in [(&tab, 2), (&unused, 3)] {
            tab.front().await;
            tab.answer(n).await;
            tab.until(ENDED).await;
            let book = tab.book().await;
            assert_eq!(book.told("ended")[0]["reason"], "login_over");
            let outcome = book.outcomes.last().unwrap();
            assert_eq!((outcome.state.as_str(), &outcome.result["kept"]), ("ended", &json!(true)));
            // What is asked for afterwards is kept as well.
            tab.answer(10 + n).await;
            tab.until("widget.settled()").await;
        }
        assert_eq!(world.host.renewals(), ["401 nobody", "401 nobody"]);
        assert_eq!(world.database.kept("ada", "quiz").len(), 1);
        let (one, two) = (tab.book().await, unused.book().await);
        for book in [&one, &two] {
            assert_eq!(book.outcomes.last().unwrap().result["kept"], true);
        }

        let back = world.play("ada", "quiz").await;
        back.until("widget.activity.unsaved === 0 && Object.keys(localStorage).length === 0").await;
        world.database.agrees("ada", "quiz", &[&one, &two]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_logs_in_and_nothing_is_sent_in_their_name() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    // On a computer of the school: Ada's page is still open when Ben logs in.
    world.login("ben").await;
    world.later(31 * 60);
    tab.front().await;
    tab.answer(2).await;
    tab.until(ENDED).await;
    let book = tab.book().await;
    assert_eq!(book.told("ended")[0]["reason"], "other_user");
    assert_eq!(book.outcomes[1].result["kept"], true);
    assert_eq!(world.host.renewals(), ["200 ben"]);
    assert_eq!(world.database.kept("ben", "quiz"), []);
    assert_eq!(world.database.kept("ada", "quiz").len(), 1);

    let back = world.play("ada", "quiz").await;
    back.until("widget.activity.unsaved === 0 && Object.keys(localStorage).length === 0").await;
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_left_open_before_its_first_answer_renews_by_itself() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        // The launch token waits for a quarter of an hour; the student reads for twenty minutes.
        world.later(20 * 60);
        tab.answer(1).await;
        tab.grade(5.5).await;
        let book = tab.saved().await;
        assert_eq!(book.told("renewed").len(), 1);
        assert_eq!(world.host.renewals(), ["200 ada"]);
        assert_eq!(world.database.keys(), 1, "the expired launch starts no key");
        world.database.agrees("ada", "quiz", &[&book]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_at_its_absolute_end_is_renewed_in_place() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    for n in 0..40 {
        tab.answer(n).await;
        tab.saved().await;
        // Never idle for half an hour, but eight hours pass.
        world.later(25 * 60);
    }
    let book = tab.saved().await;
    assert!(!world.host.renewals().is_empty());
    assert_eq!(book.told("renewed").len(), world.host.renewals().len());
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_host_ends_is_renewed_while_the_login_holds() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    let key = world.host.latchkey.key_of(&world.newest_token()).unwrap();
    let (store, now) = (world.host.latchkey.store(), world.host.latchkey.now());
    assert!(store.revoke(HOST, key, "by hand", now).await.unwrap());
    tab.answer(2).await;
    let book = tab.saved().await;
    assert_eq!(world.host.renewals(), ["200 ada"]);
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}
