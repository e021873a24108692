//! Answers to forms: variables, as players read them, or attributes of an XML document.
//!
//! Players fail on less than one would think, so this follows what they were seen to do. A `&` at either end makes
//! ActionScript 3 drop all of it; a line's end sticks to the last value; of `+` only the first becomes a
//! space. Hence every byte but letters and digits is escaped. Lists are numbered, `event0`, `event1`, with
//! their length in `count`, and cut at 4 KiB.

use super::crossdomain;
use crate::reply::{Told, respond};
use axum::body::Body;
use axum::http::{HeaderValue, Response};
use latchkey_protocol::result::{KeyState, Status};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt::Write;

/// Most bytes of an answer with a list, as a form.
pub(super) const MAX_LIST: usize = 4096;

/// What `count` and `next` may take of it.
const ROOM_FOR_COUNT: usize = 64;

/// Members of results that are lists. Whatever else is one, is JSON in a text.
const LISTS: [&str; 2] = ["items", "ids"];

/// A variable: its name before the number of its item and after it, and its text.
type Variable = (String, String, String);

/// An answer, flat.
#[derive(Debug, Default)]
struct Flat {
    named: Vec<Variable>,
    /// The list, if the result has one.
    items: Option<Vec<Vec<Variable>>>,
    /// The cursor behind it.
    next: Option<String>,
}

/// Writes variables.
pub(super) fn form(told: Told, origin: Option<HeaderValue>) -> Response<Body> {
    let version = told.version;
    let body = Flat::of(told).form();
    closed(respond(body, "application/x-www-form-urlencoded; charset=utf-8", version, origin))
}

/// Writes XML.
pub(super) fn xml(told: Told, origin: Option<HeaderValue>) -> Response<Body> {
    let version = told.version;
    let body = Flat::of(told).xml();
    closed(respond(body, "text/xml; charset=utf-8", version, origin))
}

/// No answer is a policy, whatever a page made us say in it.
fn closed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(crossdomain::HEADER, HeaderValue::from_static("none"));
    response
}

impl Flat {
    fn of(told: Told) -> Self {
        let object = told.object;
        let mut flat = Self::default();
        let status = match object.status {
            Status::Ok => "ok",
            Status::Error => "error",
        };
        flat.name("status", status);
        if let Some(error) = object.error {
            flat.name("code", error.code.as_str());
            flat.name("message", error.message);
            if let Some(field) = error.field {
                flat.name("field", field);
            }
            flat.name("retryable", error.retryable.to_string());
            if let Some(current) = error.current.and_then(|it| serde_json::to_value(it).ok()) {
                flat.extend("current", &current);
            }
        }
        if let Some(seconds) = told.retry_after {
            flat.name("retryafter", seconds.to_string());
        }
        if object.replayed {
            flat.name("replayed", "true");
        }
        if let Some(token) = object.token {
            flat.name("key", token);
        }
        if let Some(key) = object.key {
            let state = match key.state {
                KeyState::Current => "current",
                KeyState::Late => "late",
            };
            flat.name("keystate", state);
            flat.name("keyexpires", key.expires_at);
        }
        flat.name("servertime", object.server_time);
        flat.name("requestid", object.request_id);
        // What a function gives was written as JSON by us and can be read.
        let result = object.result.and_then(|json| serde_json::from_str(json.get()).ok());
        match result {
            Some(Value::Object(members)) => flat.result(members),
            Some(value) => flat.extend("result", &value),
            None => {}
        }
        flat.cut();
        flat
    }

    fn name(&mut self, name: &str, text: impl Into<String>) {
        self.named.push((name.to_owned(), String::new(), text.into()));
    }

    fn extend(&mut self, name: &str, value: &Value) {
        self.named.extend(flattened(name, value));
    }

    fn result(&mut self, members: Map<String, Value>) {
        for (name, value) in members {
            match value {
                Value::Array(items) if LISTS.contains(&&*name) => {
                    self.items = Some(items.iter().map(|item| listed(&name, item)).collect());
                }
                Value::String(next) if name == "next" => self.next = Some(next),
                value => self.extend(&name, &value),
            }
        }
    }

