//! Numbers are given by backends, each in its own way: what is moved to another kind gets new ones.
//!
//! To PostgreSQL a number of the log becomes, by arithmetic, one of the activity's strand and of the month in
//! which it was given. To SQLite the numbers of all strands are merged by time into one sequence. Either way
//! the order within an activity stays, and the same source always gives the same numbers: an interrupted copy
//! goes on where it was.

use super::ends::Source;
use super::table::{Role, Row, Table, Value, table};
use super::{Kind, MoveError};
use crate::store::postgres::numbers::{first_of, host_of, month, named, number, seq, strand_of};
use crate::store::{Done, StoreError};
use latchkey_protocol::Millis;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// A number that was given to a change.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Given {
    /// Within which it is unique and in order: a strand; 0 for the one sequence of SQLite.
    pub(in crate::store) strand: i64,
    pub(in crate::store) seq: i64,
    pub(in crate::store) at: Millis,
}

/// What becomes of numbers.
#[derive(Debug)]
pub(in crate::store) enum Translation {
    /// Both ends are of one kind.
    Same,
    /// They change.
    Other(Box<Numbers>),
}

/// Old numbers and new ones.
#[derive(Debug)]
pub(in crate::store) struct Numbers {
    ids: HashMap<Role, HashMap<i64, i64>>,
    grants: Vec<(Value, Value)>,
    changes: Changes,
}

/// How the numbers of changes change.
#[derive(Debug)]
enum Changes {
    /// The month in which numbers from this one on were given.
    ByMonth(Vec<(i64, i64)>),
    /// Of each strand the numbers, rising, and what becomes of each.
    Merged(BTreeMap<i64, Vec<(i64, i64)>>),
}

impl Translation {
    /// Reads from the source what it takes to translate its numbers.
    pub(in crate::store) fn between(
        source: &mut dyn Source,
        from: Kind,
        to: Kind,
    ) -> Result<Self, MoveError> {
        if from == to {
            return Ok(Self::Same);
        }
        let to_postgres = to == Kind::Postgres;
        let mut numbers = Numbers {
            ids: HashMap::new(),
            grants: grants(source, to_postgres)?,
            changes: if to_postgres { by_month(source)? } else { merged(source)? },
        };
        for name in ["users", "courses", "sections", "activities", "enrolments", "webhooks"] {
            numbers.name(source, name, to_postgres)?;
        }
        Ok(Self::Other(Box::new(numbers)))
    }

    /// The row as it is to stand at the other end.
    pub(in crate::store) fn row(&self, table: &Table, row: Row) -> Result<Row, MoveError> {
        match self {
            Self::Same => Ok(row),
            Self::Other(numbers) => numbers.row(table, row),
        }
    }
}

impl Numbers {
    /// Gives new numbers to all rows of a table.
    fn name(
        &mut self,
        source: &mut dyn Source,
        name: &'static str,
        to_postgres: bool,
    ) -> Result<(), MoveError> {
        let Some(table) = table(name) else { return Ok(()) };
        let (_, role) = table.columns[0];
        let mut ids = HashMap::new();
        let text = |row: &Row, column| match table.at(column).and_then(|at| row.get(at)) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        super::each(source, table, |row| {
            let old = table.number(&row, "id").unwrap_or_default();
            let new = if !to_postgres {
                ids.len() as i64 + 1
            } else if role == Role::Webhook {
                named(table.number(&row, "host").unwrap_or_default(), &text(&row, "name"))
            } else {
                let host = match table.number(&row, "host") {
                    Some(host) => host,
                    None => host_of(self.id(Role::Course, table.number(&row, "course"))?),
                };
                number(host, old, &text(&row, "key"))
            };
            ids.insert(old, new);
            Ok(())
        })?;
        self.ids.insert(role, ids);
        Ok(())
    }

    fn id(&self, role: Role, old: Option<i64>) -> Result<i64, MoveError> {
        let known = old.and_then(|old| self.ids.get(&role)?.get(&old));
        known.copied().ok_or_else(|| lost(&format!("{role:?} {old:?}")))
    }

