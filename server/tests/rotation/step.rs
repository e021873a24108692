//! What can happen next in a [`World`], and what must never have happened.

use latchkey_server::keys::decide::{Advance, Branch, Death, Decision, Presented, Row};

use crate::world::{
    Adoption, Exchange, Loot, Party, Reply, Scenario, Snapshot, Theft, Token, UNKNOWN, World, ticks,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Write,
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// Reads the row for every request.
    Fresh,
    /// May hold a copy of the row.
    Caching,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Tick,
    Send(Lane),
    SendBeacon,
    Deliver(Lane, Node),
    DeliverBeacon(usize, Node),
    /// The client reads the reply.
    Finish(Lane),
    /// The connection breaks: the client will not read a reply.
    Break(Lane),
    /// Everything committed so far survives a crash.
    Flush,
    /// The database falls back to its last flush.
    LoseCommits,
    /// The thief copies the token the client holds.
    Copy,
    /// The thief calls with the copied token or its newest one, and keeps the reply's token or not.
    Call {
        copied: bool,
        node: Node,
        keep: bool,
    },
}

/// Why a world must not exist.
pub type Violation = &'static str;

pub const HONEST_REFUSED: Violation = "a conforming client was refused";
pub const BOTH_EARN: Violation = "both holders earn renewals above the stolen generation";
pub const LOSER_RENEWED: Violation = "the losing holder was given a renewal by a fresh row";
pub const LOSER_UNFOUND: Violation = "the losing holder called after the window; no revocation";
pub const REVOKED_RAN: Violation = "a revoked family ran a call";
pub const OUTLIVES: Violation = "the theft outlives its bound";

/// Base and present of the absolute numbers that the rule is given.
const BASE: u32 = 1000;
const NOW: i64 = 1_000_000;

fn branch_bytes(branch: u8) -> Branch {
    [branch; 8]
}

fn absolute(generation: i8) -> u32 {
    BASE.saturating_add_signed(i32::from(generation))
}

fn relative(generation: u32) -> i8 {
    i8::try_from(i64::from(generation) - i64::from(BASE)).expect("near the base")
}

fn row_of(snapshot: &Snapshot) -> Row {
    Row {
        hi: absolute(snapshot.hi),
        branch: branch_bytes(snapshot.branch),
        prev_branch: (snapshot.prev != UNKNOWN).then(|| branch_bytes(snapshot.prev)),
        advanced_at: NOW - i64::from(snapshot.age),
        revoked: snapshot.revoked,
        key_exp: i64::MAX,
        rotating: true,
    }
}

fn advanced(snapshot: &Snapshot, next: &Advance) -> Snapshot {
    let row = next.apply(&row_of(snapshot));
    Snapshot {
        hi: relative(row.hi),
        branch: row.branch[0],
        prev: row.prev_branch.map_or(UNKNOWN, |branch| branch[0]),
        age: ticks(NOW - row.advanced_at),
        revoked: row.revoked,
    }
}

pub fn rule(scenario: &Scenario, row: &Snapshot, token: &Token) -> Decision {
    let presented = Presented {
        generation: absolute(token.generation),
        branch: branch_bytes(token.branch),
        stamped_at: NOW - i64::from(token.age),
    };
    (scenario.rule)(&row_of(row), &presented, &scenario.windows, NOW)
}

/// Every action that `world` allows.
pub fn actions(scenario: &Scenario, world: &World) -> Vec<Action> {
    let mut all = Vec::with_capacity(16);
    if may_tick(scenario, world) {
        all.push(Action::Tick);
    }
    let nodes: &[Node] = match scenario.cache_life {
        Some(_) => &[Node::Fresh, Node::Caching],
        None => &[Node::Fresh],
    };
    for (lane, exchange) in [(Lane::Write, world.write), (Lane::Read, world.read)] {
        match exchange {
            Exchange::Free if world.stopped || (lane == Lane::Read && !scenario.reads) => {}
            Exchange::Free => all.push(Action::Send(lane)),
            Exchange::Asked { .. } => {
                all.extend(nodes.iter().map(|node| Action::Deliver(lane, *node)));
                all.push(Action::Break(lane));
            }
            Exchange::Answered { .. } => all.extend([Action::Finish(lane), Action::Break(lane)]),
        }
    }
    let flying = world.beacons.iter().flatten().count();
    for index in 0..flying {
        all.extend(nodes.iter().map(|node| Action::DeliverBeacon(index, *node)));
    }
    if flying < scenario.beacons && !world.stopped {
        all.push(Action::SendBeacon);
    }
    if world.durable.is_some_and(|durable| durable != world.row) {
        all.extend([Action::Flush, Action::LoseCommits]);
    }
    thief_actions(scenario, world, nodes, &mut all);
    all
}

