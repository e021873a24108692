//! A list of items out of a body: a JSON object with one array, or one item a line.
//!
//! Only the outer form is read here, without copying: items are decoded one by one when their turn comes, so that
//! 40,000 of them never stand in memory twice, and a faulty one spoils only itself.

use crate::error::Refusal;
use crate::functions;
use crate::host::call::bad_json;
use latchkey_protocol::error::ErrorCode;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Most items of one request.
pub(super) const MAX_ITEMS: usize = 40_000;

/// Why the outer form is refused: not JSON, or a member of it.
enum Fault {
    Member(ErrorCode, String),
}

/// The items of `{"<name>":[…]}`, each as the text it stands as.
pub(super) fn of_object<'a>(bytes: &'a [u8], name: &str) -> Result<Vec<&'a RawValue>, Refusal> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = reader
        .deserialize_any(Outer { name, fault: &mut fault })
        .and_then(|items| reader.end().map(|()| items));
    match (read, fault) {
        (_, Some(Fault::Member(code, field))) => Err(Refusal::field(code, field)),
        (Ok(items), None) => Ok(items),
        (Err(error), None) => Err(bad_json(error)),
    }
}

/// The items of a text of one JSON value a line. Empty lines are none.
pub(super) fn of_lines(bytes: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let lines: Vec<_> = lines.take(MAX_ITEMS + 1).collect();
    if lines.len() > MAX_ITEMS {
        return Err(ErrorCode::TooMany.into());
    }
    Ok(lines)
}

struct Outer<'f> {
    name: &'f str,
    fault: &'f mut Option<Fault>,
}

impl Outer<'_> {
    fn refuse<E: Error>(self, code: ErrorCode, field: &str) -> E {
        *self.fault = Some(Fault::Member(code, functions::presentable(field)));
        E::custom("refused")
    }
}

impl<'de> Visitor<'de> for Outer<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut items = None;
        while let Some(name) = members.next_key::<std::borrow::Cow<'de, str>>()? {
            if name != self.name {
                return Err(self.refuse(ErrorCode::UnknownField, &name));
            }
            if items.is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
            match members.next_value_seed(List { refused: &mut *self.fault, name: self.name })? {
                Some(list) => items = Some(list),
                None => return Err(A::Error::custom("refused")),
            }
        }
        match items {
            Some(items) => Ok(items),
            None => {
                let name = self.name.to_owned();
                Err(self.refuse(ErrorCode::MissingField, &name))
            }
        }
    }
}

struct List<'f> {
    refused: &'f mut Option<Fault>,
    name: &'f str,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> List<'_> {
    fn wrong<E>(self) -> Result<Option<Vec<&'de RawValue>>, E> {
        *self.refused = Some(Fault::Member(ErrorCode::WrongType, self.name.to_owned()));
        Ok(None)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == MAX_ITEMS {
                *self.refused = Some(Fault::Member(ErrorCode::TooMany, self.name.to_owned()));
                return Ok(None);
            }
            items.push(item);
        }
        Ok(Some(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        self.wrong()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        self.wrong()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        self.wrong()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        self.wrong()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        self.wrong()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        self.wrong()
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.wrong()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<usize, (ErrorCode, Option<String>)> {
        let read = of_object(text, "users").map(|items| items.len());
        read.map_err(|refusal| (refusal.code, refusal.field.map(|field| field.into_owned())))
    }

    #[test]
    fn the_outer_form() {
        use ErrorCode::{BadJson, MissingField, UnknownField, WrongType};
        assert_eq!(read(br#"{"users":[]}"#), Ok(0));
        assert_eq!(read(br#" {"users" : [1, {"a":[]}, "x"] } "#), Ok(3));
        for (text, code, field) in [
            ("{}", MissingField, Some("users")),
            (r#"{"user":[]}"#, UnknownField, Some("user")),
            (r#"{"users":[],"more":1}"#, UnknownField, Some("more")),
            (r#"{"users":{}}"#, WrongType, Some("users")),
            (r#"{"users":null}"#, WrongType, Some("users")),
            (r#"{"users":"x"}"#, WrongType, Some("users")),
            (r#"{"users":1.5}"#, WrongType, Some("users")),
            (r#"{"users":[],"users":[]}"#, BadJson, None),
            (r#"{"users":[]"#, BadJson, None),
            (r#"{"users":[]}{}"#, BadJson, None),
            (r#"{"users":[{]}"#, BadJson, None),
            ("[]", BadJson, None),
            ("null", BadJson, None),
            ("", BadJson, None),
        ] {
            assert_eq!(read(text.as_bytes()), Err((code, field.map(str::to_owned))), "{text}");
        }
        assert_eq!(read(b"{\"users\":[{\"id\":\"\xff\"}]}"), Err((BadJson, None)));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{{\"users\":[{}1{}]}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(matches!(read(deep.as_bytes()), Ok(1) | Err((ErrorCode::BadJson, None))));
    }

    #[test]
    fn so_many_and_no_more() {
        let list = |n: usize| format!("{{\"users\":[{}]}}", vec!["1"; n].join(","));
        assert_eq!(read(list(MAX_ITEMS).as_bytes()), Ok(MAX_ITEMS));
        let over = Err((ErrorCode::TooMany, Some("users".to_owned())));
        assert_eq!(read(list(MAX_ITEMS + 1).as_bytes()), over);
        let lines = |n: usize| of_lines("1\n\n \r\n".repeat(n).as_bytes()).map(|items| items.len());
        assert_eq!(lines(MAX_ITEMS).unwrap(), MAX_ITEMS);
        assert_eq!(lines(MAX_ITEMS + 1).unwrap_err().code, ErrorCode::TooMany);
        assert_eq!(of_lines(b"").unwrap().len(), 0);
    }
}
