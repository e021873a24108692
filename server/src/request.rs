//! From bytes on the wire to what is asked of a key.

use crate::call::{Asked, KeyRequest, RawCall};
use crate::error::Refusal;
use crate::gate::Arrival;
use crate::instant;
use crate::json;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{BatchCall, MAX_CALLS};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

/// A request read in full, and where it comes from.
pub(crate) struct Arrived {
    pub(crate) headers: HeaderMap,
    /// What the gate knows of it.
    pub(crate) arrival: Arrival,
}

/// Reads a body, up to `limit` bytes and for at most `deadline`.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Refusal> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared.and_then(|length| length.parse::<u64>().ok()) > Some(limit as u64) {
        return Err(ErrorCode::BodyTooLarge.into());
    }
    match tokio::time::timeout(deadline, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ErrorCode::BodyTooLarge.into()),
        // The connection broke: nobody is left to be told, but somebody must be.
        Ok(Err(_)) => Err(Refusal::new(ErrorCode::SlowSender).because("the body broke off")),
        Err(_) => Err(ErrorCode::SlowSender.into()),
    }
}

impl Arrived {
    /// One call of `function`, from a JSON body.
    pub(crate) fn one(self, function: &str, body: &Bytes) -> Result<KeyRequest, Refusal> {
        let mut args = object(&self.headers, body)?;
        let reserved = Reserved::take(&mut args)?;
        let id = self.id(take_text(&mut args, "id")?)?;
        let call = RawCall::new(id, function, args);
        self.request(reserved, Asked::One(call))
    }

    /// Several calls, from a JSON body.
    pub(crate) fn batch(self, body: &Bytes) -> Result<KeyRequest, Refusal> {
        let mut members = object(&self.headers, body)?;
        let reserved = Reserved::take(&mut members)?;
        let calls = members
            .remove("calls")
            .ok_or_else(|| Refusal::field(ErrorCode::MissingField, "calls"))?;
        if let Some(name) = members.keys().next() {
            let plain =
                name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let name = if plain { name.clone() } else { "?".to_owned() };
            return Err(Refusal::field(ErrorCode::UnknownField, name));
        }
        let Value::Array(calls) = calls else {
            return Err(Refusal::field(ErrorCode::WrongType, "calls"));
        };
        if calls.len() > MAX_CALLS {
            return Err(Refusal::field(ErrorCode::TooMany, "calls"));
        }
        let calls = calls.into_iter().enumerate().map(|(at, call)| raw_call(at, call));
        let calls = calls.collect::<Result<_, _>>()?;
        self.request(reserved, Asked::Batch(calls))
    }

    /// `recent` by an address alone.
    pub(crate) fn recent(self, query: &str) -> Result<KeyRequest, Refusal> {
        let args = query_args(query)?;
        let call = RawCall::new(None, "recent", args);
        self.request(Reserved::default(), Asked::One(call))
    }

    /// One entry by its address.
    pub(crate) fn entry(self, id: String) -> Result<KeyRequest, Refusal> {
        self.request(Reserved::default(), Asked::Entry(id))
    }

