//! A machine with one storage, tabs that live and die on it, and a network in between.

use crate::server::Server;
use latchkey_client::Notice;
use latchkey_client::rule::{BEAT, DEADLINE, Effect, Moment, Place, Reply, Rule, Sending, Way};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of one request, milliseconds; `None` is loss.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) out: Option<i64>,
    pub(crate) back: Option<i64>,
    /// A copy of the request arrives as well.
    pub(crate) twice: Option<i64>,
}

/// Both ways at once.
pub(crate) const GOOD: Fate = Fate { out: Some(0), back: Some(0), twice: None };

enum Due {
    Turn,
    Woken,
    Beat,
    /// A request arrives; its answer goes back after so long, if at all.
    Arrive {
        sending: Sending,
        back: Option<i64>,
    },
    Answer {
        flight: u32,
        reply: Reply,
    },
}

pub(crate) struct Tab {
    pub(crate) rule: Rule,
    pub(crate) alive: bool,
    pub(crate) visible: bool,
    /// No time passes for it: what happens meanwhile happens when it thaws.
    pub(crate) frozen: bool,
    /// This machine's clock against the server's.
    skew: i64,
    /// Counts timers, so that one that was called off does nothing.
    timer: u64,
    pub(crate) notices: Vec<Notice>,
    /// Answers of operations.
    pub(crate) settled: BTreeMap<String, bool>,
    /// Effects until it dies, if it is to die.
    pub(crate) dies_in: Option<u32>,
    pub(crate) rests: u32,
}

pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) server: Server,
    pub(crate) storage: BTreeMap<String, String>,
    /// Storage takes nothing.
    pub(crate) full: bool,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) network: Box<dyn FnMut() -> Fate>,
    pub(crate) same_origin: bool,
    due: Vec<(i64, u64, usize, u64, Due)>,
    order: u64,
    dice: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: 1_767_600_000_000,
            server: Server::new(),
            storage: BTreeMap::new(),
            full: false,
            tabs: Vec::new(),
            network: Box::new(|| GOOD),
            same_origin: true,
            due: Vec::new(),
            order: 0,
            dice: 1,
        }
    }

    /// A launch in a new tab, on a machine whose clock is off by `skew`.
    pub(crate) fn launch(&mut self, skew: i64) -> usize {
        let token = self.server.launch("ada", self.now);
        let place = Place { same_origin: self.same_origin, renews: true };
        let rule = Rule::new(&token, place, self.now + skew).unwrap();
        let tab = self.tabs.len();
        self.tabs.push(Tab {
            rule,
            alive: true,
            visible: true,
            frozen: false,
            skew,
            timer: 0,
            notices: Vec::new(),
            settled: BTreeMap::new(),
            dies_in: None,
            rests: 0,
        });
        self.at(BEAT, tab, Due::Beat);
        let found = self.stored();
        self.with(tab, |rule, moment| rule.first_beat(found, moment));
        tab
    }

    fn stored(&self) -> Vec<(String, String)> {
        self.storage.iter().map(|(id, text)| (id.clone(), text.clone())).collect()
    }

    fn at(&mut self, after: i64, tab: usize, due: Due) {
        self.order += 1;
        let timer = self.tabs[tab].timer;
        self.due.push((self.now + after, self.order, tab, timer, due));
    }

    fn moment(&mut self, tab: usize) -> Moment {
        let random = std::array::from_fn(|_| {
            self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.dice >> 24) as u8
        });
        let Tab { visible, skew, .. } = self.tabs[tab];
        Moment { now: self.now + skew, visible, random }
    }

    /// Something happens in a tab; its effects are done, unless it dies in between.
    pub(crate) fn with<T>(
        &mut self,
        tab: usize,
        happens: impl FnOnce(&mut Rule, &Moment) -> T,
    ) -> T {
        let moment = self.moment(tab);
        let given = happens(&mut self.tabs[tab].rule, &moment);
        while let Some(effect) = self.tabs[tab].rule.effect() {
            let here = &mut self.tabs[tab];
            here.alive &= here.dies_in != Some(0);
            here.dies_in = here.dies_in.map(|left| left.saturating_sub(1));
            if !here.alive {
                break;
            }
            self.perform(tab, effect);
        }
        given
    }

    fn perform(&mut self, tab: usize, effect: Effect) {
        match effect {
            Effect::Keep { id, text } => {
                if !self.full {
                    self.storage.insert(id.clone(), text);
                }
                let stored = !self.full;
                self.tabs[tab].rule.kept(&id, stored);
            }
            Effect::Drop { id } => drop(self.storage.remove(&id)),
            Effect::Soon => self.at(0, tab, Due::Turn),
            Effect::Wait { millis } => self.at(millis, tab, Due::Woken),
            Effect::Unwait => self.tabs[tab].timer += 1,
            Effect::Send(sending) => self.send(tab, sending),
            Effect::Settle { id, outcome } => {
                let before = self.tabs[tab].settled.insert(id, outcome.is_ok());
                assert_ne!(before, Some(true), "answered twice");
            }
            Effect::Tell(notice) => self.tabs[tab].notices.push(notice),
            Effect::Rest => self.tabs[tab].rests += 1,
            Effect::Unlock | Effect::Stop => {}
        }
    }

    fn send(&mut self, tab: usize, sending: Sending) {
        // What is to outlive its page may be 64 KiB: browsers refuse more at once.
        if sending.body.len() > 65_536 && sending.way == Way::Beacon {
            self.tabs[tab].rule.beaconed(sending.flight, false);
            return;
        }
        if sending.body.len() > 65_536 && sending.way == (Way::Batch { keepalive: true }) {
            let (flight, reply) = (sending.flight, Reply::default());
            self.at(0, tab, Due::Answer { flight, reply });
            return;
        }
        let Fate { out, back, twice } = (self.network)();
        let flight = sending.flight;
        if let Some(twice) = twice.filter(|_| sending.way != Way::Renewal) {
            self.at(twice, tab, Due::Arrive { sending: sending.clone(), back: None });
        }
        let beacon = sending.way == Way::Beacon;
        match out {
            Some(out) => {
                let back = back.filter(|back| out + back < DEADLINE);
                self.at(out, tab, Due::Arrive { sending, back });
                if back.is_none() && !beacon {
                    self.at(DEADLINE, tab, Due::Answer { flight, reply: Reply::default() });
                }
            }
            None if beacon => {}
            None => {
                let fails = back.unwrap_or(DEADLINE).min(DEADLINE);
                self.at(fails, tab, Due::Answer { flight, reply: Reply::default() });
            }
        }
        if beacon {
            self.tabs[tab].rule.beaconed(flight, true);
        }
    }

    /// Time goes on.
    pub(crate) fn pass(&mut self, millis: i64) {
        let end = self.now + millis;
        loop {
            let next = (0..self.due.len())
                .min_by_key(|at| (self.due[*at].0, self.due[*at].1))
                .filter(|at| self.due[*at].0 <= end);
            let Some(at) = next else { break };
            let (time, _, tab, timer, due) = self.due.swap_remove(at);
            self.now = self.now.max(time);
            self.happen(tab, timer, due);
        }
        self.now = end;
    }

    fn happen(&mut self, tab: usize, timer: u64, due: Due) {
        let Tab { alive, frozen, timer: current, .. } = self.tabs[tab];
        match due {
            Due::Arrive { sending, back } => {
                let (status, text) = match sending.way {
                    Way::Renewal => self.server.renew(&sending.body, self.now),
                    _ => self.server.handle(&sending.token, &sending.body, self.now),
                };
                if let Some(back) = back {
                    let (flight, reply) = (sending.flight, Reply { status, after: 0, text });
                    self.at(back, tab, Due::Answer { flight, reply });
                }
            }
            _ if !alive => {}
            _ if frozen => {
                self.order += 1;
                self.due.push((self.now + 500, self.order, tab, timer, due));
            }
            Due::Turn => self.with(tab, Rule::turn),
            Due::Woken if timer == current => self.with(tab, |rule, _| rule.woken()),
            Due::Woken => {}
            Due::Beat => {
                if self.tabs[tab].rule.ended().is_none() {
                    self.at(BEAT, tab, Due::Beat);
                    let found = self.stored();
                    self.with(tab, |rule, moment| rule.beat(found, moment));
                }
            }
            Due::Answer { flight, reply } => {
                self.with(tab, |rule, moment| rule.answered(flight, &reply, moment));
            }
        }
    }

    /// An event or a grade, as a widget gives it; gives its id.
    pub(crate) fn ask(&mut self, tab: usize, function: &str) -> String {
        self.with(tab, |rule, moment| {
            let args = match function {
                "log" => {
                    r#"{"event":"answered","data":{"n":1},"at":"2026-01-05T08:00:00.000Z"}"#.into()
                }
                "state" => r#"{"op":"put","value":{"page":3}}"#.into(),
                "grade" => format!(r#"{{"score":7.5,"sequence":{}}}"#, rule.tick(moment.now)),
                _ => "{}".to_owned(),
            };
            rule.call(function, Some(&args), moment)
        })
    }

    pub(crate) fn hide(&mut self, tab: usize) {
        self.tabs[tab].visible = false;
        self.with(tab, Rule::leave);
    }

    pub(crate) fn show(&mut self, tab: usize) {
        self.tabs[tab].visible = true;
        let found = self.stored();
        self.with(tab, |rule, moment| rule.beat(found, moment));
        self.with(tab, Rule::flush);
    }

    /// The last launch, in fair weather: whatever is left comes home, each operation once.
    pub(crate) fn comes_home(&mut self, operations: &BTreeSet<String>) {
        self.tabs.iter_mut().for_each(|tab| tab.alive = false);
        self.network = Box::new(|| GOOD);
        self.pass(DEADLINE);
        let last = self.launch(0);
        self.pass(1000);
        assert_eq!(self.storage, BTreeMap::new());
        assert_eq!(self.tabs[last].rule.unsaved(), 0);
        assert_eq!(self.server.ids(), *operations);
    }
}
