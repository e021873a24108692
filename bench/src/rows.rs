//! Rows that a server left behind, counted after it has stopped.

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The file inside a data folder.
const FILE: &str = "latchkey.db";

/// How many rows there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Entries of kind log.
    pub(crate) logs: u64,
    /// Submissions.
    pub(crate) submissions: u64,
}

impl Rows {
    /// Counts them; none if there is no store yet.
    pub(crate) fn count(data: &Path) -> Result<Self> {
        let file = data.join(FILE);
        if !file.exists() {
            return Ok(Self::default());
        }
        let store = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| file.display().to_string())?;
        let count = |sql: &str| -> Result<u64> {
            let rows: i64 =
                store.query_row(sql, [], |row| row.get(0)).with_context(|| sql.to_owned())?;
            Ok(u64::try_from(rows)?)
        };
        Ok(Self {
            logs: count("SELECT count(*) FROM entries WHERE kind = 0")?,
            submissions: count("SELECT count(*) FROM submissions")?,
        })
    }

    /// Whether `after` has exactly as many rows more as there were answers.
    pub(crate) fn grew_by(self, expected: Self, after: Self) -> Result<()> {
        let due = Self {
            logs: self.logs + expected.logs,
            submissions: self.submissions + expected.submissions,
        };
        ensure!(
            after == due,
            "answers and rows differ: {expected:?} answered, {self:?} stood before, {after:?} now"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Rows::count(folder.path()).unwrap(), Rows::default());
        let store = Connection::open(folder.path().join(FILE)).unwrap();
        store
            .execute_batch(
                "CREATE TABLE entries (kind INTEGER); CREATE TABLE submissions (id INTEGER);
                 INSERT INTO entries VALUES (0), (0), (1), (2); INSERT INTO submissions VALUES (1);",
            )
            .unwrap();
        let rows = Rows::count(folder.path()).unwrap();
        assert_eq!((rows.logs, rows.submissions), (2, 1));
        let nothing = Rows::default();
        assert!(nothing.grew_by(rows, rows).is_ok());
        assert!(rows.grew_by(nothing, rows).is_ok());
        assert!(rows.grew_by(rows, rows).is_err());
        assert!(rows.grew_by(nothing, nothing).is_err());
    }
}
