//! Values as SQLite has them.

use crate::store::moving::{Role, Value};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

pub(super) fn value(role: Role, found: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match (role, found) {
        (_, ValueRef::Null) => Value::Null,
        (Role::Branch, ValueRef::Blob(bytes)) => {
            let branch =
                bytes.try_into().map_err(|_| rusqlite::types::FromSqlError::InvalidType)?;
            Value::Int(i64::from_be_bytes(branch))
        }
        (_, ValueRef::Integer(number)) => Value::Int(number),
        (_, ValueRef::Real(number)) => Value::Real(number),
        (_, ValueRef::Text(_)) => Value::Text(found.as_str()?.to_owned()),
        (_, ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_vec()),
    })
}