fn thief_actions(scenario: &Scenario, world: &World, nodes: &[Node], all: &mut Vec<Action>) {
    match (scenario.theft, world.loot) {
        (Theft::Never, _) => {}
        (_, None) if !world.stopped => all.push(Action::Copy),
        (Theft::Used, Some(loot)) => {
            for node in nodes.iter().copied() {
                for keep in [true, false] {
                    all.push(Action::Call { copied: true, node, keep });
                    if loot.newest != loot.stolen {
                        all.push(Action::Call { copied: false, node, keep });
                    }
                }
            }
        }
        _ => {}
    }
}

/// Where there is a gap, time waits for whoever promised to call.
fn may_tick(scenario: &Scenario, world: &World) -> bool {
    let Some(gap) = scenario.gap else { return true };
    let [client, thief] = world.ghost.quiet;
    let confirms = scenario.confirms_at_once && world.held.generation > world.row.hi;
    thief < gap && (world.stopped || (client < gap && !confirms))
}

/// The world after `action`, in no standard form, with the decision it led to; or why it must not be.
pub fn step(
    scenario: &Scenario,
    world: &World,
    action: Action,
) -> Result<(World, Option<Decision>), Violation> {
    let mut next = *world;
    let mut decision = None;
    match action {
        Action::Tick => next = world.tick(scenario),
        Action::Send(lane) => *lane.of(&mut next) = Exchange::Asked { token: world.held, age: 0 },
        Action::SendBeacon => {
            next.beacons[1] = next.beacons[0].replace((world.held, 0));
            next.sort_beacons();
        }
        Action::Deliver(lane, node) => {
            let Exchange::Asked { token, age } = *lane.of(&mut next) else {
                return Ok((next, None));
            };
            let (reply, decided) = arrive(scenario, &mut next, Party::Client, &token, node)?;
            *lane.of(&mut next) = Exchange::Answered { reply, age };
            decision = Some(decided);
        }
        Action::DeliverBeacon(index, node) => {
            let Some((token, _)) = next.beacons[index].take() else {
                return Ok((next, None));
            };
            decision = Some(arrive(scenario, &mut next, Party::Client, &token, node)?.1);
            next.sort_beacons();
        }
        Action::Finish(lane) => finish(scenario, &mut next, lane),
        Action::Break(lane) => *lane.of(&mut next) = Exchange::Free,
        Action::Flush => next.durable = Some(next.row),
        Action::LoseCommits => next.row = next.durable.unwrap_or(next.row),
        Action::Copy => next.loot = Some(Loot { stolen: next.held, newest: next.held }),
        Action::Call { copied, node, keep } => {
            decision = Some(thief_calls(scenario, &mut next, copied, node, keep)?);
        }
    }
    outlived(scenario, &next)?;
    Ok((next, decision))
}

impl Lane {
    fn of(self, world: &mut World) -> &mut Exchange {
        match self {
            Lane::Write => &mut world.write,
            Lane::Read => &mut world.read,
        }
    }
}

fn finish(scenario: &Scenario, world: &mut World, lane: Lane) {
    let Exchange::Answered { reply, .. } = *lane.of(world) else {
        return;
    };
    *lane.of(world) = Exchange::Free;
    if lane == Lane::Write {
        world.ghost.quiet[0] = 0;
    }
    match reply {
        Reply::Refused => {
            world.stopped = true;
            world.write = Exchange::Free;
            world.read = Exchange::Free;
        }
        Reply::Ran(Some(token)) => {
            let held = world.held;
            let later = token.generation == held.generation && token.age < held.age;
            let same = scenario.adoption == Adoption::AnyBranch || token.branch == held.branch;
            if token.generation > held.generation || (later && same) {
                world.held = token;
            }
        }
        Reply::Ran(None) => {}
    }
}

fn thief_calls(
    scenario: &Scenario,
    world: &mut World,
    copied: bool,
    node: Node,
    keep: bool,
) -> Result<Decision, Violation> {
    let Some(loot) = world.loot else { unreachable!("only a thief calls") };
    let token = if copied { loot.stolen } else { loot.newest };
    world.ghost.used = true;
    world.ghost.quiet[1] = 0;
    let (reply, decision) = arrive(scenario, world, Party::Thief, &token, node)?;
    if let (Reply::Ran(Some(newest)), true) = (reply, keep) {
        world.loot = Some(Loot { newest, ..loot });
    }
    Ok(decision)
}

