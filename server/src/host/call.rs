//! The verified call of a host. See [`HostCall`].

use super::body::HostBody;
use super::signature::{self, Credential};
use crate::error::Refusal;
use crate::functions;
use crate::gate::Arrival;
use crate::in_force::InForce;
use crate::json;
use crate::latchkey::Latchkey;
use crate::policy::Client;
use crate::reply::{Json, Reply};
use crate::unload::to_the_end;
use crate::version::Version;
use axum::body::Body;
use axum::extract::{FromRequestParts, OriginalUri, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, header};
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use serde::Deserialize;
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tracing::Instrument;

/// What a handler gives back: its result as JSON, or why not.
pub(crate) type HostResult = Result<Json, Refusal>;

/// A request of a host whose signature is good, that came in time, and for the first time.
///
/// Nobody else can make one: a handler that has it may do what that host may, within that host's data,
/// and a handler without it has nothing to ask the store with. In the router:
///
/// ```ignore
/// .route("/host/v1/grades", hosts(get(by_host(grades::list)).post(by_host(grades::set))))
/// ```
///
/// and the handler:
///
/// ```ignore
/// pub(crate) async fn list(call: HostCall) -> HostResult {
///     let query = call.query(&["since", "limit"])?;          // any other name is refused
///     let limit = query.number("limit", 1..=1000)?.unwrap_or(100);
///     let page = call.store().grades(&call.host, query.text("since"), limit, call.now).await?;
///     call.done(&page)
/// }
/// ```
///
/// `call.json::<T>()` reads a body with the path of a member at fault in its refusal, `call.param("id")` a
/// part of the address, and `call.url(&["grades", id])` writes the address of an entity.
pub(crate) struct HostCall {
    /// Host id.
    pub(crate) host: String,
    /// The server's clock when the request came.
    pub(crate) now: Millis,
    /// What was sent.
    pub(crate) body: HostBody,
    headers: HeaderMap,
    params: Vec<(String, String)>,
    query: String,
    in_force: Arc<InForce>,
    latchkey: Arc<Latchkey>,
}

impl HostCall {
    /// The server's state.
    pub(crate) fn latchkey(&self) -> &Arc<Latchkey> {
        &self.latchkey
    }

    /// The settings by which it is answered.
    pub(crate) fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// What is stored. Everything there is found by host first: give it [`HostCall::host`].
    pub(crate) fn store(&self) -> &dyn crate::store::Store {
        self.latchkey.store().as_ref()
    }

    /// A part of the address, by its name in the router.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], if the address has no such part; [`ErrorCode::InvalidInput`], if it holds U+0000.
    pub(crate) fn param(&self, name: &str) -> Result<&str, Refusal> {
        let found = self.params.iter().find(|(known, _)| known == name);
        let value = found.map(|(_, value)| value.as_str()).ok_or(ErrorCode::NotFound)?;
        functions::storable_text(name, value)?;
        Ok(value)
    }

    /// The query, of these names only, each at most once.
    ///
    /// # Errors
    /// [`ErrorCode::BadQuery`], or [`ErrorCode::InvalidInput`] for a value that holds U+0000.
    pub(crate) fn query(&self, names: &[&str]) -> Result<Query, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            if !names.contains(&&*name) || pairs.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::field(ErrorCode::BadQuery, functions::presentable(&name)));
            }
            functions::storable_text(&name, &value)?;
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(pairs))
    }

    /// The body: one JSON object, in which each member stands once and none is unknown.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedMediaType`], [`ErrorCode::BadJson`], or what is wrong with a member.
    pub(crate) fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Refusal> {
        if !self.is_of("application/json") {
            return Err(ErrorCode::UnsupportedMediaType.into());
        }
        let members = json::object(&self.body.bytes).map_err(bad_json)?;
        functions::storable(&members)?;
        functions::decode(&members)
    }

    /// Whether the body is of that type.
    pub(crate) fn is_of(&self, kind: &str) -> bool {
        let given = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let given = given.and_then(|given| given.split(';').next());
        given.is_some_and(|given| given.trim().eq_ignore_ascii_case(kind))
    }

    /// The address of an entity: `["users", "u1"]`. Ids may hold anything, so they are escaped.
    pub(crate) fn url(&self, parts: &[&str]) -> String {
        let mut url = format!("{}/host/v1", self.in_force.public_url);
        for part in parts {
            url.push('/');
            url.extend(percent_encoding::utf8_percent_encode(part, super::IN_PATH));
        }
        url
    }

    /// The result.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`], if it cannot be written as JSON.
    pub(crate) fn done(&self, result: &impl Serialize) -> HostResult {
        serde_json::value::to_raw_value(result)
            .map_err(|error| Refusal::new(ErrorCode::Internal).because(error))
    }
}

