//! Rows that a server left behind, counted after it has stopped.

use crate::store::Store;
use anyhow::{Result, ensure};
use std::path::Path;

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
    pub(crate) async fn count(store: &Store, data: &Path) -> Result<Self> {
        let queries =
            ["SELECT count(*) FROM entries WHERE kind = 0", "SELECT count(*) FROM submissions"];
        match store.counts(data, &queries).await?.as_deref() {
            Some([logs, submissions]) => Ok(Self { logs: *logs, submissions: *submissions }),
            _ => Ok(Self::default()),
        }
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

    #[tokio::test]
    async fn counts_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Rows::count(&Store::Sqlite, folder.path()).await.unwrap(), Rows::default());
        let file = rusqlite::Connection::open(folder.path().join("latchkey.db")).unwrap();
        file
            .execute_batch(
                "CREATE TABLE entries (kind INTEGER); CREATE TABLE submissions (id INTEGER);
                 INSERT INTO entries VALUES (0), (0), (1), (2); INSERT INTO submissions VALUES (1);",
            )
            .unwrap();
        let rows = Rows::count(&Store::Sqlite, folder.path()).await.unwrap();
        assert_eq!((rows.logs, rows.submissions), (2, 1));
        let nothing = Rows::default();
        assert!(nothing.grew_by(rows, rows).is_ok());
        assert!(rows.grew_by(nothing, rows).is_ok());
        assert!(rows.grew_by(rows, rows).is_err());
        assert!(rows.grew_by(nothing, nothing).is_err());
    }
}
