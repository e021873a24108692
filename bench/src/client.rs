//! One client: a key of its own, the request it repeats, and the judgement of each answer.

use crate::case::{self, Case, ID, RECENT_ITEMS, Side};
use crate::clock;
use crate::host::{self, Host};
use crate::ids::Ids;
use crate::link::{Address, connect};
use crate::reply::{Reader, Reply};
use crate::text::Seen;
use anyhow::{Context, Result, bail, ensure};
use latchkey_protocol::token::TEXT_LEN;
use memchr::memmem;
use tokio::io::AsyncWriteExt;

/// How far a stamp may lie behind this machine's clock, seconds: an answer may wait for a commit.
const STAMP_SLACK: u64 = 3;

/// Who works where.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) user: String,
    pub(crate) activity: String,
    /// The user has logged as much there as `recent` asks for.
    pub(crate) filled: bool,
}

impl Seat {
    /// Of a user and an activity by their numbers; nothing is there yet.
    pub(crate) fn new((user, activity): (usize, usize)) -> Self {
        Self { user: host::user(user), activity: host::activity(activity), filled: false }
    }
}

/// A client and what it will send next.
pub(crate) struct Client {
    case: Case,
    side: Side,
    request: Vec<u8>,
    token_at: usize,
    id_at: Option<usize>,
    ids: Ids,
    newest: Seen,
    forgeries: u64,
    mark: memmem::Finder<'static>,
    /// Entries that were written before the first measured call.
    pub(crate) prepared: u64,
    /// Size of the newest answer on the wire.
    pub(crate) reply_size: usize,
}

/// A session token taken from an answer, text and content.
struct Renewal<'a> {
    text: &'a [u8],
    seen: Seen,
}

