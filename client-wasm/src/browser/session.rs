//! One connection: what the rule asks for, done.

use super::launch::{Addresses, Launch};
use super::page::{AbortController, Page, Storage, soon};
use super::request::{beacon, post};
use crate::notice::Notice;
use crate::rule::token::Claims;
use crate::rule::{Effect, EntryFault, Failure, Moment, Rule, Sending, Way, instant};
use js_sys::{Function, Object, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

/// What is called once with the answer of an operation: JSON, or why not.
pub type Settle = Box<dyn FnOnce(Result<String, Failure>)>;
/// What is called with each notice, while the session is at work: it must not call the session.
pub type Tell = Box<dyn Fn(Notice)>;

/// What is called once with the number of operations still unsaved.
pub type Done = Box<dyn FnOnce(usize)>;

/// One user's connection to one activity, in texts. Clones share it.
#[derive(Clone)]
pub struct Session(Rc<Inner>);

struct Inner {
    page: Page,
    addresses: Addresses,
    /// How the names of our items in storage begin.
    prefix: String,
    storage: Option<Storage>,
    rule: RefCell<Rule>,
    tell: Tell,
    waiting: RefCell<Vec<(String, Settle)>>,
    flushes: RefCell<Vec<Done>>,
    /// Takes the listeners away.
    stop: AbortController,
    timer: RefCell<JsValue>,
    beat: RefCell<JsValue>,
    unlock: RefCell<Option<Function>>,
    woken: RefCell<JsValue>,
    turn: RefCell<JsValue>,
    /// Whether a loop performs effects already.
    busy: Cell<bool>,
}

impl Session {
    /// Starts from a launch: what is given, or else the page's block. Not before [`super::prerendered`] has been
    /// waited for.
    ///
    /// # Errors
    /// The page gives no key.
    pub fn open(launch: Launch, page: Page, tell: Tell) -> Result<Self, EntryFault> {
        let launch = launch.or_block(&page)?;
        let addresses = launch.addresses(&page)?;
        let now = page.date().now() as i64;
        let rule = Rule::new(&launch.token.unwrap_or_default(), addresses.place, now)
            .ok_or(EntryFault::Damaged)?;
        let session = Self(Rc::new(Inner {
            prefix: rule.prefix(),
            storage: page.local_storage().ok().flatten(),
            page,
            addresses,
            rule: RefCell::new(rule),
            tell,
            waiting: RefCell::default(),
            flushes: RefCell::default(),
            stop: AbortController::new(),
            timer: RefCell::default(),
            beat: RefCell::default(),
            unlock: RefCell::default(),
            woken: RefCell::default(),
            turn: RefCell::default(),
            busy: Cell::new(false),
        }));
        session.0.woken.replace(session.act(|session| session.with(|rule, _| rule.woken())).into());
        session.0.turn.replace(session.act(|session| session.with(Rule::turn)).into());
        session.follow();
        Ok(session)
    }

    /// What the newest launch token says.
    pub fn claims<T>(&self, look: impl FnOnce(&Claims) -> T) -> T {
        look(self.0.rule.borrow().claims())
    }

    /// How many operations the server has not acknowledged.
    pub fn unsaved(&self) -> usize {
        self.0.rule.borrow().unsaved()
    }

    /// The time as RFC 3339, by our clock: the server corrects it by the `sent` of each body.
    pub fn time(&self) -> String {
        instant::write(self.moment().now)
    }

    /// The next value of the hybrid clock: orders grades.
    pub fn tick(&self) -> u64 {
        let now = self.moment().now;
        self.0.rule.borrow_mut().tick(now).unsigned_abs()
    }

    /// Takes an operation; see [`Rule::call`].
    pub fn call(&self, function: &str, args: Option<&str>, settle: Settle) {
        self.with(|rule, moment| {
            let id = rule.call(function, args, moment);
            self.0.waiting.borrow_mut().push((id, settle));
        });
    }

    /// See [`Rule::flush`]; `done` gets the number still unsaved.
    pub fn flush(&self, done: Done) {
        self.0.flushes.borrow_mut().push(done);
        self.with(Rule::flush);
    }

    /// See [`Rule::close`].
    pub fn close(&self) {
        self.with(|rule, _| rule.close());
    }

    pub(super) fn page(&self) -> &Page {
        &self.0.page
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    pub(super) fn stop_signal(&self) -> JsValue {
        self.0.stop.signal()
    }

    pub(super) fn keep_beat(&self, timer: JsValue) {
        *self.0.beat.borrow_mut() = timer;
    }

    /// What is called when another tab may drain the outbox.
    pub(super) fn at_unlock(&self, then: Function) {
        *self.0.unlock.borrow_mut() = Some(then);
    }

    pub(super) fn moment(&self) -> Moment {
        let page = &self.0.page;
        let bytes = Uint8Array::new_with_length(10);
        page.crypto().fill(&bytes);
        let mut random = [0; 10];
        bytes.copy_to(&mut random);
        let seen = page.document().and_then(|document| document.visibility());
        let visible = seen.as_deref() != Some("hidden");
        Moment { now: page.date().now() as i64, visible, random }
    }

    /// What storage holds of this user and activity, oldest first.
    pub(super) fn stored(&self) -> Vec<(String, String)> {
        let Some(storage) = &self.0.storage else { return Vec::new() };
        let keys = Object::keys(storage.unchecked_ref::<Object>()).sort();
        let item = |key: JsValue| {
            let key = key.as_string()?;
            let id = key.strip_prefix(&self.0.prefix)?;
            Some((id.to_owned(), storage.get(&key).ok()??))
        };
        keys.iter().filter_map(item).collect()
    }

    /// A function for the page to call; the browser frees it with its last reference.
    pub(super) fn act(&self, then: fn(&Self)) -> Function {
        let session = self.clone();
        Closure::<dyn FnMut()>::new(move || then(&session)).into_js_value().unchecked_into()
    }

    /// Tells the rule what happened and does what it asks for.
    pub(super) fn with(&self, happened: impl FnOnce(&mut Rule, &Moment)) {
        let moment = self.moment();
        happened(&mut self.0.rule.borrow_mut(), &moment);
        self.work();
    }

    /// Effects are done in the order of the rule: what happens meanwhile is done by the same loop.
    #[inline(never)]
    fn work(&self) {
        if !self.0.busy.replace(true) {
            while let Some(effect) = self.next() {
                self.perform(effect);
            }
            self.0.busy.set(false);
        }
    }

    fn next(&self) -> Option<Effect> {
        self.0.rule.borrow_mut().effect()
    }

    fn perform(&self, effect: Effect) {
        let Inner { page, stop, storage, tell, .. } = &*self.0;
        match effect {
            Effect::Keep { id, text } => {
                let kept = storage.as_ref().is_some_and(|it| it.set(&self.key(&id), &text).is_ok());
                self.0.rule.borrow_mut().kept(&id, kept);
            }
            Effect::Drop { id } => {
                // If that fails it is sent once more, which its id makes harmless.
                let _ = storage.as_ref().map(|it| it.remove(&self.key(&id)));
            }
            Effect::Soon => soon(self.0.turn.borrow().unchecked_ref()),
            Effect::Wait { millis } => {
                let timer = page.set_timeout(self.0.woken.borrow().unchecked_ref(), millis as f64);
                self.0.timer.replace(timer);
            }
            Effect::Unwait => page.clear_timeout(&self.0.timer.borrow()),
            Effect::Send(sending) => self.send(sending),
            Effect::Settle { id, outcome } => {
                let waiting = &mut *self.0.waiting.borrow_mut();
                if let Some(at) = waiting.iter().position(|(known, _)| *known == id) {
                    waiting.swap_remove(at).1(outcome);
                }
            }
            Effect::Tell(notice) => tell(notice),
            Effect::Rest => {
                let count = self.unsaved();
                for done in self.0.flushes.take() {
                    done(count);
                }
            }
            Effect::Unlock => {
                if let Some(unlock) = self.0.unlock.take() {
                    let _ = unlock.call0(&JsValue::NULL);
                }
            }
            Effect::Stop => {
                stop.abort();
                page.clear_interval(&self.0.beat.borrow());
            }
        }
    }

    fn key(&self, id: &str) -> String {
        let mut key = self.0.prefix.clone();
        key.push_str(id);
        key
    }

    fn send(&self, sending: Sending) {
        let flight = sending.flight;
        let Addresses { batch, renewal, .. } = &self.0.addresses;
        if sending.way == Way::Beacon {
            let taken = beacon(&self.0.page, batch, &sending);
            self.0.rule.borrow_mut().beaconed(flight, taken);
            return;
        }
        let renewal = renewal.as_ref().filter(|_| sending.way == Way::Renewal);
        let url = renewal.unwrap_or(batch).clone();
        let session = self.clone();
        post(&self.0.page, &url, &sending, move |reply| {
            session.with(|rule, moment| rule.answered(flight, &reply, moment));
        });
    }
}

/// A function that is called once, with one value.
pub(super) fn once(then: impl FnOnce(JsValue) -> JsValue + 'static) -> Function {
    Closure::once_into_js(then).unchecked_into()
}
