//! The verified call: from a presented key to an outcome.
//!
//! The order of checks is the protocol's: text, checksum, MAC, row, rotation table, ages, origin, network,
//! function, rate, repeated ids, and then the work. A function is handed a [`Call`] and nothing else; it
//! cannot reach anything that its key does not allow, since users and activities are not its to name.

pub use crate::asked::{Asked, RawCall};
use crate::error::Refusal;
use crate::in_force::InForce;
use crate::instant;
use crate::keys::decide::{Decision, Presented, ReplyToken, decide};
use crate::keys::launch;
use crate::latchkey::Latchkey;
use crate::metrics::Waited;
use crate::plan::{Granted, Plan};
use crate::policy::{Denied, network_allowed, origin_allowed};
use crate::reply::Reply;
use crate::store::{
    Accepted, Action, Grant, KeyCall, KeyLimits, KeyRecord, NewKey, Refused, Rejected, Replayable,
    StateSeen, Verdict, Work,
};
use crate::traces::span;
use crate::version::Version;
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::MAX_OPERATION_ID_LEN;
use latchkey_protocol::result::{KeyStanding, KeyState};
use latchkey_protocol::token::KeyId;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use tracing::Instrument;

/// What a function may know: whose key, what it allows, and when.
#[derive(Clone, Debug)]
pub struct Call {
    /// The key.
    pub key: KeyId,
    /// What the key may do.
    pub grant: Arc<Grant>,
    /// The attempt it is for.
    pub attempt: u32,
    /// The server's clock.
    pub now: Millis,
    /// How far the client's clock is behind the server's, if it told.
    client_behind: Option<Millis>,
    /// The user, by the store's number; known once the key has a row.
    pub user: Option<i64>,
    /// How browsers reach the server.
    base: Arc<str>,
    /// How long a call without an id is the same as one that said the same before.
    pub repeats_within: Millis,
}

impl Call {
    /// A time of the client's, by the server's clock and never after now.
    ///
    /// # Errors
    /// [`ErrorCode::WrongType`], if it is no RFC 3339 text.
    pub fn client_time(&self, at: Option<&str>) -> Result<Option<Millis>, ErrorCode> {
        let Some(at) = at else { return Ok(None) };
        let at = instant::parse(at).ok_or(ErrorCode::WrongType)?;
        let behind = self.client_behind.unwrap_or(0);
        Ok(Some(at.saturating_add(behind).clamp(0, self.now)))
    }

    /// Whether a text may be an operation's id: 1 to 128 printable ASCII characters.
    ///
    /// # Errors
    /// [`ErrorCode::OutOfRange`], if not.
    pub fn check_id(&self, id: &str) -> Result<(), ErrorCode> {
        let fits = (1..=MAX_OPERATION_ID_LEN).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(()) } else { Err(ErrorCode::OutOfRange) }
    }

    /// The address of an entry.
    pub fn entry_url(&self, seq: i64) -> String {
        format!("{}/v1/entries/{seq}", self.base)
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            key: KeyId([1; 16]),
            repeats_within: 30_000,
            grant: Arc::new(Grant {
                functions: vec!["log".into(), "grade".into(), "recent".into()],
                recent: latchkey_protocol::launch::RecentScope::Own,
                mode: latchkey_protocol::launch::Mode::Normal,
                roles: Vec::new(),
                origins: Vec::new(),
                networks: Vec::new(),
            }),
            attempt: 1,
            now: 1_000_000,
            client_behind: None,
            user: Some(1),
            base: "http://latch.test".into(),
        }
    }
}

/// What a request asks of a key.
#[derive(Debug)]
pub struct KeyRequest {
    /// The presented key.
    pub token: String,
    /// `Origin` of the page.
    pub origin: Option<String>,
    /// Where the request comes from; `None` if a proxy does not tell.
    pub address: Option<IpAddr>,
    /// The settings by which it is answered.
    pub(crate) in_force: Arc<InForce>,
    /// The version of the wire that was asked for.
    pub(crate) version: Option<Version>,
    /// The client's clock when it sent.
    pub sent: Option<Millis>,
    /// Whether the rates have counted it: what an older wire says at once is one call, however many it takes.
    pub(crate) follows: bool,
    /// What is to be done.
    pub asked: Asked,
}

