//! How many calls a key may make: a table of fixed size, so that no number of keys fills the memory.

use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};

/// Places in the table. Two keys that fall on one share its rate: rare, and harmless to both.
const SLOTS: usize = 1 << 16;

/// Lets a key make `burst` calls at once and `per_second` for long.
#[derive(Debug)]
pub struct RateLimit {
    /// When each place has caught up with its calls, in thousandths of a millisecond.
    caught_up: Vec<AtomicI64>,
    hasher: RandomState,
    each: i64,
    ahead: i64,
}

impl RateLimit {
    /// A burst of 0 sets no limit.
    pub fn new(burst: u32, per_second: u32) -> Self {
        let each = 1_000_000 / i64::from(per_second.max(1));
        let slots = if burst == 0 { 0 } else { SLOTS };
        Self {
            caught_up: (0..slots).map(|_| AtomicI64::new(0)).collect(),
            hasher: RandomState::new(),
            each,
            ahead: each * i64::from(burst),
        }
    }

    /// Takes up to `wanted` calls; how many there were.
    pub fn take(&self, key: &KeyId, wanted: u32, now: Millis) -> u32 {
        if self.caught_up.is_empty() {
            return wanted;
        }
        let slot = &self.caught_up[self.hasher.hash_one(key) as usize % SLOTS];
        let now = now.saturating_mul(1000);
        let mut granted = 0;
        let update = |caught_up: i64| {
            let from = caught_up.max(now);
            let room = ((now + self.ahead - from) / self.each).max(0);
            granted = u32::try_from(room).unwrap_or(u32::MAX).min(wanted);
            (granted > 0).then(|| from + self.each * i64::from(granted))
        };
        // Nothing is written where nothing is granted: a flood cannot push its own end away.
        match slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(_) => granted,
            Err(_) => 0,
        }
    }

    /// Seconds after which one more call is sure to be granted.
    pub fn retry_after(&self) -> u32 {
        u32::try_from((self.each + 999_999) / 1_000_000).unwrap_or(1).max(1)
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
}
