//! What came back, as far as it is a result object. Members that we do not know are passed over, a code that we
//! do not know is judged by its status and `retryable`.

use super::json::Json;
use crate::error::Refusal;

/// The answer to a batch.
pub(super) struct Answer<'a> {
    pub(super) body: Body<'a>,
    /// The renewed token.
    pub(super) token: Option<String>,
    /// The token was superseded.
    pub(super) late: bool,
    pub(super) server_time: Option<String>,
}

/// Whether the request as a whole was done.
pub(super) enum Body<'a> {
    Done(Vec<Outcome<'a>>),
    Refused(Refusal),
}

/// What became of one call.
pub(super) struct Outcome<'a> {
    pub(super) id: Option<String>,
    pub(super) fate: Fate<'a>,
}

pub(super) enum Fate<'a> {
    Done(Json<'a>),
    Refused(Refusal),
    /// Not looked at, or refused for now.
    Open,
}

/// Reads a result object; anything else is no answer.
pub(super) fn read(text: &str) -> Option<Answer<'_>> {
    let object = Json::parse(text)?;
    let body = if is(object, "status", "ok") {
        let calls = object.member("result")?.member("calls")?.items()?;
        Body::Done(calls.into_iter().map(outcome).collect())
    } else {
        Body::Refused(refusal(object)?)
    };
    let member = |name| object.member(name);
    Some(Answer {
        body,
        token: member("token").and_then(Json::text),
        late: member("key").is_some_and(|key| is(key, "state", "late")),
        server_time: member("server_time").and_then(Json::text),
    })
}

fn is(object: Json<'_>, name: &str, text: &str) -> bool {
    object.member(name).and_then(Json::text).as_deref() == Some(text)
}

fn outcome(call: Json<'_>) -> Outcome<'_> {
    let done = is(call, "status", "ok").then(|| call.member("result")).flatten();
    let failed = || is(call, "status", "failed").then(|| refusal(call)).flatten();
    let fate = match done {
        Some(result) => Fate::Done(result),
        None => match failed() {
            Some(refusal) if !refusal.retryable => Fate::Refused(refusal),
            _ => Fate::Open,
        },
    };
    Outcome { id: call.member("id").and_then(Json::text), fate }
}

fn refusal(object: Json<'_>) -> Option<Refusal> {
    let error = object.member("error")?;
    let text = |name| error.member(name).and_then(Json::text);
    Some(Refusal {
        code: text("code").filter(|code| !code.is_empty())?,
        message: text("message").unwrap_or_default(),
        field: text("field"),
        retryable: error.member("retryable").is_some_and(|given| given.raw() == "true"),
        body: error.raw().to_owned(),
    })
}

/// The server's own ids in the result of a `log`.
pub(super) fn entry_ids(result: Json<'_>) -> Option<Vec<&str>> {
    Some(result.member("ids")?.items()?.into_iter().map(Json::raw).collect())
}

/// The launch token in the answer of a renewal address.
pub(super) fn renewed(text: &str) -> Option<String> {
    Json::parse(text)?.member("token")?.text()
}