/// One request reaches a server: the caller's part of the protocol, as the rule's module states it.
fn arrive(
    scenario: &Scenario,
    world: &mut World,
    party: Party,
    token: &Token,
    node: Node,
) -> Result<(Reply, Decision), Violation> {
    let before = *world;
    let cached = world.cache.filter(|_| node == Node::Caching).map(|(row, _)| row);
    let mut basis = cached.unwrap_or(world.row);
    let mut decision = rule(scenario, &basis, token);
    let fits = |next: &Advance, row: &Snapshot| {
        next.fits(&row_of(row)) || (scenario.blind_writes && !row.revoked)
    };
    let stands = decision.is_yes() || decision.advance().is_some_and(|next| fits(next, &world.row));
    let from_cache = cached.is_some() && stands;
    if !from_cache {
        basis = world.row;
        decision = rule(scenario, &basis, token);
    }
    let reply = if decision.runs() {
        Reply::Ran(decision.reply_token(&row_of(&basis)).map(|reply| Token {
            generation: relative(reply.generation),
            branch: reply.branch.map_or_else(|| world.fresh_branch(), |branch| branch[0]),
            age: 0,
        }))
    } else {
        Reply::Refused
    };
    if let Some(next) = decision.advance() {
        let moved = advanced(&basis, next);
        if world.durable.is_some_and(|durable| moved.hi - durable.hi > 2) {
            world.durable = Some(moved);
        }
        world.row = Snapshot { revoked: world.row.revoked, ..moved };
    }
    world.row.revoked |= decision.revokes();
    let written = !from_cache || decision.advance().is_some();
    if node == Node::Caching && written {
        world.cache = Some((world.row, 0));
    }
    judge(scenario, &before, world, party, token, (reply, decision), !written)?;
    Ok((reply, decision))
}

/// Holds one arrival against the properties; `cached`: the row was not looked at.
fn judge(
    scenario: &Scenario,
    before: &World,
    after: &mut World,
    party: Party,
    token: &Token,
    (reply, decision): (Reply, Decision),
    cached: bool,
) -> Result<(), Violation> {
    let ran = reply != Reply::Refused;
    let life = scenario.cache_life.unwrap_or(0);
    if before.row.revoked {
        let allowed = cached && before.ghost.revoked_age <= life;
        return if ran && !allowed { Err(REVOKED_RAN) } else { Ok(()) };
    }
    let owner = before.ghost.split.map(|(owner, _)| owner);
    let idle = decision == Decision::Dead(Death::Idle);
    if party == Party::Client && owner != Some(Party::Thief) && !ran && !idle {
        return Err(HONEST_REFUSED);
    }
    let Some(loot) = before.loot else {
        return Ok(());
    };
    let beyond = token.generation > loot.stolen.generation && token.branch != loot.stolen.branch;
    if beyond && matches!(reply, Reply::Ran(Some(_))) {
        after.ghost.earned[party as usize] = true;
        if after.ghost.earned == [true; 2] {
            return Err(BOTH_EARN);
        }
    }
    if let Some((owner, age)) = before.ghost.split
        && owner != party
    {
        if !cached && matches!(reply, Reply::Ran(Some(_))) {
            return Err(LOSER_RENEWED);
        }
        let window = ticks(scenario.windows.late);
        let too_late = age > if cached { window.max(life) } else { window };
        let found = after.row.revoked;
        if (too_late || (beyond && !cached)) && !found {
            return Err(LOSER_UNFOUND);
        }
    }
    if owner.is_none() && after.row.hi > loot.stolen.generation {
        after.ghost.split = Some((party, 0));
    }
    Ok(())
}

/// A copy never used must die in time; a copy in use must end the family in time.
fn outlived(scenario: &Scenario, world: &World) -> Result<(), Violation> {
    let over = world.ghost.since_theft > scenario.bound;
    if scenario.gap.is_some() && over && still_matters(scenario, world) {
        return Err(OUTLIVES);
    }
    Ok(())
}

/// A theft that still can do harm.
pub fn still_matters(scenario: &Scenario, world: &World) -> bool {
    world.loot.is_some_and(|loot| match scenario.theft {
        Theft::Never => false,
        Theft::Unused => rule(scenario, &world.row, &loot.stolen).runs(),
        Theft::Used => !world.row.revoked,
    })
}

/// Nothing further is asked of this world.
pub fn settled(scenario: &Scenario, world: &World) -> bool {
    if world.row.revoked {
        let life = scenario.cache_life.unwrap_or(0);
        return scenario.gap.is_some() || world.ghost.revoked_age > life + 1;
    }
    scenario.gap.is_some() && world.loot.is_some() && !still_matters(scenario, world)
}
