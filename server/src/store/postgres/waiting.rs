//! Which of the calls that wait are written next, and together.
//!
//! Each group costs the database as much as some dozens of calls, whatever is in it. So while one is under way the
//! others gather for the next, unless there are so many that several groups would be large; those are then divided by
//! strands, so that none waits for another. A group holds all the strands it may. Where it has to wait for those of
//! another server, which does the same, it takes along what has come until it holds them.

use super::numbers::{STRANDS, strands_of};
use latchkey_protocol::token::KeyId;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Calls that are worth a group of their own beside one that is under way.
const MANY: usize = 64;
/// A group that takes longer is held up by something: nobody waits for it any more but its own strands.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long it is remembered that another server writes to the same strands.
const MET: Duration = Duration::from_millis(200);

/// A call that waits.
#[derive(Debug)]
struct Place<T> {
    strand: i64,
    key: KeyId,
    job: T,
}

/// The strands of a group that is under way, and when it began.
#[derive(Debug)]
struct UnderWay {
    strands: BTreeSet<i64>,
    since: Instant,
}

/// Calls that wait, in the order of their arrival.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    jobs: VecDeque<Place<T>>,
    under_way: Vec<UnderWay>,
    /// Most groups at the same time.
    groups: usize,
    /// Most calls of a group.
    most: usize,
    /// When a group last had to wait for one of another server.
    met: Option<Instant>,
}

impl<T> Waiting<T> {
    /// For at most so many groups at the same time, of at most `most` calls each.
    pub(super) fn new(groups: usize, most: usize) -> Self {
        let (jobs, under_way, met) = Default::default();
        Self { jobs, under_way, groups: groups.max(1), most: most.max(1), met }
    }

    /// Adds a call of a key in a strand.
    pub(super) fn push(&mut self, strand: i64, key: KeyId, job: T) {
        self.jobs.push_back(Place { strand, key, job });
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The next group, if it is time for one, and the strands that it is to hold. They are taken until [`Self::ended`].
    pub(super) fn group(&mut self, now: Instant) -> Option<(Vec<T>, BTreeSet<i64>)> {
        let free = self.groups.checked_sub(self.under_way.len()).filter(|free| *free > 0)?;
        let (large, not_yet) = (MANY.min(self.most) * free, self.due(now).is_some());
        // Asked for each call that arrives: mostly there is nothing to look for.
        if not_yet && self.jobs.len() < large {
            return None;
        }
        let taken =
            |strand: i64| self.under_way.iter().any(|group| group.strands.contains(&strand));
        let fit: Vec<i64> =
            self.jobs.iter().map(|place| place.strand).filter(|strand| !taken(*strand)).collect();
        let first = *fit.first()?;
        let divided = fit.len() >= large;
        if not_yet && !divided {
            return None;
        }
        let hosts: BTreeSet<i64> = fit.iter().map(|strand| strand / STRANDS).collect();
        let beside = |strand: &i64| !divided || self.division(*strand) == self.division(first);
        let strands = hosts.into_iter().flat_map(strands_of);
        let strands: BTreeSet<i64> =
            strands.filter(|strand| !taken(*strand) && beside(strand)).collect();
        let group = self.take(&strands, HashSet::new(), |_| true);
        self.under_way.push(UnderWay { strands: strands.clone(), since: now });
        Some((group, strands))
    }

    /// A group has had to wait for one of another server.
    pub(super) fn met(&mut self, now: Instant) {
        self.met = Some(now);
    }

    /// Whether another server writes to the same strands these days, so that it is better to hold them before asking
    /// what a group is about: it is larger by then.
    pub(super) fn meets_others(&self, now: Instant) -> bool {
        self.met.is_some_and(|met| now.saturating_duration_since(met) < MET)
    }

    /// All that wait for a group of these strands.
    pub(super) fn behind(&mut self, strands: &BTreeSet<i64>) -> Vec<T> {
        let places = self.jobs.drain(..);
        let (behind, others): (VecDeque<_>, VecDeque<_>) =
            places.partition(|place| strands.contains(&place.strand));
        self.jobs = others;
        behind.into_iter().map(|place| place.job).collect()
    }

    /// Until when those that wait have to, if nothing ends or arrives before.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let last = self.under_way.iter().map(|group| group.since).max()? + PATIENCE;
        (last > now).then_some(last)
    }

    /// The group of these strands has ended.
    pub(super) fn ended(&mut self, strands: &BTreeSet<i64>) {
        self.under_way.retain(|group| group.strands != *strands);
    }

    fn division(&self, strand: i64) -> i64 {
        strand % i64::try_from(self.groups).unwrap_or(i64::MAX)
    }

