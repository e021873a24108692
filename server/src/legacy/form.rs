//! Forms: what Flash movies send with `LoadVars`, `XML`, `loadVariables` and `URLLoader`.
//!
//! Players throw the body of any other status away, so the answer always has status 200. Movies post all
//! that they hold, so that fields nobody knows are ignored here, and here only. They loop, and post again what they
//! posted before: a form without `id` is the same as one of the same content within the late window.

use super::fields::{Fields, number};
use super::{Posted, read, variables};
use crate::call::{Asked, KeyRequest, RawCall};
use crate::error::Refusal;
use crate::gate::Arrival;
use crate::instant;
use crate::json;
use crate::reply::{Reply, Told, Write};
use crate::request::Arrived;
use crate::router::{Shared, arrive, finish};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::MAX_ENTRIES;
use serde_json::{Map, Value, json};

/// The field that holds the key, in requests and in answers.
const KEY: &str = "key";

/// Answers in variables: for all that is refused before a body is read.
pub(crate) fn variables(told: Told, origin: Option<HeaderValue>) -> Response<Body> {
    variables::form(told, origin)
}

/// One call of a function.
pub(crate) async fn call(
    State(latchkey): Shared,
    arrival: Arrival,
    function: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response<Body> {
    // A name that cannot be read is none of a function.
    let function = function.map(|Path(function)| function).unwrap_or_default();
    posted(latchkey, arrival, &function, request).await
}

/// `recent`, with a body.
pub(crate) async fn recent(
    State(latchkey): Shared,
    arrival: Arrival,
    request: Request,
) -> Response<Body> {
    posted(latchkey, arrival, "recent", request).await
}

/// `recent`, by an address alone.
pub(crate) async fn ask(
    State(latchkey): Shared,
    arrival: Arrival,
    request: Request,
) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let query_key = arrival.in_force.query_key;
    let (origin, arrived) = arrive(arrival, request.into_parts().0.headers);
    let asked = Fields::of_form(query.as_bytes()).and_then(|fields| {
        let keys = if query_key { fields.all(KEY)? } else { Vec::new() };
        asked(arrived, "recent", &fields, keys)
    });
    finish(latchkey, origin, asked, variables).await
}

/// A method that the address does not take.
pub(crate) async fn wrong_method(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    let refused = Reply::refused(ErrorCode::MethodNotAllowed.into());
    let told = latchkey.tell(refused);
    variables(told, headers.get(header::ORIGIN).cloned())
}

async fn posted(
    latchkey: std::sync::Arc<crate::Latchkey>,
    arrival: Arrival,
    function: &str,
    request: Request,
) -> Response<Body> {
    let (origin, posted) = read(&latchkey, arrival, request).await;
    let (asked, write) = match posted {
        Ok(posted) => understood(posted, function),
        Err(refusal) => (Err(refusal), variables as Write),
    };
    finish(latchkey, origin, asked, write).await
}

/// What a body asks, and in which of the two forms it is to be answered: that in which it asks. XML
/// arrives under the type of forms, so only its first character tells.
fn understood(posted: Posted, function: &str) -> (Result<KeyRequest, Refusal>, Write) {
    let body = posted.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&posted.body);
    let is_xml = body.trim_ascii_start().starts_with(b"<");
    let fields = posted.check_type().and_then(|()| match is_xml {
        true => Fields::of_xml(body),
        false => Fields::of_form(body),
    });
    let asked = fields.and_then(|fields| {
        let mut keys = fields.all(KEY)?;
        keys.extend(posted.keys_in_address(KEY)?);
        asked(posted.arrived, function, &fields, keys)
    });
    (asked, if is_xml { variables::xml } else { variables })
}

fn asked(
    arrived: Arrived,
    function: &str,
    fields: &Fields,
    keys: Vec<String>,
) -> Result<KeyRequest, Refusal> {
    let sent = match time(fields, "sent")? {
        None => None,
        Some(text) => match instant::parse(&text) {
            None => return Err(Refusal::field(ErrorCode::WrongType, "sent")),
            sent => sent,
        },
    };
    // Of a list of entries each has an id of its own, `id0`, …, and the form may have one too.
    let id = fields.filled("id").and_then(|id| arrived.id(id));
    let input = id.and_then(|id| Ok((id, arguments(function, fields)?)));
    let call = match input {
        Ok((id, args)) => RawCall::new(id, function, args).known_by_content(),
        Err(why) => RawCall::unread(function, why),
    };
    arrived.legacy(keys, sent, Asked::One(call))
}

