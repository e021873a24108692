//! What items say, as values of columns.

use super::rows::Value;
use crate::store::Items;
use latchkey_protocol::payload::Given;
use std::borrow::Cow;

/// The keys of all that may be new with these items: each item, and behind a course its sections.
pub(super) fn names(items: &Items) -> Vec<&str> {
    match items {
        Items::Users(items) => items.iter().map(|item| item.id.as_str()).collect(),
        Items::Activities(items) => items.iter().map(|item| item.id.as_str()).collect(),
        Items::Enrolments(items) => items.iter().map(|item| item.id.as_str()).collect(),
        Items::Courses(items) => {
            let mut names = Vec::new();
            for item in items {
                names.push(item.id.as_str());
                let sections = item.sections.as_deref().unwrap_or_default();
                names.extend(sections.iter().map(|section| section.id.as_str()));
            }
            names
        }
    }
}

/// A text that is left, cleared or set.
pub(super) fn text(given: &Given<String>) -> Option<Value> {
    match given {
        Given::Absent => None,
        Given::Null => Some(Value::Text(None)),
        Given::Value(text) => Some(Value::Text(Some(Cow::Owned(text.clone())))),
    }
}

/// A number that is left, cleared or set.
pub(super) fn number(given: &Given<u32>) -> Option<Value> {
    match given {
        Given::Absent => None,
        Given::Null => Some(Value::Number(None)),
        Given::Value(number) => Some(Value::Number(Some(i64::from(*number)))),
    }
}

/// The texts that are set.
pub(super) fn given<'a>(texts: impl Iterator<Item = &'a Given<String>>) -> Vec<&'a str> {
    let given = texts.filter_map(|text| match text {
        Given::Value(text) => Some(text.as_str()),
        _ => None,
    });
    given.collect()
}
