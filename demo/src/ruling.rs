//! What a teacher rules in the gradebook: setting a grade, taking that back, and submissions that do not count.

use crate::HOST;
use crate::course::Activity;
use crate::guard::own_form;
use crate::login::Teacher;
use crate::site::{Failure, Site};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Redirect;
use latchkey_server::store::{ActivityItem, Items, NewOverride, RulingRefused, UserItem};
use serde::Deserialize;
use std::sync::Arc;

/// The most of a reason, characters.
const MAX_REASON: usize = 200;

/// The form of a grade.
#[derive(Deserialize)]
pub(crate) struct Grade {
    /// Empty takes the teacher's grade back.
    #[serde(default)]
    score: String,
    #[serde(default)]
    reason: String,
}

/// Sets a grade, or takes it back.
pub(crate) async fn set(
    State(site): State<Arc<Site>>,
    Teacher(login): Teacher,
    Path((activity, user)): Path<(String, String)>,
    headers: HeaderMap,
    Form(Grade { score, reason }): Form<Grade>,
) -> Result<Redirect, Failure> {
    if !own_form(&headers, &site.origins) {
        return Err(Failure::ForeignForm);
    }
    let activity = site.activity(&activity).ok_or(Failure::NotFound)?;
    let score = match score.trim() {
        "" => None,
        // As people write it in half of Europe.
        text => Some(text.replace(',', ".").parse().map_err(|_| Failure::NoScore)?),
    };
    let new = NewOverride {
        user,
        activity: activity.id.to_owned(),
        score,
        max: score.map(|_| activity.max),
        reason: said(&reason),
        by: Some(login.account.id.clone()),
        ..NewOverride::default()
    };
    known(&site, activity, &new.user).await?;
    site.latchkey.store().rule(HOST, new, site.now()).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/gradebook/{}", activity.id)))
}

/// Tells the directory of both: who has not opened the activity yet is not known there.
async fn known(site: &Site, activity: &Activity, user: &str) -> Result<(), Failure> {
    let account = site.accounts.by_id(user).ok_or(Failure::NotFound)?;
    let user = UserItem { id: account.id.clone(), ..UserItem::default() };
    let activity = ActivityItem {
        id: activity.id.to_owned(),
        max: Some(activity.max),
        method: Some(activity.method),
        ..ActivityItem::default()
    };
    for items in [Items::Users(vec![user]), Items::Activities(vec![activity])] {
        let set = site.latchkey.store().set(HOST, items).await.map_err(Failure::Store)?;
        if set.iter().any(Result::is_err) {
            return Err(Failure::NotFound);
        }
    }
    Ok(())
}

/// The form that makes a submission void.
#[derive(Deserialize)]
pub(crate) struct Void {
    submission: i64,
    reason: String,
}

/// Takes a submission out of the count.
pub(crate) async fn void(
    State(site): State<Arc<Site>>,
    Teacher(login): Teacher,
    Path(activity): Path<String>,
    headers: HeaderMap,
    Form(Void { submission, reason }): Form<Void>,
) -> Result<Redirect, Failure> {
    if !own_form(&headers, &site.origins) {
        return Err(Failure::ForeignForm);
    }
    let activity = site.activity(&activity).ok_or(Failure::NotFound)?;
    let reason = said(&reason).unwrap_or_else(|| "no reason given".into());
    let (store, by) = (site.latchkey.store(), login.account.id.as_str());
    store.void(HOST, submission, &reason, Some(by), site.now()).await.map_err(refused)?;
    Ok(Redirect::to(&format!("/gradebook/{}", activity.id)))
}

fn said(reason: &str) -> Option<String> {
    let reason: String = reason.trim().chars().take(MAX_REASON).collect();
    (!reason.is_empty()).then_some(reason)
}

fn refused(refused: RulingRefused) -> Failure {
    match refused {
        RulingRefused::Store(error) => Failure::Store(error),
        RulingRefused::Score(_) => Failure::NoScore,
        _ => Failure::NotFound,
    }
}
