//! Ties the sending to the life of the page.

use super::page::object;
use super::session::Session;
use crate::rule::{BEAT, Rule};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

impl Session {
    /// Listens, and drains what earlier launches left.
    pub(super) fn follow(&self) {
        let (page, signal) = (self.page(), object(&[("signal", &self.stop_signal())]));
        self.keep_beat(page.set_interval(&self.act(Self::beat), BEAT as f64));
        let seen = self.act(Self::seen);
        if let Some(document) = page.document() {
            document.listen("visibilitychange", &seen, &signal);
        }
        let leave = self.act(|session| session.with(Rule::leave));
        let moments =
            [("pagehide", &leave), ("pageshow", &seen), ("online", &self.act(Self::resume))];
        for (name, then) in moments {
            // Surroundings without it have no such moments.
            let _ = page.listen(name, then, &signal);
        }
        self.first_beat();
    }

    fn beat(&self) {
        let found = self.stored();
        self.with(|rule, moment| rule.beat(found, moment));
    }

    fn resume(&self) {
        self.beat();
        self.with(Rule::flush);
    }

    fn seen(&self) {
        if self.moment().visible { self.resume() } else { self.with(Rule::leave) }
    }

    /// Under the lock that the tabs of one user and activity share. It is never waited for: without it, the next beat
    /// drains.
    fn first_beat(&self) {
        let Some(locks) = self.page().navigator().and_then(|navigator| navigator.locks()) else {
            return self.beat();
        };
        let session = self.clone();
        let locked = super::session::once(move |lock| {
            if lock.is_null() {
                return JsValue::UNDEFINED;
            }
            let held = Promise::new(&mut |unlock: Function, _| session.at_unlock(unlock));
            let found = session.stored();
            session.with(|rule, moment| rule.first_beat(found, moment));
            held.into()
        });
        let how = object(&[("ifAvailable", &JsValue::TRUE)]);
        locks.request(self.prefix(), &how, &locked).catch(&self.act(Self::beat));
    }
}
