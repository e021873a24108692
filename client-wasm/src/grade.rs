//! What a plugin hands in.

use latchkey_protocol::payload::{Given, GradeInput, Grading, Progress};

/// A score on its way to the server, with what belongs to it.
///
/// ```
/// # use latchkey_client::Grade;
/// let grade = Grade::new(8.0).of(10.0).comment("One answer was wrong.");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Grade(GradeInput);

impl Grade {
    /// A score from 0 to the maximum. Zero is a score; fractions are kept. One that is no number
    /// (NaN, infinite) is refused by the server.
    pub fn new(score: f64) -> Self {
        Self(GradeInput {
            score,
            max: None,
            comment: Given::Absent,
            progress: None,
            grading: None,
            attempt: None,
            at: None,
            sequence: None,
        })
    }

    /// What the score is out of; the activity's maximum if not called.
    #[must_use]
    pub fn of(mut self, max: f64) -> Self {
        self.0.max = Some(max);
        self
    }

    /// A text for the student, up to 4096 bytes; the empty one is a text. Not called: the former stays.
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        self.0.comment = Given::Value(text.into());
        self
    }

    /// Takes the former comment away.
    #[must_use]
    pub fn without_comment(mut self) -> Self {
        self.0.comment = Given::Null;
        self
    }

    /// How far the user has come.
    #[must_use]
    pub fn progress(mut self, progress: Progress) -> Self {
        self.0.progress = Some(progress);
        self
    }

    /// Whether the score is final; [`Grading::FullyGraded`] if not called.
    #[must_use]
    pub fn grading(mut self, grading: Grading) -> Self {
        self.0.grading = Some(grading);
        self
    }

    /// The number of the attempt, which must be the key's own.
    #[must_use]
    pub fn attempt(mut self, number: u32) -> Self {
        self.0.attempt = Some(number);
        self
    }

    /// When it was earned, RFC 3339 by this machine's clock; now if not called.
    #[must_use]
    pub fn at(mut self, time: impl Into<String>) -> Self {
        self.0.at = Some(time.into());
        self
    }

    /// As it goes out: earned `now` unless it says otherwise, ordered by `sequence`.
    pub(crate) fn written(mut self, now: String, sequence: u64) -> GradeInput {
        self.0.at.get_or_insert(now);
        self.0.sequence = Some(sequence);
        self.0
    }
}
