//! Which grade counts: pure arithmetic over the submissions of one user in one activity.
//!
//! Every submission is kept elsewhere; a [`Tally`] holds what all methods need, so that one more
//! submission costs one row and a teacher may change the method at any time.

use latchkey_protocol::launch::GradeMethod;
use latchkey_protocol::payload::{Given, Progress};

/// Why a score is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreError {
    /// Below zero.
    Negative,
    /// Above what it is out of.
    AboveMax,
    /// Out of something that is no positive number.
    BadMax,
}

/// The score and its maximum, if they are a score: zero to `max`, both finite. Without a `max` of its
/// own the score is out of the activity's.
///
/// # Errors
/// The first limit that is broken.
pub fn accept(score: f64, max: Option<f64>, activity_max: f64) -> Result<(f64, f64), ScoreError> {
    let max = max.unwrap_or(activity_max);
    if !(max.is_finite() && max > 0.0) {
        return Err(ScoreError::BadMax);
    }
    if score < 0.0 {
        return Err(ScoreError::Negative);
    }
    // Written so that a NaN falls on the refusing side.
    if score <= max {
        // Minus zero is zero.
        Ok((score + 0.0, max))
    } else {
        Err(ScoreError::AboveMax)
    }
}

/// A score out of `from` as one out of `to`. Equal maxima must not touch the digits.
pub fn scaled(score: f64, from: f64, to: f64) -> f64 {
    if from == to { score } else { score / from * to }
}

/// One submission that counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// 0 to `max`.
    pub score: f64,
    /// What it is out of.
    pub max: f64,
    /// Its place in time by the client's hybrid clock, milliseconds.
    pub sequence: i64,
}

/// One submission with all that it may change, in the order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission<'a> {
    /// Its score.
    pub scored: Scored,
    /// Whether the score counts: it is fully graded.
    pub counts: bool,
    /// What it says to the student; null takes back what was said.
    pub comment: Given<&'a str>,
    /// How far the student has come, if it says so.
    pub progress: Option<Progress>,
}

/// What the submissions come to. Scores are out of `max`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// The activity's maximum.
    pub max: f64,
    /// How many submissions count.
    pub count: u32,
    /// Their sum.
    pub sum: f64,
    /// The best of them.
    pub highest: f64,
    /// The first by sequence, and its sequence.
    pub first: (f64, i64),
    /// The latest by sequence, and its sequence.
    pub latest: (f64, i64),
    /// A teacher's own grade, which no submission changes.
    pub overridden: Option<f64>,
    /// What the student reads beside it.
    pub comment: Option<String>,
    /// How far the student has come, by the latest submission that said so.
    pub progress: Option<Progress>,
}

impl Tally {
    /// Nothing submitted yet.
    pub fn new(max: f64) -> Self {
        Self { max, ..Self::default() }
    }

