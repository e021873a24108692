//! A rule that forgets nothing, held against the one that keeps a single row.
//!
//! [`History`] remembers every presentation with its time, and derives each answer from that list
//! alone, in the words of the acceptance table. Random families are then led through both.

use std::cell::RefCell;
use std::collections::BTreeMap;

use latchkey_server::keys::decide::{
    Branch, Death, Decision, LAUNCH_BRANCH, Launch, Millis, Presented, Renewal, Row, Start,
    Windows, decide, start,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::spoiled;
use crate::world::Rule;

const WINDOWS: Windows = Windows { late: 30, rotate_after: 40, idle: 500, client_deadline: 20 };
const KEY_EXP: Millis = 4000;

/// One token that reached the server.
#[derive(Debug, Clone, Copy)]
struct Presentation {
    at: Millis,
    generation: u32,
    branch: Branch,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ran,
    ProvedTwoHolders,
    Turned,
}

/// What the full-history rule answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Current(Renewal),
    Confirm,
    Late,
    Ahead,
    Stale,
    Fork,
    Dead(Death),
}

struct History {
    rotating: bool,
    presented: Vec<Presentation>,
}

impl History {
    fn ran(&self) -> impl Iterator<Item = &Presentation> {
        self.presented.iter().filter(|past| past.outcome == Outcome::Ran)
    }

    /// The presentation that made `generation` the newest. One that is first heard of late, after a
    /// jump over it, opens nothing: whoever jumped may have held another branch of it.
    fn opening(&self, generation: u32) -> Option<&Presentation> {
        let mut until_newer = self.ran().take_while(|past| past.generation <= generation);
        until_newer.find(|past| past.generation == generation)
    }

    fn newest(&self) -> &Presentation {
        let ran = self.presented.iter().filter(|past| past.outcome == Outcome::Ran);
        let highest = ran.map(|past| past.generation).max().expect("the start ran");
        self.opening(highest).expect("it ran")
    }

    fn answer(&self, token: &Presented, now: Millis) -> Answer {
        if self.presented.iter().any(|past| past.outcome == Outcome::ProvedTwoHolders) {
            return Answer::Dead(Death::Revoked);
        }
        let newest = self.newest();
        let answer = self.by_table(token, newest, now);
        if matches!(answer, Answer::Stale | Answer::Fork) {
            return answer;
        }
        let unused_for = (now - token.stamped_at).min(now - newest.at);
        if now >= KEY_EXP {
            Answer::Dead(Death::Expired)
        } else if self.rotating && unused_for > WINDOWS.idle {
            Answer::Dead(Death::Idle)
        } else {
            answer
        }
    }

    fn by_table(&self, token: &Presented, newest: &Presentation, now: Millis) -> Answer {
        let n = token.generation;
        let renewal = if self.rotating && now - newest.at >= WINDOWS.rotate_after {
            Renewal::Offer
        } else {
            Renewal::Restamp
        };
        if n == newest.generation && token.branch == newest.branch {
            return Answer::Current(renewal);
        }
        if !self.rotating || n == newest.generation {
            return Answer::Fork;
        }
        if n > newest.generation {
            return if n == newest.generation + 1 { Answer::Confirm } else { Answer::Ahead };
        }
        if n + 1 < newest.generation {
            return Answer::Stale;
        }
        match self.opening(n) {
            Some(opening) if opening.branch != token.branch => Answer::Fork,
            _ if now > newest.at + WINDOWS.late => Answer::Stale,
            _ => Answer::Late,
        }
    }

    fn record(&mut self, token: &Presented, at: Millis, answer: Answer) {
        let outcome = match answer {
            Answer::Stale | Answer::Fork => Outcome::ProvedTwoHolders,
            Answer::Dead(_) => Outcome::Turned,
            _ => Outcome::Ran,
        };
        let (generation, branch) = (token.generation, token.branch);
        self.presented.push(Presentation { at, generation, branch, outcome });
    }
}

/// What befalls a family.
#[derive(Debug, Clone)]
enum Event {
    Wait(Millis),
    /// Present one of the tokens ever issued, counted from the newest.
    Present(prop::sample::Index),
    /// Present a token of the newest generation plus this, on a branch of few.
    Invented {
        distance: i8,
        branch: u8,
        age: Millis,
    },
    /// The database forgets its last writes.
    Lose(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let limits = prop::sample::select(vec![0, 1, 29, 30, 31, 39, 40, 41, 499, 500, 501]);
    prop_oneof![
        4 => limits.prop_map(Event::Wait),
        3 => (0..50_i64).prop_map(Event::Wait),
        10 => any::<prop::sample::Index>().prop_map(Event::Present),
        1 => (-3..=3_i8, 0..4_u8, 0..600_i64)
            .prop_map(|(distance, branch, age)| Event::Invented { distance, branch, age }),
        1 => (1..4_usize).prop_map(Event::Lose),
    ]
}

fn family() -> impl Strategy<Value = (bool, Vec<Event>)> {
    (prop::bool::weighted(0.9), prop::collection::vec(event(), 1..60))
}

/// Both rules side by side: the rows the database went through, and the list of everything.
struct Pair {
    rule: Rule,
    now: Millis,
    /// Every state of the row, with how many presentations the history had when it was written.
    rows: Vec<(Row, usize)>,
    history: History,
    issued: Vec<Presented>,
    drawn: u32,
}

impl Pair {
    fn new(rule: Rule, rotating: bool) -> Self {
        let launch = Launch { first_use_until: 100, key_exp: KEY_EXP, rotating };
        let Start::Insert(row) = start(Some(&launch), 0) else { unreachable!("before its limits") };
        let token = Presented { generation: 0, branch: LAUNCH_BRANCH, stamped_at: -10 };
        let mut history = History { rotating, presented: Vec::new() };
        history.record(&token, 0, Answer::Confirm);
        let drawn = 0;
        Pair { rule, now: 0, rows: vec![(row, 1)], history, issued: vec![token], drawn }
    }

