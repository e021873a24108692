//! The demo's other activities: a guest in a sandbox, the school's records, the pendulum.

use crate::demo::Walk;
use crate::stage::PATIENCE;
use crate::stage::hands::{Hand, fits, key, narrow};
use chromiumoxide::cdp::browser_protocol::input::InsertTextParams;
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use latchkey_lab::pendulum::period;
use serde_json::Value;
use std::time::Duration;

/// The page's clock, in the test's hand: frames, moments of events and readings are all of it.
const CLOCK: &str = "
    (() => {
      let now = performance.now();
      const frames = [];
      performance.now = () => now;
      window.requestAnimationFrame = (frame) => frames.push(frame);
      Object.defineProperty(Event.prototype, 'timeStamp', { get: () => now });
      window.pass = (seconds) => {
        const end = now + seconds * 1000;
        while (now < end) {
          now = Math.min(end, now + 1000 / 60);
          for (const frame of frames.splice(0)) frame(now);
        }
      };
    })();";

async fn opened(hand: Hand, phone: bool, activity: &str) -> Walk {
    let walk = Walk::start(hand).await;
    if phone {
        narrow(&walk.tab).await;
    }
    walk.tab.run(AddScriptToEvaluateOnNewDocumentParams::new(CLOCK)).await;
    walk.tab.go(&walk.site).await;
    walk.log_in("ada").await;
    walk.open(activity).await;
    walk
}

async fn saved(walk: &Walk) {
    walk.tab
        .until("document.querySelector('[data-testid=receipt]')?.dataset.state === 'saved'")
        .await;
    walk.tab
        .until("document.querySelector('[data-testid=save-state]').dataset.state === 'saved'")
        .await;
    fits(&walk.tab).await;
}

/// Nothing was thrown, and nothing that a policy forbids was tried.
async fn clean(walk: &Walk) {
    assert_eq!(walk.tab.eval::<Vec<String>>("window.violations").await, [""; 0]);
    assert_eq!(walk.tab.thrown(), [""; 0]);
    assert_eq!(walk.tab.complaints(), [""; 0]);
}

/// The names of all events that are kept, and the arguments of the last.
fn kept(walk: &Walk, activity: &str) -> (Vec<String>, Value) {
    let all = walk.database.kept("s1", activity);
    let name = |event: &Value| event.as_str().unwrap_or("grade").to_owned();
    let last = all.last().unwrap().args.clone();
    (all.iter().map(|kept| name(&kept.args["event"])).collect(), last)
}

/// Chooses a length by keyboard: from the shortest, so many steps of the page keys.
async fn choose(walk: &Walk, steps: usize) -> f64 {
    walk.tab.eval::<bool>("(document.activeElement.blur(), true)").await;
    walk.hand.reach(&walk.tab, "#length").await;
    key(&walk.tab, "Home").await;
    for _ in 0..steps {
        key(&walk.tab, "PageUp").await;
    }
    walk.tab.eval("document.getElementById('length').valueAsNumber").await
}

/// Times ten swings by the space bar, and puts them into the table under a count.
async fn measure(walk: &Walk, length: f64, late: f64) {
    let tab = &walk.tab;
    walk.press("[data-testid=release][data-state=held]").await;
    tab.until("document.querySelector('[data-testid=release]').dataset.state === 'swinging'").await;
    key(tab, "Space").await;
    tab.until("document.querySelector('[data-testid=watch]').textContent === 'Stop'").await;
    let seconds = 10.0 * period(length, 10.0) + late;
    tab.eval::<bool>(&format!("(pass({seconds}), true)")).await;
    let passes = if late < 0.5 { 20 } else { 21 };
    let told = format!("Light gate: passed {passes} times");
    assert_eq!(walk.text("[data-testid=gate]").await, told);
    key(tab, "Space").await;
    // The count is asked for where the focus goes next; ten stands there already.
    tab.until("document.activeElement.id === 'swings'").await;
    assert_eq!(walk.text("[data-testid=reading]").await, format!("{seconds:.2}"));
    key(tab, "Enter").await;
}

