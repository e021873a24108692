//! Calls that arrive at a constant rate, whether or not those before them are answered.
//!
//! Latency counts from the moment at which a call was due. A server that stands still for a while is thus charged
//! for every call that would have come meanwhile, not only for the few that were under way.

use crate::clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How often it is looked whether calls are due. What is added by that is part of every latency.
const LOOK: Duration = Duration::from_micros(100);

/// A queue of calls in the order in which they are due.
#[derive(Debug)]
pub(crate) struct Arrivals {
    start: Instant,
    each: Duration,
    /// A permit for each call that is due and that nobody has taken.
    due: Semaphore,
    taken: AtomicU64,
    /// No call from this number on.
    end: AtomicU64,
}

impl Arrivals {
    /// Begins now, with so many calls a second. They come until [`Self::close`] or until nobody holds it.
    pub(crate) fn begin(per_second: f64) -> Arc<Self> {
        let arrivals = Arc::new(Self {
            start: clock::now(),
            each: Duration::from_secs_f64(1.0 / per_second.max(1.0)),
            due: Semaphore::new(0),
            taken: AtomicU64::new(0),
            end: AtomicU64::new(u64::MAX),
        });
        // A thread of its own: the timer of the runtime counts milliseconds.
        let weak = Arc::downgrade(&arrivals);
        thread::spawn(move || announce(&weak));
        arrivals
    }

    /// The number of calls due before that moment.
    fn before(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.start);
        (since.as_nanos() / self.each.as_nanos().max(1)) as u64
    }

    /// When the call of that number is due.
    fn due_at(&self, number: u64) -> Instant {
        self.start + Duration::from_nanos(self.each.as_nanos() as u64 * number)
    }

    /// Takes the next call, once it is due: when that was. None when no more will come.
    pub(crate) async fn next(&self) -> Option<Instant> {
        // It is never closed: the last permits are for those who wait in vain.
        self.due.acquire().await.ok()?.forget();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        (number < self.end.load(Ordering::Relaxed)).then(|| self.due_at(number))
    }

    /// Lets no call come that is due after that moment. All others are still to be done. `callers` are told.
    pub(crate) fn close(&self, moment: Instant, callers: usize) {
        let end = self.before(moment);
        self.end.store(end, Ordering::Relaxed);
        let left = end.saturating_sub(self.taken.load(Ordering::Relaxed));
        let room = usize::try_from(left).unwrap_or(0).saturating_add(callers);
        self.due.add_permits(room.min(Semaphore::MAX_PERMITS >> 1));
    }
}

/// Gives a permit for each call that is due, until they end.
fn announce(arrivals: &Weak<Arrivals>) {
    let mut given = 0;
    while let Some(arrivals) = arrivals.upgrade() {
        if arrivals.end.load(Ordering::Relaxed) != u64::MAX {
            return;
        }
        let due = arrivals.before(clock::now());
        arrivals.due.add_permits(usize::try_from(due.saturating_sub(given)).unwrap_or(0));
        given = given.max(due);
        drop(arrivals);
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_are_due_at_even_distances_and_none_is_left_out() {
        let arrivals = Arrivals::begin(10_000.0);
        let mut due = Vec::new();
        for _ in 0..50 {
            due.push(arrivals.next().await.unwrap());
        }
        for pair in due.windows(2) {
            assert_eq!(pair[1] - pair[0], Duration::from_micros(100));
        }
        assert!(due.iter().all(|moment| *moment <= clock::now()));
        // Those that were due before the end come all the same, and then no more.
        let end = arrivals.due_at(70);
        arrivals.close(end, 1);
        for _ in 50..70 {
            assert!(arrivals.next().await.is_some());
        }
        assert_eq!(arrivals.next().await, None);
    }

    #[tokio::test]
    async fn whoever_waits_at_the_end_is_told() {
        let arrivals = Arrivals::begin(1.0);
        arrivals.close(arrivals.start, 2);
        assert_eq!(arrivals.next().await, None);
        assert_eq!(arrivals.next().await, None);
    }
}
