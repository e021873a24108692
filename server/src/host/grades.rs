//! `/host/v1/grades`: how grades stand, what has changed, and a teacher's own.

use super::call::{HostCall, HostResult};
use super::cursor::Feed;
use super::feed::{self, Shown};
use super::within;
use crate::error::Refusal;
use crate::grades::ScoreError;
use crate::instant;
use crate::store::{GradeItem, NewOverride, RulingRefused};
use futures_util::future::join_all;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::{GradeMethod, MAX_ID_LEN};
use latchkey_protocol::payload::{Given, MAX_COMMENT_LEN, Progress};
use latchkey_protocol::result::ErrorBody;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most grades in one request.
const MOST: usize = 1_000;
/// Longest reason, bytes.
pub(super) const MAX_REASON: usize = 1_000;
/// Longest word of a scale, bytes.
const MAX_SCALE: usize = 64;

/// A standing as its host sees it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Grade {
    #[serde(flatten)]
    about: Shown,
    url: String,
    /// What counts: a teacher's, else what the submissions come to; `null` while there is neither.
    score: Option<f64>,
    max: f64,
    method: GradeMethod,
    /// What the submissions alone come to.
    reported: Option<f64>,
    /// How many count.
    submissions: u32,
    comment: Option<String>,
    progress: Option<Progress>,
    updated_at: String,
    #[serde(flatten)]
    overridden: Option<Overridden>,
}

/// A teacher's grade; these members are there only while one stands.
#[derive(Serialize, JsonSchema)]
struct Overridden {
    overridden_by: Option<String>,
    overridden_at: String,
    overridden_reason: Option<String>,
    feedback: Option<String>,
    scale: Option<String>,
}

impl Grade {
    pub(super) fn new(call: &HostCall, item: GradeItem) -> Self {
        let GradeItem { about, standing } = item;
        let tally = standing.tally;
        Self {
            url: call.url(&["grades", &about.activity, &about.user]),
            about: Shown::new(call, about),
            score: tally.standing(standing.method),
            max: tally.max,
            method: standing.method,
            reported: tally.reported(standing.method),
            submissions: tally.count,
            comment: tally.comment,
            progress: tally.progress,
            updated_at: instant::format(standing.updated_at),
            overridden: standing.ruling.map(|ruling| Overridden {
                overridden_by: ruling.by,
                overridden_at: instant::format(ruling.at),
                overridden_reason: ruling.reason,
                feedback: ruling.feedback,
                scale: ruling.scale,
            }),
        }
    }
}

/// Standings that have changed since a cursor.
pub(crate) async fn changed(call: HostCall) -> HostResult {
    let query = feed::asked(&call, Feed::Grades)?;
    let read = call.store().grade_feed(&call.host, query).await;
    call.done(&feed::page(&call, Feed::Grades, read, |item| Ok(Grade::new(&call, item)))?)
}

/// One standing.
pub(crate) async fn one(call: HostCall) -> HostResult {
    call.query(&[])?;
    let (activity, user) = (call.param("activity")?, call.param("user")?);
    match call.store().grade(&call.host, activity, user).await? {
        Some(item) => call.done(&Grade::new(&call, item)),
        None => Err(ErrorCode::NotFound.into()),
    }
}

