//! How many live keys each host has, near enough: counting them takes a look at each of its users.

use crate::store::StoreError;
use latchkey_protocol::Millis;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The least time between two counts of one host.
const RECOUNT: Millis = 10_000;

/// Never too few: what was counted last, and every start since. A host at its limit is counted anew.
#[derive(Debug, Default)]
pub(super) struct LiveKeys(Mutex<HashMap<i64, Counted>>);

#[derive(Debug)]
struct Counted {
    live: u32,
    at: Millis,
}

impl LiveKeys {
    /// Takes the place of one more key, if there is one.
    pub(super) fn take(
        &self,
        host: i64,
        limit: u32,
        now: Millis,
        count: impl Fn() -> Result<u32, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = hosts
            .get(&host)
            .filter(|known| known.live < limit || (known.at..known.at + RECOUNT).contains(&now));
        let (live, at) = match old {
            Some(known) => (known.live, known.at),
            None => (count()?, now),
        };
        let room = live < limit;
        hosts.insert(host, Counted { live: live + u32::from(room), at });
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_when_full_and_not_too_often() {
        let keys = LiveKeys::default();
        let take = |now, live: u32| keys.take(1, 3, now, || Ok(live)).unwrap();
        assert!(take(0, 1));
        // What is counted in between is not asked for.
        assert!(take(1, 99));
        assert!(!take(2, 0) && !take(RECOUNT - 1, 0));
        assert!(take(RECOUNT, 2));
        assert!(!take(RECOUNT, 2));
        // A clock that was set back does not hold anybody up.
        assert!(take(RECOUNT - 1, 0));
        assert!(keys.take(2, 3, 0, || Ok(0)).unwrap(), "another host");
    }
}
