//! Numbers are given by backends, each in its own way: what is moved to another kind gets new ones.
//!
//! To PostgreSQL a number of the log becomes, by arithmetic, one of the activity's strand and of the month in
//! which it was given. To SQLite the numbers of all strands are merged by time into one sequence. Either way
//! the order within an activity stays, and the same source always gives the same numbers: an interrupted copy
//! goes on where it was. What was brought ahead keeps its numbers while the source grows: those that depend on
//! what else there was are kept in the target.

use super::changes::Changes;
use super::come::Span;
use super::ends::{Kept, Source, Target};
use super::table::{Role, Row, Table, Value, table};
use super::{Kind, MoveError};
use crate::store::postgres::numbers::{host_of, named, number, strand_of};
use crate::store::{Done, StoreError};
use latchkey_protocol::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A number that was given to a change.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Given {
    /// Within which it is unique and in order: a strand; 0 for the one sequence of SQLite.
    pub(in crate::store) strand: i64,
    pub(in crate::store) seq: i64,
    pub(in crate::store) at: Millis,
}

/// Up to where changes have been numbered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct Numbering {
    /// To PostgreSQL: from which number on which month is the one of the numbers.
    pub(super) months: Vec<(i64, i64)>,
    /// To SQLite: the last number.
    pub(super) last: i64,
}

/// What becomes of numbers.
pub(in crate::store) enum Translation {
    /// Both ends are of one kind.
    Same,
    /// They change.
    Other(Box<Numbers>),
}

/// Old numbers and new ones.
pub(in crate::store) struct Numbers {
    ids: HashMap<Role, HashMap<i64, i64>>,
    /// Those of them that no earlier run has kept.
    fresh: Vec<Kept>,
    grants: Vec<(Value, Value)>,
    changes: Changes,
}

/// How a copy is made: from which kind to which, and of what.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) from: Kind,
    pub(super) to: Kind,
    pub(super) tables: &'a [&'static Table],
}

impl Way<'_> {
    /// Whether something that is moved has numbers of that role.
    fn needs(&self, role: Role) -> bool {
        self.tables.iter().any(|table| table.columns.iter().any(|(_, it)| *it == role))
    }
}

impl Translation {
    /// Reads what it takes to translate the numbers of that way's tables; changes are learnt later.
    pub(super) fn between(
        source: &mut dyn Source,
        target: &mut dyn Target,
        way: Way<'_>,
        numbering: &Numbering,
    ) -> Result<Self, MoveError> {
        if way.from == way.to {
            return Ok(Self::Same);
        }
        let to_postgres = way.to == Kind::Postgres;
        let grants = if way.needs(Role::Grant) { grants(source, to_postgres)? } else { Vec::new() };
        let changes = Changes::after(numbering, to_postgres, target.former()?);
        let mut numbers = Numbers { ids: HashMap::new(), fresh: Vec::new(), grants, changes };
        let named = ["users", "courses", "sections", "activities", "enrolments", "webhooks"];
        for table in named.into_iter().filter_map(table) {
            if way.needs(table.columns[0].1) {
                let kept = target.kept(table.name)?.into_iter().collect();
                numbers.name(source, table, kept, to_postgres)?;
            }
        }
        Ok(Self::Other(Box::new(numbers)))
    }

