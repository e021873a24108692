//! Logging in and out.

use crate::accounts::{Account, Role};
use crate::guard::own_form;
use crate::site::{Failure, Site};
use crate::{HOST, pages};
use axum::Form;
use axum::extract::{ConnectInfo, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::Millis;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use time::Duration;
use tower_sessions::Session;
use tower_sessions::session::Id;

/// A login that is not used ends after this long: no sooner than a key by default, or a long activity
/// that was kept alive could not be renewed.
pub(crate) const INACTIVITY: Duration = Duration::hours(8);
/// Use is written down this often at most.
const NOTED: Millis = 5 * 60_000;
const USER: &str = "user";
const SEEN: &str = "seen";

/// Somebody who is logged in: whoever holds one may see pages.
pub(crate) struct Login {
    /// Who.
    pub(crate) account: Account,
    /// The web session as Latchkey knows it: a hash, so that what is stored there logs nobody in here.
    pub(crate) session: String,
}

/// A teacher who is logged in.
pub(crate) struct Teacher(pub(crate) Login);

/// What Latchkey is told of a web session.
fn hashed(id: Id) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(id.to_string()))
}

/// Who is logged in, if anybody. Notes that the session is in use.
pub(crate) async fn current(site: &Site, session: &Session) -> Result<Option<Login>, Failure> {
    let Some(user) = session.get::<String>(USER).await? else { return Ok(None) };
    let (Some(account), Some(id)) = (site.accounts.by_id(&user), session.id()) else {
        return Ok(None);
    };
    let now = site.now();
    let seen = session.get::<Millis>(SEEN).await?.unwrap_or(0);
    if now - seen >= NOTED {
        session.insert(SEEN, now).await?;
    }
    Ok(Some(Login { account: account.clone(), session: hashed(id) }))
}

impl FromRequestParts<Arc<Site>> for Login {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Response> {
        let session =
            Session::from_request_parts(parts, site).await.map_err(IntoResponse::into_response)?;
        match current(site, &session).await {
            Ok(Some(login)) => Ok(login),
            Ok(None) => Err(to_login(parts.uri.path()).into_response()),
            Err(failure) => Err(failure.into_response()),
        }
    }
}

impl FromRequestParts<Arc<Site>> for Teacher {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, Response> {
        let login = Login::from_request_parts(parts, site).await?;
        match login.account.role {
            Role::Teacher => Ok(Self(login)),
            Role::Student => Err(Failure::Forbidden.into_response()),
        }
    }
}

fn to_login(path: &str) -> Redirect {
    match inside(path) {
        "/" | "/course" => Redirect::to("/login"),
        path => Redirect::to(&format!("/login?next={path}")),
    }
}

/// A path of this site that may be gone to after a login; nothing that a browser could take for
/// another site.
fn inside(path: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
    let fits = path.starts_with('/') && !path.starts_with("//") && path.bytes().all(plain);
    if fits { path } else { "/course" }
}

/// Of the login page's address.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// Where to go afterwards.
    next: Option<String>,
    /// Whether somebody has just logged out.
    out: Option<String>,
}

/// The login page.
pub(crate) async fn page(
    State(site): State<Arc<Site>>,
    Query(asked): Query<Asked>,
    session: Session,
) -> Result<Response, Failure> {
    let next = inside(asked.next.as_deref().unwrap_or("/course"));
    if current(&site, &session).await?.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    let notice = asked.out.map(|_| pages::login::Notice::LoggedOut);
    Ok(pages::login::page(&site, next, "", notice).into_response())
}

/// What the login form says. Has no `Debug`: it holds a password.
#[derive(Deserialize)]
pub(crate) struct Attempt {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// The login form.
pub(crate) async fn log_in(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    session: Session,
    Form(attempt): Form<Attempt>,
) -> Result<Response, Failure> {
    if !own_form(&headers, &site.origins) {
        return Err(Failure::ForeignForm);
    }
    let Attempt { username, password, next } = attempt;
    let (username, next) = (username.trim().to_lowercase(), inside(&next));
    let refused = |status: StatusCode, notice| {
        Ok((status, pages::login::page(&site, next, &username, Some(notice))).into_response())
    };
    let who = (peer.ip(), username.as_str());
    if !site.throttle.tries(&who, site.now()) {
        return refused(StatusCode::TOO_MANY_REQUESTS, pages::login::Notice::TooOften);
    }
    let Some(account) = verified(&site, &username, password).await? else {
        return refused(StatusCode::UNAUTHORIZED, pages::login::Notice::Wrong);
    };
    site.throttle.forgives(&who);
    // Whoever was logged in here is no more, and neither are their keys.
    if let Some(former) = current(&site, &session).await? {
        site.latchkey.store().end_session(HOST, &former.session, site.now()).await?;
    }
    session.clear().await;
    // An id that somebody else may have planted before must not become a login.
    session.cycle_id().await?;
    session.insert(USER, &account.id).await?;
    session.insert(SEEN, site.now()).await?;
    Ok(Redirect::to(next).into_response())
}

/// The account, if the password is right. Takes as long if there is no such user.
async fn verified(
    site: &Arc<Site>,
    username: &str,
    password: String,
) -> Result<Option<Account>, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::Verify(error.to_string());
    let _turn = site.verifying.acquire().await.map_err(|error| failed(&error))?;
    let (account, known) = site.accounts.by_username(username);
    let account = account.clone();
    let verifying = move || account.verifies(&password).then_some(account);
    let verified = tokio::task::spawn_blocking(verifying).await.map_err(|error| failed(&error))?;
    Ok(verified.filter(|_| known))
}

/// The logout form: ends every key launched in this login, then the login.
pub(crate) async fn log_out(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    session: Session,
) -> Result<Redirect, Failure> {
    if !own_form(&headers, &site.origins) {
        return Err(Failure::ForeignForm);
    }
    if let Some(login) = current(&site, &session).await? {
        site.latchkey.store().end_session(HOST, &login.session, site.now()).await?;
    }
    session.flush().await?;
    Ok(Redirect::to("/login?out=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(inside("/activity/rivers"), "/activity/rivers");
        for path in ["//evil.example", "https://evil.example", "/\\evil", "", "/a?b", "/%0a", "/.."]
        {
            assert_eq!(inside(path), "/course", "{path}");
        }
    }
}
