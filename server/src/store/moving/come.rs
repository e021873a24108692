//! How far a copy has come, as it is noted in the target.

use super::table::{Row, Sum};
use super::translation::Numbering;
use super::{Kind, MoveError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number for each strand: mostly the greatest of the log. SQLite has one strand, 0.
pub(in crate::store) type Marks = BTreeMap<i64, i64>;

/// The numbers of a strand after `past`, up to `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Span {
    pub(in crate::store) strand: i64,
    pub(in crate::store) past: i64,
    pub(in crate::store) upto: i64,
}

/// What lies between marks, strand by strand.
pub(super) fn between(past: &Marks, upto: &Marks) -> Vec<Span> {
    let spans = upto.iter().map(|(&strand, &upto)| {
        let past = past.get(&strand).copied().unwrap_or(0);
        Span { strand, past, upto }
    });
    spans.filter(|span| span.past < span.upto).collect()
}

/// How far a copy has come.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Come {
    /// Rows of each table of the source when it was begun.
    pub(super) counts: Vec<(String, u64)>,
    /// The table at which it is, and the last row of the source that was written.
    pub(super) table: String,
    pub(super) after: Option<Row>,
}

/// What was brought ahead.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ahead {
    /// The kind of the source.
    from: Kind,
    /// Up to where the source's tables that grow have been brought and compared …
    pub(super) past: Marks,
    /// … where that ends in the target, …
    pub(super) there: Marks,
    /// … what each of these tables came to, …
    pub(super) sums: BTreeMap<String, Sum>,
    /// … and its rows at the marks alone, as the source has them.
    pub(super) newest: BTreeMap<String, Sum>,
    /// How its changes were numbered.
    pub(super) numbering: Numbering,
    /// Up to where a pass brings that has not ended.
    pub(super) upto: Option<Marks>,
}

impl Ahead {
    /// Nothing yet.
    pub(super) fn new(from: Kind) -> Self {
        let (past, there, sums, newest, numbering) = Default::default();
        Self { from, past, there, sums, newest, numbering, upto: None }
    }

    /// As it was noted, if it was about a source of that kind.
    pub(super) fn read(text: &str, from: Kind) -> Result<Self, MoveError> {
        let ahead: Self = serde_json::from_str(text).map_err(|_| MoveError::Changed)?;
        if ahead.from == from { Ok(ahead) } else { Err(MoveError::Changed) }
    }

    /// What a table came to so far.
    pub(super) fn sum(&self, table: &str) -> Sum {
        self.sums.get(table).copied().unwrap_or_default()
    }
}

/// A note as it is kept.
pub(super) fn text(note: &impl Serialize) -> Result<String, MoveError> {
    serde_json::to_string(note).map_err(|_| MoveError::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_marks_is_of_strands_that_have_grown() {
        let past = Marks::from([(1, 5), (2, 7), (3, 9)]);
        let upto = Marks::from([(1, 5), (2, 8), (4, 3)]);
        let span = |strand, past, upto| Span { strand, past, upto };
        assert_eq!(between(&past, &upto), [span(2, 7, 8), span(4, 0, 3)]);
        assert_eq!(between(&upto, &upto), []);
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let mut ahead = Ahead::new(Kind::Sqlite);
        ahead.past.insert(-1, i64::MAX);
        ahead.sums.insert("entries".into(), Sum { rows: u64::MAX, hashes: u128::MAX });
        ahead.upto = Some(Marks::from([(0, 1)]));
        let noted = text(&ahead).unwrap();
        assert_eq!(Ahead::read(&noted, Kind::Sqlite).unwrap(), ahead);
        assert!(Ahead::read(&noted, Kind::Postgres).is_err(), "another source");
        // Of a copy that was begun by a program that brought nothing ahead.
        let before = r#"{"counts":[["hosts",1]],"table":"users","after":[{"Int":3}]}"#;
        let come: Come = serde_json::from_str(before).unwrap();
        assert_eq!((come.counts[0].1, &*come.table), (1, "users"));
    }
}
