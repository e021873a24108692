//! What is moved: the one list of tables, in terms that both backends share.
//!
//! A row is its values in the order of `columns`. What a backend adds for itself (strands, chains, places of
//! keys) is not here: it is made again from what is.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A value, as both backends have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) enum Value {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// The number, if it is one.
    pub(in crate::store) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// What a column means, where that matters to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Role {
    /// A number that is moved as it is.
    Int,
    /// The same, in two bytes on PostgreSQL.
    Small,
    Real,
    Text,
    Bytes,
    /// 0 or 1.
    Bool,
    /// Eight bytes, here as a number with the first the highest.
    Branch,
    /// Numbers that backends give: of a host, …
    Host,
    User,
    Course,
    Section,
    Activity,
    Enrolment,
    Webhook,
    /// … of a grant, which PostgreSQL names by its hash, …
    Grant,
    /// … of an entry, submission or ruling; 0 is none, and one that is gone stands for all before it.
    Change,
    /// A saved result, which may name changes.
    Outcome,
}

/// By what PostgreSQL divides a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Place {
    Nowhere,
    Host,
    Strand,
}

/// A table.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) place: Place,
    /// How many of the first columns are its primary key, after the place.
    pub(in crate::store) key: usize,
    /// Whether rows are only ever added, each with a greater `seq` than all before it in its strand.
    pub(in crate::store) grows: bool,
    pub(in crate::store) columns: &'static [(&'static str, Role)],
}

/// A row.
pub(in crate::store) type Row = Vec<Value>;

impl Table {
    /// Where that column stands.
    pub(in crate::store) fn at(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| *column == name)
    }

    /// The number in that column of a row, if there is one.
    pub(in crate::store) fn number(&self, row: &Row, name: &str) -> Option<i64> {
        self.at(name).and_then(|at| row.get(at)?.int())
    }
}

macro_rules! table {
    ($name:literal in $place:ident by $key:literal $($grows:ident)?:
     $($column:ident $role:ident),+ $(,)?) => {
        Table {
            name: $name,
            place: Place::$place,
            key: $key,
            grows: !<[&str]>::is_empty(&[$(stringify!($grows))?]),
            columns: &[$((stringify!($column), Role::$role)),+],
        }
    };
}

/// Who has joined what. SQLite tells it by the log.
pub(in crate::store) const JOINS: &str = "joins";

/// All of them, each after those that it refers to.
pub(in crate::store) static TABLES: &[Table] = &[
    table!("hosts" in Nowhere by 1: id Host, name Text),
    table!("grants" in Nowhere by 1: id Grant, text Text),
    table!("users" in Host by 1: id User, host Host, key Text, name Text, username Text, email Text,
        idnumber Text, said Int, deleted_at Int),
    table!("courses" in Host by 1: id Course, host Host, key Text, title Text, shortname Text,
        idnumber Text, url Text, said Int, deleted_at Int),
    table!("sections" in Host by 1: id Section, course Course, key Text, name Text, position Int),
    table!("activities" in Strand by 1: id Activity, host Host, key Text, course Course, section Section,
        title Text, url Text, max Real, method Text, attempts Int, hidden Bool, said Int, deleted_at Int),
    table!("enrolments" in Host by 1: id Enrolment, host Host, key Text, user User, course Course,
        role Text),
    table!("webhooks" in Host by 1: id Webhook, host Host, name Text, failing_since Int,
        delivered_at Int, failed_at Int, failure Text, disabled_at Int, disabled_for Text),
    table!("web_sessions" in Nowhere by 1: id Text, record Text, expires_at Int),
    table!("nonces" in Nowhere by 2: host Host, nonce Text, until Int),
    table!("ended_sessions" in Nowhere by 2: host Host, session Text, at Int),
    table!("keys" in Strand by 1: id Bytes, activity Activity, user User, grant Grant, attempt Int,
        session Text, rotating Bool, created_at Int, ends_at Int, hi Int, branch Branch,
        prev_branch Branch, advanced_at Int, revoked_at Int, revoked_for Text),
    table!("entries" in Strand by 1 grows: seq Change, activity Activity, user User, kind Small, attempt Int,
        at Int, client_at Int, event Text, data Text),
    table!("joins" in Strand by 2: activity Activity, user User),
    table!("submissions" in Strand by 1 grows: seq Change, activity Activity, user User, attempt Int,
        score Real, max Real, comment Text, progress Text, grading Text, sequence Int, key Bytes, at Int,
        client_at Int, clears Bool),
    table!("standings" in Strand by 2: activity Activity, user User, max Real, count Int, sum Real,
        highest Real, first Real, first_sequence Int, latest Real, latest_sequence Int, override Real,
        comment Text, progress Text, last Change, updated_at Int, ruling Change),
    table!("rulings" in Strand by 1 grows: seq Change, activity Activity, user User, kind Text,
        submission Change, score Real, max Real, feedback Text, scale Text, reason Text, by Text, at Int),
    table!("voids" in Strand by 1: submission Change, activity Activity, ruling Change),
    table!("resets" in Strand by 2: activity Activity, user User, upto Change, at Int),
    table!("operations" in Strand by 4: id Text, activity Activity, user User, function Text,
        content Bytes, outcome Outcome, at Int),
    table!("states" in Strand by 4: activity Activity, user User, attempt Int, name Text, version Int,
        value Text, at Int),
    table!("outbox" in Strand by 3: webhook Webhook, activity Activity, number Int, event Text,
        user User, submission Change, key Bytes, at Int),
    table!("lanes" in Strand by 2: webhook Webhook, activity Activity, last Int, sent Int, attempts Int,
        failing_since Int, due_at Int),
];

