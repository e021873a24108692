//! What a client does with a key, as a state machine: something happens, effects come out. No browser, no clock, no
//! randomness; `docs/protocol.md`, "Rules for clients", says what it must hold.
//!
//! * this file — what a caller and the page may do;
//! * `delivery` — sending, and what an answer changes;
//! * [`operation`] — ids, order, bodies; [`token`] — which token is newer; `answer`, [`json`], [`instant`] — reading.
//!
//! The edge calls a method, then does each of [`Rule::effects`] in order.

mod answer;
mod delivery;
pub mod instant;
pub mod json;
pub mod operation;
pub mod token;
mod words;

pub use words::{Effect, EndReason, EntryFault, Failure, Moment, Reply, Sending, Way};

use crate::notice::Notice;
use delivery::Flight;
use latchkey_protocol::Millis;
use operation::{Operation, Order};
use std::collections::VecDeque;
use token::{Claims, Token};

/// A request that is not answered within this time is given up: the client deadline of the protocol.
pub const DEADLINE: Millis = 20_000;
/// How often the edge calls [`Rule::beat`].
pub const BEAT: Millis = 60_000;
/// Silence after which an empty batch keeps the key alive, while the page is visible.
const SILENCE: Millis = 240_000;

/// What the page tells about where to send.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The server is at the page's own origin.
    pub same_origin: bool,
    /// The page has a renewal address.
    pub renews: bool,
}

/// One user's connection to one activity.
#[derive(Debug)]
pub struct Rule {
    place: Place,
    claims: Claims,
    /// The newest token.
    held: Token,
    order: Order,
    /// Each operation until it is answered, what reads included, in the order of asking.
    queue: Vec<Operation>,
    flights: Vec<Flight>,
    next_flight: u32,
    /// A request is under way, or about to be: never more than one, save for a page that goes away.
    running: bool,
    /// The next attempt has its time.
    waiting: bool,
    /// Attempts without progress.
    failures: u32,
    /// Until when the server asked for patience.
    not_before: Millis,
    renew_due: bool,
    renewed_at: Millis,
    /// An empty batch is to keep the key alive.
    ping_due: bool,
    /// When the server last answered.
    heard_at: Millis,
    /// What the first drain has found, until all of it is answered.
    draining: Option<Vec<String>>,
    ended: Option<EndReason>,
    effects: VecDeque<Effect>,
}

impl Rule {
    /// Starts from a launch token; `None` if the text is none.
    pub fn new(launch: &str, place: Place, now: Millis) -> Option<Self> {
        let (held, claims) = token::launch(launch)?;
        Some(Self {
            place,
            order: Order::new(claims.iat.saturating_mul(1000), now),
            claims,
            held,
            queue: Vec::new(),
            flights: Vec::new(),
            next_flight: 0,
            running: false,
            waiting: false,
            failures: 0,
            not_before: 0,
            renew_due: false,
            renewed_at: 0,
            ping_due: false,
            heard_at: now,
            draining: None,
            ended: None,
            effects: VecDeque::new(),
        })
    }

    /// What is to be done next; call until there is nothing.
    pub fn effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What the newest launch token says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The newest token.
    pub fn held(&self) -> &Token {
        &self.held
    }

    /// Why the key has ended, if it has.
    pub fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    /// How many operations the server has not acknowledged.
    pub fn unsaved(&self) -> usize {
        self.writes().count()
    }

    /// How the storage keys of this user and activity begin, `latchkey:<iss>:<sub>:<activity>:`; also the name of the
    /// lock under which a launch drains. Shared with the JavaScript SDK.
    pub fn prefix(&self) -> String {
        let Claims { iss, sub, activity, .. } = &self.claims;
        let mut prefix = String::from("latchkey:");
        for part in [iss, sub, activity] {
            escape(&mut prefix, part);
            prefix.push(':');
        }
        prefix
    }

    /// The next value of the hybrid clock: orders grades.
    pub fn tick(&mut self, now: Millis) -> Millis {
        self.order.tick(now)
    }

    /// Takes an operation. `args` is a JSON object, `None` if what the caller gave cannot be written as one.
    /// Gives its id.
    pub fn call(&mut self, function: &str, args: Option<&str>, moment: &Moment) -> String {
        let id = self.order.id(moment.now, moment.random);
        let operation = Operation::new(id.clone(), function, args.unwrap_or_default());
        let problem = operation.problem();
        let writes = operation.writes();
        let text = operation.text();
        self.queue.push(operation);
        if let Some(problem) = problem {
            self.refuse(std::slice::from_ref(&id), &problem);
        } else if writes {
            self.effects.push_back(Effect::Keep { id: id.clone(), text });
            return id;
        }
        self.taken(&id);
        id
    }