    /// Cuts the list where it would be too long. The cursor then is that of the last item that is left.
    fn cut(&mut self) {
        let Some(items) = &mut self.items else { return };
        let size = |at: usize, variables: &[Variable]| -> usize {
            variables.iter().map(|variable| encoded(at, variable).len() + 1).sum()
        };
        let mut room = MAX_LIST.saturating_sub(ROOM_FOR_COUNT + size(0, &self.named));
        let mut kept = 0;
        for at in 0..items.len() {
            let mut needed = size(at, &items[at]);
            if needed > room && at == 0 {
                // One that is too long by itself would stand in the way of all behind it.
                items[0].retain(|(name, _, _)| name != "data");
                items[0].push(("cut".into(), String::new(), "true".into()));
                needed = size(at, &items[at]);
            }
            if needed > room {
                break;
            }
            room -= needed;
            kept = at + 1;
        }
        if kept < items.len() {
            items.truncate(kept);
            let of_last = items.last().into_iter().flatten();
            self.next = of_last.filter(|(name, ..)| name == "id").map(|(.., id)| id.clone()).next();
        }
    }

    fn form(&self) -> String {
        let mut pairs: Vec<_> = self.named.iter().map(|variable| encoded("", variable)).collect();
        if let Some(items) = &self.items {
            pairs.push(format!("count={}", items.len()));
            for (at, item) in items.iter().enumerate() {
                pairs.extend(item.iter().map(|variable| encoded(at, variable)));
            }
        }
        pairs.extend(self.next.as_ref().map(|next| format!("next={}", escaped(next))));
        pairs.join("&")
    }

    fn xml(&self) -> String {
        let mut document = String::from("<latchkey");
        let mut named: Vec<&Variable> = self.named.iter().collect();
        let next = self.next.as_ref().map(|next| ("next".into(), String::new(), next.clone()));
        named.extend(&next);
        attributes(&mut document, named);
        let Some(items) = &self.items else { return document + "/>" };
        // Writing to a text cannot fail, here and below.
        let _ = write!(document, " count=\"{}\">", items.len());
        for item in items {
            document.push_str("<item");
            attributes(&mut document, item);
            document.push_str("/>");
        }
        document + "</latchkey>"
    }
}

/// The variables of a value: one, or one for each member of an object. What is nested deeper is JSON.
fn flattened(name: &str, value: &Value) -> Vec<Variable> {
    match value {
        Value::Object(members) => members
            .iter()
            .filter_map(|(member, value)| Some((name.into(), format!("_{member}"), text(value)?)))
            .collect(),
        value => text(value).map(|text| (name.into(), String::new(), text)).into_iter().collect(),
    }
}

fn listed(list: &str, item: &Value) -> Vec<Variable> {
    match item {
        Value::Object(members) => {
            members.iter().flat_map(|(name, value)| flattened(name, value)).collect()
        }
        value => flattened(list.trim_end_matches('s'), value),
    }
}

/// Nothing for `null`; whole numbers as movies write them, without a fraction.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.to_string();
            Some(text.strip_suffix(".0").map_or(text.clone(), str::to_owned))
        }
        value => Some(value.to_string()),
    }
}

fn escaped(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn encoded(at: impl std::fmt::Display, (head, tail, text): &Variable) -> String {
    format!("{}{at}{}={}", escaped(head), escaped(tail), escaped(text))
}

/// Names of members may hold what names of attributes may not, and no attribute stands twice.
fn attributes<'a>(document: &mut String, variables: impl IntoIterator<Item = &'a Variable>) {
    let mut known = HashSet::new();
    for (head, tail, text) in variables {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let name: String =
            format!("{head}{tail}").chars().map(|c| if fits(c) { c } else { '_' }).collect();
        if known.insert(name.clone()) {
            let _ = write!(document, " {name}=\"");
            text.chars().for_each(|c| character(document, c));
            document.push('"');
        }
    }
}

fn character(document: &mut String, c: char) {
    match c {
        '&' | '<' | '>' | '"' | '\'' | '\t' | '\n' | '\r' => {
            let _ = write!(document, "&#{};", u32::from(c));
        }
        // XML has no way to say these.
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => document.push('\u{fffd}'),
        c => document.push(c),
    }
}

#[cfg(test)]
mod tests;
