//! Which of the calls that wait are written next, and together.
//!
//! Each group costs the database as much as some dozens of calls, whatever is in it. So while one is under way the
//! others gather for the next, unless there are so many that several groups would be large; those are then divided by
//! strands, so that none waits for another.

use latchkey_protocol::token::KeyId;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Calls that are worth a group of their own beside one that is under way.
const MANY: usize = 64;
/// A group that takes longer is held up by something: nobody waits for it any more.
const PATIENCE: Duration = Duration::from_millis(20);

/// Strands that may be written at the same time as others.
#[derive(Debug)]
struct Share<T> {
    /// In the order of their arrival, each with its number.
    jobs: VecDeque<(u64, KeyId, T)>,
    /// When the group began that is under way with some of them.
    since: Option<Instant>,
}

/// Calls that wait, by shares of the strands.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    shares: Vec<Share<T>>,
    arrived: u64,
    /// Most calls of a group.
    most: usize,
}

impl<T> Waiting<T> {
    /// For at most so many groups at the same time, of at most `most` calls each.
    pub(super) fn new(shares: usize, most: usize) -> Self {
        let share = || Share { jobs: VecDeque::new(), since: None };
        let shares = std::iter::repeat_with(share).take(shares.max(1)).collect();
        Self { shares, arrived: 0, most: most.max(1) }
    }

    /// Adds a call of a key in a strand.
    pub(super) fn push(&mut self, strand: i64, key: KeyId, job: T) {
        let at = usize::try_from(strand).unwrap_or(0) % self.shares.len();
        self.shares[at].jobs.push_back((self.arrived, key, job));
        self.arrived += 1;
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.shares.iter().map(|share| share.jobs.len()).sum()
    }

    /// The next group, if it is time for one, and the shares that it is of. They are taken until [`Self::ended`].
    pub(super) fn group(&mut self, now: Instant) -> Option<(Vec<T>, Vec<usize>)> {
        let free: Vec<usize> =
            (0..self.shares.len()).filter(|at| self.shares[*at].since.is_none()).collect();
        let waiting: usize = free.iter().map(|at| self.shares[*at].jobs.len()).sum();
        let oldest = free
            .iter()
            .filter_map(|at| Some((self.shares[*at].jobs.front()?.0, *at)))
            .min()
            .map(|(_, at)| at)?;
        let of = if waiting >= MANY.min(self.most) * free.len() {
            vec![oldest]
        } else if self.due(now).is_none() {
            free
        } else {
            return None;
        };
        let group = self.one_of_each(&of);
        let mut taken = Vec::new();
        for (at, _) in &group {
            if !taken.contains(at) {
                taken.push(*at);
                self.shares[*at].since = Some(now);
            }
        }
        Some((group.into_iter().map(|(_, job)| job).collect(), taken))
    }

    /// Until when those that wait have to, if nothing ends or arrives before.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let last = self.shares.iter().filter_map(|share| share.since).max()? + PATIENCE;
        (last > now).then_some(last)
    }

    /// The group of these shares has ended.
    pub(super) fn ended(&mut self, shares: &[usize]) {
        for at in shares {
            self.shares[*at].since = None;
        }
    }

    /// The longest waiting calls of these shares, each key once: the second call of a key has to see what the first did.
    fn one_of_each(&mut self, of: &[usize]) -> Vec<(usize, T)> {
        let (mut group, mut keys) = (Vec::new(), HashSet::new());
        let mut later: Vec<(usize, (u64, KeyId, T))> = Vec::new();
        while group.len() < self.most {
            let front = |at: &usize| Some((self.shares[*at].jobs.front()?.0, *at));
            let Some((_, at)) = of.iter().filter_map(front).min() else { break };
            let Some(next) = self.shares[at].jobs.pop_front() else { break };
            if keys.insert(next.1) {
                group.push((at, next.2));
            } else {
                later.push((at, next));
            }
        }
        for (at, job) in later.into_iter().rev() {
            self.shares[at].jobs.push_front(job);
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> KeyId {
        let mut id = [0; 16];
        id[8..].copy_from_slice(&number.to_be_bytes());
        KeyId(id)
    }

    fn waiting(shares: usize, most: usize, jobs: &[(i64, u64)]) -> Waiting<u64> {
        let mut waiting = Waiting::new(shares, most);
        for (number, (strand, id)) in jobs.iter().enumerate() {
            waiting.push(*strand, key(*id), number as u64);
        }
        waiting
    }

    /// So many calls of different keys, spread over 16 strands.
    fn spread(count: u64) -> Vec<(i64, u64)> {
        (0..count).map(|number| ((number % 16) as i64, number)).collect()
    }

    #[test]
    fn few_go_together_and_the_next_wait_for_them() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &spread(20));
        let (group, shares) = all.group(now).unwrap();
        assert_eq!(group, (0..20).collect::<Vec<_>>());
        assert_eq!(all.group(now), None);
        all.push(1, key(99), 99);
        assert_eq!(all.group(now), None);
        all.ended(&shares);
        assert_eq!(all.group(now), Some((vec![99], vec![1])));
    }

    #[test]
    fn many_are_divided() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &spread(4 * 64));
        for share in 0..4 {
            let (group, shares) = all.group(now).unwrap();
            assert_eq!((group.len(), shares), (64, vec![share]));
        }
        assert_eq!((all.group(now), all.len()), (None, 0));
    }

    #[test]
    fn a_group_that_is_held_up_holds_up_its_own_strands_only() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &[(1, 1)]);
        let (_, shares) = all.group(now).unwrap();
        all.push(1, key(2), 2);
        all.push(2, key(3), 3);
        assert_eq!(all.group(now), None);
        let late = all.due(now).unwrap();
        assert_eq!(late, now + PATIENCE);
        assert_eq!(all.group(late), Some((vec![3], vec![2])));
        assert_eq!(all.group(late), None);
        all.ended(&shares);
        assert_eq!(all.group(late + PATIENCE), Some((vec![2], vec![1])));
    }

    #[test]
    fn a_key_is_once_in_a_group_and_its_calls_keep_their_order() {
        let now = Instant::now();
        let mut all = waiting(2, 512, &[(0, 7), (0, 7), (1, 8), (0, 9), (0, 7)]);
        for expected in [vec![0, 2, 3], vec![1], vec![4]] {
            let (group, shares) = all.group(now).unwrap();
            assert_eq!(group, expected);
            all.ended(&shares);
        }
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn a_group_has_its_most_and_one_by_one_several_go_at_once() {
        let now = Instant::now();
        let mut all = waiting(4, 10, &spread(25));
        assert_eq!(all.group(now).unwrap().0, (0..10).collect::<Vec<_>>());
        assert_eq!(all.len(), 15);
        let mut all = waiting(4, 1, &spread(25));
        let firsts: Vec<_> = std::iter::from_fn(|| all.group(now)).collect();
        assert_eq!(firsts.len(), 4);
        assert!(firsts.iter().all(|(group, _)| group.len() == 1));
    }

    #[test]
    fn nobody_is_passed_over_for_ever() {
        // One share has ever more to do, the other a single call.
        let now = Instant::now();
        let mut all = waiting(2, 512, &spread(0));
        let mut number = 0;
        let mut busy = |all: &mut Waiting<u64>| {
            for _ in 0..200 {
                number += 1;
                all.push(0, key(number), number);
            }
        };
        busy(&mut all);
        let (_, shares) = all.group(now).unwrap();
        all.push(1, key(0), 0);
        busy(&mut all);
        all.ended(&shares);
        assert_eq!(all.group(now), Some((vec![0], vec![1])));
    }
}