    /// The longest waiting calls of these strands for a group that has calls of those keys already. Each key once: the
    /// second call of a key has to see what the first did.
    pub(super) fn take(
        &mut self,
        strands: &BTreeSet<i64>,
        mut keys: HashSet<KeyId>,
        may: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let (mut group, mut later) = (Vec::new(), VecDeque::with_capacity(self.jobs.len()));
        for place in self.jobs.drain(..) {
            let fits = keys.len() < self.most && strands.contains(&place.strand) && may(&place.job);
            if fits && keys.insert(place.key) {
                group.push(place.job);
            } else {
                later.push_back(place);
            }
        }
        self.jobs = later;
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

    fn waiting(groups: usize, most: usize, jobs: &[(i64, u64)]) -> Waiting<u64> {
        let mut waiting = Waiting::new(groups, most);
        for (number, (strand, id)) in jobs.iter().enumerate() {
            waiting.push(*strand, key(*id), number as u64);
        }
        waiting
    }

    /// So many calls of different keys, spread over 16 strands.
    fn spread(count: u64) -> Vec<(i64, u64)> {
        (0..count).map(|number| ((number % 16) as i64, number)).collect()
    }

    /// The strands of the first host that are in this division of so many.
    fn strands(division: i64, of: i64) -> BTreeSet<i64> {
        (0..STRANDS).filter(|strand| strand % of == division).collect()
    }

    #[test]
    fn few_go_together_and_the_next_wait_for_them() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &spread(20));
        let (group, held) = all.group(now).unwrap();
        assert_eq!((group, &held), ((0..20).collect(), &strands(0, 1)));
        assert_eq!(all.group(now), None);
        all.push(1, key(99), 99);
        assert_eq!(all.group(now), None);
        all.ended(&held);
        assert_eq!(all.group(now), Some((vec![99], strands(0, 1))));
    }

    #[test]
    fn what_comes_while_strands_are_waited_for_goes_along() {
        let now = Instant::now();
        let mut all = waiting(4, 5, &[(1, 1)]);
        let (_, held) = all.group(now).unwrap();
        for (number, (strand, id)) in
            [(16, 2), (1, 1), (2, 3), (3, 4), (3, 4), (4, 5), (5, 6), (6, 7)].iter().enumerate()
        {
            all.push(*strand, key(*id), number as u64);
        }
        // Not those of another host, none of a key that is there already, none that may not, and no more than the most.
        assert_eq!(all.take(&held, HashSet::from([key(1)]), |job| *job != 5), [2, 3, 6, 7]);
        all.ended(&held);
        assert_eq!(all.group(now).unwrap().0, [0, 1, 4, 5]);
    }

    #[test]
    fn another_server_is_remembered_for_a_while() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &[]);
        assert!(!all.meets_others(now));
        all.met(now);
        assert!(all.meets_others(now) && all.meets_others(now + MET / 2));
        assert!(!all.meets_others(now + MET));
        all.met(now + MET);
        assert!(all.meets_others(now + MET + MET / 2));
    }

    #[test]
    fn who_waits_behind_a_group_wants_its_strands() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &[(1, 1)]);
        let (_, held) = all.group(now).unwrap();
        for (strand, number) in [(3, 2), (16, 3), (1, 1)] {
            all.push(strand, key(number), number);
        }
        assert_eq!((all.behind(&held), all.len()), (vec![2, 1], 1));
    }

    #[test]
    fn many_are_divided() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &spread(4 * 64));
        for division in 0..4 {
            let (group, held) = all.group(now).unwrap();
            assert_eq!((group.len(), held), (64, strands(division, 4)));
        }
        assert_eq!((all.group(now), all.len()), (None, 0));
    }

    #[test]
    fn a_group_that_is_held_up_holds_up_its_own_strands_only() {
        let now = Instant::now();
        let mut all = waiting(4, 512, &[(1, 1)]);
        let (_, held) = all.group(now).unwrap();
        all.push(2, key(2), 2);
        all.push(STRANDS, key(3), 3);
        assert_eq!(all.group(now), None);
        let late = all.due(now).unwrap();
        assert_eq!(late, now + PATIENCE);
        assert_eq!(all.group(late).unwrap().0, [3]);
        assert_eq!(all.group(late), None);
        all.ended(&held);
        assert_eq!(all.group(late + PATIENCE).unwrap().0, [2]);
    }

    #[test]
    fn a_key_is_once_in_a_group_and_its_calls_keep_their_order() {
        let now = Instant::now();
        let mut all = waiting(2, 512, &[(0, 7), (0, 7), (1, 8), (0, 9), (0, 7)]);
        for expected in [vec![0, 2, 3], vec![1], vec![4]] {
            let (group, held) = all.group(now).unwrap();
            assert_eq!(group, expected);
            all.ended(&held);
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
        // One division has ever more to do, the other a single call.
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
        let (_, held) = all.group(now).unwrap();
        all.push(1, key(0), 0);
        busy(&mut all);
        all.ended(&held);
        assert_eq!(all.group(now), Some((vec![0], strands(1, 2))));
    }
}
