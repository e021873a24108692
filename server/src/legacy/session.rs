//! Content that one request of its own is not enough for: what is kept is read before it is written.

use super::{Posted, read};
use crate::call::{Asked, KeyRequest, RawCall};
use crate::error::Refusal;
use crate::gate::Arrival;
use crate::latchkey::Latchkey;
use crate::reply::{Json, Reply, Told};
use crate::store::StateSeen;
use crate::unload::to_the_end;
use axum::extract::Request;
use axum::http::HeaderValue;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{BatchResult, CallStatus, StateResult};
use latchkey_protocol::result::ErrorBody;
use latchkey_protocol::token::KeyId;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Why there is no answer of the kind that was asked for.
#[derive(Debug)]
pub(super) enum Failed {
    /// Refused before a call was made of it.
    Refused(Refusal),
    /// Refused as a whole: told, and logged already.
    Told(Box<Told>),
    /// One of its calls was refused.
    Call(ErrorBody),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ErrorCode> for Failed {
    fn from(code: ErrorCode) -> Self {
        Self::Refused(code.into())
    }
}

impl Failed {
    /// The refusal as it is told; logged, if it has not been.
    pub(super) fn body(self, latchkey: &Latchkey) -> ErrorBody {
        match self {
            Self::Call(body) => body,
            Self::Told(told) => refusal(*told),
            Self::Refused(why) => refusal(latchkey.tell(Reply::refused(why))),
        }
    }
}

/// The refusal that is told.
pub(super) fn refusal(told: Told) -> ErrorBody {
    told.object.error.unwrap_or_else(|| ErrorBody::new(ErrorCode::Internal, None))
}

/// Reads a request and does what it asks, to the end even if nobody waits any more: the page's origin to answer to,
/// and what came of it.
pub(super) async fn done<T, F>(
    latchkey: Arc<Latchkey>,
    arrival: Arrival,
    request: Request,
    work: impl FnOnce(Arc<Latchkey>, Posted) -> F,
) -> (Option<HeaderValue>, Result<T, ErrorBody>)
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failed>> + Send + 'static,
{
    let (origin, posted) = read(&latchkey, arrival, request).await;
    let outcome = match posted {
        Ok(posted) => to_the_end(work(Arc::clone(&latchkey), posted)).await,
        Err(refusal) => Err(refusal.into()),
    };
    (origin, outcome.map_err(|failed| failed.body(&latchkey)))
}

/// A call of content that knows no ids.
pub(super) fn call(function: &str, args: Value) -> RawCall {
    let args = match args {
        Value::Object(args) => args,
        _ => Map::new(),
    };
    RawCall::new(None, function, args)
}

/// One request of content, and the further ones that it takes.
pub(super) struct Session {
    template: KeyRequest,
    /// The key; `None` if its text is none, which the first request tells.
    pub(super) key: Option<KeyId>,
    /// The renewed token of the newest answer, if it has one.
    pub(super) token: Option<String>,
}

impl Session {
    pub(super) fn of(latchkey: &Latchkey, request: KeyRequest) -> Self {
        let key = latchkey.key_of(&request.token);
        Self { template: request, key, token: None }
    }

    /// Tells launches apart.
    pub(super) fn name(&self) -> String {
        self.key.map(|key| key.to_string()).unwrap_or_default()
    }

    /// Asks; the results of all calls, or why one of them was not done.
    pub(super) async fn ask(
        &mut self,
        latchkey: &Latchkey,
        calls: Vec<RawCall>,
    ) -> Result<Vec<Json>, Failed> {
        self.results(latchkey, Asked::Batch(calls)).await
    }

    /// The same of calls that are made up from a document: each is done only if all before it are.
    pub(super) async fn ask_in_turn(
        &mut self,
        latchkey: &Latchkey,
        seen: StateSeen,
        calls: Vec<RawCall>,
    ) -> Result<Vec<Json>, Failed> {
        self.results(latchkey, Asked::InTurn(seen, calls)).await
    }

    async fn results(&mut self, latchkey: &Latchkey, asked: Asked) -> Result<Vec<Json>, Failed> {
        let reply = latchkey.answer(self.template.with(asked)).await;
        let mut told = latchkey.tell(reply);
        self.token = told.object.token.take().or(self.token.take());
        let Some(result) = told.object.result.take() else {
            return Err(Failed::Told(Box::new(told)));
        };
        self.template.follows = true;
        let batch = serde_json::from_str::<BatchResult<Json>>(result.get())
            .map_err(|error| Refusal::new(ErrorCode::Internal).because(error))?;
        let mut results = Vec::with_capacity(batch.calls.len());
        for call in batch.calls {
            match (call.status, call.result, call.error) {
                (CallStatus::Ok, Some(result), _) => results.push(result),
                (_, _, Some(error)) => return Err(Failed::Call(error)),
                _ => return Err(ErrorCode::Internal.into()),
            }
        }
        Ok(results)
    }

    /// A document of the attempt, and its version.
    pub(super) async fn kept(
        &mut self,
        latchkey: &Latchkey,
        name: &str,
    ) -> Result<(u64, Value), Failed> {
        let results = self.ask(latchkey, vec![call("state", json!({"op": "get", "name": name}))]);
        let results = results.await?;
        let read = results.first().map(|result| serde_json::from_str::<StateResult>(result.get()));
        match read {
            Some(Ok(state)) => Ok((state.version, state.value)),
            _ => Err(Refusal::new(ErrorCode::Internal).because("a state cannot be read").into()),
        }
    }
}
