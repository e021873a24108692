//! A school: a site of its own with logins and pages that embed keys, as the design tells hosts to be.

use super::{PATIENCE, aicc, exercise, films, frames, runtimes};
use axum::Router;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use latchkey_protocol::launch::{LaunchClaims, Placement, UserDescription};
use latchkey_server::Latchkey;
use latchkey_server::embed::{Block, check_renewal, page_headers};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Its id as a host of the server.
pub(crate) const HOST: &str = "school";
pub(super) const NONCE: &str = "c2Nob29s";

type Change = Box<dyn Fn(&mut LaunchClaims) + Send>;

/// What pages load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    JavaScript,
    Wasm,
}

impl Sdk {
    /// Where it is, below `/sdk/`.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::JavaScript => "latchkey.js",
            Self::Wasm => "wasm/latchkey.js",
        }
    }

    /// The headers of a page that loads it.
    pub(super) fn headers(self, endpoint: Option<&str>) -> HeaderMap {
        let mut headers = page_headers(NONCE, endpoint).unwrap();
        if self == Self::Wasm {
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            let policy = policy.replace("script-src ", "script-src 'wasm-unsafe-eval' ");
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.parse().unwrap());
        }
        headers
    }
}

/// The school.
pub(crate) struct Host {
    /// Mints, reads and ends keys.
    pub(crate) latchkey: Arc<Latchkey>,
    pub(super) sdk: Sdk,
    /// Origin of its pages.
    pub(crate) site: String,
    /// Origin of the API, where that is another.
    pub(crate) endpoint: Option<String>,
    logins: Mutex<HashMap<String, String>>,
    sessions: AtomicU32,
    widgets: AtomicU32,
    change: Mutex<Change>,
    launches: Mutex<Vec<String>>,
    renewals: Mutex<Vec<String>>,
    prepared: Semaphore,
    /// Lets the page at `/door/…` go on, one step for each permit.
    pub(crate) door: Semaphore,
}

impl Host {
    pub(crate) fn new(
        latchkey: Arc<Latchkey>,
        sdk: Sdk,
        site: String,
        endpoint: Option<String>,
    ) -> Self {
        let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../client-wasm/npm/dist/latchkey.js");
        let there = sdk != Sdk::Wasm || std::path::Path::new(built).exists();
        assert!(there, "build the WebAssembly SDK first: cargo xtask wasm");
        Self {
            latchkey,
            sdk,
            site,
            endpoint,
            logins: Mutex::default(),
            sessions: AtomicU32::default(),
            widgets: AtomicU32::default(),
            change: Mutex::new(Box::new(|_| ())),
            launches: Mutex::default(),
            renewals: Mutex::default(),
            prepared: Semaphore::new(0),
            door: Semaphore::new(0),
        }
    }

    /// What all launches from now on say beside the usual.
    pub(crate) fn launches_with(&self, change: impl Fn(&mut LaunchClaims) + Send + 'static) {
        *self.change.lock().unwrap() = Box::new(change);
    }

    /// Every launch token so far, renewals included.
    pub(crate) fn launches(&self) -> Vec<String> {
        self.launches.lock().unwrap().clone()
    }

    /// How each renewal ended: status, then the user or the reason.
    pub(crate) fn renewals(&self) -> Vec<String> {
        self.renewals.lock().unwrap().clone()
    }

    /// How often a page has loaded the widget's script.
    pub(crate) fn widgets(&self) -> u32 {
        self.widgets.load(Ordering::Relaxed)
    }

    /// Waits until a page runs that nobody looks at yet.
    pub(crate) async fn until_prepared(&self) {
        let told = tokio::time::timeout(PATIENCE, self.prepared.acquire()).await;
        drop(told.expect("no page was prepared in advance").unwrap());
    }

    /// Who is logged in, and in which session.
    pub(super) fn login(&self, headers: &HeaderMap) -> Option<(String, String)> {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        let session = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("sid="))?;
        let user = self.logins.lock().unwrap().get(session)?.clone();
        Some((session.to_owned(), user))
    }

    pub(super) fn launch(&self, session: &str, user: &str, activity: &str) -> String {
        let mut claims = self.latchkey.claims(HOST, user, activity);
        claims.session = Some(format!("of-{session}"));
        let name = Some(user.to_uppercase());
        claims.user = Some(UserDescription { name, ..UserDescription::default() });
        claims.placement = Some(Placement { max: Some(10.0), ..Placement::default() });
        (self.change.lock().unwrap())(&mut claims);
        let token = self.latchkey.mint(&claims).unwrap();
        self.launches.lock().unwrap().push(token.clone());
        token
    }

    /// The page of an activity.
    fn page(&self, token: &str, activity: &str) -> String {
        let renew = format!("/renew/{activity}");
        let endpoint = self.endpoint.as_deref();
        let block = Block { token, endpoint, renew: Some(&renew) }.html().unwrap();
        let sdk = format!("{}/sdk/{}", endpoint.unwrap_or_default(), self.sdk.path());
        format!(
            "<!doctype html><meta charset=utf-8><title>{activity}</title>
             <link rel=icon href=data:,>
             <p id=state>Connecting</p><p id=problem></p>{block}
             <a id=away href=/away>away</a>
             <form id=logout method=post action=/logout><button>Log out</button></form>
             <script type=module nonce={NONCE}>
               import {{ connect }} from \"{sdk}\";
               import {{ open }} from \"/widget.js\";
               open(connect);
             </script>"
        )
    }

    async fn renew(
        &self,
        headers: &HeaderMap,
        activity: &str,
        old: &str,
    ) -> Result<String, Renewal> {
        check_renewal(headers, &self.site)
            .map_err(|refusal| (StatusCode::FORBIDDEN, refusal.to_string()))?;
        let logged_out = || (StatusCode::UNAUTHORIZED, "nobody".to_owned());
        let (session, user) = self.login(headers).ok_or_else(logged_out)?;
        if let Some(key) = self.latchkey.key_of(old) {
            let (store, now) = (self.latchkey.store(), self.latchkey.now());
            store.revoke(HOST, key, "renewed", now).await.unwrap();
        }
        self.renewals.lock().unwrap().push(format!("200 {user}"));
        Ok(self.launch(&session, &user, activity))
    }
}