impl KeyRequest {
    /// The same of the same client, asking something else.
    pub(crate) fn with(&self, asked: Asked) -> Self {
        let (token, origin) = (self.token.clone(), self.origin.clone());
        let in_force = Arc::clone(&self.in_force);
        Self { token, origin, in_force, asked, ..*self }
    }
}

/// A presented key whose text is in order, and the settings by which it is judged.
struct Presentation {
    in_force: Arc<InForce>,
    id: KeyId,
    presented: Presented,
    start: Option<Arc<NewKey>>,
}

impl Presentation {
    /// How many keys there may be of the host that launches.
    fn key_limits(&self) -> KeyLimits {
        let common = self.in_force.key_limits;
        let host = self.start.as_ref().and_then(|new| self.in_force.rules.host(&new.host).ok());
        host.map_or(common, |host| host.key_limits(common))
    }
}

/// Who presents, once admitted: what the reply's token is made from.
struct Admitted {
    key: KeyRecord,
    token: Option<ReplyToken>,
}

impl Latchkey {
    /// Does what a request asks of a key, and says whether a page of its origin may read the answer's
    /// successes.
    pub async fn answer(&self, request: KeyRequest) -> Reply {
        // It is large: pinned where it is made, and not moved into what carries its span.
        let answering = pin!(self.spanned(request));
        answering.instrument(span!("call")).await
    }

    async fn spanned(&self, request: KeyRequest) -> Reply {
        let mut version = request.version;
        let reply = self.try_answer(request, &mut version).await.unwrap_or_else(Reply::refused);
        reply.in_version(version)
    }

    async fn try_answer(
        &self,
        request: KeyRequest,
        version: &mut Option<Version>,
    ) -> Result<Reply, Refusal> {
        let now = self.now();
        let presentation = present(&request.in_force, &request.token, now)?;
        let in_force = Arc::clone(&request.in_force);
        let looking =
            self.store.key(presentation.id).instrument(span!("store", operation = "look"));
        let known = self.metrics.timed(Waited::Look, looking).await?;
        let Some(grant) = grant_of(known.as_ref(), presentation.start.as_deref()) else {
            return Err(refused(Refused::Unknown));
        };
        let windows = &in_force.windows;
        let outlook =
            known.as_ref().map(|key| decide(&key.row, &presentation.presented, windows, now));
        let hidden = known.as_ref().is_some_and(|key| key.hidden);
        if hidden || outlook.is_some_and(|outlook| !outlook.runs()) {
            // Only the row itself says no; should it say yes after all, the client simply asks again.
            self.transact(&presentation, now, (None, Vec::new())).await?;
            return Err(ErrorCode::Busy.into());
        }
        bind(&grant, &request)?;
        let (host, pinned) = self.allow(&presentation, known.as_ref(), request.address).await?;
        *version = version.or(pinned);
        let user = known.as_ref().map(|key| key.subject.user);
        let call = Call {
            key: presentation.id,
            repeats_within: in_force.windows.late,
            attempt: attempt_of(known.as_ref(), presentation.start.as_deref()),
            grant,
            now,
            client_behind: request.sent.map(|sent| now.saturating_sub(sent)),
            user,
            base: Arc::clone(&in_force.public_url),
        };
        let plan = Plan::new(&call, &in_force.rules, request.asked);
        let take = || self.rates.calls(&presentation.id, user, &host, plan.cost(), now);
        let (calls, wait) = if request.follows { (plan.cost(), 0) } else { take() };
        if calls == 0 {
            return Err(Refusal::new(ErrorCode::RateLimited).after(wait));
        }
        let granted = Granted { calls: calls as usize, wait };
        self.run(&presentation, known, outlook, call, plan, granted).await
    }