    fn row(&self, table: &Table, mut row: Row) -> Result<Row, MoveError> {
        let old_activity = table
            .columns
            .iter()
            .position(|(_, role)| *role == Role::Activity)
            .and_then(|at| row.get(at)?.int());
        for ((_, role), value) in table.columns.iter().zip(&mut row) {
            let new = match (role, &*value) {
                (_, Value::Null) => continue,
                // User 0 is everybody, change 0 is none.
                (Role::User | Role::Change, Value::Int(0)) => continue,
                (
                    Role::User
                    | Role::Course
                    | Role::Section
                    | Role::Activity
                    | Role::Enrolment
                    | Role::Webhook,
                    Value::Int(old),
                ) => Value::Int(self.id(*role, Some(*old))?),
                (Role::Grant, old) => {
                    let known = self.grants.iter().find(|(known, _)| known == old);
                    known.map(|(_, new)| new.clone()).ok_or_else(|| lost("grant"))?
                }
                (Role::Change, Value::Int(old)) => Value::Int(self.change(old_activity, *old)?),
                (Role::Outcome, Value::Text(text)) => {
                    Value::Text(self.outcome(old_activity, text)?)
                }
                _ => continue,
            };
            *value = new;
        }
        Ok(row)
    }

    /// The new number of a change of that activity (by its old number). Of one that is gone, that of the last before
    /// it.
    fn change(&self, activity: Option<i64>, old: i64) -> Result<i64, MoveError> {
        match &self.changes {
            Changes::ByMonth(months) => {
                let strand = strand_of(self.id(Role::Activity, activity)?);
                let at = months.partition_point(|(from, _)| *from <= old);
                let month = at.checked_sub(1).map_or(0, |at| months[at].1);
                Ok(seq(strand, first_of(month) + old))
            }
            Changes::Merged(strands) => {
                let strand = strand_of(activity.unwrap_or_default());
                let known = strands.get(&strand).map_or(&[][..], Vec::as_slice);
                let at = known.partition_point(|(seq, _)| *seq <= old);
                Ok(at.checked_sub(1).map_or(0, |at| known[at].1))
            }
        }
    }

    /// A saved result, with the new numbers of what it tells.
    fn outcome(&self, activity: Option<i64>, text: &str) -> Result<String, MoveError> {
        if let Ok(old) = text.parse() {
            return Ok(self.change(activity, old)?.to_string());
        }
        let unreadable = |_| MoveError::from(StoreError::Unreadable("a saved result".into()));
        let done = match serde_json::from_str(text).map_err(unreadable)? {
            Done::Appended(seqs) => {
                let new = seqs.into_iter().map(|old| self.change(activity, old));
                Done::Appended(new.collect::<Result<_, _>>()?)
            }
            Done::Submitted(mut told) => {
                told.seq = self.change(activity, told.seq)?;
                Done::Submitted(told)
            }
            other => other,
        };
        serde_json::to_string(&done).map_err(unreadable)
    }
}

fn lost(what: &str) -> MoveError {
    StoreError::Unreadable(format!("something refers to a row that is not there: {what}")).into()
}

fn grants(source: &mut dyn Source, to_postgres: bool) -> Result<Vec<(Value, Value)>, MoveError> {
    let mut grants = Vec::new();
    let Some(table) = table("grants") else { return Ok(grants) };
    super::each(source, table, |row| {
        let [old, Value::Text(text)] = &row[..] else { return Err(lost("the text of a grant")) };
        let new = if to_postgres {
            Value::Bytes(Sha256::digest(text.as_bytes())[..16].to_vec())
        } else {
            Value::Int(grants.len() as i64 + 1)
        };
        grants.push((old.clone(), new));
        Ok(())
    })?;
    Ok(grants)
}

/// From which number on which month is the one of the numbers. A clock that was set back does not turn the month
/// back.
fn by_month(source: &mut dyn Source) -> Result<Changes, MoveError> {
    let mut months: Vec<(i64, i64)> = Vec::new();
    source.given(&mut |given| {
        let month = month(given.at);
        if months.last().is_none_or(|(_, last)| *last < month) {
            months.push((given.seq, month));
        }
        // Numbers of a month have 32 bits.
        if given.seq >> 32 != 0 {
            return Err(MoveError::TooManyChanges);
        }
        Ok(())
    })?;
    Ok(Changes::ByMonth(months))
}