/// The input of a function, from the fields that it knows.
fn arguments(function: &str, fields: &Fields) -> Result<Map<String, Value>, Refusal> {
    match function {
        "log" => entries(fields),
        "grade" => grade(fields),
        "recent" => page(fields),
        "state" => state(fields),
        // Whether there is such a function is asked once the key is known.
        _ => Ok(Map::new()),
    }
}

/// One entry, in `event` and its companions, or several, in `event0`, `event1`, …
fn entries(fields: &Fields) -> Result<Map<String, Value>, Refusal> {
    let mut entries = Vec::new();
    if fields.filled("event")?.is_some() {
        // The form's own id is the operation's.
        entries.push(entry(fields, "", None)?);
    } else {
        // One more than there may be, so that the function itself says that they are too many.
        for at in 0..=MAX_ENTRIES {
            if fields.text(&format!("event{at}"))?.is_none() {
                break;
            }
            let id = fields.filled(&format!("id{at}"))?;
            entries.push(entry(fields, &at.to_string(), id)?);
        }
        if entries.is_empty() {
            return Err(Refusal::field(ErrorCode::MissingField, "event"));
        }
    }
    Ok(Map::from_iter([("entries".to_owned(), Value::Array(entries))]))
}

fn entry(fields: &Fields, at: &str, id: Option<String>) -> Result<Value, Refusal> {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            entry.insert(name.to_owned(), value);
        }
    };
    put("event", fields.text(&format!("event{at}"))?.map(Value::from));
    put("id", id.map(Value::from));
    put("at", time(fields, &format!("at{at}"))?.map(Value::from));
    put("data", data(fields, &format!("data{at}"))?);
    Ok(Value::Object(entry))
}

/// What comes as an object: as JSON in one field, or each member in one of its own, `data_question`.
fn data(fields: &Fields, name: &str) -> Result<Option<Value>, Refusal> {
    let mut members = match fields.filled(name)? {
        None => Map::new(),
        Some(text) => json::object(text.as_bytes()).map_err(|_| {
            Refusal::field(ErrorCode::WrongType, crate::functions::presentable(name))
        })?,
    };
    members.extend(fields.under(&format!("{name}_"))?);
    Ok((!members.is_empty()).then_some(Value::Object(members)))
}

fn grade(fields: &Fields) -> Result<Map<String, Value>, Refusal> {
    let mut args = Map::new();
    for name in ["score", "max", "attempt", "sequence"] {
        args.extend(fields.number(name)?.map(|value| (name.to_owned(), value)));
    }
    for name in ["progress", "grading"] {
        args.extend(fields.filled(name)?.map(|text| (name.to_owned(), Value::from(text))));
    }
    // Only here is an empty text something else than none: an empty comment.
    args.extend(fields.text("comment")?.map(|text| ("comment".to_owned(), Value::from(text))));
    args.extend(time(fields, "at")?.map(|text| ("at".to_owned(), Value::from(text))));
    Ok(args)
}

fn page(fields: &Fields) -> Result<Map<String, Value>, Refusal> {
    let mut args = Map::new();
    args.extend(fields.number("limit")?.map(|value| ("limit".to_owned(), value)));
    for name in ["before", "since"] {
        args.extend(fields.filled(name)?.map(|text| (name.to_owned(), Value::from(text))));
    }
    if let Some(kinds) = fields.filled("kinds")? {
        args.insert("kinds".to_owned(), json!(kinds.split(',').map(str::trim).collect::<Vec<_>>()));
    }
    Ok(args)
}

/// A text in `value`, or an object by the texts of its members, `value_town`.
fn state(fields: &Fields) -> Result<Map<String, Value>, Refusal> {
    let mut args = Map::new();
    for name in ["op", "name"] {
        args.extend(fields.filled(name)?.map(|text| (name.to_owned(), Value::from(text))));
    }
    let members = fields.under("value_")?;
    let value = match members.is_empty() {
        false => Some(Value::Object(members)),
        true => fields.text("value")?.map(Value::from),
    };
    args.extend(value.map(|value| ("value".to_owned(), value)));
    args.extend(fields.number("if_version")?.map(|value| ("if_version".to_owned(), value)));
    Ok(args)
}

/// A time: RFC 3339, or what `new Date().getTime()` gives.
fn time(fields: &Fields, name: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = fields.filled(name)? else { return Ok(None) };
    let millis = number(&text).and_then(|number| number.as_i64());
    Ok(Some(millis.filter(|millis| *millis >= 0).map_or(text, instant::format)))
}

#[cfg(test)]
mod tests;
