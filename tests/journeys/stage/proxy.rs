//! The network between the browser and the API, and all that may become of a request in it.

use super::comes;
use super::wire::{Message, exchange};
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It arrives, and so does its reply.
    Pass,
    /// It never arrives.
    Lost,
    /// It arrives; the reply does not.
    ReplyLost,
    /// It arrives twice; the reply to the second comes back.
    Twice,
    /// A second copy of it arrives after the reply has come back.
    Echo,
    /// Something on the way answers in the server's place: status, content type, body.
    Answered(u16, &'static str, &'static str),
    /// It arrives, but its reply is replaced by this.
    Overlaid(u16, &'static str, &'static str),
    /// Something on the way sends it elsewhere.
    Redirected(u16),
    /// The reply ends in the middle of its body.
    Cut,
    /// The reply waits at the gate.
    Held(Gate),
}

/// Holds replies back until it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets all through, now and later.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    async fn wait(&self) {
        // Closed is the only thing that ever happens to it.
        let _ = self.0.acquire().await;
    }
}

/// A call to the API and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) content_type: String,
    /// The token it bore, wherever.
    pub(crate) token: String,
    /// Whether the token stood in the body, as in a beacon.
    pub(crate) in_body: bool,
    #[expect(dead_code, reason = "told when a journey fails")]
    pub(crate) body: Value,
    pub(crate) fate: Fate,
    /// What the server said, whether or not it was let through.
    pub(crate) status: Option<u16>,
    pub(crate) reply: Value,
    /// Whether nothing more will become of it.
    pub(crate) over: bool,
}

impl Exchange {
    fn new(request: &Message) -> Self {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let bearer = request.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let in_body = body["token"].as_str();
        Self {
            content_type: request.header("content-type").unwrap_or_default().to_owned(),
            token: bearer.or(in_body).unwrap_or_default().to_owned(),
            in_body: in_body.is_some(),
            body,
            fate: Fate::Pass,
            status: None,
            reply: Value::Null,
            over: false,
        }
    }

    /// The token that the reply offered.
    pub(crate) fn offered(&self) -> Option<String> {
        self.reply["token"].as_str().map(str::to_owned)
    }
}

#[derive(Default)]
struct Script {
    next: VecDeque<Fate>,
    always: Option<Fate>,
    cut_off: Vec<String>,
}

struct Inner {
    upstream: Mutex<String>,
    script: Mutex<Script>,
    history: Mutex<Vec<Exchange>>,
}

/// The proxy. It listens for as long as the test's runtime lives.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            upstream: Mutex::default(),
            script: Mutex::default(),
            history: Mutex::default(),
        });
        let proxy = Self { address, inner };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = accepting.clone();
                // A connection that breaks is what we are here for.
                tokio::spawn(async move { drop(proxy.serve(stream).await) });
            }
        });
        proxy
    }

    /// Where requests go from now on.
    pub(crate) fn leads_to(&self, upstream: SocketAddr) {
        *locked(&self.inner.upstream) = upstream.to_string();
    }

    /// What becomes of the next calls, in their order.
    pub(crate) fn next(&self, fates: impl IntoIterator<Item = Fate>) {
        locked(&self.inner.script).next.extend(fates);
    }

    /// What becomes of all calls that [`Proxy::next`] says nothing of.
    pub(crate) fn always(&self, fate: Fate) {
        locked(&self.inner.script).always = Some(fate);
    }

    /// Loses whatever bears that token, whenever it comes.
    pub(crate) fn cut_off(&self, token: &str) {
        locked(&self.inner.script).cut_off.push(token.to_owned());
    }

    /// What there was so far.
    pub(crate) fn history(&self) -> Vec<Exchange> {
        locked(&self.inner.history).clone()
    }

    /// Waits until the history is as wanted.
    #[track_caller]
    pub(crate) fn until(
        &self,
        what: &str,
        wanted: impl Fn(&[Exchange]) -> bool,
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let come = comes(async || wanted(&self.history())).await;
            assert!(come, "{caller}: the network never saw {what}, but {:#?}", self.history());
        }
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn quiet(&self) {
        self.until("an end to all calls", |calls| calls.iter().all(|call| call.over)).await;
    }

    fn fate_of(&self, token: &str) -> Fate {
        let mut script = locked(&self.inner.script);
        if script.cut_off.iter().any(|cut_off| cut_off == token) {
            return Fate::Lost;
        }
        script.next.pop_front().or_else(|| script.always.clone()).unwrap_or(Fate::Pass)
    }

    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Some(request) = Message::read(&mut stream).await? else { return Ok(()) };
        let call = request.word(0) == "POST" && request.word(1).starts_with("/v1/");
        let at = call.then(|| {
            let mut call = Exchange::new(&request);
            call.fate = self.fate_of(&call.token);
            let mut history = locked(&self.inner.history);
            history.push(call);
            history.len() - 1
        });
        let fate = at.map_or(Fate::Pass, |at| locked(&self.inner.history)[at].fate.clone());
        let done = self.suffer(&mut stream, &request, fate, at).await;
        if let Some(at) = at {
            locked(&self.inner.history)[at].over = true;
        }
        done
    }

    async fn suffer(
        &self,
        stream: &mut TcpStream,
        request: &Message,
        fate: Fate,
        at: Option<usize>,
    ) -> std::io::Result<()> {
        let made_up = match &fate {
            Fate::Lost => return Ok(()),
            Fate::Answered(status, kind, body) => Some(Message::reply(*status, kind, body)),
            Fate::Redirected(status) => {
                let mut reply = Message::reply(*status, "text/html", "moved");
                reply.headers.push(("Location".into(), "/elsewhere".into()));
                Some(reply)
            }
            _ => None,
        };
        if let Some(reply) = made_up {
            return stream.write_all(&reply.bytes()).await;
        }
        if matches!(fate, Fate::Twice) {
            self.forward(request, None).await?;
        }
        let reply = self.forward(request, at).await?;
        let bytes = reply.bytes();
        match fate {
            Fate::ReplyLost => Ok(()),
            Fate::Overlaid(status, kind, body) => {
                stream.write_all(&Message::reply(status, kind, body).bytes()).await
            }
            Fate::Cut => stream.write_all(&bytes[..bytes.len() - reply.body.len() / 2]).await,
            Fate::Held(gate) => {
                gate.wait().await;
                stream.write_all(&bytes).await
            }
            Fate::Echo => {
                let told = stream.write_all(&bytes).await;
                stream.shutdown().await?;
                self.forward(request, None).await?;
                told
            }
            _ => stream.write_all(&bytes).await,
        }
    }

    async fn forward(&self, request: &Message, at: Option<usize>) -> std::io::Result<Message> {
        let upstream = locked(&self.inner.upstream).clone();
        let reply = exchange(&upstream, request).await?;
        if let Some(at) = at {
            let call = &mut locked(&self.inner.history)[at];
            call.status = Some(reply.status());
            call.reply = serde_json::from_slice(&reply.body).unwrap_or_default();
        }
        Ok(reply)
    }
}
