//! The numbers of changes: of entries, submissions and rulings.
//!
//! They are learnt span by span. What was learnt before never changes by what comes after: so a copy that is made
//! in several passes numbers each change once.

use super::MoveError;
use super::come::Span;
use super::ends::{Former, Kept, Source};
use super::translation::{Given, Numbering};
use crate::store::postgres::numbers::{first_of, month, seq};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// By what name kept changes go.
pub(in crate::store) const CHANGES: &str = "changes";

/// How the numbers of changes change.
pub(super) enum Changes {
    /// The month in which numbers from this one on were given.
    ByMonth(Vec<(i64, i64)>),
    /// They are numbered anew, all strands as one.
    Merged(Merged),
}

/// Changes of many strands in one sequence.
#[derive(Default)]
pub(super) struct Merged {
    /// Of each strand the numbers, rising, and what becomes of each.
    strands: BTreeMap<i64, Vec<(i64, i64)>>,
    /// How many have been numbered, earlier passes included.
    last: i64,
    /// Those of earlier passes.
    former: Option<Box<dyn Former>>,
}

impl Changes {
    /// What is to be numbered by a backend of that kind, after what was numbered before.
    pub(super) fn after(
        numbering: &Numbering,
        to_postgres: bool,
        former: Option<Box<dyn Former>>,
    ) -> Self {
        if to_postgres {
            return Self::ByMonth(numbering.months.clone());
        }
        Self::Merged(Merged { strands: BTreeMap::new(), last: numbering.last, former })
    }

    /// Up to where it has numbered.
    pub(super) fn numbering(&self) -> Numbering {
        match self {
            Self::ByMonth(months) => Numbering { months: months.clone(), last: 0 },
            Self::Merged(merged) => Numbering { months: Vec::new(), last: merged.last },
        }
    }

    /// Learns the numbers of these spans; those that have to be kept.
    pub(super) fn learn(
        &mut self,
        source: &mut dyn Source,
        spans: &[Span],
    ) -> Result<Vec<Kept>, MoveError> {
        match self {
            Self::ByMonth(months) => {
                for span in spans {
                    source.given(*span, &mut |given| add_month(months, given))?;
                }
                Ok(Vec::new())
            }
            Self::Merged(merged) => merged.learn(source, spans),
        }
    }

    /// The new number of a change of the strand that is called `from` in the source and `to` in the target. Of one
    /// that is gone, that of the last before it.
    pub(super) fn new_number(&self, from: i64, to: i64, old: i64) -> Result<i64, MoveError> {
        match self {
            Self::ByMonth(months) => {
                let at = months.partition_point(|(from, _)| *from <= old);
                let month = at.checked_sub(1).map_or(0, |at| months[at].1);
                Ok(seq(to, first_of(month) + old))
            }
            Self::Merged(merged) => merged.new_number(from, old),
        }
    }
}

/// A clock that was set back does not turn the month back.
fn add_month(months: &mut Vec<(i64, i64)>, given: Given) -> Result<(), MoveError> {
    let month = month(given.at);
    if months.last().is_none_or(|(_, last)| *last < month) {
        months.push((given.seq, month));
    }
    // Numbers of a month have 32 bits.
    if given.seq >> 32 != 0 {
        return Err(MoveError::TooManyChanges);
    }
    Ok(())
}

impl Merged {
    /// The spans as one sequence, which follows what was numbered before: each strand in its own order, and of their
    /// next changes always the oldest.
    fn learn(&mut self, source: &mut dyn Source, spans: &[Span]) -> Result<Vec<Kept>, MoveError> {
        let mut strands: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        for span in spans {
            source.given(*span, &mut |given| {
                let strand = strands.entry(given.strand).or_default();
                // An entry and its submission have one number.
                if strand.last().is_none_or(|(seq, _)| *seq < given.seq) {
                    strand.push((given.seq, given.at));
                }
                Ok(())
            })?;
        }
        let mut next: BinaryHeap<_> =
            strands.iter().map(|(strand, all)| Reverse((all[0].1, *strand, 0_usize))).collect();
        let mut kept = Vec::new();
        while let Some(Reverse((_, strand, at))) = next.pop() {
            let Some(all) = strands.get_mut(&strand) else { continue };
            self.last += 1;
            // The time has been used; the new number takes its place.
            all[at].1 = self.last;
            kept.push(Kept { of: CHANGES, strand, old: all[at].0, new: self.last });
            if let Some((_, time)) = all.get(at + 1) {
                next.push(Reverse((*time, strand, at + 1)));
            }
        }
        for (strand, mut all) in strands {
            self.strands.entry(strand).or_default().append(&mut all);
        }
        Ok(kept)
    }

