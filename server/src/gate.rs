//! The gate: every request passes it but those for health. It finds out where a request comes from, asks
//! the operator's rules, and hands what it knows to the handlers behind it.
//!
//! A layer, so that an address that is added later is behind it too; and one that allocates nothing for a
//! request that may pass, since calls of keys are counted in tens of thousands a second.

use crate::clock::Stopwatch;
use crate::config::Protocol;
use crate::error::Refusal;
use crate::in_force::InForce;
use crate::latchkey::Latchkey;
use crate::policy::{Client, DISABLED_FOR, Denied};
use crate::reply::{Reply, Told, Write};
use crate::tls::OverTls;
use crate::traces::span;
use crate::version::Version;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{Method, Response, header};
use futures_util::future::{Either, Ready, ready};
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use pin_project_lite::pin_project;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower::{Layer, Service};
use tracing::{Span, field};

/// What the gate knows of a request that has passed it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The settings by which it is answered to its end.
    pub(crate) in_force: Arc<InForce>,
    /// Who asks.
    pub(crate) client: Client,
    /// The version of the wire that was asked for.
    pub(crate) version: Option<Version>,
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Response<Body>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.remove::<Self>().ok_or_else(|| {
            // A handler that stands before the gate: a fault of ours, and nobody gets in by it.
            tracing::error!("a request came round the gate");
            let mut response = Response::new(Body::empty());
            *response.status_mut() = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

/// Makes the gate of a group of addresses.
#[derive(Clone)]
pub(crate) struct Gate {
    latchkey: Arc<Latchkey>,
    protocol: Option<Protocol>,
    write: Write,
}

impl Gate {
    /// Of addresses of that protocol; of none, if the settings cannot switch them off by themselves.
    pub(crate) fn new(latchkey: &Arc<Latchkey>, protocol: Option<Protocol>) -> Self {
        Self { latchkey: Arc::clone(latchkey), protocol, write: Told::json }
    }

    /// Of addresses that answer in an older wire than JSON.
    pub(crate) fn writing(self, write: Write) -> Self {
        Self { write, ..self }
    }

    /// The answer to a request that may not pass; one that may is told what is known of it.
    fn turned_away(&self, request: &mut Request) -> Option<Response<Body>> {
        let in_force = self.latchkey.in_force();
        let extensions = request.extensions();
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let own_tls = extensions.get::<OverTls>().is_some();
        let rules = &in_force.rules;
        let client = rules.proxies.client(peer, own_tls, request.headers());
        let entered = rules.enter(self.protocol, client.address, client.https);
        // A preflight asks for nothing and tells nothing; unanswered, the page could not read the refusal.
        let version = Version::asked(request.headers());
        match (entered, version) {
            _ if request.method() == Method::OPTIONS => {
                request.extensions_mut().insert(Arrival { in_force, client, version: None });
                None
            }
            (Err(denied), _) => Some(self.deny(request, denied, client)),
            (Ok(()), Err(code)) => Some(self.refuse(request, Reply::refused(code.into()))),
            (Ok(()), Ok(version)) => {
                request.extensions_mut().insert(Arrival { in_force, client, version });
                None
            }
        }
    }

    fn deny(&self, request: &Request, denied: Denied, client: Client) -> Response<Body> {
        let lines = self.latchkey.denials.count(&denied.rule, self.latchkey.now());
        let mut refusal = Refusal::from(denied).from_address(client.address);
        if refusal.code == ErrorCode::Disabled {
            refusal = refusal.after(DISABLED_FOR);
        }
        self.refuse(request, Reply::refused(refusal).logged(lines))
    }

    fn refuse(&self, request: &Request, reply: Reply) -> Response<Body> {
        let origin = request.headers().get(header::ORIGIN).cloned();
        (self.write)(self.latchkey.tell(reply), origin)
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Gated<S> {
        Gated { gate: self.clone(), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl<S> Service<Request> for Gated<S>
where
    S: Service<Request, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Timed<S::Future>, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match self.gate.turned_away(&mut request) {
            None => {
                let span = span_of(&request);
                let timing = self.gate.latchkey.metrics.on.then(|| {
                    (Stopwatch::start(), Arc::clone(&self.gate.latchkey), self.gate.protocol)
                });
                let inner = span.in_scope(|| self.inner.call(request));
                Either::Left(Timed { inner, span, timing })
            }
            Some(refused) => Either::Right(ready(Ok(refused))),
        }
    }
}

/// The span of a request, by its route and never by its address.
fn span_of(request: &Request) -> Span {
    let span = span!("request", method = field::Empty, route = field::Empty, status = field::Empty);
    if !span.is_disabled() {
        let known = [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS];
        let method = known.iter().find(|known| *known == request.method());
        span.record("method", method.map_or("other", Method::as_str));
        let route = request.extensions().get::<MatchedPath>();
        span.record("route", route.map_or("other", MatchedPath::as_str));
    }
    span
}

pin_project! {
    /// A request under way; its time is taken where somebody asks for metrics.
    pub(crate) struct Timed<F> {
        #[pin]
        inner: F,
        span: Span,
        timing: Option<(Stopwatch, Arc<Latchkey>, Option<Protocol>)>,
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for Timed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let answer = std::task::ready!(this.inner.poll(context));
        if let Ok(response) = &answer {
            this.span.record("status", response.status().as_u16());
        }
        if let Some((since, latchkey, protocol)) = this.timing.take() {
            latchkey.metrics.answered(protocol, since.elapsed());
        }
        Poll::Ready(answer)
    }
}

/// How many requests each rule has turned away since it was last told: anybody can cause them in any
/// number, so the log has one line a second for each rule.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<HashMap<String, (Millis, u64)>>);

const SECOND: Millis = 1_000;

impl Denials {
    /// Counts one; all since the last line if there is to be one now.
    fn count(&self, rule: &str, now: Millis) -> Option<u64> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((told, since)) = rules.get_mut(rule) {
            *since += 1;
            if (*told..*told + SECOND).contains(&now) {
                return None;
            }
            *told = now;
            return Some(std::mem::take(since));
        }
        // As many as there are rules at the gate: they have fixed names.
        rules.insert(rule.to_owned(), (now, 0));
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_for_each_rule_and_none_is_lost() {
        let denials = Denials::default();
        assert_eq!(denials.count("networks", 0), Some(1));
        assert_eq!(denials.count("networks", 1), None);
        assert_eq!(denials.count("enabled", 1), Some(1));
        assert_eq!(denials.count("networks", 999), None);
        assert_eq!(denials.count("networks", 1_000), Some(3));
        assert_eq!(denials.count("networks", 900), Some(1), "a clock that was set back");
    }
}
