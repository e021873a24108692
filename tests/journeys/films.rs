//! Flash movies in pages of old sites, played by the real Ruffle: what they send, and what they get.

use crate::stage::host::Sdk;
use crate::stage::tab::Tab;
use crate::stage::world::{Place, World};
use latchkey_protocol::launch::Rotation;
use serde_json::{Value, json};

async fn opened(place: Place, path: &str) -> (World, Tab) {
    let world = World::start(Sdk::JavaScript, place).await;
    world.for_movies();
    let tab = world.login("ada").await;
    tab.go(&world.url(path)).await;
    (world, tab)
}

/// All that is kept of Ada in an activity, once there is so much.
async fn kept(world: &World, activity: &str, count: usize) -> Vec<Value> {
    world.database.until_kept("ada", activity, count).await;
    world.database.kept("ada", activity).into_iter().map(|kept| kept.args).collect()
}

async fn comments(world: &World) -> Vec<String> {
    world.database.comments("ada").into_iter().flatten().collect()
}

const SPECIAL: &str = "Très bien: 100 % & more + € ñ = ß";

#[tokio::test(flavor = "multi_thread")]
async fn a_movie_that_loops_hands_in_once() {
    for place in [Place::Same, Place::Other] {
        let (world, _) = opened(place, "/film/loop").await;
        let kept = kept(&world, "loop", 2).await;
        let told = json!({ "turns": "6", "replayed": "true" });
        assert_eq!(kept, [json!({ "score": 5.5 }), json!({ "event": "looped", "data": told })]);
        assert_eq!(comments(&world).await, ["Once & for all"]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_is_posted_with_all_its_junk() {
    let (world, _) = opened(Place::Other, "/film/timeline").await;
    let kept = kept(&world, "timeline", 2).await;
    let told = json!({ "status": "ok", "score": "7", "name": "highest" });
    assert_eq!(kept, [json!({ "score": 7.0 }), json!({ "event": "told", "data": told })]);
    assert_eq!(comments(&world).await, [SPECIAL]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_arrive_in_the_movie() {
    let (world, _) = opened(Place::Other, "/film/refused").await;
    let kept = kept(&world, "refused", 1).await;
    let told = json!({
        "comma": "bad_number", "nonsense": "unknown_function", "xml": "score_above_max",
        "forged": "key_invalid",
    });
    assert_eq!(kept, [json!({ "event": "told", "data": told })]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_page_needs_one_script_tag() {
    let (world, tab) = opened(Place::Other, "/film/bridged").await;
    let kept = kept(&world, "bridged", 2).await;
    let told = json!({
        "comma": "bad_number", "much": "score_above_max", "good": "ok", "again": "ok", "put": "ok",
        "hello": "ok", "user": "ada",
    });
    assert_eq!(kept, [json!({ "score": 8.5 }), json!({ "event": "told", "data": told })]);
    assert_eq!(comments(&world).await, [SPECIAL]);
    world.database.until_state("ada", "bridged", "state", &json!("here & there")).await;
    assert_eq!(tab.eval::<Vec<String>>("violations").await, [""; 0]);
    let traces = tab.traces().await;
    assert!(
        !traces.contains("lk1_") && !traces.contains("eyJ"),
        "the movie's page holds no key: {traces}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandboxed_movie_posts_without_an_origin() {
    let (world, _) = opened(Place::Other, "/film/asks/framed").await;
    let kept = kept(&world, "asks", 2).await;
    let expected = [
        json!({ "event": "sandboxed", "data": { "text": "Genève" } }),
        json!({ "event": "answered", "data": { "status": "ok" } }),
    ];
    assert_eq!(kept, expected);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movie_may_call_by_name_where_the_page_allows_it() {
    let (world, tab) = opened(Place::Other, "/film/called").await;
    let kept = kept(&world, "called", 2).await;
    let told = json!({ "status": "ok", "score": "6.25" });
    assert_eq!(kept, [json!({ "score": 6.25 }), json!({ "event": "told", "data": told })]);
    assert_eq!(comments(&world).await, [SPECIAL]);
    assert_eq!(tab.eval::<Vec<String>>("violations").await, [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_by_aicc_in_a_movie() {
    let (world, tab) = {
        let world = World::start(Sdk::JavaScript, Place::Other).await;
        let site = world.host.site.clone();
        world.host.launches_with(move |claims| {
            claims.functions = Some(["log", "grade", "state"].map(str::to_owned).to_vec());
            claims.rotation = Rotation::Off;
            claims.origins = Some(vec![site.clone()]);
        });
        let tab = world.login("ada").await;
        (world, tab)
    };
    tab.go(&world.url("/film/lesson")).await;
    assert_eq!(kept(&world, "lesson", 1).await[0]["event"], "interaction");
    let left = world.database.state("ada", "lesson", "hacp").unwrap();
    assert_eq!((&left["location"], &left["exit"]), (&json!("7"), &json!("suspend")));
    assert_eq!(left["lesson"], "who=ADA & 100 % + é €");

    // The next launch begins where this one was left, and hands in.
    tab.go(&world.url("/film/lesson")).await;
    let kept = kept(&world, "lesson", 3).await;
    assert_eq!(kept[1]["score"], 7.5);
    assert_eq!(kept[2]["event"], "lesson.exited");
    let left = world.database.state("ada", "lesson", "hacp").unwrap();
    // What was refused was told as such, and kept nothing else from being kept.
    assert_eq!((&left["location"], &left["status"]), (&json!("4"), &json!("passed")));
    let store = world.host.latchkey.store();
    let grades = store.submissions("school", "lesson", "ada", 9).await.unwrap();
    assert_eq!(
        grades.iter().map(|grade| (grade.score, grade.max)).collect::<Vec<_>>(),
        [(7.5, 10.0)]
    );
    assert_eq!(world.database.revoked(), [""; 0]);
    world.end().await;
}