    fn new_number(&self, strand: i64, old: i64) -> Result<i64, MoveError> {
        let known = self.strands.get(&strand).map_or(&[][..], Vec::as_slice);
        let at = known.partition_point(|(seq, _)| *seq <= old);
        if let Some(at) = at.checked_sub(1) {
            return Ok(known[at].1);
        }
        let former = self.former.as_ref().map(|former| former.last(strand, old)).transpose()?;
        Ok(former.flatten().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::translation::tests::source;
    use super::*;
    use latchkey_protocol::Millis;

    const NOVEMBER: Millis = 1_795_000_000_000;
    const DECEMBER: Millis = 1_796_083_200_000;

    fn span(strand: i64, past: i64, upto: i64) -> Span {
        Span { strand, past, upto }
    }

    fn by_month(numbering: &Numbering) -> Changes {
        Changes::after(numbering, true, None)
    }

    /// Kept changes, as a target has them.
    struct InMemory(Vec<Kept>);

    impl Former for InMemory {
        fn last(&self, strand: i64, old: i64) -> Result<Option<i64>, MoveError> {
            let before = self.0.iter().filter(|it| it.strand == strand && it.old <= old);
            Ok(before.max_by_key(|it| it.old).map(|it| it.new))
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_turn_the_month_back() {
        let times = [(0, 1, NOVEMBER), (0, 5, DECEMBER), (0, 6, NOVEMBER), (0, 9, DECEMBER)];
        let mut changes = by_month(&Numbering::default());
        changes.learn(&mut source(&times), &[span(0, 0, 9)]).unwrap();
        let new = |old| changes.new_number(0, 19, old).unwrap();
        let all: Vec<_> = [1, 4, 5, 6, 9, 10].map(new).into();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        let expected = |at, old| seq(19, first_of(month(at)) + old);
        assert_eq!(all[1], expected(NOVEMBER, 4));
        assert_eq!(all[3], expected(DECEMBER, 6), "the clock said November again");
        let most = (1_i64 << 32) - 1;
        for (last, fits) in [(most, true), (most + 1, false)] {
            let learnt = by_month(&Numbering::default())
                .learn(&mut source(&[(0, last, NOVEMBER)]), &[span(0, 0, last)]);
            assert_eq!(learnt.is_ok(), fits);
        }
    }

    /// Whatever the passes, months are those of one.
    #[test]
    fn months_go_on_from_one_pass_to_the_next() {
        let times = [(0, 1, NOVEMBER), (0, 5, DECEMBER), (0, 6, NOVEMBER), (0, 9, DECEMBER)];
        let mut once = by_month(&Numbering::default());
        once.learn(&mut source(&times), &[span(0, 0, 9)]).unwrap();
        for mark in 1..9 {
            let mut first = by_month(&Numbering::default());
            first.learn(&mut source(&times), &[span(0, 0, mark)]).unwrap();
            let mut then = by_month(&first.numbering());
            then.learn(&mut source(&times), &[span(0, mark, 9)]).unwrap();
            for old in 1..12 {
                let new = once.new_number(0, 3, old).unwrap();
                assert_eq!(then.new_number(0, 3, old).unwrap(), new, "{old} after {mark}");
            }
        }
    }

    #[test]
    fn strands_are_merged_by_time_and_each_keeps_its_order() {
        // An entry and its submission come twice; a clock was set back within the second strand.
        let times =
            [(16, 160, 1), (16, 176, 5), (16, 176, 5), (17, 161, 2), (17, 177, 9), (17, 193, 3)];
        let mut changes = Changes::after(&Numbering::default(), false, None);
        changes.learn(&mut source(&times), &[span(16, 0, 176), span(17, 0, 193)]).unwrap();
        let new = |strand, old| changes.new_number(strand, 0, old).unwrap();
        assert_eq!([new(16, 160), new(17, 161), new(16, 176)], [1, 2, 3]);
        assert_eq!([new(17, 177), new(17, 193)], [4, 5]);
        // What is gone stands for all before it.
        assert_eq!((new(16, 175), new(16, 159), new(16, i64::MAX)), (1, 0, 3));
        assert_eq!(changes.numbering().last, 5);
    }

    /// What comes later has later numbers, whatever its clock says; what was numbered stays.
    #[test]
    fn a_later_pass_changes_no_number() {
        let mut all = vec![(16, 160, 5), (16, 176, 9), (17, 161, 6)];
        let mut first = Changes::after(&Numbering::default(), false, None);
        let kept = first.learn(&mut source(&all), &[span(16, 0, 176), span(17, 0, 161)]).unwrap();
        let olds = [(16, 160), (17, 161), (16, 176)];
        let kept_as = olds.map(|(strand, old)| first.new_number(strand, 0, old).unwrap());
        assert_eq!(kept_as, [1, 2, 3]);
        // Of servers whose clocks are behind, in old strands and a new one.
        all.extend([(16, 192, 1), (17, 177, 2), (18, 162, 0)]);
        let former = Some(Box::new(InMemory(kept)) as Box<dyn Former>);
        let mut then = Changes::after(&first.numbering(), false, former);
        let spans = [span(16, 176, 192), span(17, 161, 177), span(18, 0, 162)];
        let kept = then.learn(&mut source(&all), &spans).unwrap();
        let new = |strand, old| then.new_number(strand, 0, old).unwrap();
        assert_eq!(olds.map(|(strand, old)| new(strand, old)), kept_as);
        assert_eq!([new(18, 162), new(16, 192), new(17, 177)], [4, 5, 6]);
        assert_eq!((new(16, 191), new(16, 159), new(17, 176)), (3, 0, 2));
        assert_eq!(kept.iter().map(|it| it.new).collect::<Vec<_>>(), [4, 5, 6]);
        // A pass that was interrupted learns the same again.
        assert_eq!(then.learn(&mut source(&all), &[]).unwrap(), []);
    }
}
