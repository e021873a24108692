//! The verified call: from a presented key to an outcome.
//!
//! The order of checks is the protocol's: text, checksum, MAC, row, rotation table, ages, origin, network,
//! function, rate, repeated ids, and then the work. A function is handed a [`Call`] and nothing else; it
//! cannot reach anything that its key does not allow, since users and activities are not its to name.

use crate::error::Refusal;
use crate::instant;
use crate::keys::decide::{Decision, Presented, ReplyToken, decide};
use crate::keys::launch;
use crate::latchkey::Latchkey;
use crate::plan::Plan;
use crate::policy::{network_allowed, origin_allowed};
use crate::reply::Reply;
use crate::store::{
    Accepted, Action, Grant, KeyCall, KeyRecord, NewKey, Refused, Rejected, Replayable, Verdict,
    Work,
};
use latchkey_protocol::Millis;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::MAX_OPERATION_ID_LEN;
use latchkey_protocol::result::{KeyStanding, KeyState};
use latchkey_protocol::token::KeyId;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::sync::Arc;

/// What a function may know: whose key, what it allows, and when.
#[derive(Clone, Debug)]
pub struct Call {
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
            grant: Arc::new(Grant {
                functions: vec!["log".into(), "grade".into(), "recent".into()],
                recent: latchkey_protocol::launch::RecentScope::Own,
                mode: latchkey_protocol::launch::Mode::Normal,
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

/// A short fingerprint of what is asked, from its canonical JSON (members in order of their names).
pub fn fingerprint(value: &Value) -> [u8; 16] {
    let digest = Sha256::digest(value.to_string().as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// What a request asks of a key.
#[derive(Debug)]
pub struct KeyRequest {
    /// The presented key.
    pub token: String,
    /// `Origin` of the page.
    pub origin: Option<String>,
    /// Where the request comes from.
    pub address: IpAddr,
    /// The client's clock when it sent.
    pub sent: Option<Millis>,
    /// What is to be done.
    pub asked: Asked,
}

/// What is to be done.
#[derive(Debug)]
pub enum Asked {
    /// One call, answered by its result.
    One(RawCall),
    /// One entry to be read.
    Entry(String),
    /// Several calls, answered one by one. None at all keeps the key alive.
    Batch(Vec<RawCall>),
}

/// A call as it came.
#[derive(Debug)]
pub struct RawCall {
    /// The caller's id.
    pub id: Option<String>,
    /// Name of the function.
    pub function: String,
    /// Its input.
    pub args: Map<String, Value>,
}

/// A presented key whose text is in order.
struct Presentation {
    id: KeyId,
    presented: Presented,
    start: Option<Arc<NewKey>>,
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
        let now = self.now();
        match self.try_answer(request, now).await {
            Ok(reply) => reply,
            Err(refusal) => Reply::refused(refusal),
        }
    }

    async fn try_answer(&self, request: KeyRequest, now: Millis) -> Result<Reply, Refusal> {
        let presentation = self.present(&request.token, now)?;
        let known = self.store.key(presentation.id).await?;
        let Some(grant) = grant_of(known.as_ref(), presentation.start.as_deref()) else {
            return Err(refused(Refused::Unknown));
        };
        let outlook =
            known.as_ref().map(|key| decide(&key.row, &presentation.presented, &self.windows, now));
        if outlook.is_some_and(|outlook| !outlook.runs()) {
            // Only the row itself says no; should it say yes after all, the client simply asks again.
            self.transact(&presentation, now, Vec::new()).await?;
            return Err(ErrorCode::Busy.into());
        }
        bind(&grant, &request)?;
        let call = Call {
            attempt: attempt_of(known.as_ref(), presentation.start.as_deref()),
            grant,
            now,
            client_behind: request.sent.map(|sent| now.saturating_sub(sent)),
            user: known.as_ref().map(|key| key.subject.user),
            base: self.base(),
        };
        let plan = Plan::new(&call, request.asked);
        let granted = self.rate.take(&presentation.id, plan.cost(), now);
        if granted == 0 {
            return Err(Refusal::new(ErrorCode::RateLimited).after(self.rate.retry_after()));
        }
        self.run(&presentation, known, outlook, call, plan, granted as usize).await
    }

    async fn run(
        &self,
        presentation: &Presentation,
        known: Option<KeyRecord>,
        outlook: Option<Decision>,
        mut call: Call,
        mut plan: Plan,
        granted: usize,
    ) -> Result<Reply, Refusal> {
        let work = plan.work(granted);
        let (admitted, outcomes) = match (known, outlook) {
            // Nothing to write: what memory knows may say yes.
            (Some(key), Some(decision)) if decision.is_yes() && only_reads(&work) => {
                // A launch token's claims must be its key's: only the transaction compares them.
                if presentation.start.is_some() {
                    self.transact(presentation, call.now, work).await?
                } else {
                    let outcomes = self.read(&key, work).await;
                    let token = decision.reply_token(&key.row);
                    (Admitted { key, token }, outcomes)
                }
            }
            _ => self.transact(presentation, call.now, work).await?,
        };
        call.user = Some(admitted.key.subject.user);
        let reply = plan.reply(&call, granted, outcomes, self.rate.retry_after());
        let standing = KeyStanding {
            state: if admitted.token.is_some() { KeyState::Current } else { KeyState::Late },
            expires_at: instant::format(admitted.key.row.key_exp),
        };
        let token = admitted.token.map(|token| {
            let branch = token.branch.unwrap_or_else(|| self.entropy.bytes());
            self.secrets.keyring.seal(presentation.id, token.generation, branch, call.now)
        });
        Ok(reply.with_key(token, standing))
    }

    /// Reads a presented key's text; costs no I/O and no memory but for what it says.
    fn present(&self, text: &str, now: Millis) -> Result<Presentation, Refusal> {
        let invalid =
            |cause: &dyn std::fmt::Display| Err(Refusal::new(ErrorCode::KeyInvalid).because(cause));
        if text.starts_with(latchkey_protocol::token::PREFIX) {
            return match self.secrets.keyring.open(text, now) {
                Ok(token) => Ok(Presentation {
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
        match launch::open(text, &self.secrets.hosts, &self.lifetimes, now) {
            Ok(open) => Ok(Presentation {
                id: open.id,
                presented: open.presented,
                start: Some(Arc::new(open.new)),
            }),
            Err(error) => invalid(&error),
        }
    }

    async fn transact(
        &self,
        presentation: &Presentation,
        now: Millis,
        work: Vec<Work>,
    ) -> Result<(Admitted, Vec<Result<Replayable, Rejected>>), Refusal> {
        let verdict = self
            .store
            .call(KeyCall {
                id: presentation.id,
                presented: presentation.presented,
                start: presentation.start.clone(),
                windows: self.windows,
                limits: self.key_limits,
                now,
                work,
            })
            .await?;
        match verdict {
            Verdict::Refused(why) => {
                if let Refused::Decided(decision) = why
                    && decision.revokes()
                {
                    let (key, row) = (presentation.id, decision.name());
                    tracing::warn!(%key, row, "a key was found in two hands and has been ended");
                }
                Err(refused(why))
            }
            Verdict::Accepted { decision, key, outcomes } => {
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
                let done = self.store.read(key.subject, read).await;
                outcomes.push(done.map(|done| Replayable { done, replayed: false }));
            }
        }
        outcomes
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
        Refused::TooManyKeys => Refusal::new(ErrorCode::TooManyKeys).after(60),
        Refused::Decided(decision) => {
            Refusal::new(ErrorCode::KeyRenew).because(format!("{decision:?}"))
        }
        other => Refusal::new(ErrorCode::KeyRenew).because(format!("{other:?}")),
    }
}
