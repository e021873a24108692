//! What a write makes of a document that an attempt keeps: pure.

use latchkey_protocol::payload::MAX_STATE_LEN;
use serde_json::{Map, Value};

/// A document as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// One more with each write, a delete included; 0 if the name was never written.
    pub version: u32,
    /// JSON without white space; `None` if it was deleted or never written.
    pub value: Option<String>,
}

impl Document {
    /// Whether it is at that version.
    pub fn is_at(&self, version: u64) -> bool {
        u64::from(self.version) == version
    }
}

/// What is to be done with a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// This JSON text in its place.
    Put(String),
    /// A merge patch, RFC 7396.
    Patch(Value),
    /// Nothing in its place.
    Delete,
}

/// Why a document stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is at another version.
    Conflict,
    /// It would be over its size.
    TooLarge,
    /// What is kept is no JSON.
    Damaged,
}

/// The document after a change; `None` if that changes nothing, since there is nothing to delete.
///
/// # Errors
/// Why it stays as it is.
pub fn changed(
    kept: &Document,
    change: &Change,
    if_version: Option<u64>,
) -> Result<Option<Document>, Fault> {
    if if_version.is_some_and(|version| !kept.is_at(version)) {
        return Err(Fault::Conflict);
    }
    let value = match (change, &kept.value) {
        (Change::Delete, None) => return Ok(None),
        (Change::Delete, Some(_)) => None,
        (Change::Put(text), _) => Some(text.clone()),
        (Change::Patch(patch), value) => {
            let text = value.as_deref().unwrap_or("null");
            let target = serde_json::from_str(text).map_err(|_| Fault::Damaged)?;
            Some(patched(target, patch.clone()).to_string())
        }
    };
    if value.as_ref().is_some_and(|text| text.len() > MAX_STATE_LEN) {
        return Err(Fault::TooLarge);
    }
    Ok(Some(Document { version: kept.version + 1, value }))
}

/// A merge patch: members of objects one by one, `null` takes one away, anything else replaces.
fn patched(target: Value, patch: Value) -> Value {
    let Value::Object(changes) = patch else { return patch };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            let former = members.remove(&name).unwrap_or_default();
            members.insert(name, patched(former, change));
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(version: u32, value: Option<&str>) -> Document {
        Document { version, value: value.map(str::to_owned) }
    }

    fn put(text: &str) -> Change {
        Change::Put(text.to_owned())
    }

    #[test]
    fn merge_patches_are_those_of_the_rfc() {
        // The table in appendix A of RFC 7396.
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(patched(target.clone(), patch.clone()), result, "{target} {patch}");
        }
    }

    #[test]
    fn versions_grow_by_one_over_a_delete_too() {
        let mut document = Document::default();
        for (change, value) in [
            (put("1"), Some("1")),
            (Change::Delete, None),
            (Change::Patch(json!({"a": 1, "b": null})), Some(r#"{"a":1}"#)),
            (put("null"), Some("null")),
        ] {
            let next = changed(&document, &change, Some(document.version.into())).unwrap().unwrap();
            assert_eq!(next, kept(document.version + 1, value));
            document = next;
        }
    }

    #[test]
    fn a_version_must_fit() {
        for (version, wanted, fits) in
            [(0, 0, true), (0, 1, false), (3, 3, true), (3, 2, false), (3, 4, false), (3, 0, false)]
        {
            let outcome = changed(&kept(version, Some("1")), &put("2"), Some(wanted));
            assert_eq!(outcome.is_ok(), fits, "{version} {wanted}");
        }
        let gone = changed(&kept(2, None), &put("2"), Some(0));
        assert_eq!(gone, Err(Fault::Conflict), "the number stays when the document is gone");
        assert_eq!(changed(&kept(2, None), &put("2"), Some(u64::MAX)), Err(Fault::Conflict));
    }

    #[test]
    fn deleting_nothing_changes_nothing() {
        assert_eq!(changed(&kept(0, None), &Change::Delete, None), Ok(None));
        assert_eq!(changed(&kept(2, None), &Change::Delete, Some(2)), Ok(None));
        assert_eq!(changed(&kept(2, None), &Change::Delete, Some(1)), Err(Fault::Conflict));
    }

    #[test]
    fn a_document_is_held_to_its_size_once_patched() {
        let text = |len: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(len - 8));
        let full = kept(1, Some(&text(MAX_STATE_LEN)));
        assert!(changed(&full, &put(&text(MAX_STATE_LEN)), None).is_ok());
        assert_eq!(changed(&full, &put(&text(MAX_STATE_LEN + 1)), None), Err(Fault::TooLarge));
        let more = Change::Patch(json!({"b": 1}));
        assert_eq!(changed(&full, &more, None), Err(Fault::TooLarge));
        assert!(changed(&full, &Change::Patch(json!({"a": "x"})), None).is_ok());
    }

    #[test]
    fn damage_is_told() {
        let patch = Change::Patch(json!({}));
        assert_eq!(changed(&kept(1, Some("{")), &patch, None), Err(Fault::Damaged));
    }
}
