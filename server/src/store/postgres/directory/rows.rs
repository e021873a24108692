//! Rows of a table of the directory in memory: read and held, changed item by item, and written at once.

use super::super::sql::{self, Values};
use super::Table;
use crate::store::{Change, StoreError};
use deadpool_postgres::Transaction;
use std::borrow::Cow;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// A column that items may set.
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Of a row that is new.
    pub(super) default: Value,
}

/// A value of a column, by the column's type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(Option<Cow<'static, str>>),
    Number(Option<i64>),
    Real(f64),
    Flag(bool),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Some(Cow::Owned(text.to_owned())))
    }

    /// The value of a text column.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            _ => None,
        }
    }

    /// The value of a column of numbers.
    pub(super) fn as_number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => *number,
            _ => None,
        }
    }

    /// The value of that column of a row, of the same type as this.
    fn read(&self, row: &Row, column: usize) -> Result<Self, StoreError> {
        Ok(match self {
            Self::Text(_) => Self::Text(row.try_get::<_, Option<String>>(column)?.map(Cow::Owned)),
            Self::Number(_) => Self::Number(row.try_get(column)?),
            Self::Real(_) => Self::Real(row.try_get(column)?),
            Self::Flag(_) => Self::Flag(row.try_get(column)?),
        })
    }

    /// The type of its column.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "TEXT",
            Self::Number(_) => "BIGINT",
            Self::Real(_) => "DOUBLE PRECISION",
            Self::Flag(_) => "BOOLEAN",
        }
    }
}

/// A row as it is to be.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) values: Vec<Value>,
    pub(super) deleted: bool,
    said: i64,
    /// The values that the database has; none if the row is new.
    before: Option<Vec<Value>>,
    changed: bool,
}

/// The rows that some items are about.
pub(super) struct Rows {
    table: &'static Table,
    host: i64,
    items: HashMap<String, Item>,
}

impl Rows {
    /// Reads the rows of these keys and holds them, in the order in which everybody holds rows.
    pub(super) async fn read(
        tx: &Transaction<'_>,
        table: &'static Table,
        host: i64,
        keys: &[&str],
    ) -> Result<Self, StoreError> {
        let places: Vec<i64> = keys.iter().map(|key| table.place_of(host, key)).collect();
        let state =
            if table.kept { "t.deleted_at IS NOT NULL, t.said" } else { "FALSE, -1::BIGINT" };
        let columns: String =
            table.columns.iter().map(|column| format!(", t.{}", column.name)).collect();
        let sql = format!(
            "SELECT t.key, t.id, {state} {columns} FROM {} t
             WHERE (t.{}, t.key) IN (SELECT * FROM unnest($1::BIGINT[], $2::TEXT[]))
             ORDER BY t.{}, t.id FOR UPDATE",
            table.name, table.place, table.place
        );
        let mut items = HashMap::new();
        for row in sql::rows(tx, &sql, &[&places, &keys]).await? {
            let values: Vec<Value> = table
                .columns
                .iter()
                .enumerate()
                .map(|(at, column)| column.default.read(&row, at + 4))
                .collect::<Result<_, _>>()?;
            let item = Item {
                id: row.try_get(1)?,
                deleted: row.try_get(2)?,
                said: row.try_get(3)?,
                before: Some(values.clone()),
                values,
                changed: false,
            };
            items.insert(row.try_get(0)?, item);
        }
        Ok(Self { table, host, items })
    }

