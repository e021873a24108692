//! A quiz in a frame without an origin: the page around has the login, the frame has a key.

use crate::stage::frames::stranger;
use crate::stage::proxy::Fate;
use crate::stage::world::{Place, World};
use serde_json::Value;

async fn world(place: Place) -> World {
    let world = World::start(super::SDK, place).await;
    world.for_frames();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_life_of_a_key_in_a_frame() {
    for place in [Place::Same, Place::Other] {
        let world = world(place).await;
        let tab = world.login("ada").await;
        world.around(&tab, "quiz").await;
        let alone: Vec<String> = tab
            .ask(
                "placed",
                "[origin, ...['localStorage', 'sessionStorage'].map((name) => {
                   try { return String(window[name]) } catch (error) { return error.name } }),
                  (() => { try { return document.cookie } catch (error) { return error.name } })(),
                  (() => { try { return parent.document.title } catch (error) { return error.name } })()]",
            )
            .await;
        assert_eq!(
            alone,
            ["null", "SecurityError", "SecurityError", "SecurityError", "SecurityError"]
        );

        tab.framed_act("widget.log('answered', { question: 1 })").await;
        tab.framed_saved().await;
        world.later(31);
        tab.framed_act("widget.grade({ score: 8.5 })").await;
        let book = tab.framed_saved().await;
        assert_eq!(book.outcomes[1].result["standing"]["score"], 8.5);
        let recent: Vec<Value> = tab
            .ask("placed", "widget.activity.recent({ limit: 10 }).then(({ items }) => items)")
            .await;
        let kinds: Vec<_> = recent.iter().map(|item| item["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["grade", "log", "join"]);

        // Nobody has used the key for long: the page around gets another.
        world.later(31 * 60);
        tab.framed_act("widget.log('answered', { question: 2 })").await;
        let book = tab.framed_saved().await;
        assert_eq!(book.told("renewed").len(), 1);
        assert_eq!(world.host.renewals(), ["200 ada"]);
        world.database.agrees("ada", "quiz", &[&book]);
        assert_eq!(world.database.keys(), 2);

        // The page around keeps nothing of it, and the frame keeps it where nobody finds it.
        let traces = tab.traces().await;
        let inside: String =
            tab.ask("placed", "document.documentElement.outerHTML + location.href").await;
        assert!(!traces.contains("eyJ") && !traces.contains("lk1_"), "{traces}");
        assert!(!inside.contains("eyJ") && !inside.contains("latchkey="), "{inside}");
        assert_eq!(tab.eval::<Vec<String>>("warnings").await, [""; 0]);
        assert_eq!(tab.thrown(), [""; 0]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_login_is_over_the_answer_is_kept_and_sent_by_the_next_launch() {
    let world = world(Place::Other).await;
    let tab = world.login("ada").await;
    world.around(&tab, "quiz").await;
    tab.framed_act("widget.log('answered', { question: 1 })").await;
    tab.framed_saved().await;
    let other = world.browser.tab().await;
    other.open(&world.url("/play/quiz")).await;
    other.act("document.querySelector('#logout button').click()").await;
    other.until("document.querySelector('p#away')").await;
    other.close().await;

    tab.front().await;
    tab.framed_act("widget.log('answered', { question: 2 })").await;
    tab.ask_until("placed", "widget.book().events.some(({ name }) => name === 'ended')").await;
    let before = tab.framed_book().await;
    assert_eq!(before.told("ended")[0]["reason"], "login_over");
    assert_eq!(tab.eval::<usize>("Object.keys(localStorage).length").await, 1);

    world.login_in(&tab, "ada").await;
    world.around(&tab, "quiz").await;
    let after = tab.framed_saved().await;
    tab.until("Object.keys(localStorage).length === 0").await;
    world.database.agrees("ada", "quiz", &[&before, &after]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_network_survive_a_closed_tab() {
    let world = world(Place::Other).await;
    let tab = world.login("ada").await;
    world.around(&tab, "quiz").await;
    world.proxy.always(Fate::Lost);
    for question in 1..=3 {
        tab.framed_act(&format!("widget.log('answered', {{ question: {question} }})")).await;
    }
    tab.framed_act("widget.grade({ score: 0 })").await;
    tab.until("Object.keys(localStorage).length === 4").await;
    let before = tab.framed_book().await;
    let last = *before.told("unsaved").last().unwrap();
    assert_eq!((&last["count"], &last["durable"]), (&4.into(), &true.into()));
    tab.close().await;

    // Somebody else on the same machine neither sees nor sends them.
    world.proxy.always(Fate::Pass);
    let tab = world.login("ben").await;
    world.around(&tab, "quiz").await;
    tab.framed_act("widget.log('answered', { question: 1 })").await;
    let theirs = tab.framed_saved().await;
    world.database.agrees("ben", "quiz", &[&theirs]);
    assert_eq!(tab.eval::<usize>("Object.keys(localStorage).length").await, 4);

    world.login_in(&tab, "ada").await;
    world.around(&tab, "quiz").await;
    let after = tab.framed_saved().await;
    tab.until("Object.keys(localStorage).length === 0").await;
    world.database.agrees("ada", "quiz", &[&before, &after]);
    assert_eq!(world.database.revoked(), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_has_gone_elsewhere_gets_nothing() {
    let world = world(Place::Other).await;
    let tab = world.login("ada").await;
    let port = stranger(&world.host.site).await;
    world.around(&tab, "quiz").await;
    // The activity leads its window to a stranger, who says hello from the very frame that was placed.
    tab.framed_act(&format!("setTimeout(() => (location.href = 'http://127.0.0.1:{port}/'))"))
        .await;
    tab.ask_until("placed", "document.getElementById('stranger') && await over").await;
    assert_eq!(tab.ask::<Vec<Value>>("placed", "told").await, [Value::Null; 0]);
    let warnings: Vec<String> = tab.eval("warnings").await;
    assert_eq!(warnings.len(), 4, "{warnings:?}");

    // And from one that has gone elsewhere before it ever said hello.
    tab.go(&world.url("/around/quiz")).await;
    tab.until("document.body?.dataset.placed").await;
    tab.eval::<bool>(&format!(
        "(document.getElementById('placed').src = 'http://127.0.0.1:{port}/', true)"
    ))
    .await;
    tab.ask_until("placed", "document.getElementById('stranger') && await over").await;
    assert_eq!(tab.ask::<Vec<Value>>("placed", "told").await, [Value::Null; 0]);
    assert_eq!(world.database.kept("ada", "quiz"), []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_frame_gets_nothing() {
    let world = world(Place::Same).await;
    let tab = world.login("ada").await;
    let port = stranger(&world.host.site).await;
    world.around(&tab, "quiz").await;
    tab.eval::<bool>(&format!(
        "(document.getElementById('other').src = 'http://127.0.0.1:{port}/', true)"
    ))
    .await;
    tab.ask_until("other", "document.getElementById('stranger') && await over").await;
    assert_eq!(tab.ask::<Vec<Value>>("other", "told").await, [Value::Null; 0]);
    let warnings: Vec<String> = tab.eval("warnings").await;
    assert!(
        warnings.len() == 4 && warnings.iter().all(|text| text.contains("not placed")),
        "{warnings:?}"
    );

    // The control: the frame that was placed goes on as if nothing had happened.
    tab.framed_act("widget.grade({ score: 3 })").await;
    let book = tab.framed_saved().await;
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}