    /// What these submissions, in the order of their arrival, come to. An override is not among them:
    /// whoever recomputes carries it over.
    pub fn of<'a>(max: f64, submissions: impl IntoIterator<Item = Submission<'a>>) -> Self {
        let mut tally = Self::new(max);
        submissions.into_iter().for_each(|submission| tally.take(&submission));
        tally
    }

    /// One submission more. Comment and progress follow the newest; one that arrives late does not
    /// turn them back.
    pub fn take(&mut self, submission: &Submission<'_>) {
        if self.is_newest(submission.scored.sequence) {
            self.progress = submission.progress.or(self.progress);
            match submission.comment {
                Given::Absent => {}
                Given::Null => self.comment = None,
                Given::Value(text) => self.comment = Some(text.to_owned()),
            }
        }
        if submission.counts {
            self.add(submission.scored);
        }
    }

    /// The same out of another maximum, when the activity's has changed.
    pub fn rescaled(mut self, max: f64) -> Self {
        // Equal maxima must not touch the digits.
        if max != self.max && self.max > 0.0 {
            let factor = max / self.max;
            self.overridden = self.overridden.map(|score| score * factor);
            self.sum *= factor;
            self.highest *= factor;
            self.first.0 *= factor;
            self.latest.0 *= factor;
        }
        self.max = max;
        self
    }

    /// One score more. The order in which they arrive does not matter but for equal sequences, of
    /// which the one that arrives later is the later.
    pub fn add(&mut self, scored: Scored) {
        let score = scaled(scored.score, scored.max, self.max);
        let at = (score, scored.sequence);
        if self.count == 0 {
            (self.highest, self.first, self.latest) = (score, at, at);
        } else {
            self.highest = self.highest.max(score);
            if scored.sequence < self.first.1 {
                self.first = at;
            }
            if scored.sequence >= self.latest.1 {
                self.latest = at;
            }
        }
        self.count = self.count.saturating_add(1);
        self.sum += score;
    }

    /// Whether a submission of that sequence is the newest known.
    pub fn is_newest(&self, sequence: i64) -> bool {
        self.count == 0 || sequence >= self.latest.1
    }

    /// The grade that counts, out of `max`; `None` while there is none.
    pub fn standing(&self, method: GradeMethod) -> Option<f64> {
        self.overridden.or_else(|| self.reported(method))
    }

    /// What the submissions alone come to, whatever a teacher says.
    pub fn reported(&self, method: GradeMethod) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        Some(match method {
            GradeMethod::Highest => self.highest,
            GradeMethod::Latest => self.latest.0,
            GradeMethod::First => self.first.0,
            GradeMethod::Average => self.sum / f64::from(self.count),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(scores: &[(f64, i64)]) -> Tally {
        let mut tally = Tally::new(10.0);
        for &(score, sequence) in scores {
            tally.add(Scored { score, max: 10.0, sequence });
        }
        tally
    }

    #[test]
    fn limits_of_a_score() {
        assert_eq!(accept(0.0, None, 10.0), Ok((0.0, 10.0)));
        assert_eq!(accept(10.0, None, 10.0), Ok((10.0, 10.0)));
        assert_eq!(accept(10.000_001, None, 10.0), Err(ScoreError::AboveMax));
        assert_eq!(accept(-0.000_001, None, 10.0), Err(ScoreError::Negative));
        assert_eq!(accept(f64::NAN, None, 10.0), Err(ScoreError::AboveMax));
        assert_eq!(accept(f64::INFINITY, None, 10.0), Err(ScoreError::AboveMax));
        assert_eq!(accept(55.0, Some(100.0), 10.0), Ok((55.0, 100.0)));
        for max in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(accept(0.0, Some(max), 10.0), Err(ScoreError::BadMax));
        }
        assert!(accept(-0.0, None, 10.0).unwrap().0.is_sign_positive());
    }

    #[test]
    fn each_method_picks_its_own() {
        let tally = tally(&[(4.0, 20), (9.0, 10), (5.0, 30)]);
        assert_eq!(tally.standing(GradeMethod::Highest), Some(9.0));
        assert_eq!(tally.standing(GradeMethod::Latest), Some(5.0));
        assert_eq!(tally.standing(GradeMethod::First), Some(9.0));
        assert_eq!(tally.standing(GradeMethod::Average), Some(6.0));
    }

    #[test]
    fn zero_counts_and_nothing_does_not() {
        assert_eq!(tally(&[]).standing(GradeMethod::Highest), None);
        assert_eq!(tally(&[(0.0, 1)]).standing(GradeMethod::Highest), Some(0.0));
    }

    #[test]
    fn a_teachers_grade_stands() {
        let mut tally = tally(&[(4.0, 1)]);
        tally.overridden = Some(7.5);
        tally.add(Scored { score: 10.0, max: 10.0, sequence: 2 });
        assert_eq!(tally.standing(GradeMethod::Highest), Some(7.5));
        assert_eq!(tally.reported(GradeMethod::Highest), Some(10.0));
        assert_eq!(tally.rescaled(20.0).standing(GradeMethod::Highest), Some(15.0));
    }

    fn submission(score: f64, sequence: i64, comment: Given<&str>) -> Submission<'_> {
        let scored = Scored { score, max: 10.0, sequence };
        Submission { scored, counts: true, comment, progress: None }
    }

    #[test]
    fn what_is_left_out_never_was() {
        let all = [
            submission(4.0, 1, Given::Value("first")),
            submission(9.0, 3, Given::Value("best")),
            submission(6.0, 2, Given::Value("late")),
            submission(5.0, 4, Given::Null),
        ];
        let without = |out: usize| {
            let rest = all.iter().enumerate().filter(|(at, _)| *at != out);
            Tally::of(10.0, rest.map(|(_, submission)| submission.clone()))
        };
        assert_eq!(without(9).comment, None);
        assert_eq!(without(3).comment.as_deref(), Some("best"));
        assert_eq!(without(1).standing(GradeMethod::Highest), Some(6.0));
        assert_eq!(without(0).standing(GradeMethod::First), Some(6.0), "by sequence, not arrival");
        assert_eq!(without(3).standing(GradeMethod::Latest), Some(9.0));
    }

    #[test]
    fn what_does_not_count_may_still_speak() {
        let pending = Submission {
            counts: false,
            progress: Some(Progress::Submitted),
            ..submission(9.0, 1, Given::Value("wait"))
        };
        let tally = Tally::of(10.0, [pending]);
        assert_eq!((tally.standing(GradeMethod::Highest), tally.count), (None, 0));
        assert_eq!(tally.comment.as_deref(), Some("wait"));
        assert_eq!(tally.progress, Some(Progress::Submitted));
    }

    #[test]
    fn other_maxima_are_scaled_and_equal_ones_untouched() {
        let mut tally = Tally::new(10.0);
        tally.add(Scored { score: 55.0, max: 100.0, sequence: 1 });
        assert_eq!(tally.highest, 5.5);
        let mut exact = Tally::new(100.0);
        exact.add(Scored { score: 14.29, max: 100.0, sequence: 1 });
        assert_eq!(exact.clone().rescaled(100.0).highest, 14.29);
        assert_eq!(tally.rescaled(20.0).highest, 11.0);
    }

    proptest! {
        #[test]
        fn order_of_arrival_does_not_matter(scores in proptest::collection::hash_map(0i64..1000, 0u8..=10, 1..20)) {
            let mut list: Vec<_> = scores.iter().map(|(at, score)| (f64::from(*score), *at)).collect();
            let one = tally(&list);
            list.sort_by_key(|(_, at)| *at);
            let two = tally(&list);
            list.reverse();
            let three = tally(&list);
            for method in [GradeMethod::Highest, GradeMethod::Latest, GradeMethod::First, GradeMethod::Average] {
                prop_assert_eq!(one.standing(method), two.standing(method));
                prop_assert_eq!(one.standing(method), three.standing(method));
            }
        }
    }
}
