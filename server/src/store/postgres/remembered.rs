//! Maps of what can be read again: they forget what is too much, or too old.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Into so many parts, each with a lock of its own.
pub(super) const SHARDS: usize = 64;

/// Parts of a map.
#[derive(Debug)]
struct Shards<T> {
    all: Vec<Mutex<T>>,
    hasher: RandomState,
}

impl<T: Default> Shards<T> {
    fn new() -> Self {
        Self { all: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    fn of(&self, key: &impl Hash) -> MutexGuard<'_, T> {
        let at = (self.hasher.hash_one(key) % SHARDS as u64) as usize;
        lock(&self.all[at])
    }

    fn clear(&self) {
        for shard in &self.all {
            *lock(shard) = T::default();
        }
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds so many at the most: a part that is full is emptied.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    shards: Shards<HashMap<K, V>>,
    most: usize,
}

impl<K: Hash + Eq, V: Clone> Bounded<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { shards: Shards::new(), most: most / SHARDS }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.shards.of(key).get(key).cloned()
    }

    pub(super) fn put(&self, key: K, value: V) {
        let mut shard = self.shards.of(&key);
        if shard.len() >= self.most && !shard.contains_key(&key) {
            shard.clear();
        }
        shard.insert(key, value);
    }

    pub(super) fn remove(&self, key: &K) {
        self.shards.of(key).remove(key);
    }
}

/// Holds each for a while. What is older is of no use, so it takes no memory either, but for what came last.
#[derive(Debug)]
pub(super) struct Fleeting<K, V> {
    shards: Shards<Turns<K, V>>,
    kept: Duration,
}

/// What came since the last turn, and between that and the one before it.
#[derive(Debug)]
struct Turns<K, V> {
    new: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
    since: Option<Instant>,
}

impl<K, V> Default for Turns<K, V> {
    fn default() -> Self {
        Self { new: HashMap::new(), old: HashMap::new(), since: None }
    }
}

impl<K: Hash + Eq, V: Copy> Fleeting<K, V> {
    /// Holds each for so long.
    pub(super) fn new(kept: Duration) -> Self {
        Self { shards: Shards::new(), kept }
    }

    /// What is held of that key, if it is not too old.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        let shard = self.shards.of(key);
        let (at, value) = shard.new.get(key).or_else(|| shard.old.get(key))?;
        (now.saturating_duration_since(*at) < self.kept).then_some(*value)
    }

    /// Holds what was so at that moment.
    pub(super) fn put(&self, key: K, value: V, at: Instant) {
        let mut shard = self.shards.of(&key);
        shard.turn(at, self.kept);
        shard.new.insert(key, (at, value));
    }

    pub(super) fn remove(&self, key: &K) {
        let mut shard = self.shards.of(key);
        shard.new.remove(key);
        shard.old.remove(key);
    }

    pub(super) fn clear(&self) {
        self.shards.clear();
    }
}

impl<K, V> Turns<K, V> {
    fn turn(&mut self, now: Instant, kept: Duration) {
        let since = *self.since.get_or_insert(now);
        let age = now.saturating_duration_since(since);
        if age < kept {
            return;
        }
        let new = take(&mut self.new);
        self.old = if age < kept.saturating_mul(2) { new } else { HashMap::new() };
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<K, V> Fleeting<K, V> {
        fn len(&self) -> usize {
            let shards = self.shards.all.iter().map(lock);
            shards.map(|shard| shard.new.len() + shard.old.len()).sum()
        }
    }

    const KEPT: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_part_is_emptied() {
        let all = Bounded::new(2 * SHARDS);
        for number in 0..10_000 {
            all.put(number, number);
            assert_eq!(all.get(&number), Some(number));
        }
        assert!((0..10_000).filter(|number| all.get(number).is_some()).count() <= 2 * SHARDS);
        all.remove(&9_999);
        assert_eq!(all.get(&9_999), None);
    }

    #[test]
    fn what_is_too_old_is_neither_believed_nor_kept() {
        let (all, start) = (Fleeting::new(KEPT), Instant::now());
        for number in 0..10_000 {
            all.put(number, number, start);
        }
        assert_eq!(all.get(&7, start + KEPT - Duration::from_millis(1)), Some(7));
        assert_eq!((all.get(&7, start + KEPT), all.len()), (None, 10_000));
        // Each part turns with the next that comes into it: once, and what is still good stays.
        let late = start + KEPT + KEPT / 2;
        for number in 10_000..20_000 {
            all.put(number, number, late);
        }
        assert_eq!((all.get(&10_007, late + KEPT / 2), all.len()), (Some(10_007), 20_000));
        let later = late + KEPT / 2 + KEPT / 4;
        for number in 0..10_000 {
            all.put(number, number + 1, later);
        }
        assert_eq!(
            (all.get(&7, later), all.get(&10_007, later), all.len()),
            (Some(8), Some(10_007), 30_000)
        );
        // After a pause nothing is.
        for number in 0..10_000 {
            all.put(number, number, later + 9 * KEPT);
        }
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn what_is_doubted_is_gone() {
        let (all, now) = (Fleeting::new(KEPT), Instant::now());
        all.put(1, 1, now);
        all.put(2, 2, now + KEPT);
        all.put(1, 3, now + KEPT);
        all.remove(&1);
        assert_eq!((all.get(&1, now + KEPT), all.get(&2, now + KEPT)), (None, Some(2)));
        all.clear();
        assert_eq!(all.len(), 0);
    }
}
