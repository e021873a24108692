//! A tab: what a person does in it, and what its page believes.

use super::browser::Browser;
use super::{PATIENCE, comes};
use chromiumoxide::cdp::browser_protocol::log::{
    EnableParams as LogEnable, EventEntryAdded, LogEntrySource,
};
use chromiumoxide::cdp::browser_protocol::network::{
    EmulateNetworkConditionsByRuleParams, EnableParams as NetworkEnable, NetworkConditions,
    OverrideNetworkStateParams,
};
use chromiumoxide::cdp::browser_protocol::page::{
    AddScriptToEvaluateOnNewDocumentParams, NavigateParams,
};
use chromiumoxide::cdp::browser_protocol::target::{CloseTargetParams, DetachFromTargetParams};
use chromiumoxide::cdp::js_protocol::runtime::{EvaluateParams, EventExceptionThrown};
use chromiumoxide::{Command, Page};
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::panic::Location;
use std::sync::{Arc, Mutex};

/// Runs in every document before all else: what the page's policy forbids is written down.
const WATCH: &str = "
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
";

/// What a page asked for, and what it was told.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) function: String,
    pub(crate) args: Value,
    /// `pending`, `saved`, `refused` or `ended`.
    pub(crate) state: String,
    /// The receipt, or the error.
    #[serde(default)]
    pub(crate) result: Value,
}

/// All that a page believes.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Book {
    pub(crate) outcomes: Vec<Outcome>,
    /// What the events told, in order; `name` is the event's.
    pub(crate) events: Vec<Value>,
    pub(crate) unsaved: usize,
}

impl Book {
    /// The events of one name.
    pub(crate) fn told(&self, name: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["name"] == name).collect()
    }
}

/// What the browser answers for a page that was left while it had yet to answer.
const LEFT: &str = "Inspected target navigated or closed";

/// A tab of the browser.
#[derive(Clone)]
pub(crate) struct Tab {
    page: Page,
    thrown: Lines,
    complaints: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Tab {
    pub(crate) async fn new(page: Page) -> Self {
        let thrown = Lines::default();
        let mut exceptions = page.event_listener::<EventExceptionThrown>().await.unwrap();
        let heap = Arc::clone(&thrown);
        tokio::spawn(async move {
            while let Some(event) = exceptions.next().await {
                heap.lock().unwrap().push(format!("{:?}", event.exception_details));
            }
        });
        let complaints = Lines::default();
        let mut log = page.event_listener::<EventEntryAdded>().await.unwrap();
        let heap = Arc::clone(&complaints);
        tokio::spawn(async move {
            while let Some(event) = log.next().await {
                if event.entry.source == LogEntrySource::Security {
                    heap.lock().unwrap().push(event.entry.text.clone());
                }
            }
        });
        let tab = Self { page, thrown, complaints };
        tab.run(AddScriptToEvaluateOnNewDocumentParams::new(WATCH)).await;
        tab.run(NetworkEnable::default()).await;
        tab.run(LogEnable::default()).await;
        tab
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn run<C: Command>(&self, command: C) -> C::Response {
        let done = tokio::time::timeout(PATIENCE, self.page.execute(command)).await.unwrap();
        done.unwrap().result
    }

    /// Runs in every document from now on, before all else.
    pub(crate) async fn before_all(&self, script: &str) {
        self.run(AddScriptToEvaluateOnNewDocumentParams::new(script)).await;
    }

    /// Goes to an address; what is there may still be loading.
    pub(crate) async fn go(&self, url: &str) {
        let gone = self.run(NavigateParams::new(url)).await;
        assert_eq!(gone.error_text, None, "{url}");
    }

    /// Opens a page with a widget and waits until it is connected.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) -> impl Future<Output = ()> {
        let ready = self.until("document.body?.dataset.widget === 'ready'");
        async move {
            self.go(url).await;
            ready.await;
        }
    }

    pub(super) async fn try_eval(&self, expression: &str) -> Result<Value, String> {
        let params = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true)
            .user_gesture(true)
            .build()?;
        let done = tokio::time::timeout(PATIENCE, self.page.execute(params)).await;
        let done = done.map_err(|_| "no answer")?.map_err(|error| error.to_string())?.result;
        match done.exception_details {
            Some(thrown) => Err(format!("{thrown:?}")),
            None => Ok(done.result.value.unwrap_or_default()),
        }
    }