impl Client {
    /// A client whose key is started at `server`, by an empty batch: it stores nothing. For `recent`
    /// it logs as many entries as it will ask for, unless they are there.
    pub(crate) async fn start(
        case: Case,
        server: &Address,
        host: &Host,
        seat: &Seat,
        mut ids: Ids,
    ) -> Result<Self> {
        let key = ids.key();
        let launch = host.launch(&seat.user, &seat.activity, key)?;
        let millis = clock::wall_millis();
        let (path, body, prepared) = if case == Case::Recent && !seat.filled {
            let entries: Vec<_> = (0..RECENT_ITEMS).map(|_| ids.uuid_text(millis)).collect();
            let body = case::log_body(&entries, &clock::rfc3339(millis)?);
            ("/v1/log", body, RECENT_ITEMS as u64)
        } else {
            ("/v1/batch", r#"{"calls":[]}"#.to_owned(), 0)
        };
        let mut stream = connect(server).await?;
        stream.write_all(case::post(path, &launch, None, &body).as_bytes()).await?;
        let mut reader = Reader::new();
        let reply = reader.next(&mut stream).await?;
        let right = reply.status == 200 && memmem::find(reply.body, OK).is_some();
        ensure!(right, "a key did not start: {} {}", reply.status, reply.excerpt());
        let renewal = renewal(reply.body)?;
        ensure!(renewal.seen.key_id() == key, "the token is of another key: {}", reply.excerpt());
        let mut client = Self::new(case, Side::Latchkey, renewal, ids)?;
        client.prepared = prepared;
        Ok(client)
    }

    /// A client of the bare handler: its token, of the right shape, stays.
    pub(crate) fn bare(case: Case, token: &str, ids: Ids) -> Result<Self> {
        let text = token.as_bytes();
        let seen = Seen::read(text).context("the bare handler's token has the wrong shape")?;
        Self::new(case, Side::Bare, Renewal { text, seen }, ids)
    }

    fn new(case: Case, side: Side, renewal: Renewal<'_>, ids: Ids) -> Result<Self> {
        let token = std::str::from_utf8(renewal.text)?;
        let body = case.body(&clock::rfc3339(clock::wall_millis())?);
        let operation = (case == Case::Grade).then_some(ID);
        let request = case::post(case.path(side), token, operation, &body).into_bytes();
        Ok(Self {
            token_at: memmem::find(&request, renewal.text).context("no place for the token")?,
            id_at: memmem::find(&request, ID.as_bytes()),
            case,
            side,
            request,
            ids,
            newest: renewal.seen,
            forgeries: 0,
            mark: memmem::Finder::new(case.mark().0),
            prepared: 0,
            reply_size: 0,
        })
    }

    /// The next request: the newest token, or a new forgery, and ids never used before.
    pub(crate) fn request(&mut self, millis: u64) -> &[u8] {
        if self.case == Case::Forged {
            self.forgeries += 1;
            let text = self.newest.forge(self.forgeries);
            self.request[self.token_at..self.token_at + TEXT_LEN].copy_from_slice(&text);
        }
        if let Some(at) = self.id_at {
            let id = self.ids.uuid(millis);
            self.request[at..at + id.len()].copy_from_slice(&id);
        }
        &self.request
    }

    /// The request as it stands, where its token is, and the token to forge from.
    pub(crate) fn template(&self) -> (Vec<u8>, usize, Seen) {
        (self.request.clone(), self.token_at, self.newest)
    }

    /// How often its key has moved on to a new generation.
    pub(crate) fn generation(&self) -> u32 {
        self.newest.generation()
    }

    /// Judges an answer and adopts its token.
    pub(crate) fn judge(&mut self, reply: &Reply<'_>, now_seconds: u64) -> Result<()> {
        if let Err(reason) = self.check(reply, now_seconds) {
            bail!(
                "a wrong answer to {} from {}: {reason}: {} {}",
                self.case,
                self.side,
                reply.status,
                reply.excerpt()
            );
        }
        self.reply_size = reply.size;
        Ok(())
    }

    fn check(&mut self, reply: &Reply<'_>, now_seconds: u64) -> Result<()> {
        ensure!(reply.status == self.case.status(), "status");
        let (_, times) = self.case.mark();
        ensure!(
            self.mark.find_iter(reply.body).count() == times,
            "the result is not what was asked for"
        );
        if self.case == Case::Forged {
            return Ok(());
        }
        ensure!(
            reply.body.starts_with(OK_FIRST) || memmem::find(reply.body, OK).is_some(),
            "not ok"
        );
        ensure!(memmem::find(reply.body, REPLAYED).is_none(), "a new id was taken for an old one");
        let renewal = renewal(reply.body)?;
        // The bare handler's token costs the generator the same but never changes.
        if self.side == Side::Latchkey {
            follows(&self.newest, &renewal.seen, now_seconds)?;
            self.newest = renewal.seen;
        }
        self.request[self.token_at..self.token_at + TEXT_LEN].copy_from_slice(renewal.text);
        Ok(())
    }
}

const OK_FIRST: &[u8] = br#"{"status":"ok""#;
const OK: &[u8] = br#""status":"ok""#;
const REPLAYED: &[u8] = br#""replayed":true"#;
const TOKEN: &[u8] = br#""token":""#;

/// The renewed token of an answer.
fn renewal(body: &[u8]) -> Result<Renewal<'_>> {
    // From the end: the token stands behind the result, which may be long.
    let from = memmem::rfind(body, TOKEN).context("no token")? + TOKEN.len();
    let text = body.get(from..from + TEXT_LEN).context("a short token")?;
    ensure!(body.get(from + TEXT_LEN) == Some(&b'"'), "a long token");
    let seen = Seen::read(text).context("a damaged token")?;
    Ok(Renewal { text, seen })
}

