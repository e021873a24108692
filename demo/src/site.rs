//! Every address of the site.

use crate::accounts::Accounts;
use crate::built::{self, Built};
use crate::course::{self, Activity};
use crate::neighbour::Neighbour;
use crate::pages::{self, assets};
use crate::shelf::{NotTaken, Shelf};
use crate::throttle::Throttle;
use crate::{guard, launch, login, ruling};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use latchkey_protocol::Millis;
use latchkey_server::Latchkey;
use latchkey_server::clock::Entropy;
use latchkey_server::embed::BadHeader;
use latchkey_server::keys::mint::MintError;
use latchkey_server::session::WebSessionStore;
use latchkey_server::store::StoreError;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::Semaphore;
use tower_sessions::{Expiry, SessionManagerLayer};

/// The most of a body: forms and renewals are small.
const BODY: usize = 16 * 1024;
/// Passwords verified at a time: each takes 19 MiB.
const VERIFIED_AT_ONCE: usize = 2;

/// What every request may use.
pub(crate) struct Site {
    pub(crate) latchkey: Arc<Latchkey>,
    pub(crate) accounts: Accounts,
    /// Of its own pages; the first is the one it goes by.
    pub(crate) origins: Vec<String>,
    /// Origin of the Latchkey API.
    pub(crate) api: String,
    /// Origin of what teachers bring: isolated from all of the above.
    pub(crate) content: String,
    pub(crate) entropy: Entropy,
    pub(crate) throttle: Throttle,
    pub(crate) verifying: Semaphore,
    /// What some pages load.
    pub(crate) built: Built,
    /// A second site on the same server.
    pub(crate) neighbour: Option<Neighbour>,
    /// Packages that are played.
    pub(crate) shelf: Shelf,
}

/// How many passwords are verified at a time.
pub(crate) fn verifying() -> Semaphore {
    Semaphore::new(VERIFIED_AT_ONCE)
}

impl Site {
    /// The activity of that id. The whole school takes every course, so who is logged in may open it.
    pub(crate) fn activity(&self, id: &str) -> Option<&'static Activity> {
        let brought = || self.shelf.brought().into_iter().map(|placed| placed.activity);
        course::activity(id).or_else(|| brought().find(|activity| activity.id == id))
    }

    pub(crate) fn now(&self) -> Millis {
        self.latchkey.now()
    }

    /// By which of its origins a request reached it.
    pub(crate) fn origin_of(&self, headers: &HeaderMap) -> &str {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let reached = self
            .origins
            .iter()
            .find(|origin| origin.split_once("://").map(|(_, authority)| authority) == host);
        reached.or(self.origins.first()).map_or("", String::as_str)
    }

    /// Whether browsers reach it over TLS only.
    fn is_secure(&self) -> bool {
        self.origins.iter().all(|origin| origin.starts_with("https://"))
    }
}

/// The whole URL surface, grouped by caller.
pub(crate) fn router(site: Arc<Site>) -> Router {
    let sessions = SessionManagerLayer::new(WebSessionStore::new(&site.latchkey))
        .with_name("harbour_session")
        .with_http_only(true)
        .with_same_site(tower_sessions::cookie::SameSite::Lax)
        .with_secure(site.is_secure())
        .with_expiry(Expiry::OnInactivity(login::INACTIVITY));
    let archive = usize::try_from(site.shelf.limit()).unwrap_or(usize::MAX).saturating_add(BODY);
    let packages = get(pages::packages::page)
        .post(pages::packages::bring)
        .layer(DefaultBodyLimit::max(archive));
    Router::new()
        // --- anybody
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        // --- whoever is logged in
        .route("/", get(pages::course::home))
        .route("/course", get(pages::course::page))
        .route("/activity/{activity}", get(pages::activity::page))
        // --- scripts of an activity's page
        .route("/renew/{activity}", post(launch::renew))
        // --- teachers
        .route("/gradebook/{activity}", get(pages::gradebook::page))
        .route("/gradebook/{activity}/grade/{user}", post(ruling::set))
        .route("/gradebook/{activity}/void", post(ruling::void))
        .route("/insight/{activity}", get(pages::insight::page))
        .route("/packages", packages)
        .fallback(async || Failure::NotFound)
        .layer(sessions)
        // --- without a session
        .route("/static/{file}", get(assets::file))
        .route("/built/{file}", get(built::file))
        .route("/guest/{activity}", get(pages::guest::page))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn_with_state(Arc::clone(&site), guard::headers))
        .with_state(site)
}

/// Why a page cannot be shown. The visitor gets a page that says what to do, the log gets the cause.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// No such page.
    #[error("not found")]
    NotFound,
    /// A file that is made before the demo runs.
    #[error("{} is missing: run cargo xtask web", .0.display())]
    NotBuilt(PathBuf),
    /// A package that comes with the demo cannot be played.
    #[error("package: {0}")]
    Package(#[from] NotTaken),
    /// For teachers.
    #[error("for teachers only")]
    Forbidden,
    /// A form that was not sent by a page of the site.
    #[error("a form of another site")]
    ForeignForm,
    /// A score that is none.
    #[error("not a score")]
    NoScore,
    /// What is stored cannot be had.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The login session cannot be had.
    #[error("login session: {0}")]
    Session(#[from] tower_sessions::session::Error),
    /// No key can be made.
    #[error("launch: {0}")]
    Mint(#[from] MintError),
    /// No page can carry a key.
    #[error("page: {0}")]
    Header(#[from] BadHeader),
    /// No page can carry a key.
    #[error("page: {0}")]
    Block(#[from] serde_json::Error),
    /// Work beside the runtime was not done to its end.
    #[error("not done to the end: {0}")]
    Verify(String),
}

impl Failure {
    /// Status of the answer, and what its page says.
    pub(crate) fn told(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is no such page",
                "The address may be mistyped, or the activity has moved.",
            ),
            Self::NotBuilt(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This activity has not been built",
                "It needs files that are made or fetched beforehand. Run: cargo xtask web",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "This page is for teachers",
                "Your own grades are on the course page.",
            ),
            Self::ForeignForm => (
                StatusCode::FORBIDDEN,
                "That did not come from this site",
                "The form was sent by another page. Please use the forms here.",
            ),
            Self::NoScore => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "That is not a score",
                "Please go back and write a number from zero to the activity's maximum.",
            ),
            Self::Store(_)
            | Self::Session(_)
            | Self::Mint(_)
            | Self::Header(_)
            | Self::Block(_)
            | Self::Package(_)
            | Self::Verify(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Something is not working here",
                "It is not your fault, and nothing that was saved is lost. Please try again in a moment.",
            ),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, text) = self.told();
        if status.is_server_error() {
            tracing::error!(cause = %self, "a page failed");
        }
        (status, pages::error::page(status, title, text)).into_response()
    }
}
