//! One operation of the description: who may call it, with what, and every answer there is.

use latchkey_protocol::error::ErrorCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Who calls an address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Key,
    Host,
}

/// Codes that only hosts are told.
const OF_HOSTS: &[ErrorCode] = &[
    ErrorCode::HostUnauthorized,
    ErrorCode::HostClock,
    ErrorCode::NonceReused,
    ErrorCode::Ambiguous,
    ErrorCode::Duplicate,
    ErrorCode::Taken,
    ErrorCode::UnknownReference,
    ErrorCode::CursorLost,
];

impl Caller {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Host => "host",
        }
    }

    /// The statuses of the refusals that this caller may be told.
    fn statuses(self) -> Vec<u16> {
        let told =
            ErrorCode::ALL.iter().filter(|code| self == Self::Host || !OF_HOSTS.contains(code));
        let mut statuses: Vec<_> = told.map(|code| code.status()).collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}

/// An operation being described.
pub(super) struct Operation {
    caller: Caller,
    value: Value,
    query: &'static [&'static str],
    result: Value,
}

impl Operation {
    pub(super) fn of(caller: Caller, name: &str, about: &str) -> Self {
        let value = json!({
            "operationId": name,
            "summary": about,
            "tags": [caller.name()],
            "security": [{ caller.name(): [] }],
        });
        Self { caller, value, query: &[], result: json!(true) }
    }

    /// With a JSON body.
    pub(super) fn taking(mut self, schema: impl Serialize) -> Self {
        self.value["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema } },
        });
        self
    }

    /// With members of the query, all of which may be left out.
    pub(super) fn asking(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    /// With a result of that shape.
    pub(super) fn giving(self, schema: impl Serialize) -> Self {
        Self { result: json!(schema), ..self }
    }

    pub(super) fn into_value(mut self, path: &str) -> Value {
        let mut parameters = vec![json!({ "$ref": "#/components/parameters/version" })];
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        parameters.extend(in_path.map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
        }));
        parameters.extend(
            self.query
                .iter()
                .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } })),
        );
        self.value["parameters"] = json!(parameters);
        let result = json!({ "allOf": [
            { "$ref": "#/components/schemas/Done" },
            { "properties": { "result": self.result } },
        ] });
        let mut responses = json!({ "200": {
            "description": "Done.",
            "content": { "application/json": { "schema": result } },
        } });
        for status in self.caller.statuses() {
            let to = format!("#/components/responses/{}", name(status));
            responses[status.to_string()] = json!({ "$ref": to });
        }
        self.value["responses"] = responses;
        self.value
    }
}

fn name(status: u16) -> String {
    format!("Refused{status}")
}

/// A response for each status: the codes that travel with it, and what they mean.
pub(super) fn refusals() -> Map<String, Value> {
    let mut codes: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in ErrorCode::ALL {
        codes.entry(code.status()).or_default().push(*code);
    }
    codes.into_iter().map(|(status, codes)| (name(status), refusal(&codes))).collect()
}

fn refusal(codes: &[ErrorCode]) -> Value {
    let lines = codes.iter().map(|code| format!("* `{}`: {}", code.as_str(), code.message()));
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    json!({
        "description": lines.collect::<Vec<_>>().join("\n"),
        "content": { "application/json": { "schema": { "allOf": [
            { "$ref": "#/components/schemas/Refused" },
            { "properties": { "error": { "properties": { "code": { "enum": names } } } } },
        ] } } },
    })
}

/// What operators ask. It is answered as text.
pub(super) fn health() -> Map<String, Value> {
    let operation = |id: &str, about: &str| {
        json!({
            "operationId": id,
            "summary": about,
            "tags": ["health"],
            "security": [],
            "responses": { "200": {
                "description": "Yes.",
                "content": { "text/plain": { "schema": { "type": "string" } } },
            } },
        })
    };
    let alive = operation("healthz", "Whether the process answers.");
    let mut ready = operation("readyz", "Whether requests should be sent here; if not, why.");
    let told = |about: &str, status: &str| {
        json!({
            "description": about,
            "content": { "application/json": { "schema": {
                "type": "object",
                "properties": {
                    "status": { "const": status },
                    "checks": { "type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "check": { "enum": ["server", "store"] },
                            "code": { "enum": [
                                "starting", "migrating", "store_unavailable", "read_only", "draining",
                            ] },
                        },
                        "required": ["check", "code"],
                    } },
                },
                "required": ["status"],
            } } },
        })
    };
    ready["responses"]["200"] = told("Yes.", "ready");
    ready["responses"]["503"] = told("No: the checks that failed.", "not_ready");
    let paths = [("/healthz", alive), ("/readyz", ready)];
    paths.into_iter().map(|(path, get)| (path.to_owned(), json!({ "get": get }))).collect()
}
