//! The calls of a request: what each asks of the store, and what is answered to each.

use crate::call::{Asked, Call, RawCall};
use crate::error::Refusal;
use crate::functions::{self, Function, storable};
use crate::metrics::Metrics;
use crate::policy::{Denied, Rules};
use crate::reply::{Json, Reply};
use crate::store::{Done, Operation, Rejected, Replayable, StateSeen, Work};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::Mode;
use latchkey_protocol::payload::{BatchResult, CallOutcome, CallStatus};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// How many of the calls the rates let through, and the seconds to wait for one more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) calls: usize,
    pub(crate) wait: u32,
}

/// The calls of a request, checked as far as they can be without the store.
pub(crate) struct Plan {
    shape: Shape,
    /// Of calls that are done in turn: the document that they were made up from.
    pub(crate) seen: Option<StateSeen>,
    calls: Vec<Planned>,
}

enum Shape {
    One,
    Batch,
}

struct Planned {
    id: Option<String>,
    /// The function that was asked for, as this program calls it; nothing, if it has none of that name.
    function: &'static str,
    /// The work is gone once it is handed out.
    planned: Result<(Renderer, Option<Work>), Refusal>,
}

/// Who writes the result.
#[derive(Clone, Copy)]
enum Renderer {
    Function(&'static dyn Function),
    Entry,
}

impl Renderer {
    fn render(self, call: &Call, done: Done) -> Result<Json, Refusal> {
        match self {
            Self::Function(function) => function.render(call, done),
            Self::Entry => functions::Entry::render(call, done),
        }
    }
}

impl Plan {
    pub(crate) fn new(call: &Call, rules: &Rules, asked: Asked) -> Self {
        let plan = |raw: RawCall| {
            let (id, known) = (raw.id.clone(), functions::find(&raw.function));
            let planned = known.ok_or_else(|| ErrorCode::UnknownFunction.into());
            let planned = planned.and_then(|function| plan_call(call, rules, function, raw));
            Planned { id, function: known.map_or("", |function| function.name()), planned }
        };
        let batch = |seen, raw: Vec<RawCall>| Self {
            shape: Shape::Batch,
            seen,
            calls: raw.into_iter().map(plan).collect(),
        };
        let one = |call| Self { shape: Shape::One, seen: None, calls: vec![call] };
        match asked {
            Asked::One(raw) => one(plan(raw)),
            Asked::Batch(raw) => batch(None, raw),
            Asked::InTurn(seen, raw) => batch(Some(seen), raw),
            Asked::Entry(id) => {
                let planned = authorise(call, rules, functions::Entry::AS, &Map::new())
                    .and_then(|()| functions::Entry::plan(call, &id))
                    .map(|action| (Renderer::Entry, Some(Work { operation: None, action })));
                one(Planned { id: None, function: functions::Entry::AS.name(), planned })
            }
        }
    }

    /// What the request takes of the key's rate: its calls, and one at least.
    pub(crate) fn cost(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX).max(1)
    }

    /// What the store is to do, of the first `granted` calls. Handed out once.
    pub(crate) fn work(&mut self, granted: usize) -> Vec<Work> {
        let in_turn = self.seen.is_some();
        let calls = self.calls.iter_mut().take(granted);
        let good = calls.take_while(|call| !in_turn || call.planned.is_ok());
        good.filter_map(|call| call.planned.as_mut().ok()?.1.take()).collect()
    }

    pub(crate) fn reply(
        self,
        call: &Call,
        granted: Granted,
        outcomes: Vec<Result<Replayable, Rejected>>,
        metrics: &Metrics,
    ) -> Reply {
        let denied = self.denied();
        let mut outcomes = outcomes.into_iter();
        let limited = || Refusal::new(ErrorCode::RateLimited).after(granted.wait);
        let (in_turn, mut stopped) = (self.seen.is_some(), false);
        let mut finished = self.calls.into_iter().enumerate().map_while(|(at, planned)| {
            if stopped {
                return None;
            }
            let Planned { id, function, planned } = planned;
            let outcome = if at >= granted.calls {
                Finished::NotRun(limited())
            } else {
                match planned.and_then(|(renderer, _)| finish(call, renderer, outcomes.next())) {
                    Ok((result, replayed)) => Finished::Done(result, replayed),
                    Err(refusal) => Finished::Failed(refusal),
                }
            };
            metrics.call(function, outcome.told());
            stopped = in_turn && outcome.told().is_err();
            Some((id, outcome))
        });
        match self.shape {
            Shape::One => match finished.next() {
                Some((_, Finished::Done(result, replayed))) => Reply::done(result, replayed),
                Some((_, Finished::Failed(refusal) | Finished::NotRun(refusal))) => {
                    Reply::refused(refusal)
                }
                None => Reply::refused(ErrorCode::Internal.into()),
            },
            Shape::Batch => {
                let calls: Vec<CallOutcome<Json>> =
                    finished.map(|(id, outcome)| outcome.on_the_wire(id)).collect();
                match serde_json::value::to_raw_value(&BatchResult { calls }) {
                    Ok(result) => Reply::done(result, false).with_denied(denied),
                    Err(error) => Reply::refused(Refusal::new(ErrorCode::Internal).because(error)),
                }
            }
        }
    }
}

