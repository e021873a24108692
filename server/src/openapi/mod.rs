//! The description of every address, as OpenAPI 3.1: functions from their one list, refusals from theirs,
//! schemas from the types on the wire. `/openapi.json`, and the same in `docs/openapi.json`.

mod addresses;
mod operation;
mod page;

pub use page::PAGE;

use crate::functions::FUNCTIONS;
use crate::version::{VERSIONS, Version};
use addresses::ADDRESSES;
use latchkey_protocol::payload::{BatchCall, CallStatus, Item, MAX_CALLS, RecentResult};
use latchkey_protocol::result::{ErrorBody, KeyStanding};
use operation::{Caller, Operation, refusals};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// The document as text, made once.
pub static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));

const ABOUT: &str = "Keys for embedded code, bound to one user and one activity; and what the hosts call that \
                     launch it.";

/// The document.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    settings.transforms.push(Box::new(RecursiveTransform(without_null_defaults)));
    let mut schemas = settings.into_generator();
    let paths = paths(&mut schemas);
    let standing = schemas.subschema_for::<KeyStanding>();
    let error = schemas.subschema_for::<ErrorBody>();
    let mut definitions = schemas.take_definitions(true);
    definitions.insert("Done".into(), envelope("ok", "result", &json!(true), &standing));
    definitions.insert("Refused".into(), envelope("error", "error", error.as_value(), &standing));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Latchkey", "version": Version::NEWEST.as_str(), "description": ABOUT },
        "tags": [
            { "name": "key", "description": "What embedded code calls with its key." },
            { "name": "host", "description": "What hosts call with a signature." },
            { "name": "health", "description": "What operators ask." },
        ],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "responses": refusals(),
            "parameters": { "version": version() },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A launch token, or the newest session token.",
                },
                "host": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "Latchkey-HMAC host=…, time=…, nonce=…, signature=…",
                },
            },
        },
    })
}

/// A member that may be cleared by `null` is unchanged where it is absent: `null` is not its default.
fn without_null_defaults(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}

fn paths(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let mut paths: Map<String, Value> = Map::new();
    let mut add = |path: &str, method: &str, operation: Operation| {
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method] = operation.into_value(path);
    };
    for function in FUNCTIONS {
        let (input, result) = function.shapes(schemas);
        let operation = Operation::of(Caller::Key, function.name(), function.about())
            .taking(with_reserved(input, schemas, true))
            .giving(result);
        add(&format!("/v1/{}", function.name()), "post", operation);
    }
    let calls = json!({
        "type": "object",
        "properties": { "calls": {
            "type": "array",
            "items": schemas.subschema_for::<BatchCall>(),
            "maxItems": MAX_CALLS,
        } },
        "required": ["calls"],
        "additionalProperties": false,
    });
    let calls = Schema::try_from(calls).unwrap_or_default();
    let about = "Several calls, answered one by one. None at all keeps the key alive.";
    let batch = Operation::of(Caller::Key, "batch", about)
        .taking(with_reserved(calls, schemas, false))
        .giving(outcomes(schemas));
    add("/v1/batch", "post", batch);
    let about = "Reads the newest entries, by an address alone.";
    let recent = Operation::of(Caller::Key, "recent_by_address", about)
        .asking(&["limit", "before", "since", "kinds"])
        .giving(schemas.subschema_for::<RecentResult>());
    add("/v1/recent", "get", recent);
    let about = "Reads one entry, by the address that stands in its `url`.";
    let entry = Operation::of(Caller::Key, "entry", about);
    add("/v1/entries/{id}", "get", entry.giving(schemas.subschema_for::<Item>()));
    for (path, methods) in ADDRESSES {
        for address in *methods {
            let mut operation = Operation::of(Caller::Host, address.name, address.about)
                .asking(address.query)
                .giving((address.gives)(schemas));
            if let Some(takes) = address.takes {
                operation = operation.taking(takes(schemas));
            }
            add(path, address.method, operation);
        }
    }
    paths.extend(operation::health());
    paths
}

