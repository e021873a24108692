//! Flash movies in the demo, played by the real Ruffle: one whose page has the key, one that has it itself.

use crate::demo::Walk;
use crate::stage::comes_within;
use crate::stage::hands::{Hand, fits, key, narrow};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchMouseEventParams, DispatchMouseEventType, MouseButton,
};
use chromiumoxide::cdp::browser_protocol::network::{BlockPattern, SetBlockedUrLsParams};
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use serde_json::{Value, json};
use std::time::Duration;

/// Where towns wait on the stage of 560 × 520, in the order of the river.
const WAITING: [(f64, f64); 6] = [
    (367.0, 306.0),
    (485.0, 350.0),
    (367.0, 350.0),
    (367.0, 262.0),
    (485.0, 306.0),
    (485.0, 262.0),
];
/// Where they belong.
const PLACES: [(f64, f64); 6] = [
    (505.0, 118.0),
    (424.0, 150.0),
    (300.0, 128.0),
    (158.0, 176.0),
    (178.0, 316.0),
    (146.0, 388.0),
];
const HAND_IN: (f64, f64) = (474.0, 466.0);
/// Player and movie take their time on a busy machine.
const START: Duration = Duration::from_secs(90);

/// Writes down what movies say to their page and what they are answered, without touching either.
const LISTEN: &str = "
    window.said = [];
    window.heard = [];
    const known = new WeakSet();
    new MutationObserver(() => {
      for (const element of document.querySelectorAll('ruffle-object, ruffle-embed, ruffle-player')) {
        if (known.has(element) || !element.ruffle) continue;
        known.add(element);
        element.ruffle(1).addFSCommandHandler((command, words) => said.push([command, words]));
      }
    }).observe(document, { childList: true, subtree: true });
    addEventListener('load', () => new PerformanceObserver((list) => {
      for (const { name } of list.getEntries())
        if (name.includes('/legacy/v1/')) heard.push(name.split('/').at(-1));
    }).observe({ type: 'resource', buffered: true }));";

async fn entered(user: &str, phone: bool) -> Walk {
    let walk = Walk::start(Hand::Pointer).await;
    if phone {
        narrow(&walk.tab).await;
    }
    walk.tab.run(AddScriptToEvaluateOnNewDocumentParams::new(LISTEN)).await;
    walk.tab.go(&walk.site).await;
    walk.log_in(user).await;
    walk
}

/// Opens a movie, and waits until it has read what was kept and what the class did.
async fn open(walk: &Walk, activity: &str) {
    walk.tab.go(&format!("{}/activity/{activity}", walk.site)).await;
    walk.at(&format!("/activity/{activity}")).await;
    // It asks for one thing after the other: once it asks for what the class did, it knows what was kept.
    let started = match activity {
        "rhone" => "said.some(([command]) => command === 'latchkey.recent')",
        _ => "heard.includes('recent')",
    };
    let come = comes_within(START, async || walk.tab.eval::<bool>(started).await).await;
    assert!(come, "the movie does not start");
}

/// A spot of the stage in the window.
async fn spot(walk: &Walk, (x, y): (f64, f64)) -> (f64, f64) {
    let [left, top, width]: [f64; 3] = walk
        .tab
        .eval(
            "(() => {
               const movie = document.querySelector('ruffle-object');
               movie.scrollIntoView({ block: 'center', behavior: 'instant' });
               const { left, top, width } = movie.getBoundingClientRect();
               return [left, top, width];
             })()",
        )
        .await;
    (left + x * width / 560.0, top + y * width / 560.0)
}

async fn mouse(walk: &Walk, kind: DispatchMouseEventType, (x, y): (f64, f64), down: bool) {
    let event = DispatchMouseEventParams::builder().r#type(kind.clone()).x(x).y(y);
    let event = match kind {
        DispatchMouseEventType::MouseMoved => event.buttons(i64::from(down)),
        _ => event.button(MouseButton::Left).buttons(i64::from(down)).click_count(1),
    };
    walk.tab.run(event.build().unwrap()).await;
    frames(walk).await;
}

/// Lets the movie play on by some frames.
async fn frames(walk: &Walk) {
    let passed: bool = walk
        .tab
        .eval("new Promise((go) => { let n = 8; const on = () => (n-- ? requestAnimationFrame(on) : go(true)); on(); })")
        .await;
    assert!(passed);
}

async fn drag(walk: &Walk, from: (f64, f64), to: (f64, f64)) {
    use DispatchMouseEventType::{MouseMoved, MousePressed, MouseReleased};
    let (from, to) = (spot(walk, from).await, spot(walk, to).await);
    let half = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0);
    mouse(walk, MouseMoved, from, false).await;
    mouse(walk, MousePressed, from, true).await;
    mouse(walk, MouseMoved, half, true).await;
    mouse(walk, MouseMoved, to, true).await;
    mouse(walk, MouseReleased, to, false).await;
}

