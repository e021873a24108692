//! What the directory takes and gives, for the documentation: the shapes differ by the list alone.

use super::list::MAX_ITEMS;
use super::set::Line;
use crate::store::{ActivityItem, CourseItem, EnrolmentItem, Entity, Kind, UserItem};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The body that sets items.
pub(crate) fn items(kind: Kind, schemas: &mut SchemaGenerator) -> Schema {
    let item = match kind {
        Kind::Users => schemas.subschema_for::<UserItem>(),
        Kind::Courses => schemas.subschema_for::<CourseItem>(),
        Kind::Activities => schemas.subschema_for::<ActivityItem>(),
        Kind::Enrolments => schemas.subschema_for::<EnrolmentItem>(),
    };
    json_schema!({
        "type": "object",
        "properties": { (kind.name()): { "type": "array", "items": item, "maxItems": MAX_ITEMS } },
        "required": [kind.name()],
        "additionalProperties": false,
    })
}

/// What became of each item.
pub(crate) fn lines(schemas: &mut SchemaGenerator) -> Schema {
    let line = schemas.subschema_for::<Line<'_>>();
    json_schema!({
        "type": "object",
        "properties": { "items": { "type": "array", "items": line } },
        "required": ["items"],
    })
}

/// One entity with its address.
pub(crate) fn entity(kind: Kind, schemas: &mut SchemaGenerator) -> Schema {
    // The variants stand in the order of the lists.
    let all = Entity::json_schema(schemas);
    let mut one = all.get("anyOf").and_then(|all| all.get(kind as usize)).cloned();
    if let Some(one) = &mut one {
        one["properties"]["url"] = serde_json::json!({ "type": "string" });
        if let Some(required) = one["required"].as_array_mut() {
            required.push("url".into());
        }
    }
    one.and_then(|one| one.try_into().ok()).unwrap_or_default()
}

/// A page of a list.
pub(crate) fn page(kind: Kind, schemas: &mut SchemaGenerator) -> Schema {
    let next = "For `after` of the next page; `null` at the end.";
    json_schema!({
        "type": "object",
        "properties": {
            "items": { "type": "array", "items": entity(kind, schemas) },
            "next": { "type": ["string", "null"], "description": next },
        },
        "required": ["items", "next"],
    })
}

/// A page of a list, or the one that was looked up.
pub(crate) fn page_or_one(kind: Kind, schemas: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [page(kind, schemas), entity(kind, schemas)] })
}