    /// Whether the operator lets the host's user use a key from that address; the host, and the version
    /// of the wire that it is pinned to.
    async fn allow(
        &self,
        presentation: &Presentation,
        known: Option<&KeyRecord>,
        address: Option<IpAddr>,
    ) -> Result<(Arc<str>, Option<Version>), Refusal> {
        let new = presentation.start.as_deref();
        let host =
            known.map(|key| Arc::clone(&key.host)).or_else(|| Some(new?.host.as_str().into()));
        let host = host.ok_or(ErrorCode::KeyRenew)?;
        let told = |denied: Denied| Refusal::from(denied).from_address(address);
        let rules = presentation.in_force.rules.host(&host).map_err(told)?;
        rules.place(address).map_err(told)?;
        if rules.asks_for_user() {
            // A launch token of another user than its key's is found out in the transaction.
            let user: Arc<str> = match new {
                Some(new) => new.user.as_str().into(),
                None => {
                    let owner = self.owners.of(presentation.id, self.store.as_ref()).await?;
                    owner.ok_or_else(|| refused(Refused::Unknown))?
                }
            };
            rules.user(&user, address).map_err(told)?;
        }
        let pinned = rules.version;
        Ok((host, pinned))
    }

    async fn run(
        &self,
        presentation: &Presentation,
        known: Option<KeyRecord>,
        outlook: Option<Decision>,
        mut call: Call,
        mut plan: Plan,
        granted: Granted,
    ) -> Result<Reply, Refusal> {
        let (seen, work) = (plan.seen.clone(), plan.work(granted.calls));
        let (admitted, outcomes) = match (known, outlook) {
            // Nothing to write: what memory knows may say yes.
            (Some(key), Some(decision)) if decision.is_yes() && only_reads(&work) => {
                // A launch token's claims must be its key's: only the transaction compares them.
                if presentation.start.is_some() {
                    self.transact(presentation, call.now, (seen, work)).await?
                } else {
                    self.metrics.decided(decision.name());
                    let outcomes = self.read(&key, work).await;
                    let token = decision.reply_token(&key.row);
                    (Admitted { key, token }, outcomes)
                }
            }
            _ => self.transact(presentation, call.now, (seen, work)).await?,
        };
        call.user = Some(admitted.key.subject.user);
        let reply = plan.reply(&call, granted, outcomes, &self.metrics);
        let standing = KeyStanding {
            state: if admitted.token.is_some() { KeyState::Current } else { KeyState::Late },
            expires_at: instant::format(admitted.key.row.key_exp),
        };
        let token = admitted.token.map(|token| {
            let branch = token.branch.unwrap_or_else(|| self.entropy.bytes());
            let keyring = &presentation.in_force.secrets.keyring;
            keyring.seal(presentation.id, token.generation, branch, call.now)
        });
        Ok(reply.with_key(token, standing))
    }

    async fn transact(
        &self,
        presentation: &Presentation,
        now: Millis,
        (seen, work): (Option<StateSeen>, Vec<Work>),
    ) -> Result<(Admitted, Vec<Result<Replayable, Rejected>>), Refusal> {
        let call = KeyCall {
            id: presentation.id,
            presented: presentation.presented,
            start: presentation.start.clone(),
            windows: presentation.in_force.windows,
            limits: presentation.key_limits(),
            now,
            seen,
            work,
        };
        let writing = self.store.call(call).instrument(span!("store", operation = "write"));
        let verdict = self.metrics.timed(Waited::Write, writing).await?;
        match verdict {
            Verdict::Refused(why) => {
                self.metrics.turned_down(why);
                if let Refused::Decided(decision) = why
                    && decision.revokes()
                {
                    let (key, row) = (presentation.id, decision.name());
                    tracing::warn!(%key, row, "a key was found in two hands and has been ended");
                }
                Err(refused(why))
            }
            Verdict::Accepted { decision, key, outcomes } => {
                self.metrics.decided(match decision {
                    Accepted::Started => "start",
                    Accepted::Decided(decision) => decision.name(),
                });
                let token = match decision {
                    Accepted::Started => {
                        Some(ReplyToken { generation: key.row.hi, branch: Some(key.row.branch) })
                    }
                    // The row is already moved on; for a confirmation the token re-stamps just that.
                    Accepted::Decided(decision) => decision.reply_token(&key.row),
                };
                if let Accepted::Decided(Decision::Ahead { .. }) = decision {
                    let key = presentation.id;
                    tracing::error!(%key, "a key is ahead of the database: it has lost commits");
                }
                Ok((Admitted { key, token }, outcomes))
            }
        }
    }

