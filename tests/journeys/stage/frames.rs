//! Pages around frames, pages in frames, and a stranger's page. Those in frames can be asked from around: they
//! evaluate what they are sent, since no driver looks into a frame without an origin.

use super::comes;
use super::exercise;
use super::host::{Host, LoggedIn, NONCE};
use super::tab::{Book, Tab};
use super::world::World;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use latchkey_server::embed::{Block, page_headers};
use latchkey_server::serve_router;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// What a page in a frame does for the page around it.
const LISTEN: &str = "
    addEventListener('error', ({ error }) => (window.failure = String(error)));
    addEventListener('unhandledrejection', ({ reason }) => (window.failure = String(reason)));
    addEventListener('message', async ({ data, ports }) => {
      if (!data?.expression) return;
      try { ports[0].postMessage({ value: await eval(data.expression) }); }
      catch (error) { ports[0].postMessage({ error: String(error) }); }
    });";

/// Addresses of the school's.
pub(super) fn routes() -> Router<Arc<Host>> {
    Router::new().route("/around/{activity}", get(around)).route("/framed/{activity}", get(framed))
}

/// The page around: it has the login and the block, and places its first frame. Its policy lets frames go anywhere,
/// so that nothing but the handshake stands in their way.
async fn around(
    State(host): State<Arc<Host>>,
    Path(activity): Path<String>,
    LoggedIn { session, user }: LoggedIn,
) -> Response {
    let token = host.launch(&session, &user, &activity);
    let (renew, endpoint) = (format!("/renew/{activity}"), host.endpoint.as_deref());
    let block = Block { token: &token, endpoint, renew: Some(&renew) }.html().unwrap();
    let sdk = endpoint.unwrap_or_default();
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>{activity}</title><link rel=icon href=data:,>{block}
         <iframe id=placed sandbox='allow-scripts' data-src='/framed/{activity}' title=Quiz></iframe>
         <iframe id=other sandbox='allow-scripts' title=Other></iframe>
         <script type=module nonce={NONCE}>
           import {{ place }} from \"{sdk}/sdk/place.js\";
           window.warnings = [];
           const {{ warn }} = console;
           console.warn = (text) => (warnings.push(text), warn(text));
           window.ask = (id, expression) => new Promise((told) => {{
             const {{ port1, port2 }} = new MessageChannel();
             port1.onmessage = ({{ data }}) => told(data);
             document.getElementById(id).contentWindow.postMessage({{ expression }}, '*', [port2]);
           }});
           addEventListener('message', ({{ data, ports }}) => data === 'ping' && ports[0].postMessage('pong'));
           place(document.getElementById('placed'));
           document.body.dataset.placed = 'true';
         </script>"
    );
    let mut headers = page_headers(NONCE, endpoint).unwrap();
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    let policy = HeaderValue::from_str(&format!("{policy}; frame-src *")).unwrap();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    (headers, Html(page)).into_response()
}

/// The page in the frame: an activity like any other, the same for everybody. That of the manual, or the widget.
async fn framed(State(host): State<Arc<Host>>, Path(activity): Path<String>) -> Response {
    let (site, api) = (&host.site, host.endpoint.as_ref().unwrap_or(&host.site));
    let policy = format!(
        "sandbox allow-scripts; default-src 'none'; connect-src {api} {site}; img-src data:; \
         script-src {site} {api} 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval'"
    );
    let mut block = json!({"parent": site});
    let content = match activity.as_str() {
        "exercise" => {
            // A plugin comes from its own site: it has to be told where the SDK is.
            block["endpoint"] = json!(host.endpoint);
            exercise::MARKUP.to_owned()
        }
        _ => format!(
            "<p id=state>Connecting</p><p id=problem></p>
             <script type=module>
               import {{ connect }} from \"{api}/sdk/{}\";
               import {{ open }} from \"/widget.js\";
               open(connect);
             </script>",
            host.sdk.path()
        ),
    };
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>Framed</title><link rel=icon href=data:,>
         <script type='application/json' data-latchkey>{block}</script>
         <script>{LISTEN}</script>{content}"
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

/// A stranger's page, at a site of its own: says hello to the page around it as often as it can think of, and keeps
/// what it is told. Gives its port.
pub(crate) async fn stranger(around: &str) -> u16 {
    let page = format!(
        "<!doctype html><meta charset=utf-8><p id=stranger>Hello</p>
         <script>{LISTEN}
           window.told = [];
           const hello = (message) => {{
             const {{ port1, port2 }} = new MessageChannel();
             port1.onmessage = ({{ data }}) => told.push(data);
             parent.postMessage(message, '{around}', [port2]);
           }};
           for (const nonce of [undefined, '', location.hash.split('=')[1], 'ab'.repeat(16)])
             hello({{ latchkey: 'hello', protocol: 1, nonce }});
           // Asked after all hellos, so answered after them.
           window.over = new Promise((done) => {{
             const {{ port1, port2 }} = new MessageChannel();
             port1.onmessage = () => done(true);
             parent.postMessage('ping', '{around}', [port2]);
           }});
         </script>"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/", get(async || Html(page)));
    tokio::spawn(serve_router(listener, router, Duration::from_secs(10), std::future::pending()));
    port
}

impl World {
    /// Keys of this world are for frames without an origin.
    pub(crate) fn for_frames(&self) {
        self.host.launches_with(|claims| claims.origins = Some(vec!["null".into()]));
    }

    /// Opens a page with a frame, and waits until the code in it is connected.
    pub(crate) async fn around(&self, tab: &Tab, activity: &str) {
        tab.go(&self.url(&format!("/around/{activity}"))).await;
        tab.until("document.body?.dataset.placed").await;
        tab.ask_until("placed", "document.body.dataset.widget === 'ready'").await;
    }
}

impl Tab {
    /// The value of an expression in a frame of the page.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, frame: &str, expression: &str) -> T {
        let answer: Value = self.eval(&format!("ask({frame:?}, {expression:?})")).await;
        assert!(answer.get("error").is_none(), "{expression}: {answer}");
        serde_json::from_value(answer["value"].clone()).unwrap()
    }

    /// Waits until an expression is true in a frame, whatever page is in it by then. A page that is not there yet
    /// gives no answer: it is asked again.
    #[track_caller]
    pub(crate) fn ask_until(&self, frame: &str, expression: &str) -> impl Future<Output = ()> {
        let (caller, tab) = (Location::caller(), self.clone());
        let said = format!("{frame}: {expression}");
        let question = format!(
            "Promise.race([ask({frame:?}, {:?}), new Promise((none) => setTimeout(none, 100))])
               .then((said) => said?.value === true)",
            format!("(async () => !!({expression}))()")
        );
        async move {
            let come = comes(async || tab.eval::<bool>(&question).await).await;
            assert!(come, "{caller}: never in the frame {said}");
        }
    }

    /// What the page in the frame believes.
    pub(crate) async fn framed_book(&self) -> Book {
        self.ask("placed", "widget.book()").await
    }

    /// Waits until the page in the frame believes that all is saved.
    pub(crate) async fn framed_saved(&self) -> Book {
        self.ask_until("placed", "widget.activity.unsaved === 0 && widget.settled()").await;
        self.framed_book().await
    }

    /// Does something in the frame, and does not wait for what comes of it.
    pub(crate) async fn framed_act(&self, statement: &str) {
        self.ask::<Value>("placed", &format!("void ({statement})")).await;
    }
}
