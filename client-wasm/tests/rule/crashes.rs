//! Every place where a tab can die, with every fate of its first requests: what the widget was promised is stored
//! in the end, exactly once.

use crate::world::{Fate, GOOD, World};
use std::collections::BTreeSet;

const FATES: [Fate; 5] = [
    GOOD,
    // The request is lost; the reply is lost; both go twice; the reply is slow.
    Fate { out: None, back: Some(10), twice: None },
    Fate { out: Some(10), back: None, twice: None },
    Fate { out: Some(10), back: Some(10), twice: Some(15) },
    Fate { out: Some(10), back: Some(9000), twice: None },
];

/// A short lesson whose tab dies at its `dies`-th effect; gives whether it came so far, and what was promised.
fn lesson(world: &mut World, dies: u32) -> (bool, BTreeSet<String>) {
    let tab = world.launch(0);
    world.tabs[tab].dies_in = Some(dies);
    let mut promised = BTreeSet::new();
    for at in 0..4 {
        if !world.tabs[tab].alive {
            break;
        }
        let before: BTreeSet<String> = world.storage.keys().cloned().collect();
        let id = world.ask(tab, if at == 2 { "grade" } else { "log" });
        // The widget got its call back, or died in it with the operation stored or not.
        if world.tabs[tab].alive || world.storage.keys().any(|key| !before.contains(key)) {
            promised.insert(id);
        }
        match at {
            0 => world.pass(31_000),
            1 => world.hide(tab),
            2 => world.show(tab),
            _ => world.pass(31_000),
        }
    }
    (!world.tabs[tab].alive, promised)
}

#[test]
fn whenever_a_tab_dies_the_next_launch_brings_everything_home_once() {
    let mut deaths = 0;
    for same_origin in [true, false] {
        for first in FATES {
            for second in FATES {
                for dies in 0.. {
                    let mut world = World::new();
                    world.same_origin = same_origin;
                    let mut left = vec![second, first];
                    world.network = Box::new(move || left.pop().unwrap_or(GOOD));
                    let (died, promised) = lesson(&mut world, dies);
                    world.comes_home(&promised);
                    assert_eq!(
                        world.server.refusals, [""; 0],
                        "{same_origin} {first:?} {second:?} {dies}"
                    );
                    if !died {
                        break;
                    }
                    deaths += 1;
                }
            }
        }
    }
    assert!(deaths > 1000, "{deaths}");
}

#[test]
fn a_frozen_tab_is_overtaken_by_another_and_goes_on_with_its_own_key() {
    let mut world = World::new();
    let frozen = world.launch(0);
    let mut operations = BTreeSet::from([world.ask(frozen, "log")]);
    world.pass(0);
    // No network, then no time at all for this tab: the other one sends what it left.
    world.network = Box::new(Fate::default);
    operations.insert(world.ask(frozen, "grade"));
    world.pass(0);
    world.tabs[frozen].frozen = true;
    world.pass(50_000);
    world.network = Box::new(|| GOOD);
    let other = world.launch(0);
    world.pass(1000);
    assert_eq!(world.tabs[other].rule.unsaved(), 0);
    assert_eq!(world.server.ids(), operations);
    // It thaws and, not knowing better, sends the same operation with its own key.
    world.tabs[frozen].frozen = false;
    world.show(frozen);
    world.pass(60_000);
    assert_eq!(world.tabs[frozen].rule.unsaved(), 0);
    assert!(world.server.stored.values().any(|(_, times)| *times > 1));
    world.comes_home(&operations);
    assert_eq!(world.server.refusals, [""; 0]);
}

#[test]
fn two_hundred_answers_go_in_batches_of_at_most_a_hundred() {
    let mut world = World::new();
    world.network = Box::new(|| Fate { out: None, back: Some(1), twice: None });
    let tab = world.launch(0);
    let operations: BTreeSet<String> =
        (0..200).map(|at| world.ask(tab, if at % 2 == 0 { "log" } else { "grade" })).collect();
    world.pass(60_000);
    assert_eq!(world.server.ids(), BTreeSet::new());
    world.network = Box::new(|| GOOD);
    let before = world.server.requests;
    world.show(tab);
    world.pass(0);
    assert_eq!(world.tabs[tab].rule.unsaved(), 0);
    assert_eq!(world.server.ids(), operations);
    let batches = world.server.requests - before;
    assert!((2..=4).contains(&batches), "{batches}");
}

/// The request that outlives the page and the ordinary one are each offered a successor; one of them is presented
/// before the other is known.
#[test]
fn of_two_offers_the_one_that_was_presented_is_kept() {
    let mut world = World::new();
    let slow = |out, back| Fate { out: Some(out), back, twice: None };
    let mut left = vec![slow(5000, None), GOOD, slow(2000, Some(3000)), GOOD];
    world.network = Box::new(move || left.pop().unwrap_or(GOOD));
    let tab = world.launch(0);
    let mut operations = BTreeSet::from([world.ask(tab, "log")]);
    world.pass(40_000);
    operations.insert(world.ask(tab, "log"));
    world.hide(tab);
    operations.insert(world.ask(tab, "grade"));
    world.pass(100);
    assert_eq!(world.tabs[tab].rule.held().generation, 1);
    operations.insert(world.ask(tab, "log"));
    world.pass(60_000);
    world.show(tab);
    world.pass(1000);
    assert_eq!(world.server.refusals, [""; 0]);
    assert_eq!(world.server.ids(), operations);
    assert_eq!(world.tabs[tab].rule.unsaved(), 0);
}
