//! The small world that the search walks through: one family, its client, perhaps a thief.
//!
//! Everything is kept relative, so that the search ends although the run does not: times as ages, capped
//! where a greater age makes no difference; generations as distances from the row's; branches as small
//! numbers in the order in which they are met.

use latchkey_server::keys::decide::{Decision, Millis, Presented, Row, Windows};

/// The rule under test, or a spoiled variant of it.
pub type Rule = fn(&Row, &Presented, &Windows, Millis) -> Decision;

/// When a client takes over the token of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// Higher generation, or the held token itself with a later stamp.
    SameBranch,
    /// Higher generation, or equal generation (whatever branch) with a later stamp.
    AnyBranch,
}

/// What a thief who copied the held token does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theft {
    /// There is no thief.
    Never,
    /// Nothing: the copy lies there.
    Unused,
    /// Calls whenever it likes, with the copy or with what it earned.
    Used,
}

/// What may happen in a world, and the lengths of time in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub rule: Rule,
    pub windows: Windows,
    pub adoption: Adoption,
    /// The client also reads replies of requests parallel to its writes.
    pub reads: bool,
    /// Requests under way whose reply nobody reads: beacons, duplicates, abandoned attempts.
    pub beacons: usize,
    /// The second node may answer from a row read up to so many ticks ago.
    pub cache_life: Option<u8>,
    /// The second node writes an advance without comparing (a broken server).
    pub blind_writes: bool,
    /// The database may fall back to an older state, by up to two generations.
    pub lost_commits: bool,
    pub theft: Theft,
    /// The client finishes a write (and an active thief calls) at least every so many ticks.
    pub gap: Option<u8>,
    /// The client presents a newly adopted generation before a tick passes; asked only with `gap`.
    pub confirms_at_once: bool,
    /// How many ticks after the theft it may still matter; asked only where `gap` is set.
    pub bound: u8,
}

/// An idle limit that never strikes.
pub const NEVER: Millis = 1_000_000;

impl Scenario {
    fn row_age_cap(&self) -> u8 {
        let reach = self.windows.rotate_after.max(self.windows.late + 1);
        ticks(if self.tracks_idle() { reach.max(self.windows.idle + 1) } else { reach })
    }

    fn stamp_age_cap(&self) -> u8 {
        if self.tracks_idle() {
            self.row_age_cap()
        } else if self.adoption == Adoption::AnyBranch {
            self.deadline() + 1
        } else {
            0
        }
    }

    pub fn tracks_idle(&self) -> bool {
        self.windows.idle < NEVER
    }

    pub fn deadline(&self) -> u8 {
        ticks(self.windows.client_deadline)
    }

    /// After this age of the split, or of the revocation, nothing else is ever asked of its age.
    fn ghost_cap(&self) -> u8 {
        ticks(self.windows.late).max(self.cache_life.unwrap_or(0)) + 1
    }
}

pub fn ticks(length: Millis) -> u8 {
    u8::try_from(length).expect("a scenario counts in few ticks")
}

/// No branch: the former one of a row that has none, or forgot it.
pub const UNKNOWN: u8 = 0;

/// How far back generations are told apart; anything older is as stale as this.
const OLDEST: i8 = -3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    pub generation: i8,
    pub branch: u8,
    /// Ticks since its stamp.
    pub age: u8,
}

/// The row of the family, or a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Snapshot {
    pub hi: i8,
    pub branch: u8,
    pub prev: u8,
    pub age: u8,
    pub revoked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reply {
    Refused,
    Ran(Option<Token>),
}

/// A request whose reply the client waits for; ages count from its sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exchange {
    Free,
    Asked { token: Token, age: u8 },
    Answered { reply: Reply, age: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    Client,
    Thief,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Loot {
    pub stolen: Token,
    pub newest: Token,
}

/// What only the observer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ghost {
    /// The thief has presented a token.
    pub used: bool,
    /// Who first confirmed a generation above the stolen one, and how many ticks ago.
    pub split: Option<(Party, u8)>,
    /// Who earned a renewal with a token above the stolen generation: client, thief.
    pub earned: [bool; 2],
    pub revoked_age: u8,
    /// Ticks since the client's last finished write and the thief's last call.
    pub quiet: [u8; 2],
    pub since_theft: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    pub row: Snapshot,
    /// What a crash that loses commits falls back to.
    pub durable: Option<Snapshot>,
    /// The second node's copy of the row and the copy's age.
    pub cache: Option<(Snapshot, u8)>,
    pub held: Token,
    /// The client was refused and has turned to its page.
    pub stopped: bool,
    pub write: Exchange,
    pub read: Exchange,
    pub beacons: [Option<(Token, u8)>; 2],
    pub loot: Option<Loot>,
    pub ghost: Ghost,
}

