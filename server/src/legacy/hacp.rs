//! AICC content over HTTP (HACP): content that knows nothing but `aicc_sid`, its key, and `aicc_url`, this address.
//!
//! | command | what becomes of it |
//! |--|--|
//! | `GetParam` | the document `hacp` of the attempt, as groups of an INI file |
//! | `PutParam` | location, status, time and free text into that document; a score into a grade |
//! | `PutInteractions` | each row into an entry of the log |
//! | `ExitAU` | an entry of the log |
//!
//! Content cannot take up another key: it is launched with `rotation` off. It knows no ids either: a score that was
//! graded stays one grade until it or the status changes, and other commands that repeat themselves are known
//! by their content.

mod data;
mod lesson;

use super::Posted;
use super::fields::Fields;
use super::session::{Failed, Session, call, done, refusal};
use crate::call::{Asked, RawCall};
use crate::error::Refusal;
use crate::functions::storable_text;
use crate::gate::Arrival;
use crate::latchkey::Latchkey;
use crate::reply::{Told, respond};
use crate::router::Shared;
use crate::store::{Entity, Found, Kind, Lookup};
use crate::version::Version;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::Mode;
use latchkey_protocol::payload::{MAX_CALLS, MAX_ENTRIES};
use latchkey_protocol::result::ErrorBody;
use lesson::{Holder, Put};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The end of each answer that tells nothing.
const VERSION: &str = "version=4.0\r\n";

/// What is asked, in whatever case it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    GetParam,
    PutParam,
    PutInteractions,
    ExitAu,
}

/// Any command.
pub(crate) async fn post(
    State(latchkey): Shared,
    arrival: Arrival,
    request: Request,
) -> Response<Body> {
    let answered = async |server: Arc<Latchkey>, posted| answer(&server, posted).await;
    match done(latchkey, arrival, request, answered).await {
        (origin, Ok(data)) => page(&format!("error=0\r\nerror_text=Successful\r\n{data}"), origin),
        (origin, Err(refusal)) => page(&failure(&refusal), origin),
    }
}

/// A method that the address does not take.
pub(crate) async fn wrong_method(State(latchkey): Shared, headers: HeaderMap) -> Response<Body> {
    let failed = Failed::from(ErrorCode::MethodNotAllowed);
    page(&failure(&failed.body(&latchkey)), headers.get(header::ORIGIN).cloned())
}

/// Writes a refusal.
pub(crate) fn written(told: Told, origin: Option<HeaderValue>) -> Response<Body> {
    page(&failure(&refusal(told)), origin)
}

/// The numbers are those of AICC; 4 is ours, for what is refused in a session that is good.
fn failure(body: &ErrorBody) -> String {
    let (number, words) = match body.code {
        ErrorCode::UnknownFunction => (1, "Invalid Command"),
        ErrorCode::KeyMissing
        | ErrorCode::KeyInvalid
        | ErrorCode::KeyRenew
        | ErrorCode::KeyLocked => (3, "Invalid Session ID"),
        _ => (4, "Not Accepted"),
    };
    let code = body.code.as_str();
    let field = body.field.as_deref().map(|field| format!(" {field}")).unwrap_or_default();
    let message = &body.message;
    format!("error={number}\r\nerror_text={words}: {code}{field}: {message}\r\nversion=4.0\r\n")
}

fn page(text: &str, origin: Option<HeaderValue>) -> Response<Body> {
    respond(text.to_owned(), "text/plain; charset=utf-8", Version::NEWEST, origin)
}

