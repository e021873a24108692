//! Sending, and what an answer changes.

use super::answer::{Body, Fate, Outcome, entry_ids, read, renewed};
use super::json::write_text;
use super::operation::{Call, MAX_BODY, Operation, body, calls, pieces};
use super::{Effect, EndReason, Failure, Moment, Reply, Rule, Sending, Way, instant, token};
use crate::error::Refusal;
use crate::notice::Notice;
use latchkey_protocol::Millis;

/// A renewed key that is refused within this time has ended: another renewal would not help.
const RENEWAL_HOLDS: Millis = 60_000;
/// The longest wait that a server may ask for.
const MAX_PATIENCE: Millis = 3_600_000;

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    number: u32,
    kind: Kind,
    calls: Vec<Call>,
    /// The token it was sent with.
    token: String,
    sent_at: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The one request of [`Rule::turn`].
    Work,
    /// Sent while the page was going away.
    Leaving,
    Renewal,
}

impl Rule {
    /// Begins to send, unless it does or waits for the next attempt.
    pub(super) fn wake(&mut self) {
        if !self.waiting && self.ended.is_none() && !self.running {
            self.running = true;
            self.effects.push_back(Effect::Soon);
        }
    }

    /// Sends what is due next.
    pub fn turn(&mut self, moment: &Moment) {
        let piece =
            pieces(self.queue.iter().filter(|operation| !operation.away)).into_iter().next();
        let calls = calls(&piece.unwrap_or_default());
        if self.ended.is_some() {
            self.rest();
        } else if self.renew_due {
            self.renew(moment);
        } else if !calls.is_empty() || self.ping_due {
            let keepalive = !moment.visible && self.place.same_origin;
            self.send(Kind::Work, calls, Way::Batch { keepalive }, moment);
        } else {
            self.rest();
        }
    }

    fn rest(&mut self) {
        self.running = false;
        self.effects.push_back(Effect::Rest);
    }

    fn send(&mut self, kind: Kind, calls: Vec<Call>, way: Way, moment: &Moment) {
        let token = self.held.text.clone();
        let sent = instant::write(moment.now);
        let body = match way {
            Way::Batch { .. } => body(&calls, None, &sent),
            Way::Beacon => body(&calls, Some(&token), &sent),
            Way::Renewal => {
                let mut text = String::from("{\"token\":");
                write_text(&mut text, &token);
                text.push('}');
                text
            }
        };
        // More than that no browser sends for a page that goes away.
        let heavy = body.len() > MAX_BODY && way != Way::Beacon;
        let way = if heavy { Way::Batch { keepalive: false } } else { way };
        let flight = self.next_flight;
        self.next_flight = flight.wrapping_add(1);
        let (number, sent_at) = (flight, moment.now);
        self.flights.push(Flight { number, kind, calls, token: token.clone(), sent_at });
        self.effects.push_back(Effect::Send(Sending { flight, way, token, body }));
    }

    /// What came of a request.
    pub fn answered(&mut self, flight: u32, reply: &Reply, moment: &Moment) {
        let Some(at) = self.flights.iter().position(|known| known.number == flight) else { return };
        let flight = self.flights.swap_remove(at);
        let on = match flight.kind {
            Kind::Renewal => self.renewed(reply, moment),
            Kind::Work => self.worked(&flight, reply, moment),
            Kind::Leaving => {
                if let Some(Body::Done(outcomes)) = self.learn(&flight, reply, moment) {
                    self.settle(&flight.calls, outcomes);
                }
                self.back(&flight.calls);
                return;
            }
        };
        if on { self.turn(moment) } else { self.rest() }
    }

    /// Whether the browser took a beacon. One that it took is never answered: what it carries waits for
    /// [`Rule::flush`].
    pub fn beaconed(&mut self, flight: u32, taken: bool) {
        let Some(at) = self.flights.iter().position(|known| known.number == flight) else { return };
        let flight = self.flights.swap_remove(at);
        if !taken {
            self.back(&flight.calls);
        }
    }

    /// These may be sent again: the page is seen, or the way out was closed.
    fn back(&mut self, calls: &[Call]) {
        for operation in &mut self.queue {
            operation.away &= !calls.iter().any(|call| call.operations.contains(&operation.id));
        }
        self.wake();
    }

    /// The page may be going away: everything goes out in a way that outlives it. The answer to a beacon is never read,
    /// so nothing is counted as saved by it.
    pub fn leave(&mut self, moment: &Moment) {
        let away: Vec<Vec<Call>> = pieces(self.writes().filter(|operation| !operation.away))
            .iter()
            .map(|piece| calls(piece))
            .collect();
        self.queue.iter_mut().filter(|op| op.writes()).for_each(|op| op.away = true);
        let same = self.place.same_origin;
        let way = if same { Way::Batch { keepalive: true } } else { Way::Beacon };
        for calls in away {
            self.send(Kind::Leaving, calls, way, moment);
        }
    }