async fn measured(walk: &Walk, rows: usize) {
    walk.tab
        .until(&format!("document.querySelectorAll('[data-testid=measurement]').length === {rows}"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pendulum_by_keyboard_alone() {
    let walk = opened(Hand::Keyboard, false, "pendulum").await;
    let tab = &walk.tab;
    tab.until("!document.getElementById('lab').hidden").await;

    // Too early for everything.
    walk.press("[data-testid=hand-in]").await;
    tab.until("document.querySelector('[data-testid=said]').textContent.includes('3 more')").await;
    tab.eval::<bool>("(document.activeElement.blur(), true)").await;
    key(tab, "Space").await;
    tab.until(
        "document.querySelector('[data-testid=said]').textContent.includes('Let the pendulum go')",
    )
    .await;

    for (row, steps) in [1, 3, 5, 7, 10].into_iter().enumerate() {
        let length = choose(&walk, steps).await;
        measure(&walk, length, 0.05).await;
        measured(&walk, row + 1).await;
    }
    let estimate = walk.text("[data-testid=estimate]").await;
    assert!(estimate.contains("(9.7") || estimate.contains("(9.8"), "{estimate}");

    // A slip, seen and taken out.
    let length = choose(&walk, 10).await;
    measure(&walk, length, 1.2).await;
    measured(&walk, 6).await;
    walk.press("[data-testid=delete][data-row='5']").await;
    measured(&walk, 5).await;
    assert_eq!(walk.text("[data-testid=estimate]").await, estimate);
    assert!(tab.eval::<bool>("document.activeElement.matches('[data-testid=delete]')").await);

    // The table outlives a reload; the pendulum does not.
    tab.go(&format!("{}/activity/pendulum", walk.site)).await;
    measured(&walk, 5).await;
    walk.press("[data-testid=hand-in]").await;
    saved(&walk).await;
    let comment = walk.text("[data-testid=comment]").await;
    assert!(comment.contains("very well measured"), "{comment}");
    let (events, last) = kept(&walk, "pendulum");
    let expected = [["measured"; 6].as_slice(), &["deleted", "grade"]].concat();
    assert_eq!(events, expected);
    assert_eq!(last["score"], 10.0);
    assert_eq!(walk.count("[data-testid=delete]").await, 0, "what is handed in stays");
    clean(&walk).await;

    let (submission, standing) = walk.in_the_gradebook("pendulum").await;
    assert!(submission.contains("g = (9."), "{submission}");
    assert!(standing.contains("10"), "{standing}");
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pendulum_on_a_phone() {
    let walk = opened(Hand::Pointer, true, "pendulum").await;
    let tab = &walk.tab;
    tab.until("!document.getElementById('lab').hidden").await;
    fits(tab).await;
    // Wide swings, one at a time, all of a length: everything that is wrong at once.
    for (row, length) in ["0.90", "1.00", "1.10"].into_iter().enumerate() {
        for (slider, value) in [("length", length), ("angle", "60")] {
            tab.eval::<bool>(&format!(
                "(() => {{ const slider = document.getElementById('{slider}'); slider.value = '{value}';
                   return slider.dispatchEvent(new Event('input', {{ bubbles: true }})) }})()"
            ))
            .await;
        }
        walk.press("[data-testid=release]").await;
        walk.press("[data-testid=watch]").await;
        tab.until("document.querySelector('[data-testid=watch]').textContent === 'Stop'").await;
        let swing = period(length.parse().unwrap(), 60.0);
        tab.eval::<bool>(&format!("(pass({swing}), true)")).await;
        walk.press("[data-testid=watch]").await;
        tab.eval::<bool>("(document.getElementById('swings').select(), true)").await;
        tab.run(InsertTextParams::new("1")).await;
        walk.press("[data-testid=keep]").await;
        measured(&walk, row + 1).await;
    }
    fits(tab).await;
    walk.press("[data-testid=hand-in]").await;
    saved(&walk).await;
    let comment = walk.text("[data-testid=comment]").await;
    for advice in ["too small", "up to 60°", "instead of one swing", "nearly alike"] {
        assert!(comment.contains(advice), "{advice}: {comment}");
    }
    let (_, last) = kept(&walk, "pendulum");
    assert!(last["score"].as_f64().unwrap() < 3.0, "{last}");
    clean(&walk).await;
    walk.browser.close().await;
}

/// Writes a query over whatever stands there, and has it run.
async fn query(walk: &Walk, text: &str, verdict: &str) -> String {
    let tab = &walk.tab;
    tab.until("document.getElementById('query')").await;
    tab.eval::<bool>("(document.querySelector('[data-testid=feedback]').replaceChildren(), document.activeElement.blur(), true)").await;
    walk.hand.write(tab, "#query", "").await;
    tab.eval::<bool>("(document.getElementById('query').select(), true)").await;
    tab.run(InsertTextParams::new(text)).await;
    walk.press("[data-testid=run]").await;
    tab.until(&format!(
        "document.querySelector('[data-testid=feedback]').textContent
         && document.querySelector('[data-testid=feedback]').dataset.verdict === '{verdict}'"
    ))
    .await;
    fits(tab).await;
    walk.text("[data-testid=feedback]").await
}

async fn records(hand: Hand, phone: bool) {
    let walk = opened(hand, phone, "records").await;
    let wrong = query(&walk, "SELECT name, class FROM students WHERE class = '8b'", "half").await;
    assert!(wrong.contains("2 columns; 1 is asked for"), "{wrong}");
    let error = query(&walk, "SELEC name FROM students", "wrong").await;
    assert!(error.contains("near \"SELEC\": syntax error"), "{error}");
    let endless = query(
        &walk,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT count(*) FROM n",
        "wrong",
    )
    .await;
    assert!(endless.contains("found no end"), "{endless}");
    // What a query does to the records is gone at the next.
    let gone = query(&walk, "DELETE FROM students", "half").await;
    assert!(gone.contains("gives no table"), "{gone}");
    let right = query(
        &walk,
        "SELECT name AS who FROM students WHERE class LIKE '8b' ORDER BY 1 DESC",
        "right",
    )
    .await;
    assert!(
        right.contains("after 5 tries") && right.contains("4 rows") && right.contains("Ines Costa"),
        "{right}"
    );

    // The next one asks for an order.
    walk.press("[data-testid=next]").await;
    walk.tab.until("document.querySelector('form.query').dataset.task === '2'").await;
    let order = query(&walk, "SELECT name, born FROM students ORDER BY name", "half").await;
    assert!(order.contains("not in the order"), "{order}");
    query(&walk, "SELECT name, born FROM students ORDER BY born", "right").await;

    walk.press("[data-testid=hand-in]").await;
    saved(&walk).await;
    let (events, last) = kept(&walk, "records");
    let expected =
        "started queried queried queried queried queried solved queried queried solved grade";
    assert_eq!(events.join(" "), expected);
    assert_eq!(last["score"], 4.0);
    clean(&walk).await;
    let (submission, standing) = walk.in_the_gradebook("records").await;
    assert!(submission.contains("2 of 6 tasks solved. Still open: 3, 4, 5, 6."), "{submission}");
    assert!(standing.contains('4'), "{standing}");
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_by_keyboard_alone() {
    records(Hand::Keyboard, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_records_on_a_phone() {
    records(Hand::Pointer, true).await;
}

/// By keyboard alone, since no driver looks into the frame: what comes of it is in the gradebook.
#[tokio::test(flavor = "multi_thread")]
async fn the_guest_in_its_sandbox() {
    let walk = opened(Hand::Keyboard, false, "guest").await;
    let tab = &walk.tab;
    // Placed, shown, and connected: it has read what the class does.
    tab.until("document.getElementById('guest').style.height").await;
    walk.database.until_keys(1).await;
    tab.eval::<bool>("(addEventListener('blur', () => (window.left = true)), true)").await;
    for _ in 0..20 {
        if tab.eval::<bool>("document.activeElement.id === 'guest'").await {
            break;
        }
        key(tab, "Tab").await;
    }
    tab.until("window.left").await;
    // The frame may be another process, and its focus a moment late. Checked without an answer, the quiz puts the focus
    // back on the first option: then the same keys are right again.
    let first = async {
        while walk.database.kept("s1", "guest").len() < 2 {
            for code in ["Space", "Tab", "Enter"] {
                key(tab, code).await;
            }
            let kept = walk.database.until_kept("s1", "guest", 2);
            let _ = tokio::time::timeout(Duration::from_secs(2), kept).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, first).await.is_ok(), "the frame hears no key");
    // The first of the options, and check.
    let several = [vec!["Tab", "Space"], vec!["Tab"; 5]].concat();
    let one = vec!["Tab", "Space", "Tab"];
    for (at, keys) in [several, vec!["Tab"], one.clone(), one].into_iter().enumerate() {
        // On to the next question.
        key(tab, "Enter").await;
        for code in keys {
            key(tab, code).await;
        }
        if at == 1 {
            tab.run(InsertTextParams::new("4806")).await;
            key(tab, "Tab").await;
        }
        key(tab, "Enter").await;
        walk.database.until_kept("s1", "guest", at + 3).await;
    }
    key(tab, "Enter").await;
    walk.database.until_kept("s1", "guest", 7).await;
    let (events, last) = kept(&walk, "guest");
    assert_eq!(events, [["started"].as_slice(), &["answered"; 5], &["grade"]].concat());
    // Of the third all, of the second a third, of the last all: the Volga comes first.
    assert!((last["score"].as_f64().unwrap() - 4.667).abs() < 0.001, "{last}");
    fits(tab).await;
    clean(&walk).await;
    let (submission, standing) = walk.in_the_gradebook("guest").await;
    assert!(submission.contains("questions right"), "{submission}");
    assert!(standing.contains("4.67"), "{standing}");
    walk.browser.close().await;
}