impl Plan {
    /// The operator's rules that forbid calls of a batch, each once. That of a single call is told with
    /// its refusal.
    fn denied(&self) -> Vec<Denied> {
        let mut denied: Vec<Denied> = Vec::new();
        if matches!(self.shape, Shape::One) {
            return denied;
        }
        for refusal in self.calls.iter().filter_map(|call| call.planned.as_ref().err()) {
            if let Some(rule) = &refusal.rule
                && denied.iter().all(|known| known.rule != *rule)
            {
                denied.push(Denied { code: refusal.code, rule: rule.clone() });
            }
        }
        denied
    }
}

enum Finished {
    Done(Json, bool),
    Failed(Refusal),
    NotRun(Refusal),
}

impl Finished {
    /// Whether it was done again, or why not at all.
    fn told(&self) -> Result<bool, ErrorCode> {
        match self {
            Self::Done(_, replayed) => Ok(*replayed),
            Self::Failed(refusal) | Self::NotRun(refusal) => Err(refusal.code),
        }
    }

    fn on_the_wire(self, id: Option<String>) -> CallOutcome<Json> {
        let blank = |status| CallOutcome { id, status, result: None, replayed: false, error: None };
        match self {
            Self::Done(result, replayed) => {
                CallOutcome { result: Some(result), replayed, ..blank(CallStatus::Ok) }
            }
            Self::Failed(refusal) => {
                CallOutcome { error: Some(refusal.body()), ..blank(CallStatus::Failed) }
            }
            Self::NotRun(refusal) => {
                CallOutcome { error: Some(refusal.body()), ..blank(CallStatus::NotRun) }
            }
        }
    }
}

fn finish(
    call: &Call,
    renderer: Renderer,
    outcome: Option<Result<Replayable, Rejected>>,
) -> Result<(Json, bool), Refusal> {
    let missing = || Refusal::new(ErrorCode::Internal).because("an outcome is missing");
    let Replayable { done, replayed } = outcome.ok_or_else(missing)??;
    Ok((renderer.render(call, done)?, replayed))
}

/// Whether the key may call that function at all: by the operator's switch, by its launch, by the
/// roles it was launched with.
fn authorise(
    call: &Call,
    rules: &Rules,
    function: &dyn Function,
    args: &Map<String, Value>,
) -> Result<(), Refusal> {
    let name = function.name();
    rules.function(name)?;
    let scope = |cause: &str| Err(Refusal::new(ErrorCode::KeyScope).because(cause));
    if !call.grant.functions.iter().any(|granted| granted == name) {
        return scope("function");
    }
    rules.capable(&call.grant.roles, name)?;
    if function.writes(args) && call.grant.mode != Mode::Normal {
        return scope("mode");
    }
    Ok(())
}

fn plan_call(
    call: &Call,
    rules: &Rules,
    function: &'static dyn Function,
    raw: RawCall,
) -> Result<(Renderer, Option<Work>), Refusal> {
    authorise(call, rules, function, &raw.args)?;
    if let Some(why) = raw.unreadable {
        return Err(why);
    }
    // Whose and what for is the key's to say, in whatever words a body tries it.
    for name in ["user", "user_id", "userid", "activity", "activity_id", "course", "host"] {
        if raw.args.contains_key(name) {
            return Err(Refusal::field(ErrorCode::ForeignSubject, name));
        }
    }
    storable(&raw.args)?;
    let action = function.plan(call, &raw.args)?;
    let operation = match raw.id {
        Some(id) if function.writes(&raw.args) => {
            call.check_id(&id).map_err(|code| Refusal::field(code, "id"))?;
            let content = content(function.name(), raw.args);
            Some(Operation { id, function: function.name(), content, within: None })
        }
        None if function.writes(&raw.args) && raw.by_content && function.adds_up(&raw.args) => {
            Some(by_content(call, function.name(), raw.args))
        }
        _ => None,
    };
    Ok((Renderer::Function(function), Some(Work { operation, action })))
}

/// The operation of a call that has no id: it is told by its key and by what it says. Not by its generation:
/// a movie that adopts its keys moves on to the next one in the middle of its loop.
fn by_content(call: &Call, function: &'static str, args: Map<String, Value>) -> Operation {
    let content = content(function, args);
    let digits = fingerprint(&(call.key.0, content));
    let id = URL_SAFE_NO_PAD.encode(digits);
    Operation { id: format!("={id}"), function, content, within: Some(call.repeats_within) }
}

/// The fingerprint of a call. Times are left out: a client may tell them anew when it tries again.
fn content(function: &str, mut args: Map<String, Value>) -> [u8; 16] {
    for name in ["at", "sequence"] {
        args.remove(name);
    }
    if let Some(Value::Array(entries)) = args.get_mut("entries") {
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove("at");
        }
    }
    fingerprint(&(function, args))
}

/// A short fingerprint of what is asked, from its JSON; maps of [`Value`] have their members in order.
pub(crate) fn fingerprint(asked: &impl Serialize) -> [u8; 16] {
    // Texts, numbers and maps with texts as names: this cannot fail.
    let text = serde_json::to_vec(asked).unwrap_or_default();
    let digest = Sha256::digest(text);
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}