/// A body that is no JSON; where, and not what.
pub(crate) fn bad_json(error: serde_json::Error) -> Refusal {
    let place = format!("line {}, column {}", error.line(), error.column());
    Refusal::new(ErrorCode::BadJson).because(place)
}

/// A query whose names are all known.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The value of that name, if it is there.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The whole number of that name, if it is there.
    ///
    /// # Errors
    /// [`ErrorCode::WrongType`] or [`ErrorCode::OutOfRange`].
    pub(crate) fn number(
        &self,
        name: &'static str,
        limits: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| Refusal::field(ErrorCode::WrongType, name))?;
        if limits.contains(&number) {
            Ok(Some(number))
        } else {
            Err(Refusal::field(ErrorCode::OutOfRange, name))
        }
    }
}

/// Bodies from this size on take milliseconds to read, and longer.
const LARGE: usize = 256 * 1024;

/// What takes long without waiting for anything has a thread of its own: others are answered meanwhile. It is done to
/// its end, whoever waits.
async fn apart(work: impl Future<Output = HostResult> + Send + 'static) -> HostResult {
    let (runtime, work) = (Handle::current(), work.in_current_span());
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.map_err(|error| Refusal::new(ErrorCode::Internal).because(error))?
}

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// An address for hosts: verifies the request, does what `work` says to its end, and answers.
pub(crate) fn by_host<F, W>(
    work: F,
) -> impl Fn(State<Arc<Latchkey>>, Request) -> Answer + Clone + Send + Sync + 'static
where
    F: Fn(HostCall) -> W + Clone + Send + Sync + 'static,
    W: Future<Output = HostResult> + Send + 'static,
{
    move |State(latchkey), request| {
        let work = work.clone();
        Box::pin(async move {
            let (now, mut version) = (latchkey.now(), None);
            let outcome = match verify(Arc::clone(&latchkey), request, now, &mut version).await {
                Ok(call) if call.body.bytes.len() >= LARGE => apart(work(call)).await,
                Ok(call) => to_the_end(work(call)).await,
                Err(refusal) => Err(refusal),
            };
            let reply = match outcome {
                Ok(result) => Reply::done(result, false),
                Err(refusal) => Reply::refused(refusal),
            };
            // No page has any business here: no origin is let in.
            latchkey.tell(reply.in_version(version)).json(None)
        })
    }
}

async fn verify(
    latchkey: Arc<Latchkey>,
    request: Request,
    now: Millis,
    version: &mut Option<Version>,
) -> Result<HostCall, Refusal> {
    let (mut parts, body) = request.into_parts();
    let arrival = parts.extensions.remove::<Arrival>();
    let arrival = arrival.ok_or_else(|| Refusal::new(ErrorCode::Internal).because("no gate"))?;
    *version = arrival.version;
    let authorization = authorization(&parts.headers)?.to_owned();
    let (host, body) = match Credential::parse(&authorization) {
        Some(credential) => {
            if !credential.is_timely(now) {
                return Err(ErrorCode::HostClock.into());
            }
            let body = read(&latchkey, &parts.headers, body).await?;
            signed(&latchkey, &arrival, &parts, &credential, &body, now).await?;
            (credential.host.to_owned(), body)
        }
        None => {
            let host = unsigned(&arrival, &authorization)?.to_owned();
            limit(&latchkey, &host, now)?;
            (host, read(&latchkey, &parts.headers, body).await?)
        }
    };
    // Its networks are those of its keys: a host's own machine stands elsewhere than its pupils.
    let rules = arrival.in_force.rules.host(&host)?;
    *version = version.or(rules.version);
    let params = RawPathParams::from_request_parts(&mut parts, &()).await;
    let params = params.map_err(|error| Refusal::new(ErrorCode::NotFound).because(error))?;
    let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let in_force = arrival.in_force;
    Ok(HostCall { host, now, body, headers: parts.headers, params, query, in_force, latchkey })
}