    fn row(&self) -> Row {
        self.rows.last().expect("the start is never lost").0
    }

    /// Presents `token` to both; the decision's name, if they agree.
    fn present(&mut self, token: &Presented) -> Result<&'static str, TestCaseError> {
        let row = self.row();
        let decision = (self.rule)(&row, token, &WINDOWS, self.now);
        let answer = self.history.answer(token, self.now);
        prop_assert_eq!(as_answer(&decision), answer, "{:?} at {}: {:?}", token, self.now, row);
        self.history.record(token, self.now, answer);
        if let Some(reply) = decision.reply_token(&row) {
            let branch = reply.branch.unwrap_or_else(|| self.draw());
            let (generation, stamped_at) = (reply.generation, self.now);
            self.issued.push(Presented { generation, branch, stamped_at });
        }
        let moved = decision.advance().map(|next| next.apply(&row));
        let written = moved.or(decision.revokes().then_some(Row { revoked: true, ..row }));
        self.rows.extend(written.map(|row| (row, self.history.presented.len())));
        self.same_state()?;
        Ok(decision.name())
    }

    fn draw(&mut self) -> Branch {
        self.drawn += 1;
        let mut branch = [0xFF; 8];
        branch[..4].copy_from_slice(&self.drawn.to_be_bytes());
        branch
    }

    /// The row is what the history comes down to.
    fn same_state(&self) -> Result<(), TestCaseError> {
        let row = self.row();
        let newest = self.history.newest();
        let state = (row.hi, row.branch, row.advanced_at);
        prop_assert_eq!(state, (newest.generation, newest.branch, newest.at));
        let former = row.hi.checked_sub(1).and_then(|former| self.history.opening(former));
        prop_assert_eq!(row.prev_branch, former.map(|opening| opening.branch));
        Ok(())
    }

    fn lose(&mut self, writes: usize) {
        for _ in 0..writes.min(self.rows.len() - 1) {
            let lost = self.rows.pop().map_or(1, |(_, presented)| presented);
            self.history.presented.truncate(lost - 1);
        }
    }

    fn undergo(&mut self, event: &Event) -> Result<Option<&'static str>, TestCaseError> {
        match event {
            Event::Wait(length) => self.now += length,
            Event::Lose(writes) => self.lose(*writes),
            Event::Present(index) => {
                // Recent tokens more often than old ones: half of all picks fall on the last three.
                let pick = index.index(self.issued.len() * 2);
                let back = if pick < self.issued.len() { pick } else { pick % 3 };
                let token = self.issued[self.issued.len().saturating_sub(back + 1)];
                return self.present(&token).map(Some);
            }
            Event::Invented { distance, branch, age } => {
                let generation = self.row().hi.saturating_add_signed(i32::from(*distance));
                let stamped_at = self.now - age;
                let branch = [*branch; 8];
                return self.present(&Presented { generation, branch, stamped_at }).map(Some);
            }
        }
        Ok(None)
    }
}

fn as_answer(decision: &Decision) -> Answer {
    match decision {
        Decision::Current { renewal } => Answer::Current(*renewal),
        Decision::Confirm { .. } => Answer::Confirm,
        Decision::Late => Answer::Late,
        Decision::Ahead { .. } => Answer::Ahead,
        Decision::Stale => Answer::Stale,
        Decision::Fork => Answer::Fork,
        Decision::Dead(death) => Answer::Dead(*death),
    }
}

/// Leads `cases` random families through `rule` and the history; how often each decision was met.
fn compare(rule: Rule, cases: u32) -> Result<BTreeMap<&'static str, u32>, String> {
    let met = RefCell::new(BTreeMap::new());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, rng).run(&family(), |(rotating, events)| {
        let mut pair = Pair::new(rule, rotating);
        for event in &events {
            if let Some(name) = pair.undergo(event)? {
                *met.borrow_mut().entry(name).or_default() += 1;
            }
        }
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(met.into_inner()),
        Err(TestError::Fail(reason, family)) => Err(format!("{reason}\n{family:?}")),
        Err(TestError::Abort(reason)) => panic!("no comparison: {reason}"),
    }
}

#[test]
fn the_row_decides_as_the_full_history_does() {
    let met = compare(decide, 4000).unwrap_or_else(|difference| panic!("{difference}"));
    println!("decisions compared: {met:?}");
    for name in ["current", "confirm", "late", "ahead", "stale", "fork", "dead"] {
        assert!(met.get(name).copied().unwrap_or(0) > 100, "{name} hardly met: {met:?}");
    }
}

#[test]
fn the_comparison_notices_every_spoiled_rule() {
    let spoiled: [(&str, Rule); 8] = [
        ("without branches", spoiled::without_branches),
        ("late renews", spoiled::late_renews),
        ("late for ever", spoiled::late_for_ever),
        ("ages first", spoiled::ages_first),
        ("unknown is fork", spoiled::unknown_is_fork),
        ("no jump", spoiled::no_jump),
        ("revocation ignored", spoiled::revocation_ignored),
        ("nothing revoked", spoiled::nothing_revoked),
    ];
    for (name, rule) in spoiled {
        let difference = compare(rule, 4000).expect_err(name);
        println!("{name}: {difference}\n");
    }
}