    /// `Origin`, if it is a text; one that is none is nobody's.
    fn origin(headers: &HeaderMap) -> Option<&str> {
        headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("?"))
    }

    /// The page's origin. Browsers leave it out of a GET to the page's own site, but say that it is one.
    fn page_origin(&self) -> Option<&str> {
        let same = || self.headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        Self::origin(&self.headers).or_else(|| same().then_some(&*self.arrival.in_force.public_url))
    }

    /// What a request of an older wire asks, with the keys that it carries beside the header: the same one
    /// as often as it likes.
    pub(crate) fn legacy(
        self,
        keys: Vec<String>,
        sent: Option<Millis>,
        asked: Asked,
    ) -> Result<KeyRequest, Refusal> {
        let token = one_key(keys)?;
        self.request(Reserved { token, sent }, asked)
    }

    fn request(self, reserved: Reserved, asked: Asked) -> Result<KeyRequest, Refusal> {
        let token = self.token(reserved.token)?;
        let origin = self.page_origin().map(str::to_owned);
        let Arrival { in_force, client, version } = self.arrival;
        let sent = reserved.sent;
        let address = client.address;
        Ok(KeyRequest { token, origin, address, in_force, version, sent, follows: false, asked })
    }

    /// The key, from the header or the body. Cookies are never looked at.
    fn token(&self, in_body: Option<String>) -> Result<String, Refusal> {
        let mut found = in_body;
        for value in self.headers.get_all(header::AUTHORIZATION) {
            let bearer = value.to_str().ok().and_then(|text| {
                let (scheme, token) = text.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
            });
            let token = bearer.ok_or(ErrorCode::KeyMissing)?;
            match &found {
                Some(other) if other != token => return Err(ErrorCode::TwoTokens.into()),
                Some(_) => {}
                None => found = Some(token.to_owned()),
            }
        }
        found.filter(|token| !token.is_empty()).ok_or_else(|| ErrorCode::KeyMissing.into())
    }

    /// The id, from the header or the body; two that differ name no operation.
    pub(crate) fn id(&self, in_body: Option<String>) -> Result<Option<String>, Refusal> {
        let Some(value) = self.headers.get("idempotency-key") else { return Ok(in_body) };
        let wrong = || Refusal::field(ErrorCode::OutOfRange, "id");
        let id = value.to_str().map_err(|_| wrong())?;
        match in_body {
            Some(other) if other != id => Err(wrong()),
            _ => Ok(Some(id.to_owned())),
        }
    }
}

/// The one key among those a request carries.
fn one_key(keys: Vec<String>) -> Result<Option<String>, Refusal> {
    let mut keys = keys.into_iter().filter(|key| !key.is_empty());
    let first = keys.next();
    match first {
        Some(ref key) if keys.any(|other| other != *key) => Err(ErrorCode::TwoTokens.into()),
        first => Ok(first),
    }
}

/// Members of every body that are not the function's.
#[derive(Default)]
struct Reserved {
    token: Option<String>,
    sent: Option<Millis>,
}

impl Reserved {
    fn take(members: &mut Map<String, Value>) -> Result<Self, Refusal> {
        let token = take_text(members, "token")?;
        let sent = match take_text(members, "sent")? {
            None => None,
            Some(text) => match instant::parse(&text) {
                Some(sent) => Some(sent),
                None => return Err(Refusal::field(ErrorCode::WrongType, "sent")),
            },
        };
        Ok(Self { token, sent })
    }
}

fn take_text(
    members: &mut Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, Refusal> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::field(ErrorCode::WrongType, name)),
    }
}

/// The object in a JSON body.
pub(crate) fn object(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
    // text/plain is what a beacon can send across origins without a preflight.
    let readable = kind.is_some_and(|kind| {
        kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("text/plain")
    });
    if !readable {
        return Err(ErrorCode::UnsupportedMediaType.into());
    }
    json::object(body).map_err(|error| {
        Refusal::new(ErrorCode::BadJson).because(format!("column {}", error.column()))
    })
}

fn raw_call(at: usize, call: Value) -> Result<RawCall, Refusal> {
    let wrong = || Refusal::field(ErrorCode::WrongType, format!("calls[{at}]"));
    if !call.is_object() {
        return Err(wrong());
    }
    // Named whole: the members of a call are few, and its input is checked by its function.
    let call = BatchCall::deserialize(call).map_err(|_| wrong())?;
    Ok(RawCall::new(call.id, call.function, call.args))
}

fn query_args(query: &str) -> Result<Map<String, Value>, Refusal> {
    let mut args = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // Names, numbers and cursors need no escape; a comma is often written as one.
        let value = value.replace("%2C", ",").replace("%2c", ",");
        if value.contains(['%', '+']) {
            return Err(ErrorCode::BadQuery.into());
        }
        let value = match name {
            "limit" => value
                .parse::<u32>()
                .map(Value::from)
                .map_err(|_| Refusal::field(ErrorCode::WrongType, "limit"))?,
            "kinds" => value.split(',').map(Value::from).collect(),
            _ => Value::from(value),
        };
        if args.insert(name.to_owned(), value).is_some() {
            return Err(ErrorCode::BadQuery.into());
        }
    }
    Ok(args)
}