    /// The value of an expression in the page, awaited if it is a promise.
    #[track_caller]
    pub(crate) fn eval<T: DeserializeOwned>(&self, expression: &str) -> impl Future<Output = T> {
        let caller = Location::caller();
        async move {
            let value = self.try_eval(expression).await;
            let value = value.unwrap_or_else(|error| panic!("{caller}: {expression}: {error}"));
            serde_json::from_value(value.clone())
                .unwrap_or_else(|error| panic!("{caller}: {expression} is {value}: {error}"))
        }
    }

    /// Does something in the page and does not wait for what comes of it, be it that the page is
    /// left before the browser has said that the thing is done.
    #[track_caller]
    pub(crate) fn act(&self, statement: &str) -> impl Future<Output = ()> {
        let statement = format!("void ({statement})");
        let caller = Location::caller();
        async move {
            match self.try_eval(&statement).await {
                Err(error) if !error.contains(LEFT) => panic!("{caller}: {statement}: {error}"),
                _ => {}
            }
        }
    }

    /// Waits until an expression is true in the page, whatever page is there by then.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> impl Future<Output = ()> + use<> {
        let (caller, tab) = (Location::caller(), self.clone());
        let expression = format!("!!({expression})");
        async move {
            // An error is a page on its way out, or not there yet.
            let come = async || tab.try_eval(&expression).await == Ok(Value::Bool(true));
            if !comes(come).await {
                let seen = tab
                    .try_eval("[location.href, document.body?.innerText, window.widget?.book?.()]");
                let seen = (seen.await, tab.thrown.lock().unwrap().clone());
                panic!("{caller}: never {expression}; the page: {seen:#?}");
            }
        }
    }

    /// Answers question `n`: one entry of the log.
    pub(crate) async fn answer(&self, n: usize) {
        self.act(&format!("widget.log('answered', {{ question: {n} }})")).await;
    }

    /// Hands in a score.
    pub(crate) async fn grade(&self, score: f64) {
        self.act(&format!("widget.grade({{ score: {score} }})")).await;
    }

    /// Gives the last answer and hands in the score in one breath.
    pub(crate) async fn finish(&self, n: usize, score: f64) {
        let last = format!("widget.log('answered', {{ question: {n} }})");
        self.act(&format!("({last}, widget.grade({{ score: {score} }}))")).await;
    }

    /// The newest events of the activity as the server tells them, newest first.
    pub(crate) async fn recent(&self) -> Vec<Value> {
        self.eval("widget.activity.recent({ limit: 100 }).then((recent) => recent.items)").await
    }

    /// What the page believes.
    pub(crate) async fn book(&self) -> Book {
        self.eval("widget.book()").await
    }

    /// Waits until the page believes that all is saved.
    #[track_caller]
    pub(crate) fn saved(&self) -> impl Future<Output = Book> {
        let saved = self.until("widget.activity.unsaved === 0 && widget.settled()");
        async move {
            saved.await;
            let book = self.book().await;
            for outcome in &book.outcomes {
                assert_eq!(outcome.state, "saved", "{book:#?}");
            }
            book
        }
    }

    /// Cuts the network of this tab, as a tunnel does, or gives it back.
    pub(crate) async fn offline(&self, offline: bool) {
        let everywhere = NetworkConditions::new("", 0.0, -1.0, -1.0);
        self.run(EmulateNetworkConditionsByRuleParams::new(offline, vec![everywhere])).await;
        self.run(OverrideNetworkStateParams::new(offline, 0.0, -1.0, -1.0)).await;
    }

    /// Closes the tab the way a person does.
    pub(crate) async fn close(self) {
        let target = self.page.target_id().clone();
        self.run(CloseTargetParams::new(target)).await;
    }

    /// Stops watching it; it is left to itself.
    pub(crate) async fn let_go(self, browser: &Browser) {
        let session = self.page.session_id().clone();
        browser.run(DetachFromTargetParams::builder().session_id(session).build()).await;
    }

    /// Puts it in front of the others.
    pub(crate) async fn front(&self) {
        self.page.bring_to_front().await.unwrap();
    }

    /// What its pages threw and nobody caught.
    pub(crate) fn thrown(&self) -> Vec<String> {
        self.thrown.lock().unwrap().clone()
    }

    /// What the browser wrote to its console about the security of its pages.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    /// Everything in the page where a token could have been left.
    pub(crate) async fn traces(&self) -> String {
        let places: Value = self
            .eval(
                "[document.documentElement.outerHTML, location.href, document.cookie,
                  { ...localStorage }, { ...sessionStorage }, history.state, window.name,
                  performance.getEntries().map((entry) => entry.name)]",
            )
            .await;
        json!(places).to_string()
    }
}
