//! JSON objects in which every member stands once.
//!
//! Of two members with one name most parsers take the last, some the first. What a filter in front of
//! us saw and what we do must not differ, least of all in a key or a score.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Reads an object. Nesting is bounded by serde_json.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match serde_json::from_slice(bytes)? {
        Once(Value::Object(members)) => Ok(members),
        _ => Err(de::Error::custom("not an object")),
    }
}

/// The path of the first text, or of the object with the first name, that holds U+0000: PostgreSQL keeps no such
/// text, and what one backend refuses no other may take.
pub(crate) fn nul(members: &Map<String, Value>) -> Option<String> {
    fn within(value: &Value, path: &str) -> Option<String> {
        match value {
            Value::String(text) => text.contains('\0').then(|| path.to_owned()),
            Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| {
                within(item, "").map(|rest| joined(&format!("{path}[{at}]"), &rest))
            }),
            Value::Object(members) => nul(members).map(|rest| joined(path, &rest)),
            _ => None,
        }
    }
    // Paths are written on the way back, so that good input pays for none.
    members.iter().find_map(|(name, value)| {
        if name.contains('\0') {
            return Some(String::new());
        }
        within(value, "").map(|rest| joined(name, &rest))
    })
}

fn joined(path: &str, rest: &str) -> String {
    let dot = if path.is_empty() || rest.is_empty() || rest.starts_with('[') { "" } else { "." };
    format!("{path}{dot}{rest}")
}

/// A value without repeated members at any depth.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Self)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_serde_json_reads() {
        let value = json!({
            "a": [1, -2, 0.5, 14.29, 11.631553068788403, u64::MAX, i64::MIN, "é\n", null, true],
            "b": {"c": {}, "d": []}
        });
        assert_eq!(Value::Object(object(value.to_string().as_bytes()).unwrap()), value);
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(object(br#"{"a":{"a":1},"b":{"a":2}}"#).is_ok());
    }

    #[test]
    fn the_text_with_a_nul_is_named() {
        let found = |value: Value| nul(value.as_object().unwrap());
        for (value, path) in [
            (json!({"a": "\0"}), "a"),
            (json!({"a": "é\0", "b": 1}), "a"),
            (json!({"a": [1, "x", {"b": "\0"}]}), "a[2].b"),
            (json!({"a": [["\0"]]}), "a[0][0]"),
            (json!({"a": {"b": [{"c": {"d": "x\0y"}}]}}), "a.b[0].c.d"),
            (json!({"a": {"b\0": 1}}), "a"),
            (json!({"\0": 1}), ""),
        ] {
            assert_eq!(found(value.clone()).as_deref(), Some(path), "{value}");
        }
        assert_eq!(found(json!({"a": ["", "0", "\\0", "\u{1}", null, 0, {"b": {}}]})), None);
    }

    proptest::proptest! {
        #[test]
        fn a_nul_is_found_wherever_it_is(value in any_value()) {
            // serde_json writes one as an escape, and each backslash as two.
            let text = value.to_string().replace("\\\\", "");
            let members = Map::from_iter([("in".to_owned(), value)]);
            proptest::prop_assert_eq!(nul(&members).is_some(), text.contains("\\u0000"));
        }
    }

    fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let text = || "[\0a\\\\u0]{0,3}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            text().prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((text(), inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn only_objects_and_only_so_deep() {
        for text in ["", "null", "[]", "1", "{", "{}x", r#"{"a":NaN}"#, r#"{"a":1e999}"#] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(1_000), "}".repeat(1_000));
        assert!(object(deep.as_bytes()).is_err());
    }
}
