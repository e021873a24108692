//! How a grade changes: decided once for every backend, which reads and writes the rows around it.

use super::{NewOverride, NewSubmission, Rejected, Ruling, Submitted};
use crate::grades::{self, ScoreError, Scored, Submission, Tally};
use latchkey_protocol::launch::GradeMethod;
use latchkey_protocol::payload::{Given, Grading, Progress};

/// What an activity says about its grades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GradeRules {
    /// The maximum.
    pub(super) max: f64,
    /// Which submission counts.
    pub(super) method: GradeMethod,
    /// How many attempts there are; `None` for no limit.
    pub(super) attempts: Option<u32>,
}

/// How a user stands in an activity.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) tally: Tally,
    /// The newest submission; 0 for none.
    pub(super) last: i64,
    /// The override in force.
    pub(super) ruling: Option<i64>,
}

/// A submission that is accepted: its score, and what it makes of the tally.
pub(super) struct Taken {
    pub(super) score: f64,
    pub(super) max: f64,
    tally: Tally,
    ruling: Option<i64>,
}

impl Standing {
    /// What somebody sees of it.
    fn shown(&self, method: GradeMethod) -> (Option<f64>, f64, Option<&str>, Option<Progress>) {
        let Tally { max, comment, progress, .. } = &self.tally;
        (self.tally.standing(method), *max, comment.as_deref(), *progress)
    }

    /// Whether the grade has changed: nobody stood here before, or something is seen of it.
    pub(super) fn differs(&self, before: Option<&Self>, method: GradeMethod) -> bool {
        !before.is_some_and(|before| {
            before.shown(method) == self.shown(method) && before.ruling == self.ruling
        })
    }

    /// The standing after an override, which the ruling of that number gives, or after its release.
    pub(super) fn ruled(
        before: Option<&Self>,
        max: f64,
        given: Option<(f64, f64)>,
        ruling: i64,
    ) -> Self {
        let mut tally = tally(before, max);
        tally.overridden = given.map(|(score, of)| grades::scaled(score, of, max));
        let last = before.map_or(0, |before| before.last);
        Self { tally, last, ruling: given.map(|_| ruling) }
    }

    /// What is told of the submission that led here.
    pub(super) fn receipt(&self, rules: &GradeRules, taken: (f64, f64), attempt: u32) -> Submitted {
        let (score, max) = taken;
        Submitted {
            seq: self.last,
            score,
            max,
            attempt,
            standing: self.tally.standing(rules.method),
            standing_max: rules.max,
            method: rules.method,
            overridden: self.tally.overridden.is_some(),
            attempts: rules.attempts,
        }
    }
}

impl Taken {
    /// Takes a submission of an attempt, or says why not.
    pub(super) fn by(
        rules: &GradeRules,
        before: Option<&Standing>,
        attempt: u32,
        new: &NewSubmission,
    ) -> Result<Self, Rejected> {
        if rules.attempts.is_some_and(|attempts| attempt > attempts) {
            return Err(Rejected::NoAttemptsLeft);
        }
        let (score, max) = grades::accept(new.score, new.max, rules.max)?;
        let mut tally = tally(before, rules.max);
        tally.take(&Submission {
            scored: Scored { score, max, sequence: new.sequence },
            counts: new.grading == Grading::FullyGraded,
            comment: match &new.comment {
                Given::Absent => Given::Absent,
                Given::Null => Given::Null,
                Given::Value(text) => Given::Value(text.as_str()),
            },
            progress: new.progress,
        });
        Ok(Self { score, max, tally, ruling: before.and_then(|before| before.ruling) })
    }

    /// The standing once the submission has its number.
    pub(super) fn standing(self, seq: i64) -> Standing {
        Standing { tally: self.tally, last: seq, ruling: self.ruling }
    }
}

/// The tally so far, out of the activity's present maximum.
fn tally(before: Option<&Standing>, max: f64) -> Tally {
    before.map_or_else(|| Tally::new(max), |before| before.tally.clone().rescaled(max))
}

impl From<ScoreError> for Rejected {
    fn from(error: ScoreError) -> Self {
        match error {
            ScoreError::Negative => Self::ScoreNegative,
            ScoreError::AboveMax => Self::ScoreAboveMax,
            ScoreError::BadMax => Self::BadMax,
        }
    }
}

impl NewOverride {
    /// The score that is to be set, and what it is out of; `None` for a release.
    pub(super) fn given(&self, max: f64) -> Result<Option<(f64, f64)>, ScoreError> {
        self.score.map(|score| grades::accept(score, self.max, max)).transpose()
    }

    /// Whether just that is in force already.
    pub(super) fn is_in_force(&self, known: Option<&Ruling>, given: Option<(f64, f64)>) -> bool {
        match (known, given) {
            (None, given) => given.is_none(),
            (Some(_), None) => false,
            (Some(known), Some(_)) => {
                known.score == given
                    && known.feedback == self.feedback
                    && known.scale == self.scale
                    && known.reason == self.reason
                    && known.by == self.by
            }
        }
    }
}
