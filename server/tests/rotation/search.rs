//! Breadth-first search through every world that a scenario can reach.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::step::{Action, Violation, actions, settled, step, still_matters};
use crate::world::{Scenario, World};

/// What a search that found nothing wrong has seen.
#[derive(Debug, Default)]
pub struct Explored {
    pub worlds: usize,
    pub transitions: usize,
    /// The most ticks after the theft at which it still mattered.
    pub longest: u8,
    /// The names of the decisions met, so that a search cannot pass by never getting anywhere.
    pub decisions: BTreeSet<&'static str>,
}

/// A shortest way to a violation.
#[derive(Debug)]
pub struct CounterExample {
    pub violation: Violation,
    /// One line a step.
    story: String,
}

struct Found {
    world: World,
    /// The world it was reached from, and how.
    from: Option<(u32, Action)>,
    /// The next world with the same hash.
    same_hash: Option<u32>,
}

/// Searches until every reachable world was seen, or fails the test beyond `most` worlds.
pub fn search(scenario: &Scenario, most: usize) -> Result<Explored, CounterExample> {
    let mut seen = Seen::default();
    seen.insert(World::new(scenario).canonical(), None);
    let mut explored = Explored::default();
    while let Some(found) = seen.worlds.get(explored.worlds) {
        let world = found.world;
        let here = u32::try_from(explored.worlds).expect("few worlds");
        explored.worlds += 1;
        if still_matters(scenario, &world) {
            explored.longest = explored.longest.max(world.ghost.since_theft);
        }
        if settled(scenario, &world) {
            continue;
        }
        for action in actions(scenario, &world) {
            explored.transitions += 1;
            match step(scenario, &world, action) {
                Ok((next, decision)) => {
                    explored.decisions.extend(decision.map(|decision| decision.name()));
                    seen.insert(next.canonical(), Some((here, action)));
                }
                Err(violation) => {
                    let trace = seen.trace(here, action);
                    return Err(CounterExample::new(scenario, violation, &trace));
                }
            }
        }
        assert!(seen.worlds.len() <= most, "more than {most} worlds: make the scenario smaller");
    }
    Ok(explored)
}

#[derive(Default)]
struct Seen {
    worlds: Vec<Found>,
    by_hash: HashMap<u64, u32>,
}

impl Seen {
    fn insert(&mut self, world: World, from: Option<(u32, Action)>) {
        let mut hasher = Fnv::default();
        world.hash(&mut hasher);
        let index = u32::try_from(self.worlds.len()).expect("few worlds");
        let head = self.by_hash.entry(hasher.finish()).or_insert(index);
        let mut place = (*head != index).then_some(*head);
        let same_hash = place;
        while let Some(at) = place {
            let found = &self.worlds[at as usize];
            if found.world == world {
                return;
            }
            place = found.same_hash;
        }
        *head = index;
        self.worlds.push(Found { world, from, same_hash });
    }

    fn trace(&self, mut at: u32, last: Action) -> Vec<Action> {
        let mut trace = vec![last];
        while let Some((from, action)) = self.worlds[at as usize].from {
            trace.push(action);
            at = from;
        }
        trace.reverse();
        trace
    }
}

/// A hash for small keys; collisions are looked through, so it need not be good, only quick.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl CounterExample {
    /// Walks the trace once more, now with generations and ticks counted from the start.
    fn new(scenario: &Scenario, violation: Violation, trace: &[Action]) -> Self {
        let mut world = World::new(scenario);
        let mut tick = 0;
        let mut lines = Vec::new();
        for action in trace {
            tick += u32::from(*action == Action::Tick);
            let Ok((next, decision)) = step(scenario, &world, *action) else {
                lines.push(format!("t={tick:<2} {action:?}  <- {violation}"));
                break;
            };
            world = next;
            let decided = decision.map_or("", |decision| decision.name());
            let thief = world.loot.map_or(String::new(), |loot| {
                format!(", thief {}.{}", loot.newest.generation, loot.newest.branch)
            });
            lines.push(format!(
                "t={tick:<2} {:<48} {decided:<8} row {}.{}, client {}.{}{thief}",
                format!("{action:?}"),
                world.row.hi,
                world.row.branch,
                world.held.generation,
                world.held.branch,
            ));
        }
        CounterExample { violation, story: lines.join("\n") }
    }
}

impl fmt::Display for CounterExample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:\n{}", self.violation, self.story)
    }
}