    /// Numbers of what tables that grow refer to, if no earlier run has kept them.
    pub(super) fn fresh(&self, tables: &[&'static Table]) -> Vec<Kept> {
        let Self::Other(numbers) = self else { return Vec::new() };
        let role = |of| table(of).map(|table| table.columns[0].1);
        let referred = |of| {
            tables.iter().any(|table| table.columns.iter().any(|(_, it)| role(of) == Some(*it)))
        };
        numbers.fresh.iter().copied().filter(|kept| referred(kept.of)).collect()
    }

    /// Learns the changes in these spans; those that have to be kept.
    pub(super) fn learn(
        &mut self,
        source: &mut dyn Source,
        spans: &[Span],
    ) -> Result<Vec<Kept>, MoveError> {
        match self {
            Self::Same => Ok(Vec::new()),
            Self::Other(numbers) => numbers.changes.learn(source, spans),
        }
    }

    /// Up to where it has numbered changes.
    pub(super) fn numbering(&self) -> Numbering {
        match self {
            Self::Same => Numbering::default(),
            Self::Other(numbers) => numbers.changes.numbering(),
        }
    }

    /// The row as it is to stand at the other end.
    pub(super) fn row(&self, table: &Table, row: Row) -> Result<Row, MoveError> {
        match self {
            Self::Same => Ok(row),
            Self::Other(numbers) => numbers.row(table, row),
        }
    }
}

impl Numbers {
    /// Gives new numbers to all rows of a table. Those that were kept stay, and whatever comes later comes after them.
    fn name(
        &mut self,
        source: &mut dyn Source,
        table: &'static Table,
        kept: HashMap<i64, i64>,
        to_postgres: bool,
    ) -> Result<(), MoveError> {
        let (_, role) = table.columns[0];
        let mut ids = HashMap::new();
        let mut last = kept.values().copied().max().unwrap_or(0);
        let text = |row: &Row, column| match table.at(column).and_then(|at| row.get(at)) {
            Some(Value::Text(text)) => text.clone(),
            _ => String::new(),
        };
        super::fill::each(source, table, |row| {
            let old = table.number(&row, "id").unwrap_or_default();
            let former = kept.get(&old).copied();
            let new = if !to_postgres {
                former.unwrap_or_else(|| {
                    last += 1;
                    last
                })
            } else if role == Role::Webhook {
                named(table.number(&row, "host").unwrap_or_default(), &text(&row, "name"))
            } else {
                let host = match table.number(&row, "host") {
                    Some(host) => host,
                    None => host_of(self.id(Role::Course, table.number(&row, "course"))?),
                };
                number(host, old, &text(&row, "key"))
            };
            match former {
                None => self.fresh.push(Kept { of: table.name, strand: 0, old, new }),
                Some(former) if former != new => return Err(MoveError::Changed),
                Some(_) => {}
            }
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

    /// The new number of a change of that activity (by its old number).
    fn change(&self, activity: Option<i64>, old: i64) -> Result<i64, MoveError> {
        let to = match &self.changes {
            Changes::ByMonth(_) => strand_of(self.id(Role::Activity, activity)?),
            Changes::Merged(_) => 0,
        };
        self.changes.new_number(strand_of(activity.unwrap_or_default()), to, old)
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
    super::fill::each(source, table, |row| {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::moving::come::Marks;
    use crate::store::moving::ends::Former;

    /// A source of one table and of numbers of changes.
    pub(in crate::store::moving) struct Numbered {
        rows: Vec<Row>,
        given: Vec<Given>,
    }

    impl Source for Numbered {
        fn has(&self, _: &Table) -> bool {
            false
        }

        fn count(&mut self, _: &Table) -> Result<u64, MoveError> {
            Ok(0)
        }

        fn rows(&mut self, _: &Table, after: Option<&Row>) -> Result<Vec<Row>, MoveError> {
            Ok(if after.is_some() { Vec::new() } else { self.rows.clone() })
        }

        fn upto(&mut self) -> Result<Marks, MoveError> {
            Ok(Marks::new())
        }

        fn counts(&mut self, _: &Table, _: &[Span]) -> Result<Marks, MoveError> {
            Ok(Marks::new())
        }

        fn grown(&mut self, _: &Table, _: Span, _: usize) -> Result<Vec<Row>, MoveError> {
            Ok(Vec::new())
        }

        fn given(
            &mut self,
            span: Span,
            each: &mut dyn FnMut(Given) -> Result<(), MoveError>,
        ) -> Result<(), MoveError> {
            let within = |given: &&Given| {
                given.strand == span.strand && given.seq > span.past && given.seq <= span.upto
            };
            self.given.iter().filter(within).copied().try_for_each(each)
        }
    }

    /// Numbers of changes.
    pub(in crate::store::moving) fn source(given: &[(i64, i64, Millis)]) -> Numbered {
        let given = given.iter().map(|&(strand, seq, at)| Given { strand, seq, at }).collect();
        Numbered { rows: Vec::new(), given }
    }

    fn numbers(to_postgres: bool) -> Numbers {
        let changes = Changes::after(&Numbering::default(), to_postgres, None::<Box<dyn Former>>);
        Numbers { ids: HashMap::new(), fresh: Vec::new(), grants: Vec::new(), changes }
    }

    fn users(ids: &[i64]) -> Numbered {
        let user = |id: &i64| {
            let table = table("users").unwrap();
            let mut row = vec![Value::Null; table.columns.len()];
            row[0] = Value::Int(*id);
            row[1] = Value::Int(1);
            row[2] = Value::Text(format!("u{id}"));
            row
        };
        Numbered { rows: ids.iter().map(user).collect(), given: Vec::new() }
    }

    /// What the users come to, and what a run would keep.
    fn named_users(ids: &[i64], kept: &[Kept], to_postgres: bool) -> (Vec<i64>, Vec<Kept>) {
        let mut numbers = numbers(to_postgres);
        let table = table("users").unwrap();
        let kept = kept.iter().map(|it| (it.old, it.new)).collect();
        numbers.name(&mut users(ids), table, kept, to_postgres).unwrap();
        let new = ids.iter().map(|id| numbers.id(Role::User, Some(*id)).unwrap());
        (new.collect(), numbers.fresh)
    }

    #[test]
    fn users_who_come_later_have_later_numbers_wherever_they_stand() {
        let (first, mut kept) = named_users(&[160, 320], &[], false);
        assert_eq!(first, [1, 2]);
        // A server that was given a block of numbers earlier uses them later.
        let (then, fresh) = named_users(&[16, 160, 240, 320, 400], &kept, false);
        assert_eq!(then, [3, 1, 4, 2, 5]);
        assert_eq!(fresh.iter().map(|it| it.old).collect::<Vec<_>>(), [16, 240, 400]);
        kept.extend(fresh);
        assert_eq!(named_users(&[16, 160, 240, 320, 400], &kept, false), (then, Vec::new()));
    }

    #[test]
    fn a_number_that_would_be_another_now_is_found_out() {
        let (first, mut kept) = named_users(&[1, 2], &[], true);
        assert_eq!(named_users(&[1, 2, 3], &kept, true).0[..2], first);
        kept[1].new += 16;
        let kept = kept.iter().map(|it| (it.old, it.new)).collect();
        let told = numbers(true).name(&mut users(&[1, 2]), table("users").unwrap(), kept, true);
        assert!(matches!(told, Err(MoveError::Changed)));
    }

    #[test]
    fn saved_results_name_the_new_numbers() {
        let mut numbers = numbers(false);
        let span = Span { strand: 16, past: 0, upto: 176 };
        numbers.changes.learn(&mut source(&[(16, 160, 1), (16, 176, 2)]), &[span]).unwrap();
        let new = |text: &str| numbers.outcome(Some(1 << 36), text).unwrap();
        assert_eq!(new("176"), "2");
        assert_eq!(new(r#"{"Appended":[160,176]}"#), r#"{"Appended":[1,2]}"#);
        assert!(numbers.outcome(Some(1 << 36), "nonsense").is_err());
        assert!(numbers.id(Role::Activity, Some(4)).is_err(), "an activity that is not there");
    }
}