/// The one header that says who.
fn authorization(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    match (value, values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(ErrorCode::HostUnauthorized.into()),
    }
}

async fn read(latchkey: &Latchkey, headers: &HeaderMap, body: Body) -> Result<HostBody, Refusal> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let declared = declared.and_then(|length| length.parse().ok());
    latchkey.host_bodies.read(body, declared, latchkey.read_deadline).await
}

/// The signature first, then what costs something: the host's rate and its nonce.
async fn signed(
    latchkey: &Latchkey,
    arrival: &Arrival,
    parts: &Parts,
    credential: &Credential<'_>,
    body: &HostBody,
    now: Millis,
) -> Result<(), Refusal> {
    // A host built on this library may serve the router below a path of its own.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let (time, nonce) = (credential.time, credential.nonce);
    let message = signature::message(parts.method.as_str(), target, time, nonce, &body.digest);
    let known = arrival.in_force.secrets.hosts.get(credential.host);
    if !credential.verifies(known, &message) {
        let cause = if known.is_some() { "signature" } else { "unknown host" };
        return Err(Refusal::new(ErrorCode::HostUnauthorized).because(cause));
    }
    limit(latchkey, credential.host, now)?;
    let until = time.saturating_mul(1000).saturating_add(signature::WINDOW);
    if latchkey.store().spend_nonce(credential.host, nonce, until, now).await? {
        Ok(())
    } else {
        Err(ErrorCode::NonceReused.into())
    }
}

/// A secret sent as it is, where the settings allow it. Whoever can read the connection could take it.
fn unsigned<'a>(arrival: &'a Arrival, authorization: &str) -> Result<&'a str, Refusal> {
    let unauthorized = || Refusal::new(ErrorCode::HostUnauthorized);
    let (scheme, secret) = authorization.split_once(' ').ok_or_else(unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unauthorized().because("malformed"));
    }
    let Client { address, https } = arrival.client;
    if !https && !address.is_some_and(|address| address.is_loopback()) {
        return Err(ErrorCode::HttpsRequired.into());
    }
    let found = signature::bearer(arrival.in_force.secrets.hosts.iter(), secret.trim());
    found.ok_or_else(|| unauthorized().because("bearer"))
}

fn limit(latchkey: &Latchkey, host: &str, now: Millis) -> Result<(), Refusal> {
    match latchkey.rates.requests.take(host, 1, now) {
        0 => Err(Refusal::new(ErrorCode::RateLimited).after(latchkey.rates.requests.retry_after())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::to_raw_value;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_large_body_does_not_keep_others_waiting() {
        let (answered, others) = mpsc::channel();
        // It takes its thread for itself until somebody else has been answered, on the only one there is for requests.
        let work = async move { Ok(to_raw_value(&others.recv().unwrap()).unwrap()) };
        let (done, ()) = tokio::join!(apart(work), async { answered.send(7).unwrap() });
        assert_eq!(done.unwrap().get(), "7");
    }

    #[tokio::test]
    async fn what_fails_apart_is_refused() {
        let work = async { Err(Refusal::new(ErrorCode::NotFound)) };
        assert_eq!(apart(work).await.unwrap_err().code, ErrorCode::NotFound);
        let work = async { panic!("as it must not") };
        assert_eq!(apart(work).await.unwrap_err().code, ErrorCode::Internal);
    }
}
