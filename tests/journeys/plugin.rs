//! The plugin of the manual, in Rust, as somebody writes it in five minutes.

use crate::stage::host::Sdk;
use crate::stage::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_exercise_is_answered_offline_and_handed_in() {
    let world = World::start(Sdk::Wasm, Place::Same).await;
    let tab = world.login("ada").await;
    tab.go(&world.url("/exercise")).await;
    tab.until("document.getElementById('right').onclick").await;
    let state = "document.getElementById('state').textContent";
    tab.act("document.getElementById('right').click()").await;
    tab.until(&format!("{state} === 'All saved.'")).await;
    assert_eq!(world.database.kept("ada", "exercise").len(), 1);

    // Without a network it says so, and nothing is lost with the page.
    tab.offline(true).await;
    tab.until("!navigator.onLine").await;
    tab.act("document.getElementById('wrong').click()").await;
    tab.act("document.getElementById('right').click()").await;
    tab.until(&format!("{state} === '2 not saved yet.'")).await;
    assert_eq!(tab.eval::<usize>("Object.keys(localStorage).length").await, 2);
    tab.close().await;

    let tab = world.browser.tab().await;
    tab.go(&world.url("/exercise")).await;
    tab.until(&format!("{state} === 'All saved.'")).await;
    assert_eq!(world.database.kept("ada", "exercise").len(), 3);
    tab.until("document.getElementById('right').onclick").await;
    tab.act("document.getElementById('right').click()").await;
    tab.act("document.getElementById('done').click()").await;
    tab.until(&format!("{state}.startsWith('Handed in: ')")).await;
    // One of three, out of the activity's ten.
    let score: f64 = tab.eval(&format!("Number({state}.slice(11))")).await;
    assert!((score - 10.0 / 3.0).abs() < 1e-9, "{score}");
    assert_eq!(tab.eval::<Vec<String>>("violations").await, [""; 0]);
    world.end().await;
}

/// The very same plugin in a frame without an origin: its block names the page around it, and that is all.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_frame_the_manuals_exercise_gets_its_key_from_the_page_around() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(Sdk::Wasm, place).await;
        world.for_frames();
        let tab = world.login("ada").await;
        tab.go(&world.url("/around/exercise")).await;
        tab.ask_until("placed", "document.getElementById('right')?.onclick").await;
        let state = "document.getElementById('state').textContent";
        tab.framed_act("document.getElementById('right').click()").await;
        tab.ask_until("placed", &format!("{state} === 'All saved.'")).await;
        assert_eq!(world.database.kept("ada", "exercise").len(), 1);
        assert_eq!(tab.ask::<String>("placed", "origin").await, "null");

        // The key is too old: the page around asks its host for another.
        world.later(31 * 60);
        tab.framed_act("document.getElementById('done').click()").await;
        tab.ask_until("placed", &format!("{state}.startsWith('Handed in: ')")).await;
        assert_eq!(world.host.renewals(), ["200 ada"]);
        assert_eq!(world.database.kept("ada", "exercise").len(), 2);
        assert_eq!(tab.eval::<Vec<String>>("warnings").await, [""; 0]);
        world.end().await;
    }
}

/// Where no page has placed the frame, the plugin says so.
#[tokio::test(flavor = "multi_thread")]
async fn outside_its_frame_the_manuals_exercise_says_what_is_wrong() {
    let world = World::start(Sdk::Wasm, Place::Same).await;
    let tab = world.login("ada").await;
    tab.go(&world.url("/framed/exercise")).await;
    tab.until("window.failure").await;
    let failure: String = tab.eval("failure").await;
    assert!(failure.contains("that page places the frame once"), "{failure}");
    world.end().await;
}
