//! One item: decoded strictly, and held to its limits.

use crate::functions;
use crate::store::{ActivityItem, CourseItem, EnrolmentItem, Items, Kind, Section, UserItem};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::MAX_ID_LEN;
use latchkey_protocol::payload::Given;
use serde::Deserialize;
use std::collections::HashSet;

/// Longest text of a member, bytes.
pub(super) const MAX_TEXT: usize = 1024;
/// Most sections of a course.
pub(super) const MAX_SECTIONS: usize = 1_000;

/// Why an item is refused, and the member at fault, if it is one.
pub(super) type Fault = (ErrorCode, Option<String>);

/// Something that can be set.
pub(super) trait Item: for<'de> Deserialize<'de> {
    /// The host's own primary key.
    fn id(&self) -> &str;
    /// The first member beyond its limits.
    fn check(&self) -> Result<(), String>;
}

/// Reads an item from its JSON.
pub(super) fn decode<T: Item>(text: &[u8]) -> Result<T, Fault> {
    if text.trim_ascii_start().first() != Some(&b'{') {
        // serde would also read a struct from a list of its values.
        return match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
            Ok(_) => Err((ErrorCode::WrongType, None)),
            Err(_) => Err((ErrorCode::BadJson, None)),
        };
    }
    let item: T = match serde_json::from_slice(text) {
        Ok(item) => item,
        // The path is only followed once something is wrong: good items must not pay for it.
        Err(error) => return Err(fault::<T>(text, &error)),
    };
    match item.check() {
        Ok(()) => Ok(item),
        Err(field) => Err((ErrorCode::OutOfRange, Some(field))),
    }
}

fn fault<T: Item>(text: &[u8], error: &serde_json::Error) -> Fault {
    if !error.is_data() || error.to_string().starts_with("duplicate field") {
        return (ErrorCode::BadJson, None);
    }
    let reader = &mut serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(reader) {
        Ok(_) => (ErrorCode::BadJson, None),
        Err(error) => {
            let refusal = functions::misfit(&error.path().to_string(), &error.inner().to_string());
            (refusal.code, refusal.field.map(|field| field.into_owned()))
        }
    }
}

fn fits(text: &str, most: usize) -> bool {
    text.len() <= most && !text.chars().any(char::is_control)
}

fn id(field: &str, text: &str) -> Result<(), String> {
    if !text.is_empty() && fits(text, MAX_ID_LEN) { Ok(()) } else { Err(field.to_owned()) }
}

/// Texts that may be empty.
fn texts<'a>(
    list: impl IntoIterator<Item = (&'static str, &'a Given<String>)>,
) -> Result<(), String> {
    for (field, given) in list {
        if let Given::Value(text) = given
            && !fits(text, MAX_TEXT)
        {
            return Err(field.to_owned());
        }
    }
    Ok(())
}

fn reference(field: &str, given: Option<&String>) -> Result<(), String> {
    given.map_or(Ok(()), |key| id(field, key))
}

fn value(given: &Given<String>) -> Option<&String> {
    match given {
        Given::Value(text) => Some(text),
        _ => None,
    }
}

impl Item for UserItem {
    fn id(&self) -> &str {
        &self.id
    }

    fn check(&self) -> Result<(), String> {
        id("id", &self.id)?;
        // An empty login name would be everybody's who has none.
        reference("username", value(&self.username))?;
        texts([("name", &self.name), ("email", &self.email), ("idnumber", &self.idnumber)])
    }
}

impl Item for CourseItem {
    fn id(&self) -> &str {
        &self.id
    }

    fn check(&self) -> Result<(), String> {
        id("id", &self.id)?;
        texts([
            ("title", &self.title),
            ("shortname", &self.shortname),
            ("idnumber", &self.idnumber),
            ("page", &self.page),
        ])?;
        let sections: &[Section] = self.sections.as_deref().unwrap_or_default();
        if sections.len() > MAX_SECTIONS {
            return Err("sections".to_owned());
        }
        let mut seen = HashSet::new();
        for (at, section) in sections.iter().enumerate() {
            id(&format!("sections[{at}].id"), &section.id)?;
            if !seen.insert(&section.id) {
                return Err(format!("sections[{at}].id"));
            }
            if section.name.as_ref().is_some_and(|name| !fits(name, MAX_TEXT)) {
                return Err(format!("sections[{at}].name"));
            }
        }
        Ok(())
    }
}

