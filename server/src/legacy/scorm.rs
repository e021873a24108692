//! SCORM runtimes that commit by themselves: JSON, or JSON by the full names of elements, whole each time.
//!
//! A runtime numbers its commits, and its last one may be a beacon: `text/plain`, with the key in the body or, where
//! the operator allows it, in the address. A commit whose number is not above the last one's is late or a repeat: it has
//! been overtaken, and is answered like the one that overtook it.

mod commit;

use super::Posted;
use super::session::{Failed, Session, call, done, refusal};
use crate::call::{Asked, RawCall};
use crate::error::Refusal;
use crate::gate::Arrival;
use crate::latchkey::Latchkey;
use crate::reply::{Told, respond};
use crate::request;
use crate::router::Shared;
use crate::store::StateSeen;
use crate::version::Version;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use commit::Commit;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::MAX_ENTRIES;
use latchkey_protocol::result::ErrorBody;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What a runtime hands to content as the reason: a general failure, in SCORM 1.2 and 2004.
const GENERAL_FAILURE: u32 = 101;
/// How often a commit that was overtaken in the middle looks again.
const TRIES: u32 = 5;
/// The number of a runtime's first commit.
const FIRST: u64 = 1;
/// Launches whose last number is remembered.
const LAUNCHES: usize = 16;

/// One commit.
pub(crate) async fn post(
    State(latchkey): Shared,
    arrival: Arrival,
    request: Request,
) -> Response<Body> {
    let committed = async |server: Arc<Latchkey>, posted| commit(&server, posted).await;
    match done(latchkey, arrival, request, committed).await {
        (origin, Ok(token)) => {
            let mut done = json!({"result": true, "errorCode": 0});
            if let Some(token) = token {
                done["token"] = token.into();
            }
            page(&done, StatusCode::OK, origin)
        }
        (origin, Err(refusal)) => refuse(refusal, origin),
    }
}

/// A method that the address does not take.
pub(crate) async fn wrong_method(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    let failed = Failed::from(ErrorCode::MethodNotAllowed);
    refuse(failed.body(&latchkey), headers.get(header::ORIGIN).cloned())
}

/// Writes a refusal.
pub(crate) fn written(told: Told, origin: Option<HeaderValue>) -> Response<Body> {
    refuse(refusal(told), origin)
}

fn refuse(error: ErrorBody, origin: Option<HeaderValue>) -> Response<Body> {
    let status = StatusCode::from_u16(error.code.status());
    let told = json!({"result": false, "errorCode": GENERAL_FAILURE, "error": error});
    page(&told, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), origin)
}

fn page(told: &Value, status: StatusCode, origin: Option<HeaderValue>) -> Response<Body> {
    let mut page = respond(told.to_string(), "application/json", Version::NEWEST, origin);
    *page.status_mut() = status;
    page
}

/// The renewed token, if the presenter is entitled to one.
async fn commit(latchkey: &Latchkey, posted: Posted) -> Result<Option<String>, Failed> {
    let mut body = request::object(&posted.arrived.headers, &posted.body)?;
    let mut keys = posted.keys_in_address("key")?;
    for name in ["key", "token"] {
        match body.remove(name) {
            None => {}
            Some(Value::String(key)) => keys.push(key),
            Some(_) => return Err(Refusal::field(ErrorCode::WrongType, name).into()),
        }
    }
    let request = posted.arrived.legacy(keys, None, Asked::Batch(Vec::new()))?;
    let mut session = Session::of(latchkey, request);
    // Read before it is looked at, so that what is wrong with it is told to a good key only.
    let mut kept = session.kept(latchkey, commit::NAME).await?;
    let commit = Commit::read(body)?;
    for _ in 0..TRIES {
        if overtaken(&commit, &kept.1["sequences"][session.name()]) {
            return Ok(session.token);
        }
        match write(latchkey, &mut session, &commit, &kept).await {
            Err(Failed::Call(error)) if error.code == ErrorCode::VersionConflict => {
                kept = session.kept(latchkey, commit::NAME).await?;
            }
            Err(failed) => return Err(failed),
            Ok(()) => return Ok(session.token),
        }
    }
    Err(ErrorCode::Busy.into())
}

/// Grade, log and document in one, and only if no other commit was done since the document was read: of two at the same
/// time the later one's grade is the last.
async fn write(
    latchkey: &Latchkey,
    session: &mut Session,
    commit: &Commit,
    (version, kept): &(u64, Value),
) -> Result<(), Failed> {
    let name = session.name();
    let grade = commit.grade();
    let told = grade.as_ref().ok().and_then(Option::as_ref);
    let mut graded = json!([name, told]);
    let mut calls = Vec::new();
    if told.is_none() {
        // Nothing to grade, or nothing that can be: what was graded stays.
        graded = kept["graded"].clone();
    } else if kept["graded"] != graded {
        let args = told.cloned().unwrap_or_default();
        calls.push(match commit.sequence {
            Some(sequence) => {
                let id = format!("scorm-{name}-{sequence}-{}", commit.mark());
                RawCall::new(Some(id), "grade", args)
            }
            None => RawCall::new(None, "grade", args).known_by_content(),
        });
    }
    let entries = commit.entries(&name);
    let log = |entries| call("log", json!({ "entries": entries }));
    calls.extend(entries.chunks(MAX_ENTRIES).map(log));
    let value = commit.document(graded, sequences(kept, &name, commit));
    calls.push(call("state", json!({"op": "put", "name": commit::NAME, "value": value})));
    let seen = StateSeen { name: commit::NAME.to_owned(), version: *version };
    session.ask_in_turn(latchkey, seen, calls).await?;
    // A score that is none keeps nothing else from being kept.
    grade.map(drop).map_err(Failed::from)
}

/// Whether a later commit of the launch has been done, or this one. The second package of a launch counts from one
/// again: its first commit is another than the first one that there was.
fn overtaken(commit: &Commit, launch: &Value) -> bool {
    let (Some(sequence), Some(last)) = (commit.sequence, launch["last"].as_u64()) else {
        return false;
    };
    let begins = sequence == FIRST && launch["first"] != commit.mark();
    sequence <= last && !begins
}

/// The last number of each launch, with this commit's.
fn sequences(kept: &Value, name: &str, commit: &Commit) -> Value {
    let mut all = match &kept["sequences"] {
        Value::Object(all) if all.len() < LAUNCHES => all.clone(),
        _ => Map::new(),
    };
    if let Some(sequence) = commit.sequence {
        let first = match sequence {
            FIRST => json!(commit.mark()),
            _ => kept["sequences"][name]["first"].clone(),
        };
        all.insert(name.to_owned(), json!({ "last": sequence, "first": first }));
    }
    Value::Object(all)
}
