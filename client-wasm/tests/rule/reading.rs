//! What is not meant to be read: answers, tokens, storage and times of any kind.

use crate::world::World;
use latchkey_client::rule::json::{Json, write_text};
use latchkey_client::rule::{EndReason, Failure, Place, Reply, Rule, instant, token};
use latchkey_client::{Error, Notice};
use proptest::prelude::*;
use serde_json::Value;

/// The same text as a JSON library reads it.
fn agree(text: &str) -> Result<(), TestCaseError> {
    let ours = Json::parse(text);
    let theirs = serde_json::from_str::<Value>(text);
    prop_assert_eq!(ours.is_some(), theirs.is_ok(), "{}", text);
    let (Some(ours), Ok(theirs)) = (ours, theirs) else { return Ok(()) };
    prop_assert_eq!(&serde_json::from_str::<Value>(ours.raw()).unwrap(), &theirs);
    match &theirs {
        Value::Object(members) => {
            for (name, value) in members {
                let found = ours.member(name).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Value>(found.raw()).unwrap(), value);
            }
        }
        Value::Array(items) => prop_assert_eq!(ours.items().unwrap().len(), items.len()),
        Value::String(text) => prop_assert_eq!(&ours.text().unwrap(), text),
        _ => prop_assert_eq!((ours.text(), ours.items()), (None, None)),
    }
    Ok(())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_read_as_by_a_library(value in json()) {
        agree(&value.to_string())?;
        agree(&serde_json::to_string_pretty(&value).unwrap())?;
    }

    #[test]
    fn damaged_json_is_refused_as_by_a_library(value in json(), at in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9eE.+\\-\\\\ut ]?") {
        let chars: Vec<char> = value.to_string().chars().collect();
        let at = at.index(chars.len());
        let damaged: String = chars[..at].iter().collect::<String>() + &with + &chars[at + 1..].iter().collect::<String>();
        // A number beyond what a float holds, a half character: a library may refuse what is JSON all the same.
        prop_assume!(!damaged.contains(['e', 'E']) && !damaged.contains("\\u"));
        agree(&damaged)?;
    }

    #[test]
    fn texts_are_written_as_they_are_read(text in any::<String>()) {
        let mut written = String::new();
        write_text(&mut written, &text);
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn times_agree_with_the_server(now in 0..253_402_300_800_000_i64) {
        let text = instant::write(now);
        prop_assert_eq!(&text, &latchkey_server::instant::format(now));
        prop_assert_eq!(instant::read(&text), Some(now));
    }

    #[test]
    fn anything_may_come_back(status in 0..600_u16, text in any::<String>()) {
        let mut world = World::new();
        let tab = world.launch(0);
        world.ask(tab, "log");
        world.with(tab, |rule, moment| rule.turn(moment));
        world.with(tab, |rule, moment| rule.answered(0, &Reply { status, after: 0, text }, moment));
        prop_assert_eq!(world.tabs[tab].rule.unsaved(), 1);
        prop_assert_eq!(world.storage.len(), 1);
    }

    #[test]
    fn anything_may_stand_where_a_token_should(text in any::<String>()) {
        prop_assert_eq!(token::session(&text), None);
        let place = Place { same_origin: true, renews: true };
        prop_assert!(Rule::new(&text, place, 0).is_none());
    }

    #[test]
    fn anything_may_lie_in_storage(id in "[ -~]{0,40}", text in any::<String>()) {
        let mut world = World::new();
        world.storage.insert(id.clone(), text.clone());
        let tab = world.launch(0);
        world.pass(1000);
        prop_assert_eq!(world.tabs[tab].rule.unsaved(), 0);
        prop_assert_eq!(world.storage.get(&id), Some(&text), "what is not ours is left where it is");
    }
}

#[test]
fn deep_and_broken_json_is_refused() {
    assert!(Json::parse(&("[".repeat(60) + &"]".repeat(60))).is_some());
    assert!(Json::parse(&"[".repeat(1_000_000)).is_none());
    assert!(Json::parse(&("[".repeat(70) + &"]".repeat(70))).is_none());
    for text in [
        "",
        " ",
        "{",
        "{]",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "\"\\x\"",
        "\"\u{1}\"",
        "01",
        "1.",
        "-",
        "tru",
        "1 2",
    ] {
        assert_eq!(Json::parse(text), None, "{text}");
    }
    assert_eq!(Json::parse(r#""\ud83d\ude00 \ud83d""#).unwrap().text().unwrap(), "😀 \u{fffd}");
    assert_eq!(Json::parse(r#"{"a":1,"a":2}"#).unwrap().member("a").unwrap().whole(), Some(2));
}

#[test]
fn an_operation_that_is_too_large_is_refused_at_once_and_not_kept() {
    let mut world = World::new();
    let tab = world.launch(0);
    let args = format!(r#"{{"event":"essay","data":{{"text":"{}"}}}}"#, "x".repeat(68_000));
    world.with(tab, |rule, moment| rule.call("log", Some(&args), moment));
    world.with(tab, |rule, moment| rule.call("log", None, moment));
    let codes: Vec<_> = world.tabs[tab]
        .notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Refused { refusal, .. } => Some(refusal.code.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ["body_too_large", "bad_json"]);
    assert!(world.storage.is_empty());
    assert_eq!(world.tabs[tab].rule.unsaved(), 0);
}

#[test]
fn full_storage_is_told_and_memory_takes_its_place() {
    let mut world = World::new();
    world.full = true;
    let tab = world.launch(0);
    let id = world.ask(tab, "grade");
    let told = world.tabs[tab].notices.last();
    assert_eq!(told, Some(&Notice::Unsaved { count: 1, durable: false }));
    world.pass(0);
    assert_eq!(world.tabs[tab].settled.get(&id), Some(&true));
    assert_eq!(world.server.ids().len(), 1);
}

#[test]
fn after_the_end_an_operation_is_kept_for_the_next_launch() {
    let mut world = World::new();
    let tab = world.launch(0);
    world.with(tab, |rule, _| rule.close());
    let id = world.ask(tab, "grade");
    assert_eq!(world.tabs[tab].settled.get(&id), Some(&false));
    assert_eq!(world.storage.len(), 1);
    let error = Error::from(Failure::Ended { reason: EndReason::Closed, kept: true });
    assert_eq!(error.code(), "ended");
    assert_eq!(error.to_string(), "The key has ended (closed): reload the page.");
    world.comes_home(&[id].into());
}

#[test]
fn a_score_above_the_maximum_harms_no_other() {
    let mut world = World::new();
    let tab = world.launch(0);
    let good = world.ask(tab, "log");
    let bad = world.with(tab, |rule, moment| rule.call("grade", Some(r#"{"score":11}"#), moment));
    world.pass(0);
    assert_eq!(world.tabs[tab].settled, [(good, true), (bad, false)].into());
    assert!(world.storage.is_empty());
}