type Renewal = (StatusCode, String);
type Shared = State<Arc<Host>>;

/// Every address of the site.
pub(crate) fn router(host: Arc<Host>) -> Router {
    Router::new()
        .route("/login/{user}", get(login))
        .route("/logout", post(logout))
        .route("/play/{activity}", get(play))
        .route("/door", post(at_the_door))
        .route("/door/{activity}", get(door))
        .route("/away", get(away))
        .route("/prepared", get(away).post(prepared))
        .route("/renew/{activity}", post(renew))
        .route("/widget.js", get(widget))
        .merge(aicc::routes())
        .merge(exercise::routes())
        .merge(films::routes())
        .merge(frames::routes())
        .merge(runtimes::routes())
        .with_state(host)
}

/// Who is logged in; nobody else gets further.
pub(super) struct LoggedIn {
    pub(super) session: String,
    pub(super) user: String,
}

impl FromRequestParts<Arc<Host>> for LoggedIn {
    type Rejection = (StatusCode, Html<&'static str>);

    async fn from_request_parts(
        parts: &mut Parts,
        host: &Arc<Host>,
    ) -> Result<Self, Self::Rejection> {
        let found = host.login(&parts.headers).map(|(session, user)| Self { session, user });
        found.ok_or((StatusCode::FORBIDDEN, Html("<!doctype html><p>Log in first")))
    }
}

/// A school's login asks for more; what matters here is the cookie.
async fn login(State(host): Shared, Path(user): Path<String>) -> Response {
    let mut logins = host.logins.lock().unwrap();
    let session = format!("{user}-{}", host.sessions.fetch_add(1, Ordering::Relaxed));
    let cookie = format!("sid={session}; Path=/; HttpOnly; SameSite=Lax");
    logins.insert(session, user);
    ([(header::SET_COOKIE, cookie)], Html("<!doctype html><p id=in>Logged in")).into_response()
}

async fn logout(State(host): Shared, headers: HeaderMap) -> Response {
    if let Some((session, _)) = host.login(&headers) {
        host.logins.lock().unwrap().remove(&session);
        let (store, now) = (host.latchkey.store(), host.latchkey.now());
        store.end_session(HOST, &format!("of-{session}"), now).await.unwrap();
    }
    Redirect::to("/away").into_response()
}

async fn play(
    State(host): Shared,
    Path(activity): Path<String>,
    LoggedIn { session, user }: LoggedIn,
) -> Response {
    let token = host.launch(&session, &user, &activity);
    let headers = host.sdk.headers(host.endpoint.as_deref());
    (headers, Html(host.page(&token, &activity))).into_response()
}

/// A page from which the browser is told to prepare the activity's, and which goes there by itself; both when
/// the door says so.
async fn door(Path(activity): Path<String>) -> Html<String> {
    let rules = json!({"prerender": [{"urls": [format!("/play/{activity}?eager")], "eagerness": "immediate"}]});
    Html(format!(
        "<!doctype html><link rel=icon href=data:,><p id=door>Wait
         <script type=module>
           const door = () => fetch('/door', {{ method: 'POST' }});
           await door();
           const rules = document.createElement('script');
           rules.type = 'speculationrules';
           rules.text = JSON.stringify({rules});
           document.head.append(rules);
           await door();
           location.href = '/play/{activity}?eager';
         </script>"
    ))
}

/// Opens once for each permit.
async fn at_the_door(State(host): Shared) {
    host.door.acquire().await.unwrap().forget();
}

/// A page says that it runs without being looked at.
async fn prepared(State(host): Shared) {
    host.prepared.add_permits(1);
}

async fn away() -> Html<&'static str> {
    Html("<!doctype html><link rel=icon href=data:,><p id=away>Somewhere else")
}

#[derive(Deserialize)]
struct Replaced {
    token: String,
}

async fn renew(
    State(host): Shared,
    Path(activity): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    // Looked at before the body: a refusal must not depend on what was sent.
    let old = serde_json::from_str(&body).map(|Replaced { token }| token).unwrap_or_default();
    match host.renew(&headers, &activity, &old).await {
        Ok(token) => axum::Json(json!({"status": "ok", "token": token})).into_response(),
        Err((status, why)) => {
            host.renewals.lock().unwrap().push(format!("{} {why}", status.as_u16()));
            (status, axum::Json(json!({"status": "error"}))).into_response()
        }
    }
}

async fn widget(State(host): Shared) -> impl IntoResponse {
    host.widgets.fetch_add(1, Ordering::Relaxed);
    // Pages in sandboxed frames load it too.
    let headers =
        [(header::CONTENT_TYPE, "text/javascript"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (headers, include_str!("widget.js"))
}
