//! SCORM runtimes that commit by themselves, without our SDK: the real scorm-again posts to its commit address.

use crate::stage::comes;
use crate::stage::host::Sdk;
use crate::stage::tab::Tab;
use crate::stage::world::{Place, World};
use serde_json::Value;

/// How content of either standard speaks.
const CONTENT: &str = "
    const api = () => window.API ?? window.API_1484_11;
    const call = (name, ...of) => api()[(window.API ? 'LMS' : '') + name](...of);
    const set = (name, value) => call('SetValue', 'cmi.' + name, value);
    const get = (name) => call('GetValue', 'cmi.' + name);
    const place = () => window.API ? 'core.lesson_location' : 'location';
    const score = (raw) => window.API ? set('core.score.raw', raw) :
      [set('score.raw', raw), set('score.min', '0'), set('score.max', '100')];
    const leave = () => (set(window.API ? 'core.exit' : 'exit', 'suspend'), call(window.API ? 'Finish' : 'Terminate', ''));";

async fn opened(world: &World, tab: &Tab, version: &str) {
    tab.go(&world.url(&format!("/runtime/{version}"))).await;
    tab.until("window.begun === 'true'").await;
}

/// Waits until the state as it is kept is as it should be.
async fn until_state(world: &World, fits: impl Fn(&Value) -> bool) {
    let kept = || world.database.state("ada", "lesson", "scorm").unwrap_or_default();
    assert!(comes(async || fits(&kept())).await, "{:#}", kept());
}

fn scores(world: &World) -> Vec<f64> {
    let kept = world.database.kept("ada", "lesson");
    let grades = kept.iter().filter(|kept| kept.function == "grade");
    grades.map(|kept| kept.args["score"].as_f64().unwrap()).collect()
}

/// Ten commits within a second, a page that is left, and one that goes on there.
async fn plays(place: Place, version: &str) {
    let world = World::start(Sdk::JavaScript, place).await;
    world.host.launches_with(|claims| {
        claims.functions = Some(["log", "grade", "recent", "state"].map(str::to_owned).to_vec());
    });
    let tab = world.login("ada").await;
    tab.before_all(CONTENT).await;
    opened(&world, &tab, version).await;
    let location = |state: &Value| match version {
        "1.2" => state["cmi"]["core"]["lesson_location"].clone(),
        _ => state["cmi"]["location"].clone(),
    };

    let said: Vec<String> = tab
        .eval(
            "Promise.all(Array.from({ length: 10 }, (_, n) => new Promise((done) => setTimeout(() => {
               score(`${n}.29`); set(place(), `p${n}`); done(call('Commit', ''));
             }, n * 90))))",
        )
        .await;
    assert_eq!(said, ["true"; 10]);
    tab.until("answers.length === 10").await;
    let answers: Vec<Value> = tab.eval("answers").await;
    assert!(answers.iter().all(|told| told["result"] == true), "{answers:#?}");
    until_state(&world, |state| location(state) == "p9").await;
    // Some may have been overtaken on their way; none comes after a later one.
    let graded = scores(&world);
    assert!(graded.is_sorted() && graded.last() == Some(&9.29), "{graded:?}");

    // Said as the page goes: it leaves by a beacon, whose answer nobody hears.
    tab.act(
        "addEventListener('pagehide', () => {
           score('14.29'); set(place(), 'last'); set('suspend_data', 'ünd so € & weiter'); leave();
         })",
    )
    .await;
    tab.go(&world.url("/login/ada")).await;
    until_state(&world, |state| state["ended"] == true).await;
    until_state(&world, |state| location(state) == "last").await;
    assert_eq!(scores(&world).last(), Some(&14.29));

    opened(&world, &tab, version).await;
    let found: Vec<String> = tab.eval("[place(), 'suspend_data'].map(get)").await;
    assert_eq!(found, ["last", "ünd so € & weiter"]);
    // The count begins again with the launch. Zero is a score.
    tab.act("(score('0'), call('Commit', ''))").await;
    tab.until("answers.length === 1 && answers[0].result === true").await;
    assert_eq!(scores(&world).last(), Some(&0.0));
    let standing = &world.host.latchkey.store().standings("school", "lesson").await.unwrap()[0];
    assert_eq!(standing.tally.standing(standing.method), Some(1.429));
    assert_eq!(world.database.revoked(), [""; 0]);
    assert_eq!(tab.thrown(), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_scorm_12_commits_by_itself() {
    plays(Place::Other, "1.2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_of_scorm_2004_commits_by_itself() {
    plays(Place::Same, "2004").await;
}