async fn answer(latchkey: &Latchkey, posted: Posted) -> Result<String, Failed> {
    posted.check_type()?;
    let fields = Fields::of_form(&posted.body)?.ignoring_case();
    let mut keys = fields.all("session_id")?;
    keys.extend(posted.keys_in_address("session_id")?);
    // Some content encodes what was encoded in its address.
    for key in keys.iter_mut().filter(|key| key.contains('%')) {
        *key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
    }
    let command = command(&fields.text("command")?.unwrap_or_default());
    let data = fields.text("aicc_data")?.unwrap_or_default();
    let request = posted.arrived.legacy(keys, None, Asked::Batch(Vec::new()))?;
    let mut session = Session::of(latchkey, request);
    match command {
        Some(Command::GetParam) => {
            let (_, kept) = session.kept(latchkey, lesson::NAME).await?;
            let holder = holder(latchkey, &session).await?;
            Ok(format!("version=4.0\r\naicc_data={}", lesson::get(&kept, &holder)))
        }
        Some(Command::PutParam) => {
            put(latchkey, &mut session, &data).await?;
            Ok(VERSION.to_owned())
        }
        Some(Command::PutInteractions) => {
            let calls =
                match storable_text("aicc_data", &data).and_then(|()| data::interactions(&data)) {
                    Ok(rows) => entries(rows)?,
                    Err(why) => vec![RawCall::unread("log", why)],
                };
            session.ask(latchkey, calls).await?;
            Ok(VERSION.to_owned())
        }
        Some(Command::ExitAu) => {
            let entry = json!({"event": "lesson.exited"});
            let call = call("log", json!({ "entries": [entry] })).known_by_content();
            session.ask(latchkey, vec![call]).await?;
            Ok(VERSION.to_owned())
        }
        None => {
            // Whether the key is good comes before what it asks.
            session.ask(latchkey, Vec::new()).await?;
            Err(ErrorCode::UnknownFunction.into())
        }
    }
}

/// The grade first, then the document that says it is graded. A score that is refused keeps nothing else from being
/// kept.
async fn put(latchkey: &Latchkey, session: &mut Session, data: &str) -> Result<(), Failed> {
    let (_, kept) = session.kept(latchkey, lesson::NAME).await?;
    storable_text("aicc_data", data)?;
    let Put { grade, graded, mut document } = lesson::put(data, &kept, &session.name())?;
    let mut refused = None;
    if let Some(grade) = grade {
        match session.ask(latchkey, vec![grade]).await {
            Ok(_) => drop(document.insert("graded".to_owned(), graded)),
            Err(failed) => {
                document.remove("score");
                refused = Some(failed);
            }
        }
    }
    let patch = json!({"op": "patch", "name": lesson::NAME, "value": document});
    session.ask(latchkey, vec![call("state", patch)]).await?;
    refused.map_or(Ok(()), Err)
}

/// Whose lesson it is. The key has been found good.
async fn holder(latchkey: &Latchkey, session: &Session) -> Result<Holder, Refusal> {
    let id = session.key.ok_or(ErrorCode::KeyInvalid)?;
    let owner = latchkey.store.owner(id).await?.ok_or(ErrorCode::KeyRenew)?;
    let key = latchkey.store.held_key(&owner.host, id).await?;
    let found = latchkey.store.find(&owner.host, Kind::Users, Lookup::Id(owner.user.clone()));
    let name = match found.await? {
        Found::One(Entity::User { name, .. }) => name,
        _ => None,
    };
    let mode = key.map_or(Mode::Normal, |key| key.grant.mode);
    Ok(Holder { id: owner.user, name, mode })
}

fn command(text: &str) -> Option<Command> {
    match &*text.trim().to_ascii_lowercase() {
        "getparam" => Some(Command::GetParam),
        "putparam" => Some(Command::PutParam),
        "putinteractions" => Some(Command::PutInteractions),
        "exitau" => Some(Command::ExitAu),
        _ => None,
    }
}

/// Calls of `log`, of as many entries as one takes.
fn entries(rows: Vec<Map<String, Value>>) -> Result<Vec<RawCall>, Refusal> {
    if rows.len() > MAX_CALLS * MAX_ENTRIES {
        return Err(Refusal::field(ErrorCode::TooMany, "aicc_data"));
    }
    let entry = |row: &Map<String, Value>| json!({"event": "interaction", "data": row});
    let calls = rows.chunks(MAX_ENTRIES).map(|rows| {
        let entries: Vec<_> = rows.iter().map(entry).collect();
        call("log", json!({ "entries": entries })).known_by_content()
    });
    Ok(calls.collect())
}