impl World {
    /// A family just started.
    pub fn new(scenario: &Scenario) -> Self {
        let row = Snapshot { hi: 0, branch: 1, prev: UNKNOWN, age: 0, revoked: false };
        World {
            row,
            durable: scenario.lost_commits.then_some(row),
            cache: None,
            held: Token { generation: 0, branch: 1, age: 0 },
            stopped: false,
            write: Exchange::Free,
            read: Exchange::Free,
            beacons: [None; 2],
            loot: None,
            ghost: Ghost::default(),
        }
    }

    /// One tick later: requests and replies past the deadline are lost, cached rows forgotten.
    pub fn tick(mut self, scenario: &Scenario) -> Self {
        let deadline = scenario.deadline();
        for exchange in [&mut self.write, &mut self.read] {
            match exchange {
                Exchange::Asked { age, .. } | Exchange::Answered { age, .. } if *age < deadline => {
                    *age += 1;
                }
                _ => *exchange = Exchange::Free,
            }
        }
        for slot in &mut self.beacons {
            *slot = slot.filter(|(_, age)| *age < deadline).map(|(token, age)| (token, age + 1));
        }
        let life = scenario.cache_life.unwrap_or(0);
        self.cache = self.cache.filter(|(_, age)| *age < life).map(|(row, age)| (row, age + 1));
        for row in self.rows() {
            row.age = (row.age + 1).min(scenario.row_age_cap());
        }
        for token in self.tokens() {
            token.age = (token.age + 1).min(scenario.stamp_age_cap());
        }
        self.age_ghost(scenario);
        self.sort_beacons();
        self
    }

    fn age_ghost(&mut self, scenario: &Scenario) {
        let cap = scenario.ghost_cap();
        if let Some((_, age)) = &mut self.ghost.split {
            *age = (*age + 1).min(cap);
        }
        if self.row.revoked {
            self.ghost.revoked_age = (self.ghost.revoked_age + 1).min(cap);
        }
        if scenario.gap.is_some() {
            self.ghost.quiet[0] += 1;
            if self.loot.is_some() {
                self.ghost.quiet[1] += u8::from(scenario.theft == Theft::Used);
                self.ghost.since_theft += 1;
            }
        }
    }

    /// Oldest first, the order independent of branches; the free place last.
    pub fn sort_beacons(&mut self) {
        let key = |slot: &Option<(Token, u8)>| {
            slot.map_or((1, 0, 0), |(token, age)| (0, u8::MAX - age, token.generation))
        };
        self.beacons.sort_by_key(key);
    }

    /// A branch number nobody uses.
    pub fn fresh_branch(&self) -> u8 {
        let mut world = *self;
        let mut highest = 0;
        world.each_branch(|branch| highest = highest.max(*branch));
        highest + 1
    }

    /// The same world in its one standard form.
    pub fn canonical(mut self) -> Self {
        let hi = self.row.hi;
        for row in self.rows() {
            row.hi = (row.hi - hi).max(OLDEST);
        }
        for token in self.tokens() {
            token.generation = (token.generation - hi).max(OLDEST);
        }
        if let Some(loot) = &mut self.loot
            && loot.stolen.generation == OLDEST
        {
            // Stays below the thief's newer tokens when these grow equally old.
            loot.stolen.generation = OLDEST - 1;
        }
        let mut met: [u8; 32] = [UNKNOWN; 32];
        let mut count = 0;
        self.each_branch(|branch| {
            if *branch != UNKNOWN {
                let number = &mut met[usize::from(*branch)];
                if *number == UNKNOWN {
                    count += 1;
                    *number = count;
                }
                *branch = *number;
            }
        });
        self
    }

    fn rows(&mut self) -> impl Iterator<Item = &mut Snapshot> {
        let cached = self.cache.as_mut().map(|(row, _)| row);
        [Some(&mut self.row), self.durable.as_mut(), cached].into_iter().flatten()
    }

    fn tokens(&mut self) -> impl Iterator<Item = &mut Token> {
        let [first, second] = &mut self.beacons;
        let (stolen, newest) = match &mut self.loot {
            Some(loot) => (Some(&mut loot.stolen), Some(&mut loot.newest)),
            None => (None, None),
        };
        [
            Some(&mut self.held),
            self.write.token(),
            self.read.token(),
            first.as_mut().map(|(token, _)| token),
            second.as_mut().map(|(token, _)| token),
            stolen,
            newest,
        ]
        .into_iter()
        .flatten()
    }

    fn each_branch(&mut self, mut visit: impl FnMut(&mut u8)) {
        for row in self.rows() {
            visit(&mut row.branch);
            visit(&mut row.prev);
        }
        for token in self.tokens() {
            visit(&mut token.branch);
        }
    }
}

impl Exchange {
    fn token(&mut self) -> Option<&mut Token> {
        match self {
            Exchange::Asked { token, .. }
            | Exchange::Answered { reply: Reply::Ran(Some(token)), .. } => Some(token),
            _ => None,
        }
    }
}
