//! Keys for pages, and their renewal.

use crate::HOST;
use crate::accounts::{Account, Role};
use crate::course::{Activity, Widget};
use crate::login::{self, Login};
use crate::site::{Failure, Site};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use latchkey_protocol::launch::{
    CourseDescription, Mode, Placement, RecentScope, Rotation, UserDescription,
};
use latchkey_protocol::token::KeyId;
use latchkey_server::embed::check_renewal;
use latchkey_server::policy::OPAQUE_ORIGIN;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tower_sessions::Session;

/// How many submissions are looked through for the newest attempt.
const LOOKED_AT: u32 = 50;

/// What a movie or a lesson of a package may call: it goes on where it was.
const KEPT: [&str; 4] = ["log", "grade", "recent", "state"];

/// How long a lesson of AICC may take, in seconds.
const AICC_LESSON: i64 = 3600;

/// What somebody may do in an activity: teachers look around, and leave no trace in the grades.
pub(crate) fn mode(account: &Account) -> Mode {
    match account.role {
        Role::Student => Mode::Normal,
        Role::Teacher => Mode::Browse,
    }
}

/// A launch token for one page, one user, one activity. Ends with the login.
pub(crate) fn token(
    site: &Site,
    login: &Login,
    activity: &Activity,
    attempt: u32,
) -> Result<String, Failure> {
    let account = &login.account;
    let mut claims = site.latchkey.claims(HOST, &account.id, activity.id);
    claims.session = Some(login.session.clone());
    claims.recent = RecentScope::Activity;
    // Where the code with the key runs, and of no use anywhere else.
    claims.origins = Some(match activity.widget {
        // Its frame has no origin of its own.
        Widget::Guest => vec![OPAQUE_ORIGIN.into()],
        Widget::Scorm | Widget::Aicc => vec![site.content.clone()],
        _ => site.origins.clone(),
    });
    if activity.widget == Widget::Scorm || activity.widget.is_movie() {
        // Neither has a storage of its own.
        claims.functions = Some(KEPT.map(str::to_owned).to_vec());
    }
    if activity.widget == Widget::Aicc {
        // It cannot take up another key, and its own stands in an address.
        claims.functions = Some(["log", "grade", "state"].map(str::to_owned).to_vec());
        claims.rotation = Rotation::Off;
        claims.key_exp = Some(claims.iat.saturating_add(AICC_LESSON));
    }
    claims.attempt = attempt;
    claims.mode = mode(account);
    claims.user = Some(UserDescription {
        name: Some(account.name.clone()),
        username: Some(account.username.clone()),
        ..UserDescription::default()
    });
    claims.course = Some(CourseDescription {
        id: activity.course.id.into(),
        title: Some(activity.course.title.into()),
        url: site.origins.first().map(|origin| format!("{origin}/course")),
        ..CourseDescription::default()
    });
    claims.placement = Some(Placement {
        title: Some(activity.title.into()),
        url: site.origins.first().map(|origin| format!("{origin}/activity/{}", activity.id)),
        max: Some(activity.max),
        method: Some(activity.method),
        attempts: None,
    });
    Ok(site.latchkey.mint(&claims)?)
}

/// The attempt that a page begins: the next one once the one before has been handed in. Opening a
/// page twice is not two attempts.
pub(crate) async fn attempt(
    site: &Site,
    account: &Account,
    activity: &Activity,
) -> Result<u32, Failure> {
    // A lesson keeps its place, also after it was handed in: starting again is its own business.
    if matches!(activity.widget, Widget::Scorm | Widget::Aicc) {
        return Ok(1);
    }
    let store = site.latchkey.store();
    let rows = store.submissions(HOST, activity.id, &account.id, LOOKED_AT).await?;
    Ok(rows.iter().map(|row| row.attempt).max().unwrap_or(0).saturating_add(1))
}

#[derive(Deserialize)]
struct Renewal {
    token: String,
}

/// A script of an activity's page asks for a new key in place of one that no longer works, or was
/// found to be in two hands. What a thief of the key lacks is this login.
pub(crate) async fn renew(
    State(site): State<Arc<Site>>,
    Path(activity): Path<String>,
    headers: HeaderMap,
    session: Session,
    body: Bytes,
) -> Response {
    if let Some(Err(refusal)) =
        site.origins.iter().map(|own| check_renewal(&headers, own)).min_by_key(Result::is_err)
    {
        return refused(StatusCode::FORBIDDEN, "foreign_page", &refusal.to_string());
    }
    let Ok(renewal) = serde_json::from_slice::<Renewal>(&body) else {
        return refused(StatusCode::BAD_REQUEST, "bad_json", "The body is {\"token\": \"…\"}.");
    };
    match renewed(&site, &session, &activity, &renewal.token).await {
        Ok(Ok(token)) => Json(json!({ "status": "ok", "token": token })).into_response(),
        Ok(Err(response)) => response,
        Err(failure) => {
            tracing::error!(cause = %failure, "a renewal failed");
            refused(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", "Try again.")
        }
    }
}

async fn renewed(
    site: &Site,
    session: &Session,
    activity: &str,
    old: &str,
) -> Result<Result<String, Response>, Failure> {
    let Some(login) = login::current(site, session).await? else {
        let refusal =
            refused(StatusCode::UNAUTHORIZED, "login_over", "Log in and reload the page.");
        return Ok(Err(refusal));
    };
    let Some(activity) = site.activity(activity) else {
        let refusal = refused(StatusCode::FORBIDDEN, "no_activity", "There is no such activity.");
        return Ok(Err(refusal));
    };
    let attempt = match replaced(site, &login.account, activity, old).await? {
        Some((key, attempt)) => {
            site.latchkey.store().revoke(HOST, key, "renewed", site.now()).await?;
            attempt
        }
        None => attempt(site, &login.account, activity).await?,
    };
    Ok(Ok(token(site, &login, activity, attempt)?))
}

/// The key that a renewal replaces, and its attempt; `None` if it is not this user's: then it is left
/// to whomever it belongs, and the page, which sees that the new key is another user's, stops.
async fn replaced(
    site: &Site,
    account: &Account,
    activity: &Activity,
    old: &str,
) -> Result<Option<(KeyId, u32)>, Failure> {
    let Some(id) = site.latchkey.key_of(old) else { return Ok(None) };
    if let Some(launch) = site.latchkey.read_launch(old) {
        let new = launch.new;
        let own = new.host == HOST && new.user == account.id && new.activity == activity.id;
        return Ok(own.then_some((id, new.attempt)));
    }
    let Some(owner) = site.latchkey.store().owner(id).await? else { return Ok(None) };
    let own = owner.host == HOST && owner.user == account.id && owner.activity == activity.id;
    Ok(own.then_some((id, owner.attempt)))
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let retryable = status.is_server_error();
    let error = json!({ "code": code, "message": message, "retryable": retryable });
    (status, Json(json!({ "status": "error", "error": error }))).into_response()
}
