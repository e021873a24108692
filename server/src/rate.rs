//! How many calls a key may make: a table of fixed size, so that no number of keys fills the memory.

use crate::config::LimitsConfig;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// Places in the table. Two keys that fall on one share its rate: rare, and harmless to both.
const SLOTS: usize = 1 << 16;

/// Lets a key, a user or a host make `burst` calls at once and `per_second` for long.
#[derive(Debug)]
pub struct RateLimit {
    /// When each place has caught up with its calls, in thousandths of a millisecond. Made when there first
    /// is a limit.
    caught_up: OnceLock<Vec<AtomicI64>>,
    hasher: RandomState,
    each: AtomicI64,
    ahead: AtomicI64,
}

impl RateLimit {
    /// A burst of 0 sets no limit.
    pub fn new(burst: u32, per_second: u32) -> Self {
        let limit = Self {
            caught_up: OnceLock::new(),
            hasher: RandomState::new(),
            each: AtomicI64::new(1),
            ahead: AtomicI64::new(0),
        };
        limit.change(burst, per_second);
        limit
    }

    /// Sets other figures. What was called up to now still counts.
    pub fn change(&self, burst: u32, per_second: u32) {
        let each = 1_000_000 / i64::from(per_second.max(1));
        self.each.store(each, Ordering::Relaxed);
        self.ahead.store(each * i64::from(burst), Ordering::Relaxed);
    }

    /// Takes up to `wanted` calls; how many there were.
    pub fn take(&self, key: &(impl Hash + ?Sized), wanted: u32, now: Millis) -> u32 {
        let (each, ahead) = (self.each(), self.ahead.load(Ordering::Relaxed));
        if ahead == 0 {
            return wanted;
        }
        let places = || (0..SLOTS).map(|_| AtomicI64::new(0)).collect();
        let slot = &self.caught_up.get_or_init(places)[self.hasher.hash_one(key) as usize % SLOTS];
        let now = now.saturating_mul(1000);
        let mut granted = 0;
        let update = |caught_up: i64| {
            let from = caught_up.max(now);
            let room = ((now + ahead - from) / each).max(0);
            granted = u32::try_from(room).unwrap_or(u32::MAX).min(wanted);
            (granted > 0).then(|| from + each * i64::from(granted))
        };
        // Nothing is written where nothing is granted: a flood cannot push its own end away.
        match slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(_) => granted,
            Err(_) => 0,
        }
    }

    /// Seconds after which one more call is sure to be granted.
    pub fn retry_after(&self) -> u32 {
        u32::try_from((self.each() + 999_999) / 1_000_000).unwrap_or(1).max(1)
    }

    fn each(&self) -> i64 {
        self.each.load(Ordering::Relaxed)
    }
}

/// Every rate that is kept.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Calls of one key.
    pub(crate) key: RateLimit,
    /// Calls of all keys of one user.
    pub(crate) user: RateLimit,
    /// Calls of all keys of one host.
    pub(crate) host: RateLimit,
    /// Signed requests of one host.
    pub(crate) requests: RateLimit,
}

impl Rates {
    pub(crate) fn new(limits: &LimitsConfig) -> Self {
        let none = || RateLimit::new(0, 0);
        let rates = Self { key: none(), user: none(), host: none(), requests: none() };
        rates.change(limits);
        rates
    }

    pub(crate) fn change(&self, limits: &LimitsConfig) {
        self.key.change(limits.burst, limits.per_second);
        self.user.change(limits.user_burst, limits.user_per_second);
        self.host.change(limits.host_burst, limits.host_per_second);
        self.requests.change(limits.requests_burst, limits.requests_per_second);
    }

    /// Takes up to `wanted` calls of a key, by every rate that it is under: how many there were, and
    /// the seconds to wait for one more. The narrowest rate is asked first, so that a key that calls too
    /// often does not use up what others share with it.
    pub(crate) fn calls(
        &self,
        key: &KeyId,
        user: Option<i64>,
        host: &str,
        wanted: u32,
        now: Millis,
    ) -> (u32, u32) {
        let (mut granted, mut wait) = (self.key.take(key, wanted, now), self.key.retry_after());
        // A user is known by number once a key of theirs has a row: a first call is its key's alone.
        if let Some(user) = user {
            let by_user = self.user.take(&user, granted, now);
            if by_user < granted {
                (granted, wait) = (by_user, self.user.retry_after());
            }
        }
        let by_host = self.host.take(host, granted, now);
        if by_host < granted {
            (granted, wait) = (by_host, self.host.retry_after());
        }
        (granted, wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: KeyId = KeyId([1; 16]);

    #[test]
    fn a_burst_and_then_a_rate() {
        let limit = RateLimit::new(20, 10);
        assert_eq!(limit.take(&ID, 25, 0), 20);
        assert_eq!(limit.take(&ID, 1, 0), 0);
        assert_eq!(limit.take(&ID, 1, 99), 0);
        assert_eq!(limit.take(&ID, 2, 100), 1);
        assert_eq!(limit.take(&ID, 100, 100_000), 20);
    }

    #[test]
    fn keys_do_not_share_and_zero_is_no_limit() {
        let limit = RateLimit::new(1, 1);
        assert_eq!(limit.take(&ID, 1, 0), 1);
        // Two keys may fall on one place; of many, most do not.
        let others = (0..100).filter(|n| limit.take(&KeyId([*n; 16]), 1, 0) == 1).count();
        assert!(others > 90, "{others}");
        assert_eq!(RateLimit::new(0, 0).take(&ID, 1_000, 0), 1_000);
    }

    #[test]
    fn a_clock_set_back_lets_nobody_starve_for_long() {
        let limit = RateLimit::new(2, 1);
        assert_eq!(limit.take(&ID, 2, 10_000), 2);
        assert_eq!(limit.take(&ID, 1, 9_000), 0);
        assert_eq!(limit.take(&ID, 1, 11_000), 1);
    }

    #[test]
    fn other_figures_count_from_what_was_called() {
        let limit = RateLimit::new(0, 0);
        assert_eq!(limit.take(&ID, 1_000, 0), 1_000);
        limit.change(5, 1);
        assert_eq!(limit.take(&ID, 10, 0), 5);
        limit.change(7, 1);
        assert_eq!(limit.take(&ID, 10, 0), 2);
        limit.change(0, 0);
        assert_eq!(limit.take(&ID, 10, 0), 10);
    }
}