/// Drags, or presses where that is the same spot, and waits for what comes of it.
async fn moves(walk: &Walk, activity: &str, count: usize, from: (f64, f64), to: (f64, f64)) {
    drag(walk, from, to).await;
    walk.database.until_kept("s1", activity, count).await;
}

/// What is kept, but for the word of who they are.
fn kept(walk: &Walk, user: &str, activity: &str) -> Vec<Value> {
    walk.database.kept(user, activity).into_iter().map(|kept| kept.args).collect()
}

fn placed(town: &str, place: u32) -> Value {
    json!({ "event": "placed", "data": { "town": town, "place": place.to_string() } })
}

/// Two towns by one launch, the others by the next, and a grade.
async fn plays(activity: &str, phone: bool) {
    let walk = entered("ada", phone).await;
    open(&walk, activity).await;
    fits(&walk.tab).await;
    moves(&walk, activity, 1, WAITING[2], PLACES[2]).await;
    moves(&walk, activity, 2, WAITING[3], PLACES[3]).await;
    walk.database.until_state("s1", activity, "rhone", &json!("-1,-1,2,3,-1,-1")).await;
    assert_eq!(kept(&walk, "s1", activity), [placed("Genève", 3), placed("Lyon", 4)]);

    // Left, and opened again: both are where they were, or the last move would not make six.
    open(&walk, activity).await;
    for (count, town) in [(3, 0), (4, 1), (5, 4), (6, 5)] {
        moves(&walk, activity, count, WAITING[town], PLACES[town]).await;
    }
    moves(&walk, activity, 7, HAND_IN, HAND_IN).await;
    assert_eq!(kept(&walk, "s1", activity).last(), Some(&json!({ "score": 6.0 })));
    frames(&walk).await;
    assert_eq!(walk.tab.thrown(), [""; 0]);
    assert_eq!(walk.tab.eval::<Vec<String>>("violations").await, [""; 0]);

    walk.tab.go(&format!("{}/course", walk.site)).await;
    walk.at("/course").await;
    let (submission, standing) = walk.in_the_gradebook(activity).await;
    assert!(
        submission.contains("Every town is in its place, from Brig to Arles: 100 %."),
        "{submission}"
    );
    assert!(standing.contains('6'), "{standing}");
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movie_plays_through_the_key_of_its_page() {
    plays("rhone", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movie_plays_with_a_key_of_its_own() {
    plays("rhone-alone", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movie_plays_by_keyboard_on_a_phone() {
    let walk = entered("ada", true).await;
    open(&walk, "rhone").await;
    fits(&walk.tab).await;
    while !walk.tab.eval::<bool>("document.activeElement.localName === 'ruffle-object'").await {
        key(&walk.tab, "Tab").await;
    }
    let seen = "getComputedStyle(document.querySelector('.film')).outlineStyle === 'solid'";
    assert!(walk.tab.eval::<bool>(seen).await, "nothing shows where the focus is");
    // The first that waits is Lyon: to its place, and the next one is chosen.
    for code in ["Digit4", "ArrowDown", "Digit6"] {
        key(&walk.tab, code).await;
        frames(&walk).await;
    }
    walk.database.until_kept("s1", "rhone", 2).await;
    assert_eq!(kept(&walk, "s1", "rhone"), [placed("Lyon", 4), placed("Arles", 6)]);
    walk.database.until_state("s1", "rhone", "rhone", &json!("-1,-1,-1,3,-1,5")).await;
    assert_eq!(walk.tab.thrown(), [""; 0]);
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_that_does_not_come_is_told() {
    let walk = entered("ada", false).await;
    let blocked = BlockPattern::new("*://*:*/built/ruffle.js", true);
    walk.tab.run(SetBlockedUrLsParams::builder().url_pattern(blocked).build()).await;
    for activity in ["rhone", "rhone-alone"] {
        walk.tab.go(&format!("{}/activity/{activity}", walk.site)).await;
        walk.at(&format!("/activity/{activity}")).await;
        let problem = "document.querySelector('[data-testid=film-problem]')";
        walk.tab.until(&format!("{problem}.checkVisibility()")).await;
    }
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teacher_looks_at_a_movie_and_leaves_nothing() {
    let walk = entered("teacher", false).await;
    open(&walk, "rhone").await;
    let logged = "said.some(([command]) => command === 'latchkey.log')";
    drag(&walk, WAITING[3], PLACES[3]).await;
    walk.tab.until(logged).await;
    // What is asked next is answered after that.
    open(&walk, "rhone").await;
    assert_eq!(kept(&walk, "t1", "rhone"), [] as [Value; 0]);
    assert_eq!(walk.tab.thrown(), [""; 0]);
    walk.browser.close().await;
}
