//! What a backend gives and takes: rows of [tables](super::table), in parts.

use super::MoveError;
use super::table::{Row, Table};
use super::translation::Given;

/// Rows of one part.
pub(in crate::store) const PART: usize = 4_000;

/// A store as it stands at one moment.
pub(in crate::store) trait Source: Send {
    /// Whether it has that table.
    fn has(&self, table: &Table) -> bool;

    /// How many rows a table has.
    fn count(&mut self, table: &Table) -> Result<u64, MoveError>;

    /// The next rows of a table in the order of its key, at most [`PART`], after that one; none at the end.
    fn rows(&mut self, table: &Table, after: Option<&Row>) -> Result<Vec<Row>, MoveError>;

    /// The numbers of all entries, submissions and rulings, strand by strand in their order; of one more than once.
    fn given(
        &mut self,
        each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
    ) -> Result<(), MoveError>;
}

/// A store that is being filled. Between its first part and [`Target::finish`] no server opens it.
pub(in crate::store) trait Target: Send {
    /// Whether it has that table.
    fn has(&self, table: &Table) -> bool;

    /// How far an earlier copy came, as it was written by [`Target::write`].
    ///
    /// # Errors
    /// [`MoveError::NotEmpty`], if there is something that no copy left behind.
    fn begun(&mut self) -> Result<Option<String>, MoveError>;

    /// Writes a part, and how far the copy has come, together.
    fn write(&mut self, table: &Table, rows: &[Row], come: &str) -> Result<(), MoveError>;

    /// Makes again what the backend adds for itself.
    fn settle(&mut self) -> Result<(), MoveError>;

    /// What is now in it, to be compared.
    fn written(&self) -> Result<Box<dyn Source>, MoveError>;

    /// Lets servers open it.
    fn finish(&mut self) -> Result<(), MoveError>;
}
