//! What the search proves of the rule, and that it finds each spoiled one out.
//!
//! A search ends when no new world is reachable, so a claim holds for runs of any length, within the
//! scenario's lengths of time and its number of requests under way. Ages and generations are relative
//! ([`crate::world`]), and the claims are about inequalities between W, R, D and the gaps only.
//!
//! Not in these worlds: an idle limit that strikes the client (but in one scenario), the end of a key,
//! keys without rotation, commits lost after a theft, clocks that differ between nodes.

use latchkey_server::keys::decide::{Millis, Windows, decide};

use crate::search::{Explored, search};
use crate::spoiled;
use crate::step::{
    BOTH_EARN, HONEST_REFUSED, LOSER_RENEWED, LOSER_UNFOUND, OUTLIVES, REVOKED_RAN, Violation,
};
use crate::world::{Adoption, NEVER, Rule, Scenario, Theft, ticks};

/// More worlds than any scenario here has: a search that meets more is a mistake in the model.
const MOST: usize = 1_000_000;

const fn windows(late: Millis, rotate_after: Millis, client_deadline: Millis) -> Windows {
    Windows { late, rotate_after, idle: NEVER, client_deadline }
}

/// W = D and R = D + 1: nothing to spare on either condition.
const TIGHT: Windows = windows(1, 2, 1);
const WIDER: Windows = windows(2, 3, 2);

/// A client that writes, reads in parallel and sends beacons; one node; no thief.
const ALONE: Scenario = Scenario {
    rule: decide,
    windows: WIDER,
    adoption: Adoption::SameBranch,
    reads: true,
    beacons: 1,
    cache_life: None,
    blind_writes: false,
    lost_commits: false,
    theft: Theft::Never,
    gap: None,
    confirms_at_once: false,
    bound: 0,
};

const ROBBED: Scenario = Scenario { theft: Theft::Used, ..ALONE };

/// Nothing wrong in any world; says how many there were.
fn holds(claim: &str, scenario: Scenario, decisions: &[&str]) -> Explored {
    assert_eq!(scenario.windows.validate(), Ok(()));
    let explored = search(&scenario, MOST).unwrap_or_else(|found| panic!("{claim}: {found}"));
    println!("{claim}: {} worlds, {} transitions", explored.worlds, explored.transitions);
    let met: Vec<&str> = explored.decisions.iter().copied().collect();
    assert_eq!(met, decisions, "{claim}: the search went elsewhere than thought");
    explored
}

/// The search must find `violation`; prints how it comes about.
fn refuted(what: &str, scenario: Scenario, violation: Violation) {
    match search(&scenario, MOST) {
        Ok(explored) => panic!("{what}: not found out in {} worlds", explored.worlds),
        Err(found) => {
            println!("{what}: {found}\n");
            assert_eq!(found.violation, violation, "{what}");
        }
    }
}

fn spoil(rule: Rule, scenario: Scenario) -> Scenario {
    Scenario { rule, ..scenario }
}

#[test]
fn a_client_alone_is_never_refused() {
    let met = ["confirm", "current", "late"];
    holds("alone, tight", Scenario { windows: TIGHT, beacons: 2, ..ALONE }, &met);
    let two_nodes = Scenario { beacons: 2, cache_life: Some(2), ..ALONE };
    holds("alone, two nodes", two_nodes, &met);
    let long_cache = Scenario { windows: TIGHT, cache_life: Some(4), ..ALONE };
    holds("alone, a cache longer than all windows", long_cache, &met);
}

#[test]
fn a_client_alone_is_never_refused_when_the_database_loses_commits() {
    let met = ["ahead", "confirm", "current", "late"];
    let lossy = Scenario { lost_commits: true, ..ALONE };
    holds("lost commits", Scenario { beacons: 2, ..lossy }, &met);
    let two_nodes = Scenario { windows: TIGHT, cache_life: Some(1), ..lossy };
    holds("lost commits, two nodes", two_nodes, &met);
    let wider = Scenario { reads: false, cache_life: Some(2), ..lossy };
    holds("lost commits, two nodes, wider", wider, &met);
}

/// In every world: at most one holder ever earns with a token above the stolen generation; the other
/// earns nothing from a fresh row from then on, runs nothing after W, and its first call after
/// max(W, cache life), or at once with a branch of its own, ends the family; the family then runs
/// nothing on a fresh row and on a cached one no longer than the cache lives. The client is refused
/// only after the thief has called.
#[test]
fn of_two_holders_one_loses_and_is_found() {
    let met = ["confirm", "current", "dead", "fork", "late", "stale"];
    holds("robbed", ROBBED, &met);
    let two_nodes = Scenario { windows: TIGHT, cache_life: Some(1), ..ROBBED };
    holds("robbed, two nodes", two_nodes, &met);
    let wider = Scenario { reads: false, cache_life: Some(2), ..ROBBED };
    holds("robbed, two nodes, wider", wider, &met);
    let long_cache = Scenario { windows: TIGHT, cache_life: Some(3), reads: false, ..ROBBED };
    holds("robbed, a cache longer than W", long_cache, &met);
}

#[test]
fn the_loser_is_found_even_when_its_token_is_idle() {
    let met = ["confirm", "current", "dead", "fork", "late", "stale"];
    holds("robbed, idle", idle(4), &met);
}

fn idle(limit: Millis) -> Scenario {
    Scenario { windows: Windows { idle: limit, ..TIGHT }, reads: false, ..ROBBED }
}