/// Grades to be set.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewGrades")]
pub(crate) struct Input {
    #[schemars(length(max = MOST))]
    grades: Vec<NewGrade>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewGrade {
    user: String,
    activity: String,
    /// `null` takes the teacher's grade back; absent is a mistake.
    #[serde(default)]
    #[schemars(required)]
    score: Given<f64>,
    max: Option<f64>,
    feedback: Option<String>,
    scale: Option<String>,
    reason: Option<String>,
    by: Option<String>,
}

/// What became of an item.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GradeLine")]
struct Line {
    index: usize,
    /// `updated`, `unchanged` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<Grade>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

/// What became of each item, in their order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GradeLines")]
pub(crate) struct Lines {
    items: Vec<Line>,
}

/// A code, and the member at fault.
type Fault = (ErrorCode, &'static str);

/// Sets grades, or takes them back, each for itself.
pub(crate) async fn set(call: HostCall) -> HostResult {
    call.query(&[])?;
    let Input { grades } = call.json()?;
    if grades.len() > MOST {
        return Err(Refusal::field(ErrorCode::TooMany, "grades"));
    }
    let mut seen = HashSet::new();
    let checked: Vec<_> = grades
        .into_iter()
        .map(|new| {
            let new = new.checked()?;
            match seen.insert((new.user.clone(), new.activity.clone())) {
                true => Ok(new),
                false => Err((ErrorCode::Duplicate, "user")),
            }
        })
        .collect();
    // At once, so that they share commits. No two are of the same grade.
    let ruled = join_all(checked.into_iter().map(async |new| match new {
        Ok(new) => ruled(call.store().rule(&call.host, new, call.now).await),
        Err(fault) => Ok(Err(fault)),
    }))
    .await;
    let mut items = Vec::with_capacity(ruled.len());
    for (index, ruled) in ruled.into_iter().enumerate() {
        items.push(line(&call, index, ruled?));
    }
    call.done(&Lines { items })
}

fn line(call: &HostCall, index: usize, ruled: Result<(GradeItem, bool), Fault>) -> Line {
    match ruled {
        Ok((item, changed)) => {
            let outcome = if changed { "updated" } else { "unchanged" };
            Line { index, outcome, grade: Some(Grade::new(call, item)), error: None }
        }
        Err((code, field)) => {
            let error = ErrorBody::new(code, Some(format!("grades[{index}].{field}")));
            Line { index, outcome: "failed", grade: None, error: Some(error) }
        }
    }
}

/// A store that fails does so for the whole request, which may be sent again: it sets the same.
fn ruled(
    ruled: Result<(GradeItem, bool), RulingRefused>,
) -> Result<Result<(GradeItem, bool), Fault>, Refusal> {
    use ErrorCode::{NotFound, OutOfRange, ScoreAboveMax, ScoreNegative, UnknownReference};
    Ok(Err(match ruled {
        Ok(ruled) => return Ok(Ok(ruled)),
        Err(RulingRefused::Store(error)) => return Err(error.into()),
        Err(RulingRefused::UnknownUser) => (UnknownReference, "user"),
        Err(RulingRefused::UnknownActivity) => (UnknownReference, "activity"),
        Err(RulingRefused::UnknownSubmission) => (NotFound, "submission"),
        Err(RulingRefused::Score(ScoreError::Negative)) => (ScoreNegative, "score"),
        Err(RulingRefused::Score(ScoreError::AboveMax)) => (ScoreAboveMax, "score"),
        Err(RulingRefused::Score(ScoreError::BadMax)) => (OutOfRange, "max"),
    }))
}

impl NewGrade {
    fn checked(self) -> Result<NewOverride, Fault> {
        let fits = |text: &str, most, field| {
            within(text, most, field).map_err(|refusal| (refusal.code, field))
        };
        fits(&self.user, MAX_ID_LEN, "user")?;
        fits(&self.activity, MAX_ID_LEN, "activity")?;
        let score = match self.score {
            Given::Absent => return Err((ErrorCode::MissingField, "score")),
            Given::Null => None,
            Given::Value(score) => Some(score),
        };
        if let Some(scale) = &self.scale {
            fits(scale, MAX_SCALE, "scale")?;
        }
        if let Some(by) = &self.by {
            fits(by, MAX_ID_LEN, "by")?;
        }
        let long =
            |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.len() > most);
        if long(&self.feedback, MAX_COMMENT_LEN) {
            return Err((ErrorCode::OutOfRange, "feedback"));
        }
        if long(&self.reason, MAX_REASON) {
            return Err((ErrorCode::OutOfRange, "reason"));
        }
        // What describes a grade has nothing to describe where one is taken back.
        let idle = [
            ("max", self.max.is_some()),
            ("feedback", self.feedback.is_some()),
            ("scale", self.scale.is_some()),
        ];
        if let (None, Some((field, _))) = (score, idle.into_iter().find(|(_, given)| *given)) {
            return Err((ErrorCode::OutOfRange, field));
        }
        Ok(NewOverride {
            user: self.user,
            activity: self.activity,
            score,
            max: self.max,
            feedback: self.feedback,
            scale: self.scale,
            reason: self.reason,
            by: self.by,
        })
    }
}