impl Item for ActivityItem {
    fn id(&self) -> &str {
        &self.id
    }

    fn check(&self) -> Result<(), String> {
        id("id", &self.id)?;
        reference("course", value(&self.course))?;
        reference("section", value(&self.section))?;
        texts([("title", &self.title), ("page", &self.page)])?;
        if self.max.is_some_and(|max| !(max.is_finite() && max > 0.0)) {
            return Err("max".to_owned());
        }
        if self.attempts == Given::Value(0) {
            return Err("attempts".to_owned());
        }
        Ok(())
    }
}

impl Item for EnrolmentItem {
    fn id(&self) -> &str {
        &self.id
    }

    fn check(&self) -> Result<(), String> {
        id("id", &self.id)?;
        reference("user", self.user.as_ref())?;
        reference("course", self.course.as_ref())?;
        texts([("role", &self.role)])
    }
}

/// A few items, decoded.
pub(super) struct Decoded {
    /// The good ones, in their order.
    pub(super) items: Items,
    /// For each text the id, or why its item is not among the good ones.
    pub(super) read: Vec<Result<String, Fault>>,
}

/// Decodes items of a kind. `seen` holds the ids of the request so far: of two with one id the first counts.
pub(super) fn decode_all<'a>(
    kind: Kind,
    texts: impl Iterator<Item = &'a [u8]>,
    seen: &mut HashSet<String>,
) -> Decoded {
    match kind {
        Kind::Users => several(texts, seen, Items::Users),
        Kind::Courses => several(texts, seen, Items::Courses),
        Kind::Activities => several(texts, seen, Items::Activities),
        Kind::Enrolments => several(texts, seen, Items::Enrolments),
    }
}

