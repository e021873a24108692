//! A key is good for what it says and from where it says, and a page that asks for more is told so
//! in words.

use crate::stage::tab::{Book, Tab};
use crate::stage::world::{Place, World};
use latchkey_protocol::launch::Mode;
use serde_json::Value;

/// What a person reads: a sentence, not a number.
fn readable(text: &str) {
    let sentence = text.len() > 20 && text.contains(' ') && !text.contains("undefined");
    assert!(sentence && !text.contains("[object"), "{text:?}");
}

async fn shown(tab: &Tab, place: &str) -> String {
    tab.eval(&format!("document.getElementById('{place}').textContent")).await
}

/// The page is told that its key may not be used at all.
async fn ended(world: &World) -> Book {
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.until("widget.settled()").await;
    let book = tab.book().await;
    let outcome = &book.outcomes[0];
    assert_eq!((outcome.state.as_str(), &outcome.result["reason"]), ("ended", &"refused".into()));
    readable(outcome.result["message"].as_str().unwrap());
    assert_eq!(shown(&tab, "state").await, "Ended: refused");
    let call = world.proxy.history().pop().unwrap();
    assert_eq!((call.status, &call.reply["error"]["code"]), (Some(403), &"key_scope".into()));
    readable(call.reply["error"]["message"].as_str().unwrap());
    assert_eq!(call.offered(), None);
    assert_eq!(world.database.keys(), 0, "a refused first use starts nothing");
    assert_eq!(world.host.renewals(), [""; 0], "another key would not help");
    assert_eq!(tab.thrown(), [""; 0]);
    book
}

#[tokio::test(flavor = "multi_thread")]
async fn not_from_a_page_of_another_origin() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        world
            .host
            .launches_with(|claims| claims.origins = Some(vec!["https://other.example".into()]));
        let book = ended(&world).await;
        // The answer is not thrown away: the next launch may be a better one.
        assert_eq!(book.outcomes[0].result["kept"], true);
        world.host.launches_with(|_| ());
        let tab = world.also("quiz").await;
        tab.until("widget.activity.unsaved === 0 && Object.keys(localStorage).length === 0").await;
        world.database.agrees("ada", "quiz", &[&book]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_from_another_network() {
    let world = World::start(super::SDK, Place::Other).await;
    world.host.launches_with(|claims| claims.networks = Some(vec!["10.0.0.0/8".into()]));
    ended(&world).await;
    world.host.launches_with(|claims| claims.networks = Some(vec!["127.".into()]));
    let tab = world.also("quiz").await;
    tab.answer(2).await;
    tab.saved().await;
    assert_eq!(world.database.kept("ada", "quiz").len(), 2);
    world.end().await;
}

/// The error of the newest thing that was asked for.
async fn refused(tab: &Tab) -> Value {
    tab.until("widget.settled()").await;
    let book = tab.book().await;
    let outcome = book.outcomes.last().unwrap();
    assert_eq!(outcome.state, "refused", "{book:#?}");
    assert_eq!(outcome.result["name"], "RefusedError");
    let message = outcome.result["message"].as_str().unwrap();
    readable(message);
    assert_eq!(shown(tab, "problem").await, format!("Refused: {message}"));
    outcome.result.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_functions_that_were_granted() {
    let world = World::start(super::SDK, Place::Same).await;
    world.host.launches_with(|claims| claims.functions = Some(vec!["log".into(), "recent".into()]));
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    tab.grade(10.0).await;
    assert_eq!(refused(&tab).await["code"], "key_scope");
    // The rest goes on.
    tab.answer(2).await;
    tab.until("widget.activity.unsaved === 0 && widget.settled()").await;
    let book = tab.book().await;
    assert_eq!(book.told("refused").len(), 1);
    assert!(book.told("ended").is_empty());
    world.database.agrees("ada", "quiz", &[&book]);
    assert_eq!(tab.recent().await.len(), 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_back_writes_nothing() {
    for mode in [Mode::Review, Mode::Browse] {
        let world = World::start(super::SDK, Place::Other).await;
        let first = world.play("ada", "quiz").await;
        first.answer(1).await;
        let written = first.saved().await;
        world.host.launches_with(move |claims| claims.mode = mode);
        let tab = world.also("quiz").await;
        assert_eq!(tab.recent().await.len(), 2);
        tab.answer(2).await;
        assert_eq!(refused(&tab).await["code"], "key_scope");
        tab.grade(1.0).await;
        assert_eq!(refused(&tab).await["code"], "key_scope");
        world.database.agrees("ada", "quiz", &[&written, &tab.book().await]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_alone_and_said_in_words() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.grade(11.0).await;
    tab.answer(2).await;
    tab.until("widget.settled()").await;
    let book = tab.book().await;
    let states: Vec<_> = book.outcomes.iter().map(|outcome| outcome.state.as_str()).collect();
    assert_eq!(states, ["saved", "refused", "saved"], "{book:#?}");
    let error = &book.outcomes[1].result;
    assert_eq!((&error["code"], &error["field"]), (&"score_above_max".into(), &"score".into()));
    readable(error["message"].as_str().unwrap());
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}
