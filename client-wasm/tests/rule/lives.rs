//! Random lives: loss, delay, duplicates and reordering; tabs that hide, come back, freeze and die; clocks that are wrong.
//! Each operation has its effect exactly once, and a client that keeps the rules is never refused by the table.

use crate::server::Server;
use crate::world::{Fate, GOOD, World};
use latchkey_client::Notice;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::BTreeSet;

/// What may happen in a life; `u8`s choose a tab.
#[derive(Clone, Debug)]
enum Step {
    Log(u8),
    Grade(u8),
    State(u8),
    Recent(u8),
    Flush(u8),
    Hide(u8),
    Show(u8),
    /// The tab is gone, another is opened.
    Die(u8),
    Open,
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<u8>().prop_map(Step::Log),
        3 => any::<u8>().prop_map(Step::Grade),
        2 => any::<u8>().prop_map(Step::State),
        1 => any::<u8>().prop_map(Step::Recent),
        1 => any::<u8>().prop_map(Step::Flush),
        2 => any::<u8>().prop_map(Step::Hide),
        2 => any::<u8>().prop_map(Step::Show),
        1 => any::<u8>().prop_map(Step::Die),
        1 => Just(Step::Open),
        6 => prop_oneof![0..300_i64, 300..40_000_i64, 40_000..400_000_i64].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..40)
}

/// Weather, a byte for each request: mostly good, sometimes bad in each way.
fn fate(byte: u8) -> Fate {
    let slow = i64::from(byte % 16) * 1300;
    match byte >> 4 {
        0 => Fate { out: None, back: Some(slow), twice: None },
        1 => Fate { out: Some(slow), back: None, twice: None },
        2 => Fate { out: Some(slow), back: Some(slow / 2), twice: Some(19_000 - slow / 2) },
        3 => Fate { out: None, back: None, twice: None },
        4..6 => Fate { out: Some(slow / 2), back: Some(slow / 3), twice: None },
        _ => GOOD,
    }
}

#[derive(Clone, Debug)]
struct Life {
    steps: Vec<Step>,
    weather: Vec<u8>,
    same_origin: bool,
    /// How far the machine's clock is off.
    skew: i64,
}

fn lives() -> impl Strategy<Value = Life> {
    let skew = prop_oneof![Just(0), Just(86_400_000), Just(-86_400_000), -5000..5000_i64];
    (steps(), prop::collection::vec(any::<u8>(), 64), any::<bool>(), skew)
        .prop_map(|(steps, weather, same_origin, skew)| Life { steps, weather, same_origin, skew })
}

fn live(life: &Life) -> (World, BTreeSet<String>) {
    let mut world = World::new();
    world.same_origin = life.same_origin;
    let (weather, mut at) = (life.weather.clone(), 0);
    world.network = Box::new(move || {
        at += 1;
        fate(weather[at % weather.len()])
    });
    let mut open = vec![world.launch(life.skew)];
    let mut operations = BTreeSet::new();
    for step in &life.steps {
        let tab = |choice: &u8| open[usize::from(*choice) % open.len()];
        match step {
            Step::Log(choice) => drop(operations.insert(world.ask(tab(choice), "log"))),
            Step::Grade(choice) => drop(operations.insert(world.ask(tab(choice), "grade"))),
            Step::State(choice) => drop(operations.insert(world.ask(tab(choice), "state"))),
            Step::Recent(choice) => drop(world.ask(tab(choice), "recent")),
            Step::Flush(choice) => world.with(tab(choice), |rule, moment| rule.flush(moment)),
            Step::Hide(choice) => world.hide(tab(choice)),
            Step::Show(choice) => world.show(tab(choice)),
            Step::Die(choice) => {
                let gone = tab(choice);
                world.tabs[gone].alive = false;
                open.retain(|other| *other != gone);
                open.push(world.launch(life.skew));
            }
            Step::Open if open.len() < 3 => open.push(world.launch(life.skew)),
            Step::Open => {}
            Step::Pass(millis) => world.pass(*millis),
        }
    }
    (world, operations)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_operation_has_its_effect_once(life in lives()) {
        let (mut world, operations) = live(&life);
        for tab in &world.tabs {
            prop_assert_eq!(tab.rule.ended(), None);
            for notice in &tab.notices {
                let bad = matches!(notice, Notice::Refused { .. } | Notice::Ended { .. });
                prop_assert!(!bad);
            }
        }
        world.comes_home(&operations);
        // For no reason of its own is a client refused.
        prop_assert_eq!(&world.server.refusals, &Vec::<&str>::new());
        // Saved means stored, and is told once.
        for tab in &world.tabs {
            let mut told = BTreeSet::new();
            for notice in &tab.notices {
                if let Notice::Saved { ids, .. } = notice {
                    for id in ids {
                        prop_assert!(operations.contains(id));
                        prop_assert!(told.insert(id.clone()));
                    }
                }
            }
        }
    }

    #[test]
    fn a_thief_who_uses_a_copy_is_noticed_and_nothing_is_lost(life in lives(), at in 0..20_usize) {
        let mut world = World::new();
        let victim = world.launch(0);
        let mut operations = BTreeSet::new();
        for _ in 0..=at {
            operations.insert(world.ask(victim, "log"));
            world.pass(31_000);
        }
        // The thief takes what the page holds, and moves the key on.
        let copy = world.tabs[victim].rule.held().text.clone();
        let mut stolen = copy;
        for _ in 0..3 {
            world.now += 31_000;
            stolen = used(&mut world.server, &stolen, world.now).unwrap_or(stolen);
        }
        for step in &life.steps {
            match step {
                Step::Log(_) => drop(operations.insert(world.ask(victim, "log"))),
                Step::Pass(millis) => world.pass(*millis),
                _ => {}
            }
        }
        operations.insert(world.ask(victim, "grade"));
        world.pass(100_000);
        // Found out by the table; or just in time to be late, which renews and so ends the stolen key.
        prop_assert!(world.server.refusals.len() <= 1);
        prop_assert_eq!(used(&mut world.server, &stolen, world.now), None);
        let renewed = world.tabs[victim].notices.iter().filter(|it| matches!(it, Notice::Renewed)).count();
        prop_assert_eq!(renewed, 1);
        prop_assert_eq!(world.tabs[victim].rule.ended(), None);
        world.comes_home(&operations);
    }
}

/// Presents a token with an empty batch; gives what is offered.
fn used(server: &mut Server, token: &str, now: i64) -> Option<String> {
    let (status, text) = server.handle(token, r#"{"calls":[]}"#, now);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    (status == 200).then(|| object["token"].as_str().unwrap_or(token).to_owned())
}

#[test]
fn the_network_is_bad_enough_to_prove_something() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut decisions, mut arrived, mut twice, mut requests) = (BTreeSet::new(), 0, 0, 0);
    for _ in 0..200 {
        let life = lives().new_tree(&mut runner).unwrap().current();
        let (mut world, operations) = live(&life);
        world.comes_home(&operations);
        arrived += world.server.stored.len();
        twice += world.server.stored.values().filter(|(_, times)| *times > 1).count();
        requests += world.server.requests;
        decisions.append(&mut world.server.decisions);
    }
    assert!(twice * 10 > arrived, "{twice} of {arrived} operations arrived more than once");
    assert!(requests > 1000, "{requests}");
    for name in ["start", "current", "confirm", "late"] {
        assert!(decisions.contains(name), "{name} never happened");
    }
}