fn several<'a, T: Item>(
    texts: impl Iterator<Item = &'a [u8]>,
    seen: &mut HashSet<String>,
    wrap: fn(Vec<T>) -> Items,
) -> Decoded {
    let (mut items, mut read) = (Vec::new(), Vec::new());
    for text in texts {
        read.push(decode::<T>(text).and_then(|item| {
            let id = item.id().to_owned();
            if !seen.insert(id.clone()) {
                return Err((ErrorCode::Duplicate, Some("id".to_owned())));
            }
            items.push(item);
            Ok(id)
        }));
    }
    Decoded { items: wrap(items), read }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> Result<UserItem, (ErrorCode, String)> {
        decode(text.as_bytes()).map_err(|(code, field)| (code, field.unwrap_or_default()))
    }

    fn activity(text: &str) -> Result<ActivityItem, (ErrorCode, String)> {
        decode(text.as_bytes()).map_err(|(code, field)| (code, field.unwrap_or_default()))
    }

    fn course(text: &str) -> Result<CourseItem, (ErrorCode, String)> {
        decode(text.as_bytes()).map_err(|(code, field)| (code, field.unwrap_or_default()))
    }

    #[test]
    fn absent_null_and_empty_are_three_things() {
        let user = user(r#"{"id":"u1","name":null,"email":""}"#).unwrap();
        assert_eq!((user.name, user.email), (Given::Null, Given::Value(String::new())));
        assert_eq!(user.idnumber, Given::Absent);
    }

    #[test]
    fn the_member_at_fault_is_named() {
        use ErrorCode::{BadJson, MissingField, OutOfRange, UnknownField, WrongType};
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_ID_LEN + 1));
        let wordy = format!(r#"{{"id":"u","name":"{}"}}"#, "x".repeat(MAX_TEXT + 1));
        for (text, code, field) in [
            (r#"{"name":"Ada"}"#, MissingField, "id"),
            (r#"{"id":"u1","nmae":"Ada"}"#, UnknownField, "nmae"),
            (r#"{"id":1}"#, WrongType, "id"),
            (r#"{"id":null}"#, WrongType, "id"),
            (r#"{"id":"u1","email":["a"]}"#, WrongType, "email"),
            (r#"{"id":""}"#, OutOfRange, "id"),
            (r#"{"id":"a\nb"}"#, OutOfRange, "id"),
            (r#"{"id":"u1","username":""}"#, OutOfRange, "username"),
            (&long, OutOfRange, "id"),
            (&wordy, OutOfRange, "name"),
            (r#"{"id":"u1","id":"u2"}"#, BadJson, ""),
            (r#"{"id":"u1""#, BadJson, ""),
            (r#"{"id":"u1"}x"#, BadJson, ""),
            (r#"["u1"]"#, WrongType, ""),
            ("null", WrongType, ""),
            ("x", BadJson, ""),
            ("", BadJson, ""),
        ] {
            assert_eq!(user(text), Err((code, field.to_owned())), "{text}");
        }
    }

    #[test]
    fn limits_of_an_activity() {
        use ErrorCode::{OutOfRange, WrongType};
        assert!(activity(r#"{"id":"a","max":0.5,"attempts":1,"hidden":true}"#).is_ok());
        assert_eq!(activity(r#"{"id":"a","attempts":null}"#).unwrap().attempts, Given::Null);
        for (text, code, field) in [
            (r#"{"id":"a","max":0}"#, OutOfRange, "max"),
            (r#"{"id":"a","max":-1}"#, OutOfRange, "max"),
            (r#"{"id":"a","max":null}"#, WrongType, "max"),
            (r#"{"id":"a","method":"best"}"#, WrongType, "method"),
            (r#"{"id":"a","attempts":0}"#, OutOfRange, "attempts"),
            (r#"{"id":"a","attempts":-1}"#, WrongType, "attempts"),
            (r#"{"id":"a","hidden":"yes"}"#, WrongType, "hidden"),
            (r#"{"id":"a","hidden":null}"#, WrongType, "hidden"),
            (r#"{"id":"a","course":""}"#, OutOfRange, "course"),
        ] {
            assert_eq!(activity(text), Err((code, field.to_owned())), "{text}");
        }
    }

    #[test]
    fn limits_of_sections() {
        use ErrorCode::{OutOfRange, WrongType};
        assert!(course(r#"{"id":"c","sections":[]}"#).is_ok());
        for (text, code, field) in [
            (r#"{"id":"c","sections":[{"id":"s"},{"id":"s"}]}"#, OutOfRange, "sections[1].id"),
            (r#"{"id":"c","sections":[{"id":""}]}"#, OutOfRange, "sections[0].id"),
            (r#"{"id":"c","sections":[["s"]]}"#, WrongType, "sections[0]"),
            (r#"{"id":"c","sections":null}"#, WrongType, "sections"),
        ] {
            assert_eq!(course(text), Err((code, field.to_owned())), "{text}");
        }
        let many: Vec<_> = (0..=MAX_SECTIONS).map(|n| format!(r#"{{"id":"{n}"}}"#)).collect();
        let text = format!(r#"{{"id":"c","sections":[{}]}}"#, many.join(","));
        assert_eq!(course(&text), Err((OutOfRange, "sections".to_owned())));
    }

    #[test]
    fn of_two_with_one_id_the_first_counts() {
        let texts: [&[u8]; 4] =
            [br#"{"id":"a","x":1}"#, br#"{"id":"a"}"#, br#"{"id":"b"}"#, br#"{"id":"a"}"#];
        let decoded = decode_all(Kind::Users, texts.into_iter(), &mut HashSet::new());
        let codes: Vec<_> =
            decoded.read.iter().map(|read| read.as_ref().err().map(|e| e.0)).collect();
        let expected = [Some(ErrorCode::UnknownField), None, None, Some(ErrorCode::Duplicate)];
        assert_eq!(codes, expected);
        assert!(matches!(decoded.items, Items::Users(items) if items.len() == 2));
    }
}