/// An input, with the members that every body may have.
fn with_reserved(input: Schema, schemas: &mut SchemaGenerator, has_id: bool) -> Value {
    let mut input = input.to_value();
    let text = schemas.subschema_for::<String>().to_value();
    let reserved: &[(&str, &str)] = &[
        ("token", "The key, if not in Authorization."),
        ("sent", "The client's clock when it sends, RFC 3339: corrects every `at`."),
        ("id", "The operation's id, the same as Idempotency-Key: it happens once."),
    ];
    for (name, about) in &reserved[..if has_id { 3 } else { 2 }] {
        let mut member = text.clone();
        member["description"] = json!(about);
        input["properties"][*name] = member;
    }
    input
}

/// One outcome for each call of a batch, in the order of the calls.
fn outcomes(schemas: &mut SchemaGenerator) -> Value {
    let outcome = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" },
            "status": schemas.subschema_for::<CallStatus>(),
            "result": true,
            "replayed": { "type": "boolean" },
            "error": schemas.subschema_for::<ErrorBody>(),
        },
        "required": ["status"],
    });
    json!({
        "type": "object",
        "properties": { "calls": { "type": "array", "items": outcome } },
        "required": ["calls"],
    })
}

/// The result object with one of its two outcomes.
fn envelope(status: &str, outcome: &str, shape: &Value, standing: &Schema) -> Value {
    json!({
        "type": "object",
        "properties": {
            "status": { "const": status },
            outcome: shape,
            "replayed": {
                "type": "boolean",
                "description": "An earlier request with the same id did it.",
            },
            "token": { "type": "string", "description": "The renewed token." },
            "key": standing,
            "server_time": { "type": "string", "format": "date-time" },
            "request_id": { "type": "string", "description": "Names the request in the log." },
        },
        "required": ["status", outcome, "server_time", "request_id"],
    })
}

fn version() -> Value {
    let spoken: Vec<_> = VERSIONS.iter().map(|version| version.as_str()).collect();
    json!({
        "name": "Latchkey-Version",
        "in": "header",
        "description": "Of the wire. Without it that which the host is pinned to, or the newest.",
        "schema": { "type": "string", "enum": spoken },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The addresses that `router.rs` has, by its own text: one that is added there must be added here.
    #[test]
    fn every_address_is_described_and_no_other() {
        let text = include_str!("../router.rs");
        let routed = text.split(".route(").skip(1).filter_map(|rest| {
            let path = rest.trim_start().strip_prefix('"')?;
            path.split('"').next()
        });
        let undescribed = [
            "/v1/{function}",
            "/sdk/{file}",
            "/sdk/legacy/{file}",
            "/sdk/wasm/{file}",
            "/crossdomain.xml",
            "/openapi.json",
            "/docs/api",
        ];
        // Older wires are not what OpenAPI can describe: see docs/legacy.md.
        let described = |path: &&str| !undescribed.contains(path) && !path.starts_with("/legacy/");
        let mut routed: BTreeSet<String> = routed.filter(described).map(str::to_owned).collect();
        routed.extend(FUNCTIONS.iter().map(|function| format!("/v1/{}", function.name())));
        let document = document();
        let described: BTreeSet<String> =
            document["paths"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, root: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(to)) = members.get("$ref") {
                        let to = to.strip_prefix('#').unwrap();
                        assert!(root.pointer(to).is_some(), "{to}");
                    }
                    members.values().for_each(|value| walk(value, root));
                }
                Value::Array(values) => values.iter().for_each(|value| walk(value, root)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }

    #[test]
    fn names_of_operations_are_unique() {
        let mut names = BTreeSet::new();
        for (path, methods) in document()["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap().to_owned();
                assert!(names.insert(name), "{method} {path}");
            }
        }
    }
}