/// All strands as one sequence: each in its own order, and of their next ones always the oldest.
fn merged(source: &mut dyn Source) -> Result<Changes, MoveError> {
    let mut strands: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
    source.given(&mut |given| {
        let strand = strands.entry(given.strand).or_default();
        // An entry and its submission have one number.
        if strand.last().is_none_or(|(seq, _)| *seq < given.seq) {
            strand.push((given.seq, given.at));
        }
        Ok(())
    })?;
    let mut next: BinaryHeap<_> =
        strands.iter().map(|(strand, all)| Reverse((all[0].1, *strand, 0_usize))).collect();
    let mut last = 0;
    while let Some(Reverse((_, strand, at))) = next.pop() {
        let Some(all) = strands.get_mut(&strand) else { continue };
        last += 1;
        // The time has been used; the new number takes its place.
        all[at].1 = last;
        if let Some((_, time)) = all.get(at + 1) {
            next.push(Reverse((*time, strand, at + 1)));
        }
    }
    Ok(Changes::Merged(strands))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing but numbers of changes.
    struct Numbered(Vec<Given>);

    impl Source for Numbered {
        fn has(&self, _: &Table) -> bool {
            false
        }

        fn count(&mut self, _: &Table) -> Result<u64, MoveError> {
            Ok(0)
        }

        fn rows(&mut self, _: &Table, _: Option<&Row>) -> Result<Vec<Row>, MoveError> {
            Ok(Vec::new())
        }

        fn given(
            &mut self,
            each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
        ) -> Result<(), MoveError> {
            self.0.iter().copied().try_for_each(each)
        }
    }

    fn source(given: &[(i64, i64, Millis)]) -> Numbered {
        Numbered(given.iter().map(|&(strand, seq, at)| Given { strand, seq, at }).collect())
    }

    fn numbers(changes: Changes, activities: &[(i64, i64)]) -> Numbers {
        let ids = HashMap::from([(Role::Activity, activities.iter().copied().collect())]);
        Numbers { ids, grants: Vec::new(), changes }
    }

    const NOVEMBER: Millis = 1_795_000_000_000;
    const DECEMBER: Millis = 1_796_083_200_000;

    #[test]
    fn a_clock_that_was_set_back_does_not_turn_the_month_back() {
        let times = [(0, 1, NOVEMBER), (0, 5, DECEMBER), (0, 6, NOVEMBER), (0, 9, DECEMBER)];
        let changes = by_month(&mut source(&times)).unwrap();
        let quiz = number(1, 3, "quiz");
        let numbers = numbers(changes, &[(3, quiz)]);
        let new = |old| numbers.change(Some(3), old).unwrap();
        let all: Vec<_> = [1, 4, 5, 6, 9, 10].map(new).into();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        let expected =
            |month: Millis, old| seq(strand_of(quiz), first_of(super::month(month)) + old);
        assert_eq!(all[1], expected(NOVEMBER, 4));
        assert_eq!(all[3], expected(DECEMBER, 6), "the clock said November again");
        assert!(numbers.change(Some(4), 1).is_err(), "an activity that is not there");
        let most = (1_i64 << 32) - 1;
        assert!(by_month(&mut source(&[(0, most, NOVEMBER)])).is_ok());
        assert!(by_month(&mut source(&[(0, most + 1, NOVEMBER)])).is_err());
    }

    #[test]
    fn strands_are_merged_by_time_and_each_keeps_its_order() {
        // An entry and its submission come twice; a clock was set back within the second strand.
        let times =
            [(16, 160, 1), (16, 176, 5), (16, 176, 5), (17, 161, 2), (17, 177, 9), (17, 193, 3)];
        let changes = merged(&mut source(&times)).unwrap();
        let numbers = numbers(changes, &[]);
        let (first, second) = (1 << 36, (1 << 36) + 1);
        let new = |activity, old| numbers.change(Some(activity), old).unwrap();
        assert_eq!([new(first, 160), new(second, 161), new(first, 176)], [1, 2, 3]);
        assert_eq!([new(second, 177), new(second, 193)], [4, 5]);
        // What is gone stands for all before it.
        assert_eq!((new(first, 175), new(first, 159), new(first, i64::MAX)), (1, 0, 3));
    }

    #[test]
    fn saved_results_name_the_new_numbers() {
        let changes = merged(&mut source(&[(16, 160, 1), (16, 176, 2)])).unwrap();
        let numbers = numbers(changes, &[]);
        let new = |text: &str| numbers.outcome(Some(1 << 36), text).unwrap();
        assert_eq!(new("176"), "2");
        assert_eq!(new(r#"{"Appended":[160,176]}"#), r#"{"Appended":[1,2]}"#);
        assert!(numbers.outcome(Some(1 << 36), "nonsense").is_err());
    }
}