/// The table of that name; all names are of this module.
pub(in crate::store) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// What the rows of a table come to, in whatever order they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many there are.
    pub rows: u64,
    /// The sum of their hashes.
    pub hashes: u128,
}

impl Sum {
    /// Counts one more row.
    pub(in crate::store) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        for value in row {
            let (kind, bytes): (u8, &[u8]) = match value {
                Value::Null => (0, &[]),
                Value::Int(number) => (1, &number.to_be_bytes()),
                Value::Real(number) => (2, &number.to_be_bytes()),
                Value::Text(text) => (3, text.as_bytes()),
                Value::Bytes(bytes) => (4, bytes),
            };
            hash.update([kind]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(u128::from_be_bytes(first));
    }

    /// Of the rows of both.
    pub(in crate::store) fn and(self, other: Self) -> Self {
        let hashes = self.hashes.wrapping_add(other.hashes);
        Self { rows: self.rows + other.rows, hashes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_tells_every_difference_but_the_order() {
        let rows = [
            vec![Value::Int(1), Value::Text("a".into())],
            vec![Value::Int(1), Value::Bytes(b"a".to_vec())],
            vec![Value::Text("a".into()), Value::Int(1)],
            vec![Value::Text(String::new()), Value::Null],
            vec![Value::Null, Value::Text(String::new())],
            vec![Value::Real(1.0), Value::Text("a".into())],
        ];
        let of = |rows: &[&Row]| {
            let mut sum = Sum::default();
            rows.iter().for_each(|row| sum.add(row));
            sum
        };
        for (at, one) in rows.iter().enumerate() {
            for other in &rows[..at] {
                assert_ne!(of(&[one]), of(&[other]), "{one:?} {other:?}");
                assert_eq!(of(&[one, other]), of(&[other, one]));
                assert_eq!(of(&[one]).and(of(&[other])), of(&[one, other]));
                assert_ne!(of(&[one, one]), of(&[one, other]), "not what cancels out");
            }
        }
    }

    #[test]
    fn a_table_stands_after_what_it_refers_to() {
        let made = |role| match role {
            Role::Host => Some("hosts"),
            Role::User => Some("users"),
            Role::Course => Some("courses"),
            Role::Section => Some("sections"),
            Role::Activity => Some("activities"),
            Role::Webhook => Some("webhooks"),
            Role::Grant => Some("grants"),
            _ => None,
        };
        for (at, table) in TABLES.iter().enumerate() {
            for (column, role) in table.columns {
                if let Some(maker) = made(*role).filter(|maker| *maker != table.name) {
                    assert!(
                        TABLES[..at].iter().any(|it| it.name == maker),
                        "{} {column}",
                        table.name
                    );
                }
            }
            // What grows is told by its strand and its number alone.
            let numbered = table.columns[0] == ("seq", Role::Change);
            assert_eq!(table.grows, numbered, "{}", table.name);
            assert!(!table.grows || (table.key, table.place) == (1, Place::Strand));
            // What has a strand or changes is placed by its activity.
            let placed = table.place != Place::Strand
                || table.columns.iter().any(|(_, role)| *role == Role::Activity);
            assert!(placed, "{}", table.name);
        }
    }
}
