//! Values that are stored as the words they have on the wire.

use crate::store::{EntryKind, StoreError};
use serde::Serialize;
use serde::de::value::Error;
use serde::de::{DeserializeOwned, IntoDeserializer};

/// The word of an enum.
pub(super) fn word(value: impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(StoreError::Unreadable("a value has no word".into())),
    }
}

/// The enum of a word.
pub(super) fn unword<T: DeserializeOwned>(word: &str) -> Result<T, StoreError> {
    T::deserialize(IntoDeserializer::<Error>::into_deserializer(word))
        .map_err(|error| StoreError::Unreadable(error.to_string()))
}

/// The enum of a word that may be missing.
pub(super) fn perhaps<T: DeserializeOwned>(word: Option<&str>) -> Result<Option<T>, StoreError> {
    word.map(unword).transpose()
}

/// A count, which is never below zero.
pub(super) fn count(number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| StoreError::Unreadable("a count below zero".into()))
}

/// Sixteen bytes: the id of a key or of a grant, a fingerprint.
pub(super) fn sixteen(bytes: &[u8]) -> Result<[u8; 16], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Unreadable("an id of another length".into()))
}

/// What an entry is, by its number.
pub(super) fn kind(number: i16) -> Result<EntryKind, StoreError> {
    match number {
        0 => Ok(EntryKind::Log),
        1 => Ok(EntryKind::Grade),
        2 => Ok(EntryKind::Join),
        other => Err(StoreError::Unreadable(format!("an entry of the unknown kind {other}"))),
    }
}
