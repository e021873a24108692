//! The typed face of the connection.

use crate::browser::{self, Launch, Page, Session, shown, soon};
use crate::error::Error;
use crate::grade::Grade;
use crate::notice::{Notice, Subscription};
use crate::query::Query;
use crate::rule::Failure;
use crate::{Receipt, Recent, State};
use futures_channel::oneshot;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use wasm_bindgen::{JsCast, JsValue};

/// Options of [`Activity::connect_with`]; a member that is given takes the place of the block's.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The launch token; with it the page needs no block.
    pub token: Option<String>,
    /// Absolute address of the server, without `/v1`; the page's own origin if absent everywhere.
    pub endpoint: Option<String>,
    /// The page's own address for a new launch token; without it a key that ends is not renewed.
    pub renew: Option<String>,
    /// For a page in a frame, exact origin of the page around it, which gives the key: in place of `parent` in the block.
    pub parent: Option<String>,
    /// What stands in for the page's global object.
    pub page: Option<JsValue>,
}

/// The server's receipt for an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// The server's id of the entry.
    pub id: String,
}

/// One user's connection to one activity. Clones share it; it lives as long as the page, or until [`Activity::close`].
#[derive(Clone)]
pub struct Activity {
    session: Session,
    listeners: Rc<Listeners>,
}

type Listener = Rc<dyn Fn(&Notice)>;

#[derive(Default)]
struct Listeners {
    next: Cell<u32>,
    all: RefCell<Vec<(u32, Listener)>>,
}

impl Listeners {
    /// Calls each a moment later: a listener may do what it likes.
    fn tell(this: &Rc<Self>, notice: Notice) {
        let this = Rc::clone(this);
        soon(Box::new(move || {
            let all = this.all.borrow().clone();
            all.iter().for_each(|(_, listener)| listener(&notice));
        }));
    }
}

impl Activity {
    /// Starts from the launch that the page embeds in `<script type="application/json" data-latchkey>`: reads
    /// the block, removes it, and sends what earlier launches of this user and activity left unsent.
    /// Waits until a prerendered page is shown. Where the block names a `parent`, the page is in a frame, and the
    /// page around it, of exactly that origin, gives the launch; that loads `/sdk/framed.js` from the server.
    ///
    /// # Errors
    /// [`Error::Entry`]: no block, several, or one that cannot be read. [`Error::Frame`]: the page around gives no key.
    pub async fn connect() -> Result<Self, Error> {
        Self::connect_with(Options::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Activity::connect`].
    pub async fn connect_with(options: Options) -> Result<Self, Error> {
        let Options { token, endpoint, renew, parent, page } = options;
        let launch = Launch { token, endpoint, renew };
        let listeners = Rc::new(Listeners::default());
        let told = Rc::clone(&listeners);
        let page = page.unwrap_or_else(|| js_sys::global().into()).unchecked_into::<Page>();
        let (go, gone) = oneshot::channel();
        shown(
            &page,
            Box::new(move || {
                let _ = go.send(());
            }),
        );
        // Cannot be cancelled but by the end of the page.
        let _ = gone.await;
        let (parent, launch) = match parent {
            None if launch.token.is_none() => browser::parent(&page, launch),
            given => (given, launch),
        };
        let (launch, page) = match parent {
            Some(parent) => browser::enter(&page, &parent, &launch).await.map_err(Error::Frame)?,
            None => (launch, page),
        };
        let tell = Box::new(move |notice| Listeners::tell(&told, notice));
        let session = Session::open(launch, page, tell).map_err(Error::Entry)?;
        Ok(Self { session, listeners })
    }

    /// The user's id at the host.
    pub fn user(&self) -> String {
        self.session.claims(|claims| claims.sub.clone())
    }

    /// The activity's id at the host.
    pub fn id(&self) -> String {
        self.session.claims(|claims| claims.activity.clone())
    }

    /// How many operations the server has not acknowledged.
    pub fn unsaved(&self) -> usize {
        self.session.unsaved()
    }

    /// Logs an event: 1–64 characters of `a-z0-9_.:-`, and an object of up to 4096 bytes of JSON, or `()`
    /// for none. It is stored when this returns; the answer need not be waited for.
    pub fn log(&self, event: &str, data: impl Serialize) -> Answer<Entry> {
        #[derive(Serialize)]
        struct Args<'a> {
            event: &'a str,
            #[serde(skip_serializing_if = "Value::is_null")]
            data: Value,
            at: String,
        }
        let data = serde_json::to_value(data).map_err(|_| ());
        let args = data.and_then(|data| json(&Args { event, data, at: self.session.time() }));
        self.call("log", args)
    }

    /// Hands in a score. It is stored when this returns.
    pub fn grade(&self, grade: Grade) -> Answer<Receipt> {
        let sequence = self.session.tick();
        self.call("grade", json(&grade.written(self.session.time(), sequence)))
    }

    /// Reads what happened lately, newest first. Never kept.
    pub fn recent(&self, query: Query) -> Answer<Recent> {
        self.call("recent", json(&query.0))
    }

    /// What the attempt keeps for its next launch.
    pub fn state(&self) -> State {
        State::of(self.clone())
    }

    /// Calls `listener` at each notice, until the subscription is dropped.
    pub fn on(&self, listener: impl Fn(&Notice) + 'static) -> Subscription {
        let listeners = Rc::clone(&self.listeners);
        let number = listeners.next.get();
        listeners.next.set(number + 1);
        listeners.all.borrow_mut().push((number, Rc::new(listener)));
        Subscription(Some(Box::new(move || {
            listeners.all.borrow_mut().retain(|(known, _)| *known != number);
        })))
    }

    /// Sends what is unsaved at once instead of waiting for the next attempt, unless the server asked for
    /// patience. Gives the number still unsaved when this attempt is over.
    pub async fn flush(&self) -> usize {
        let (done, over) = oneshot::channel();
        self.session.flush(Box::new(move |count| {
            // Whoever asked may have gone.
            let _ = done.send(count);
        }));
        over.await.unwrap_or_else(|_| self.unsaved())
    }

    /// Stops; what is unsaved is left to the next launch.
    pub fn close(&self) {
        self.session.close();
    }

    pub(crate) fn call<T>(&self, function: &str, args: Result<String, ()>) -> Answer<T> {
        let (done, answer) = oneshot::channel();
        // Nobody may be waiting any more: then the notices tell.
        let settle = Box::new(move |outcome| drop(done.send(outcome)));
        self.session.call(function, args.ok().as_deref(), settle);
        Answer { answer, read: PhantomData }
    }
}

pub(crate) fn json(args: &impl Serialize) -> Result<String, ()> {
    serde_json::to_string(args).map_err(|_| ())
}

/// What the server will answer. Offline it waits until the operation is answered; dropping it cancels nothing.
pub struct Answer<T> {
    answer: oneshot::Receiver<Result<String, Failure>>,
    read: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for Answer<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(context).map(|sent| match sent {
            Ok(Ok(text)) => serde_json::from_str(&text).map_err(|_| Error::Unreadable),
            Ok(Err(failure)) => Err(failure.into()),
            Err(oneshot::Canceled) => Err(Error::Unreadable),
        })
    }
}
