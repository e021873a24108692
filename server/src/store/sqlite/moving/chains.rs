//! The chains of the log and of submissions, as a copy makes them.

use crate::store::StoreError;
use crate::store::moving::{Row, Table};
use crate::store::sqlite::cache::Chain;
use rusqlite::Connection;
use std::collections::HashMap;

/// Where the chains begin, as far as rows have been written.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// The newest entry of each.
    entries: HashMap<Chain, i64>,
    /// The newest submission of each user in an activity.
    submissions: HashMap<Chain, i64>,
    /// Up to here the tables know them.
    upto: i64,
}

const UPTO: &str = "SELECT value FROM marks WHERE name = 'heads_upto'";

impl Chains {
    /// Those of what an interrupted copy has written, or one before: from the tables, and from the rows beyond.
    pub(super) fn recover(connection: &Connection) -> Result<Self, StoreError> {
        let upto = connection.query_row(UPTO, [], |row| row.get(0))?;
        let mut chains = Self { upto, ..Self::default() };
        let mut read = |sql: &str, table: &str| -> Result<(), StoreError> {
            let mut rows = connection.prepare(sql)?;
            let mut rows = rows.query([upto])?;
            while let Some(row) = rows.next()? {
                let (activity, user, seq) = (row.get(0)?, row.get(1)?, row.get(2)?);
                match table {
                    "heads" => _ = chains.entries.insert((activity, user), seq),
                    "entries" => {
                        chains.entries.insert((activity, 0), seq);
                        chains.entries.insert((activity, user), seq);
                    }
                    _ => _ = chains.submissions.insert((activity, user), seq),
                }
            }
            Ok(())
        };
        read("SELECT activity, user, seq FROM heads WHERE seq <= ?", "heads")?;
        read("SELECT activity, user, seq FROM moving_heads WHERE seq <= ?", "moving_heads")?;
        for table in ["entries", "submissions"] {
            let sql = format!("SELECT activity, user, seq FROM {table} WHERE seq > ? ORDER BY seq");
            read(&sql, table)?;
        }
        Ok(chains)
    }

    /// What a row points at, in the order of its columns; none if its table has no chains.
    pub(super) fn links(&mut self, table: &Table, row: &Row) -> Vec<i64> {
        let number = |name| table.number(row, name).unwrap_or_default();
        let (activity, user, seq) = (number("activity"), number("user"), number("seq"));
        let link = |chains: &mut HashMap<Chain, i64>, user| {
            chains.insert((activity, user), seq).unwrap_or(0)
        };
        match table.name {
            "entries" => vec![link(&mut self.entries, 0), link(&mut self.entries, user)],
            "submissions" => vec![link(&mut self.submissions, user)],
            _ => Vec::new(),
        }
    }

    /// Writes those that the tables do not know.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (table, chains) in [("heads", &self.entries), ("moving_heads", &self.submissions)] {
            let mut new: Vec<_> = chains.iter().filter(|(_, seq)| **seq > self.upto).collect();
            new.sort_unstable();
            let mut insert =
                connection.prepare(&format!("INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)"))?;
            for ((activity, user), seq) in new {
                insert.execute((activity, user, seq))?;
            }
        }
        connection.execute_batch(
            "UPDATE marks SET value = (SELECT coalesce(max(seq), 0) FROM entries)
             WHERE name = 'heads_upto';
             COMMIT;",
        )?;
        self.upto = connection.query_row(UPTO, [], |row| row.get(0))?;
        Ok(())
    }
}