    async fn read(&self, key: &KeyRecord, work: Vec<Work>) -> Vec<Result<Replayable, Rejected>> {
        let mut outcomes = Vec::with_capacity(work.len());
        for work in work {
            if let Action::Read(read) = work.action {
                let reading = self.store.read(key.subject, read);
                let reading = reading.instrument(span!("store", operation = "read"));
                let done = self.metrics.timed(Waited::Read, reading).await;
                outcomes.push(done.map(|done| Replayable { done, replayed: false }));
            }
        }
        outcomes
    }
}

/// Reads a presented key's text; costs no I/O and no memory but for what it says.
fn present(in_force: &Arc<InForce>, text: &str, now: Millis) -> Result<Presentation, Refusal> {
    let invalid =
        |cause: &dyn std::fmt::Display| Err(Refusal::new(ErrorCode::KeyInvalid).because(cause));
    let secrets = &in_force.secrets;
    let in_force = Arc::clone(in_force);
    if text.starts_with(latchkey_protocol::token::PREFIX) {
        return match secrets.keyring.open(text, now) {
            Ok(token) => Ok(Presentation {
                in_force,
                id: token.key_id,
                presented: Presented {
                    generation: token.generation,
                    branch: token.branch,
                    stamped_at: Millis::from(token.issued_at) * 1000,
                },
                start: None,
            }),
            Err(error) => invalid(&error),
        };
    }
    match launch::open(text, &secrets.hosts, &in_force.lifetimes, now) {
        Ok(open) => Ok(Presentation {
            in_force,
            id: open.id,
            presented: open.presented,
            start: Some(Arc::new(open.new)),
        }),
        Err(error) => invalid(&error),
    }
}

fn grant_of(known: Option<&KeyRecord>, start: Option<&NewKey>) -> Option<Arc<Grant>> {
    known.map(|key| Arc::clone(&key.grant)).or_else(|| start.map(|new| Arc::new(new.grant.clone())))
}

fn attempt_of(known: Option<&KeyRecord>, start: Option<&NewKey>) -> u32 {
    known.map(|key| key.subject.attempt).or(start.map(|new| new.attempt)).unwrap_or(1)
}

/// Whether the request comes from where the key may be used.
fn bind(grant: &Grant, request: &KeyRequest) -> Result<(), Refusal> {
    let scope = |cause: &str| Err(Refusal::new(ErrorCode::KeyScope).because(cause));
    if !origin_allowed(&grant.origins, request.origin.as_deref()) {
        return scope("origin");
    }
    if !network_allowed(&grant.networks, request.address) {
        return scope("network");
    }
    Ok(())
}

fn only_reads(work: &[Work]) -> bool {
    work.iter().all(|work| matches!(work.action, Action::Read(_)))
}

/// What a client is told of a key that is not good. All that happened after the MAC was found valid
/// is one answer: it tells a thief nothing.
fn refused(why: Refused) -> Refusal {
    match why {
        Refused::Locked => Refusal::new(ErrorCode::KeyLocked),
        Refused::Hidden => Refusal::new(ErrorCode::ActivityHidden),
        Refused::TooManyKeys => Refusal::new(ErrorCode::TooManyKeys).after(60),
        Refused::Decided(decision) => {
            Refusal::new(ErrorCode::KeyRenew).because(format!("{decision:?}"))
        }
        other => Refusal::new(ErrorCode::KeyRenew).because(format!("{other:?}")),
    }
}
