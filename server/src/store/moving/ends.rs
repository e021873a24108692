//! What a backend gives and takes: rows of [tables](super::table), in parts.

use super::MoveError;
use super::come::{Marks, Span};
use super::table::{Row, Table};
use super::translation::Given;

/// Rows of one part.
pub(in crate::store) const PART: usize = 4_000;

/// A number that was changed, as it is kept from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Kept {
    /// Of what: a table, or [`CHANGES`](super::changes::CHANGES).
    pub(in crate::store) of: &'static str,
    /// The strand of a change; else 0.
    pub(in crate::store) strand: i64,
    pub(in crate::store) old: i64,
    pub(in crate::store) new: i64,
}

/// A store as it stands at one moment.
pub(in crate::store) trait Source: Send {
    /// Whether it has that table.
    fn has(&self, table: &Table) -> bool;

    /// How many rows a table has.
    fn count(&mut self, table: &Table) -> Result<u64, MoveError>;

    /// The next rows of a table in the order of its key, at most [`PART`], after that one; none at the end.
    fn rows(&mut self, table: &Table, after: Option<&Row>) -> Result<Vec<Row>, MoveError>;

    /// The greatest number of each strand. What is up to it never changes.
    fn upto(&mut self) -> Result<Marks, MoveError>;

    /// How many rows of a table that grows lie in each of those spans, by their strands; of those that have any.
    fn counts(&mut self, table: &Table, spans: &[Span]) -> Result<Marks, MoveError>;

    /// The first rows of a table that grows in that span, at most so many, in the order of their numbers.
    fn grown(&mut self, table: &Table, span: Span, most: usize) -> Result<Vec<Row>, MoveError>;

    /// The numbers of all entries, submissions and rulings in that span in their order; of one more than once.
    fn given(
        &mut self,
        span: Span,
        each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
    ) -> Result<(), MoveError>;
}

/// What changes became in earlier passes.
pub(in crate::store) trait Former: Send {
    /// The new number of the last change of a strand up to that one.
    fn last(&self, strand: i64, old: i64) -> Result<Option<i64>, MoveError>;
}

/// What earlier runs have left in a target.
#[derive(Debug, Default)]
pub(in crate::store) struct Left {
    /// How far one has come, as it was written by [`Target::write`].
    pub(in crate::store) come: Option<String>,
    /// What was brought ahead, as it was written by [`Target::note`].
    pub(in crate::store) ahead: Option<String>,
}

/// A store that is being filled. Between its first part and [`Target::finish`] no server opens it.
pub(in crate::store) trait Target: Send {
    /// Whether it has that table.
    fn has(&self, table: &Table) -> bool;

    /// What earlier runs have left.
    ///
    /// # Errors
    /// [`MoveError::NotEmpty`], if there is something that no copy left behind.
    fn begun(&mut self) -> Result<Left, MoveError>;

    /// Notes what was brought ahead and how far a copy has come, together.
    fn note(&mut self, ahead: &str, come: &str) -> Result<(), MoveError>;

    /// Keeps numbers for later runs; what is kept already is replaced.
    fn keep(&mut self, numbers: &[Kept]) -> Result<(), MoveError>;

    /// The kept numbers of a table: old and new.
    fn kept(&mut self, of: &'static str) -> Result<Vec<(i64, i64)>, MoveError>;

    /// Kept changes, if this backend gives them numbers that depend on those before.
    fn former(&self) -> Result<Option<Box<dyn Former>>, MoveError>;

    /// Takes all rows of those tables away.
    fn clear(&mut self, tables: &[&'static Table]) -> Result<(), MoveError>;

    /// Writes a part, and how far the copy has come, together.
    fn write(&mut self, table: &Table, rows: &[Row], come: &str) -> Result<(), MoveError>;

    /// Makes again what the backend adds for itself to tables that grow, for the rows beyond these marks.
    fn link(&mut self, past: &Marks) -> Result<(), MoveError>;

    /// The same for the other tables.
    fn settle(&mut self) -> Result<(), MoveError>;

    /// What is now in it, to be compared.
    fn written(&self) -> Result<Box<dyn Source>, MoveError>;

    /// Lets servers open it.
    fn finish(&mut self) -> Result<(), MoveError>;
}
