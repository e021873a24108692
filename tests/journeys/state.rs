//! What the attempt keeps from one launch to the next.

use crate::stage::world::{Place, World};
use serde_json::{Value, json};

/// A world in which launches grant `state`.
async fn world(place: Place) -> World {
    let world = World::start(super::SDK, place).await;
    world.host.launches_with(|claims| {
        let all = ["log", "grade", "recent", "state"];
        claims.functions = Some(all.map(str::to_owned).into());
    });
    world
}

/// A call of the page's `activity.state`, its result or the members of its error.
fn call(what: &str) -> String {
    format!(
        "widget.activity.state.{what}.catch(({{ code, field, current }}) => ({{ code, field, current }}))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_launch_gets_what_the_last_one_kept() {
    for place in [Place::Same, Place::Other] {
        let world = world(place).await;
        let tab = world.play("ada", "quiz").await;
        let none: Value = tab.eval(&call("get()")).await;
        assert_eq!(none, json!({"name": "state", "version": 0, "value": null}));
        let written: Value = tab.eval(&call("put({ page: 3, text: 'Zoë & 1 + 1 = 2 %' })")).await;
        assert_eq!(written["version"], 1);
        world.later(31);
        let patched: Value = tab.eval(&call("patch({ page: 4 }, { ifVersion: 1 })")).await;
        assert_eq!(patched["version"], 2);
        // Written, and the page is gone before anybody has an answer.
        tab.eval::<bool>("(widget.activity.state.put([1, 'two'], { name: 'notes' }), true)").await;
        tab.close().await;

        let tab = world.also("quiz").await;
        let kept: Value = tab.eval(&call("get()")).await;
        let document = json!({"page": 4, "text": "Zoë & 1 + 1 = 2 %"});
        assert_eq!((&kept["version"], &kept["value"]), (&json!(2), &document));
        tab.until("widget.activity.unsaved === 0").await;
        let notes: Value = tab.eval(&call("get('notes')")).await;
        assert_eq!((&notes["version"], &notes["value"]), (&json!(1), &json!([1, "two"])));
        let gone: Value = tab.eval(&call("delete()")).await;
        assert_eq!(gone["version"], 3);

        // Nobody else's, and nowhere else.
        let other = world.also("essay").await;
        let none: Value = other.eval(&call("get()")).await;
        assert_eq!(none["version"], 0);
        assert_eq!(world.database.revoked(), [""; 0]);
        assert_eq!(tab.thrown(), [""; 0]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tabs_that_write_the_same_version_one_is_told() {
    let world = world(Place::Same).await;
    let first = world.play("ada", "quiz").await;
    let second = world.also("quiz").await;
    first.eval::<Value>(&call("put({ by: 'nobody' })")).await;
    let (one, two) = (
        call("put({ by: 'first' }, { ifVersion: 1 })"),
        call("put({ by: 'second' }, { ifVersion: 1 })"),
    );
    let (one, two): (Value, Value) = tokio::join!(first.eval(&one), second.eval(&two));
    let (lost, tab, winner) =
        if one["version"] == 2 { (two, &second, "first") } else { (one, &first, "second") };
    let told = json!({"code": "version_conflict", "field": "if_version",
                      "current": {"version": 2, "value": {"by": winner}}});
    assert_eq!(lost, told);
    // Who was told brings both together and writes on.
    let merged: Value = tab.eval(&call("put({ by: 'both' }, { ifVersion: 2 })")).await;
    assert_eq!(merged["version"], 3);
    let kept: Value = first.eval(&call("get()")).await;
    assert_eq!(kept["value"], json!({"by": "both"}));
    assert_eq!(world.database.revoked(), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_document_survives_a_tab_without_a_network() {
    let world = world(Place::Other).await;
    let tab = world.play("ada", "quiz").await;
    tab.offline(true).await;
    tab.until("!navigator.onLine").await;
    tab.eval::<bool>("(widget.activity.state.put('x'.repeat(65534)).catch(() => {}), true)").await;
    assert_eq!(tab.eval::<usize>("Object.keys(localStorage).length").await, 1);
    tab.close().await;
    let tab = world.also("quiz").await;
    tab.until("widget.activity.unsaved === 0 && Object.keys(localStorage).length === 0").await;
    let length: usize =
        tab.eval("widget.activity.state.get().then(({ value }) => value.length)").await;
    assert_eq!(length, 65_534);
    world.end().await;
}