    /// An operation is in storage, or storage has refused it.
    pub fn kept(&mut self, id: &str, stored: bool) {
        if let Some(operation) = self.queue.iter_mut().find(|operation| operation.id == id) {
            operation.stored = stored;
        }
        self.taken(id);
    }

    fn taken(&mut self, id: &str) {
        self.count();
        if let Some(reason) = self.ended
            && let Some(operation) = self.queue.iter().find(|operation| operation.id == id)
        {
            let kept = operation.stored;
            self.settle_one(id, Err(Failure::Ended { reason, kept }));
        }
        self.wake();
    }

    /// To be called once a minute, when the page is seen again and when the network is back: `found` is what
    /// storage holds under [`Rule::prefix`], ids and texts, in the order of the ids.
    pub fn beat(&mut self, found: Vec<(String, String)>, moment: &Moment) {
        self.ping_due = moment.visible && moment.now - self.heard_at > SILENCE;
        self.drain(found);
        self.wake();
    }

    /// The first beat of a launch, under the lock; [`Effect::Unlock`] follows.
    pub fn first_beat(&mut self, found: Vec<(String, String)>, moment: &Moment) {
        self.ping_due = moment.visible && moment.now - self.heard_at > SILENCE;
        self.draining = Some(self.drain(found));
        self.unlock();
        self.wake();
    }

    /// Takes over what other launches left, as far as this key may write it.
    fn drain(&mut self, found: Vec<(String, String)>) -> Vec<String> {
        let mut taken = Vec::new();
        for (id, text) in found {
            if self.queue.iter().any(|known| known.id == id) {
                continue;
            }
            let Some(operation) = Operation::of_text(&id, &text) else { continue };
            self.order.given(operation.sequence());
            if self.claims.may(&operation.function) {
                self.queue.push(operation);
                taken.push(id);
            }
        }
        if !taken.is_empty() {
            self.count();
        }
        taken
    }

    fn unlock(&mut self) {
        let over = |ids: &Vec<String>| {
            self.ended.is_some() || ids.iter().all(|id| self.queue.iter().all(|op| op.id != *id))
        };
        if self.draining.as_ref().is_some_and(over) {
            self.draining = None;
            self.effects.push_back(Effect::Unlock);
        }
    }

    /// Sends what is unsaved at once instead of waiting for the next attempt, what a beacon took along included, unless
    /// the server asked for patience. [`Effect::Rest`] follows.
    pub fn flush(&mut self, moment: &Moment) {
        if moment.now >= self.not_before {
            if self.waiting {
                self.effects.push_back(Effect::Unwait);
            }
            self.waiting = false;
            self.failures = 0;
        }
        self.queue.iter_mut().for_each(|operation| operation.away = false);
        self.wake();
        if !self.running {
            self.effects.push_back(Effect::Rest);
        }
    }

    /// The wait for the next attempt is over.
    pub fn woken(&mut self) {
        self.waiting = false;
        self.wake();
    }

    /// The page calls it off; what is unsaved is left to the next launch.
    pub fn close(&mut self) {
        self.end(EndReason::Closed);
    }

    fn end(&mut self, reason: EndReason) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(reason);
        self.effects.push_back(Effect::Stop);
        for at in 0..self.queue.len() {
            let Operation { id, stored: kept, .. } = &self.queue[at];
            let (id, kept) = (id.clone(), *kept);
            self.settle_one(&id, Err(Failure::Ended { reason, kept }));
        }
        let count = self.unsaved();
        self.effects.push_back(Effect::Tell(Notice::Ended { reason, count }));
        self.unlock();
    }

    fn settle_one(&mut self, id: &str, outcome: Result<String, Failure>) {
        self.effects.push_back(Effect::Settle { id: id.to_owned(), outcome });
    }

    fn writes(&self) -> impl Iterator<Item = &Operation> {
        self.queue.iter().filter(|operation| operation.writes())
    }

    /// Tells the widget how many are unsaved.
    fn count(&mut self) {
        let durable = self.writes().all(|operation| operation.stored);
        let count = self.unsaved();
        self.effects.push_back(Effect::Tell(Notice::Unsaved { count, durable }));
    }
}

/// As `encodeURIComponent` writes it.
fn escape(out: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(byte.into());
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.push(hex(half).to_ascii_uppercase());
            }
        }
    }
}

/// The hexadecimal digit of the last four bits.
fn hex(bits: u8) -> char {
    b"0123456789abcdef"[usize::from(bits & 15)].into()
}