/// Whether `new` renews `old`: the same key, the same generation or the next one, and stamped now.
fn follows(old: &Seen, new: &Seen, now_seconds: u64) -> Result<()> {
    ensure!(new.key_id() == old.key_id(), "the token is of another key than the client's");
    let step = new.generation().checked_sub(old.generation());
    ensure!(
        matches!(step, Some(0 | 1)),
        "generation {} after {}",
        new.generation(),
        old.generation()
    );
    let stamp = u64::from(new.stamp());
    ensure!(
        new.stamp() >= old.stamp() && stamp + STAMP_SLACK >= now_seconds,
        "the token was not renewed"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_protocol::mac::Signer;
    use latchkey_protocol::token::{KeyId, Token};

    fn token(key: u8, generation: u32, issued_at: u32) -> String {
        Token {
            mac_key: 1,
            key_id: KeyId([key; 16]),
            generation,
            branch: [generation as u8; 8],
            issued_at,
        }
        .seal(&Signer::for_tokens(&[7; 32], "bench"))
    }

    fn seen(text: &str) -> Seen {
        Seen::read(text.as_bytes()).unwrap()
    }

    fn client(case: Case) -> Client {
        let text = token(1, 4, 1_000);
        let renewal = Renewal { text: text.as_bytes(), seen: seen(&text) };
        Client::new(case, Side::Latchkey, renewal, Ids::new().unwrap()).unwrap()
    }

    fn judged(client: &mut Client, status: u16, body: &str) -> Result<()> {
        let reply = Reply { status, body: body.as_bytes(), size: body.len(), close: false };
        client.judge(&reply, 1_005)
    }

    fn logged(token: &str) -> String {
        format!(
            r#"{{"status":"ok","result":{{"accepted":1,"ids":["a"]}},"token":"{token}","request_id":"r"}}"#
        )
    }

    #[test]
    fn a_renewed_token_is_adopted() {
        let mut client = client(Case::Log);
        let next = token(1, 5, 1_004);
        judged(&mut client, 200, &logged(&next)).unwrap();
        let sent = String::from_utf8(client.request(9).to_vec()).unwrap();
        assert!(sent.contains(&format!("Bearer {next}\r\n")));
    }

    #[test]
    fn ids_and_lengths_are_right_in_every_request() {
        let mut client = client(Case::Grade);
        let one = String::from_utf8(client.request(9).to_vec()).unwrap();
        let two = String::from_utf8(client.request(9).to_vec()).unwrap();
        assert_ne!(one, two);
        assert!(!one.contains(ID));
        let (head, body) = one.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
    }

    #[test]
    fn wrong_answers_are_found() {
        let good = logged(&token(1, 4, 1_005));
        assert!(judged(&mut client(Case::Log), 200, &good).is_ok());
        let wrong = [
            logged(&token(2, 4, 1_005)),
            logged(&token(1, 3, 1_005)),
            logged(&token(1, 6, 1_005)),
            logged(&token(1, 4, 1_001)),
            logged(&token(1, 4, 999)),
            logged(&token(1, 4, 1_005).replace("lk1_", "lk2_")),
            good.replace("\"ok\"", "\"error\""),
            good.replace("\"accepted\":1,", "\"accepted\":0,"),
            good.replace("\"token\"", "\"tokem\""),
            good.replace("\"result\"", "\"replayed\":true,\"result\""),
        ];
        for body in wrong {
            assert!(judged(&mut client(Case::Log), 200, &body).is_err(), "{body}");
        }
        assert!(judged(&mut client(Case::Log), 500, &good).is_err());
        let refusal = r#"{"status":"error","error":{"code":"key_invalid"}}"#;
        assert!(judged(&mut client(Case::Forged), 401, refusal).is_ok());
        assert!(judged(&mut client(Case::Forged), 401, "{}").is_err());
        assert!(judged(&mut client(Case::Forged), 200, refusal).is_err());
    }

    #[test]
    fn each_forgery_is_another() {
        let mut client = client(Case::Forged);
        let at = client.token_at;
        let one = client.request(9)[at..at + TEXT_LEN].to_vec();
        let two = client.request(9)[at..at + TEXT_LEN].to_vec();
        assert_ne!(one, two);
        assert!(Seen::read(&one).is_some() && Seen::read(&two).is_some());
    }
}