    /// Learns from an answer: clock, token, lateness. `None` if it is no result object.
    fn learn<'a>(
        &mut self,
        flight: &Flight,
        reply: &'a Reply,
        moment: &Moment,
    ) -> Option<Body<'a>> {
        let answer = read(&reply.text)?;
        if let Some(server) = answer.server_time.as_deref().and_then(instant::read) {
            self.order.measure(server, flight.sent_at, moment.now);
        }
        self.heard_at = moment.now;
        let next = answer.token.as_deref().and_then(token::session);
        match next.filter(|next| token::supersedes(next, &self.held)) {
            Some(next) => self.held = next,
            None if answer.late && flight.token == self.held.text => {
                self.renew_due = self.place.renews;
            }
            None => {}
        }
        Some(answer.body)
    }

    /// Gives whether to go on at once.
    fn worked(&mut self, flight: &Flight, reply: &Reply, moment: &Moment) -> bool {
        let Some(body) = self.learn(flight, reply, moment) else {
            return self.later(reply.after, moment);
        };
        if reply.status == 401 && moment.now - self.renewed_at > RENEWAL_HOLDS {
            self.renew_due = true;
            return true;
        }
        if matches!(reply.status, 401 | 403) {
            // Another launch may do what this one may not: all is kept.
            self.end(EndReason::Refused);
            return false;
        }
        self.ping_due = false;
        match body {
            Body::Done(outcomes) => self.settle(&flight.calls, outcomes) || self.later(0, moment),
            Body::Refused(refusal) if refusal.retryable => self.later(reply.after, moment),
            Body::Refused(refusal) => {
                let mut all = Vec::new();
                for call in &flight.calls {
                    all.extend_from_slice(&call.operations);
                }
                self.refuse(&all, &refusal);
                true
            }
        }
    }

    /// Each call counts on its own, found by its id, or else by its place. Gives whether every one was answered.
    fn settle(&mut self, calls: &[Call], mut outcomes: Vec<Outcome<'_>>) -> bool {
        let mut all = true;
        for call in calls {
            let found = outcomes.iter().position(|outcome| outcome.id == call.id);
            match found.map(|at| outcomes.remove(at).fate) {
                Some(Fate::Done(result)) => {
                    let answers = match call.function.as_str() {
                        "log" => entry_ids(result).map(|ids| ids.into_iter().map(entry).collect()),
                        _ => Some(vec![result.raw().to_owned()]),
                    };
                    match answers.filter(|answers: &Vec<_>| answers.len() == call.operations.len())
                    {
                        Some(answers) => self.saved(call, answers, result.raw()),
                        None => all = false,
                    }
                }
                Some(Fate::Refused(refusal)) => self.refuse(&call.operations, &refusal),
                Some(Fate::Open) | None => all = false,
            }
        }
        self.unlock();
        all
    }

    fn saved(&mut self, call: &Call, answers: Vec<String>, receipt: &str) {
        self.failures = 0;
        let ids = self.take(&call.operations);
        for (id, answer) in call.operations.iter().zip(answers) {
            if ids.contains(id) {
                self.settle_one(id, Ok(answer));
            }
        }
        let reads = call.id.is_none() && call.function != "log";
        if reads || ids.is_empty() {
            return;
        }
        let (function, receipt, count) = (call.function.clone(), receipt.into(), self.unsaved());
        self.effects.push_back(Effect::Tell(Notice::Saved { function, ids, receipt, count }));
        self.count();
    }

    /// Removes those that no other request got an answer for before; gives their ids.
    fn take(&mut self, ids: &[String]) -> Vec<String> {
        let mut taken = Vec::new();
        for id in ids {
            if let Some(at) = self.queue.iter().position(|operation| operation.id == *id) {
                self.queue.remove(at);
                self.effects.push_back(Effect::Drop { id: id.clone() });
                taken.push(id.clone());
            }
        }
        taken
    }

    /// One bad operation must not take others with it: several are sent again, each alone, to find it.
    pub(super) fn refuse(&mut self, ids: &[String], refusal: &Refusal) {
        for operation in &mut self.queue {
            operation.alone |= ids.contains(&operation.id);
        }
        if ids.len() > 1 {
            return;
        }
        let function = ids
            .first()
            .and_then(|id| self.queue.iter().find(|operation| operation.id == *id))
            .map(|operation| operation.function.clone());
        for id in self.take(ids) {
            self.settle_one(&id, Err(Failure::Refused(refusal.clone())));
            let (function, refusal) = (function.clone().unwrap_or_default(), refusal.clone());
            self.effects.push_back(Effect::Tell(Notice::Refused { id, function, refusal }));
            self.count();
        }
        self.unlock();
    }

    fn renew(&mut self, moment: &Moment) {
        if self.place.renews {
            self.send(Kind::Renewal, Vec::new(), Way::Renewal, moment);
        } else {
            self.end(EndReason::NoRenewal);
            self.rest();
        }
    }

    /// Gives whether there is a new key.
    fn renewed(&mut self, reply: &Reply, moment: &Moment) -> bool {
        if matches!(reply.status, 401 | 403) {
            self.end(EndReason::LoginOver);
            return false;
        }
        let launch = renewed(&reply.text).and_then(|text| token::launch(&text));
        let Some((held, claims)) = launch else { return self.later(reply.after, moment) };
        if !self.claims.same_place(&claims) {
            self.end(EndReason::OtherUser);
            return false;
        }
        self.held = held;
        self.claims = claims;
        self.renewed_at = moment.now;
        self.renew_due = false;
        self.failures = 0;
        self.effects.push_back(Effect::Tell(Notice::Renewed));
        true
    }

    /// Waits with full jitter, on top of what the server asks for.
    fn later(&mut self, after: Millis, moment: &Moment) -> bool {
        self.not_before = moment.now + after;
        let most = 30_000.min(500 << self.failures.min(6));
        self.failures += 1;
        let jitter = Millis::from(moment.random[0]) * most / 256;
        self.waiting = true;
        self.effects.push_back(Effect::Wait { millis: after.min(MAX_PATIENCE) + jitter });
        false
    }
}

/// The answer to one entry of a `log`; `id` is JSON already.
fn entry(id: &str) -> String {
    let mut text = String::from("{\"id\":");
    text.push_str(id);
    text.push('}');
    text
}

impl Operation {
    /// The sequence of a grade, 0 for what has none.
    pub(super) fn sequence(&self) -> Millis {
        let args = super::json::Json::parse(&self.args);
        args.and_then(|args| args.member("sequence")?.whole()).unwrap_or(0)
    }
}
