//! Documents of the attempt: what goes alone, what is not kept, what a conflict tells.

use crate::world::World;
use latchkey_client::{Current, Notice};
use serde_json::json;

fn call(world: &mut World, tab: usize, args: &str) -> String {
    world.with(tab, |rule, moment| rule.call("state", Some(args), moment))
}

#[test]
fn a_write_is_kept_until_it_is_answered_and_a_read_is_not() {
    let mut world = World::new();
    world.network = Box::new(crate::world::Fate::default);
    let tab = world.launch(0);
    let write = call(&mut world, tab, r#"{"op":"put","value":{"page":3}}"#);
    call(&mut world, tab, r#"{"op":"get"}"#);
    assert_eq!(world.storage.keys().collect::<Vec<_>>(), [&write]);
    assert_eq!(world.tabs[tab].rule.unsaved(), 1);
    world.tabs[tab].alive = false;
    world.network = Box::new(|| crate::world::GOOD);
    world.launch(0);
    world.pass(1_000);
    assert!(world.storage.is_empty());
    assert_eq!(world.server.ids().len(), 1);
}

#[test]
fn a_read_is_answered_after_the_writes_before_it() {
    let mut world = World::new();
    let tab = world.launch(0);
    let asked = [
        call(&mut world, tab, r#"{"op":"put","value":1}"#),
        call(&mut world, tab, r#"{"op":"get","name":"a"}"#),
        call(&mut world, tab, r#"{"op":"get"}"#),
    ];
    world.pass(1_000);
    assert_eq!(world.server.requests, 1);
    assert!(asked.iter().all(|id| world.tabs[tab].settled[id]));
    let saved = |notice: &&Notice| matches!(notice, Notice::Saved { .. });
    assert_eq!(world.tabs[tab].notices.iter().filter(saved).count(), 1);
}

#[test]
fn a_conflict_is_final_and_tells_how_the_document_stands() {
    let mut world = World::new();
    let tab = world.launch(0);
    let id = call(&mut world, tab, r#"{"op":"patch","value":{},"if_version":0}"#);
    world.pass(1_000);
    assert!(!world.tabs[tab].settled[&id]);
    assert!(world.storage.is_empty());
    let told = world.tabs[tab].notices.iter().find_map(|notice| match notice {
        Notice::Refused { refusal, .. } => Some(refusal),
        _ => None,
    });
    let refusal = told.unwrap();
    assert_eq!(
        (&*refusal.code, refusal.field.as_deref()),
        ("version_conflict", Some("if_version"))
    );
    assert_eq!(refusal.current(), Some(Current { version: 3, value: json!({"page": 9}) }));
}

#[test]
fn the_largest_document_reaches_the_server_from_a_page_that_is_hidden_or_leaves() {
    for same_origin in [true, false] {
        let mut world = World::new();
        world.same_origin = same_origin;
        let tab = world.launch(0);
        let args = json!({"op": "put", "value": "x".repeat(65_534)}).to_string();
        call(&mut world, tab, &args);
        world.hide(tab);
        world.pass(60_000);
        assert_eq!((world.tabs[tab].rule.unsaved(), world.server.ids().len()), (0, 1));
        // In the background, too.
        call(&mut world, tab, &args);
        world.ask(tab, "log");
        world.pass(1_000);
        assert_eq!((world.tabs[tab].rule.unsaved(), world.server.ids().len()), (0, 3));
    }
}

#[test]
fn what_is_larger_than_any_document_is_refused_at_once() {
    let mut world = World::new();
    let tab = world.launch(0);
    let id = call(&mut world, tab, &json!({"op": "put", "value": "x".repeat(67_600)}).to_string());
    assert_eq!(world.tabs[tab].settled.get(&id), Some(&false));
    world.pass(1_000);
    assert_eq!((world.server.requests, world.storage.len()), (0, 0));
}