/// How long after the theft a copy may still matter, in ticks, with every gap `G ≥ D`: the last of
/// them at which it does.
struct Bounds {
    windows: Windows,
    gap: u8,
}

impl Bounds {
    const ALL: [Bounds; 4] = [
        Bounds { windows: TIGHT, gap: 2 },
        Bounds { windows: WIDER, gap: 2 },
        Bounds { windows: WIDER, gap: 3 },
        Bounds { windows: windows(4, 4, 1), gap: 2 },
    ];

    /// `R + W + gaps · G + deadlines · D − 1`.
    fn last(&self, gaps: u8, deadlines: u8) -> u8 {
        let fixed = ticks(self.windows.rotate_after + self.windows.late);
        fixed + gaps * self.gap + deadlines * ticks(self.windows.client_deadline) - 1
    }

    /// The bound holds, and is met by some run.
    fn exact(&self, scenario: Scenario, bound: u8, decisions: &[&str]) {
        let scenario = Scenario { windows: self.windows, gap: Some(self.gap), bound, ..scenario };
        let Windows { late, rotate_after, client_deadline, .. } = self.windows;
        let claim = format!(
            "{:?} copy, W={late} R={rotate_after} D={client_deadline} G={}: {bound} ticks",
            scenario.theft, self.gap
        );
        let explored = holds(&claim, scenario, decisions);
        assert_eq!(explored.longest, bound, "a smaller bound holds");
    }
}

#[test]
fn a_copy_never_used_dies_in_time() {
    let met = ["confirm", "current"];
    let unused = Scenario { theft: Theft::Unused, beacons: 0, reads: false, ..ALONE };
    for bounds in Bounds::ALL {
        bounds.exact(unused, bounds.last(3, 1), &met);
        let prompt = Scenario { confirms_at_once: true, ..unused };
        bounds.exact(prompt, bounds.last(1, 1), &met);
        let reads = Scenario { reads: true, ..unused };
        bounds.exact(reads, bounds.last(3, 2), &["confirm", "current", "late"]);
    }
}

#[test]
fn a_copy_in_use_ends_the_family_in_time() {
    let met = ["confirm", "current", "fork", "late", "stale"];
    let used = Scenario { beacons: 0, reads: false, ..ROBBED };
    for bounds in Bounds::ALL {
        bounds.exact(used, bounds.last(4, 1), &met);
        bounds.exact(Scenario { confirms_at_once: true, ..used }, bounds.last(2, 2), &met);
    }
}

#[test]
fn without_branches_both_holders_live_on() {
    refuted("no branch", spoil(spoiled::without_branches, ROBBED), BOTH_EARN);
}

#[test]
fn a_late_token_that_renews_lets_the_thief_ride_along() {
    refuted("late renews", spoil(spoiled::late_renews, ROBBED), LOSER_RENEWED);
}

#[test]
fn rotation_no_slower_than_the_deadline_refuses_the_client() {
    let equal = Scenario { windows: windows(2, 2, 2), ..ALONE };
    assert!(equal.windows.validate().is_err());
    refuted("R = D", equal, HONEST_REFUSED);
}

#[test]
fn a_late_window_shorter_than_the_deadline_refuses_the_client() {
    let shorter = Scenario { windows: windows(1, 3, 2), ..ALONE };
    assert!(shorter.windows.validate().is_err());
    refuted("W < D", shorter, HONEST_REFUSED);
}

/// Two replies to parallel requests may offer two branches of one generation. Once one of them was
/// presented the other is a fork, so a client keeps the branch it took first.
#[test]
fn adopting_a_second_branch_of_one_generation_refuses_the_client() {
    let any = Scenario { adoption: Adoption::AnyBranch, beacons: 0, ..ALONE };
    refuted("any branch adopted", any, HONEST_REFUSED);
    let sequential = Scenario { reads: false, beacons: 2, ..any };
    holds("any branch, no parallel replies", sequential, &["confirm", "current", "late"]);
}

#[test]
fn a_late_window_without_end_lets_the_loser_run_on() {
    let rule = spoiled::late_for_ever;
    refuted("late for ever", spoil(rule, ROBBED), LOSER_UNFOUND);
    let unused = Scenario { theft: Theft::Unused, beacons: 0, reads: false, ..ALONE };
    let bounds = &Bounds::ALL[1];
    let bound = bounds.last(3, 1);
    let unused = Scenario { gap: Some(bounds.gap), windows: bounds.windows, bound, ..unused };
    refuted("late for ever, unused", spoil(rule, unused), OUTLIVES);
}

#[test]
fn ages_before_the_table_hide_the_thief() {
    refuted("ages first", spoil(spoiled::ages_first, idle(4)), LOSER_UNFOUND);
}

#[test]
fn a_jump_and_the_branch_it_forgets_must_both_be_borne() {
    let lossy = Scenario { lost_commits: true, ..ALONE };
    refuted("unknown is fork", spoil(spoiled::unknown_is_fork, lossy), HONEST_REFUSED);
    refuted("no jump", spoil(spoiled::no_jump, lossy), HONEST_REFUSED);
}

#[test]
fn a_revocation_must_be_written_and_heeded() {
    refuted("ignored", spoil(spoiled::revocation_ignored, ROBBED), REVOKED_RAN);
    refuted("not written", spoil(spoiled::nothing_revoked, ROBBED), LOSER_UNFOUND);
}

#[test]
fn an_advance_written_without_comparing_lets_both_advance() {
    let blind = Scenario { cache_life: Some(1), blind_writes: true, ..ROBBED };
    refuted("blind write", blind, BOTH_EARN);
}