    /// The row of that key, deleted or not, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<&Item> {
        self.items.get(key)
    }

    /// Their numbers.
    pub(super) fn ids(&self) -> Vec<i64> {
        self.items.values().map(|item| item.id).collect()
    }

    /// Sets what an item says, each column or none; the row's number, and what became of it. A row that is new
    /// gets the number `fresh`, and one that was deleted is new.
    pub(super) fn set(&mut self, key: &str, fresh: i64, said: Vec<Option<Value>>) -> (i64, Change) {
        let bits = said.iter().enumerate().filter(|(_, value)| value.is_some());
        let mask = bits.fold(0_i64, |mask, (bit, _)| mask | 1 << bit);
        let Some(item) = self.items.get_mut(key) else {
            let defaults = self.table.columns.iter().map(|column| &column.default);
            let values = said.into_iter().zip(defaults);
            let values = values.map(|(value, default)| value.unwrap_or_else(|| default.clone()));
            let values = values.collect();
            let item =
                Item { id: fresh, values, deleted: false, said: mask, before: None, changed: true };
            self.items.insert(key.to_owned(), item);
            return (fresh, Change::Created);
        };
        let same = said
            .iter()
            .zip(&item.values)
            .all(|(new, old)| new.as_ref().is_none_or(|new| new == old));
        let change = match (item.deleted, same) {
            (true, _) => Change::Created,
            (false, true) => Change::Unchanged,
            (false, false) => Change::Updated,
        };
        if change != Change::Unchanged || mask & !item.said != 0 {
            for (value, new) in item.values.iter_mut().zip(said) {
                *value = new.unwrap_or_else(|| value.clone());
            }
            (item.said, item.deleted, item.changed) = (item.said | mask, false, true);
        }
        (item.id, change)
    }

    /// The numbers of rows whose text in that column another row of these takes over. They are to be emptied first,
    /// where the database wants that text once.
    pub(super) fn passed_on(&self, column: usize) -> Vec<i64> {
        let text = |values: &[Value]| values[column].as_text().map(str::to_owned);
        let taken: HashMap<String, i64> =
            self.items.values().filter_map(|item| Some((text(&item.values)?, item.id))).collect();
        let passed = self.items.values().filter(|item| {
            let before = item.before.as_deref().and_then(text);
            before.is_some_and(|text| taken.get(&text).is_some_and(|id| *id != item.id))
        });
        passed.map(|item| item.id).collect()
    }

    /// Writes all that has changed.
    pub(super) async fn write(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        let changed = |new: bool| {
            let items = self.items.iter();
            let items = items.filter(move |(_, item)| item.changed && item.before.is_none() == new);
            items.collect::<Vec<(&String, &Item)>>()
        };
        let table = self.table;
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let kept = if table.kept { ", said" } else { "" };
        let old = changed(false);
        if !old.is_empty() {
            let assign = names.iter().map(|name| format!("{name} = v.{name}")).collect::<Vec<_>>();
            let state = if table.kept { ", said = v.said, deleted_at = NULL" } else { "" };
            let sql = format!(
                "UPDATE {} t SET {}{state} FROM unnest({}) AS v (place, id, key, {}{kept})
                 WHERE t.{} = v.place AND t.id = v.id",
                table.name,
                assign.join(", "),
                self.arrays(),
                names.join(", "),
                table.place
            );
            self.send(tx, &sql, &old).await?;
        }
        let new = changed(true);
        if !new.is_empty() {
            // If a launch was faster, all is done again, and its row is found.
            let sql = format!(
                "INSERT INTO {} ({}, id, key, {}{kept}) SELECT * FROM unnest({})",
                table.name,
                table.place,
                names.join(", "),
                self.arrays()
            );
            self.send(tx, &sql, &new).await?;
        }
        Ok(())
    }

    /// Place, number, key, the columns, and what was said if that is kept.
    fn arrays(&self) -> String {
        let columns = self.table.columns.iter().map(|column| column.default.kind());
        let said = self.table.kept.then_some("BIGINT");
        let types = ["BIGINT", "BIGINT", "TEXT"].into_iter().chain(columns).chain(said);
        let places = types.enumerate().map(|(at, kind)| format!("${}::{kind}[]", at + 1));
        places.collect::<Vec<_>>().join(", ")
    }

    async fn send(
        &self,
        tx: &Transaction<'_>,
        sql: &str,
        items: &[(&String, &Item)],
    ) -> Result<(), StoreError> {
        let places: Vec<i64> =
            items.iter().map(|(key, _)| self.table.place_of(self.host, key)).collect();
        let ids: Vec<i64> = items.iter().map(|(_, item)| item.id).collect();
        let keys: Vec<&str> = items.iter().map(|(key, _)| key.as_str()).collect();
        let said: Vec<i64> = items.iter().map(|(_, item)| item.said).collect();
        let columns: Vec<Array<'_>> = (0..self.table.columns.len())
            .map(|at| column(items, at, &self.table.columns[at].default))
            .collect();
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&places, &ids, &keys];
        values.extend(columns.iter().map(|column| &**column as &(dyn ToSql + Sync)));
        if self.table.kept {
            values.push(&said);
        }
        let values: Values<'_> = &values;
        sql::run(tx, sql, values).await.map(drop)
    }
}

/// One column of many rows, as the database takes it.
type Array<'a> = Box<dyn ToSql + Sync + Send + 'a>;

fn column<'a>(items: &[(&String, &'a Item)], at: usize, of: &Value) -> Array<'a> {
    let values = items.iter().map(|(_, item)| &item.values[at]);
    match of {
        Value::Text(_) => Box::new(values.map(Value::as_text).collect::<Vec<_>>()),
        Value::Number(_) => Box::new(values.map(Value::as_number).collect::<Vec<_>>()),
        Value::Real(_) => Box::new(
            values
                .map(|value| if let Value::Real(real) = value { Some(*real) } else { None })
                .collect::<Vec<_>>(),
        ),
        Value::Flag(_) => Box::new(
            values
                .map(|value| if let Value::Flag(flag) = value { Some(*flag) } else { None })
                .collect::<Vec<_>>(),
        ),
    }
}
