//! How often somebody may try a password.

use latchkey_protocol::Millis;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

/// Tries within [`WINDOW`].
const TRIES: u32 = 8;
/// How long tries are remembered.
const WINDOW: Millis = 60_000;
/// A fixed table of 1 MiB: strangers must not be able to make it grow. Two who share a slot share its tries, so that
/// there are many more slots than people.
const SLOTS: usize = 1 << 16;

#[derive(Clone, Copy, Default)]
struct Slot {
    since: Millis,
    tries: u32,
}

/// Counts tries, by whatever tells people apart.
pub(crate) struct Throttle {
    salt: [u8; 16],
    slots: Mutex<Vec<Slot>>,
}

impl Throttle {
    /// `salt` keeps strangers from picking whose slot they share.
    pub(crate) fn new(salt: [u8; 16]) -> Self {
        Self { salt, slots: Mutex::new(vec![Slot::default(); SLOTS]) }
    }

    /// Counts a try; whether it may be made.
    pub(crate) fn tries(&self, who: &impl Hash, now: Millis) -> bool {
        self.with_slot(who, |slot| {
            if now - slot.since >= WINDOW {
                *slot = Slot { since: now, tries: 0 };
            }
            slot.tries = slot.tries.saturating_add(1);
            slot.tries <= TRIES
        })
    }

    /// Forgets tries: one was right.
    pub(crate) fn forgives(&self, who: &impl Hash) {
        self.with_slot(who, |slot| slot.tries = 0);
    }

    fn with_slot<T>(&self, who: &impl Hash, work: impl FnOnce(&mut Slot) -> T) -> T {
        let mut hasher = DefaultHasher::new();
        (self.salt, who).hash(&mut hasher);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(hasher.finish()).unwrap_or(0) % slots.len();
        work(&mut slots[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_minute_and_no_more() {
        let throttle = Throttle::new([1; 16]);
        for _ in 0..TRIES {
            assert!(throttle.tries(&"ada", 100_000));
        }
        assert!(!throttle.tries(&"ada", 159_999));
        assert!(throttle.tries(&"ada", 160_000));
    }

    #[test]
    fn a_right_one_forgives() {
        let throttle = Throttle::new([1; 16]);
        for _ in 0..=TRIES {
            throttle.tries(&"ada", 100_000);
        }
        throttle.forgives(&"ada");
        assert!(throttle.tries(&"ada", 100_000));
    }
}
