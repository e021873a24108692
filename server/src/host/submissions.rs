//! `/host/v1/submissions`: every submission, and taking one out of the count.

use super::call::{HostCall, HostResult};
use super::cursor::Feed;
use super::feed::{self, Shown};
use super::grades::{Grade, MAX_REASON};
use super::within;
use crate::error::Refusal;
use crate::instant;
use crate::store::{RulingRefused, SubmissionItem};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::MAX_ID_LEN;
use latchkey_protocol::payload::{Grading, Progress};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A submission as its host sees it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Submission {
    id: String,
    url: String,
    #[serde(flatten)]
    about: Shown,
    score: f64,
    max: f64,
    attempt: u32,
    comment: Option<String>,
    progress: Option<Progress>,
    grading: Grading,
    at: String,
    /// By the client's clock, corrected.
    client_at: Option<String>,
    #[serde(flatten)]
    voided: Option<Voided>,
}

/// Why it does not count; these members are there only if it was made void.
#[derive(Serialize, JsonSchema)]
struct Voided {
    voided_by: Option<String>,
    voided_at: String,
    voided_reason: Option<String>,
}

impl Submission {
    fn new(call: &HostCall, SubmissionItem { about, row }: SubmissionItem) -> Self {
        let id = row.seq.to_string();
        Self {
            url: call.url(&["submissions", &id]),
            id,
            about: Shown::new(call, about),
            score: row.score,
            max: row.max,
            attempt: row.attempt,
            comment: row.comment,
            progress: row.progress,
            grading: row.grading,
            at: instant::format(row.at),
            client_at: row.client_at.map(instant::format),
            voided: row.voided.map(|ruling| Voided {
                voided_by: ruling.by,
                voided_at: instant::format(ruling.at),
                voided_reason: ruling.reason,
            }),
        }
    }
}

/// Submissions made, or made void, since a cursor.
pub(crate) async fn changed(call: HostCall) -> HostResult {
    let query = feed::asked(&call, Feed::Submissions)?;
    let read = call.store().submission_feed(&call.host, query).await;
    let show = |item| Ok(Submission::new(&call, item));
    call.done(&feed::page(&call, Feed::Submissions, read, show)?)
}

/// One submission.
pub(crate) async fn one(call: HostCall) -> HostResult {
    call.query(&[])?;
    call.done(&read(&call).await?)
}

async fn read(call: &HostCall) -> Result<Submission, Refusal> {
    match call.store().submission(&call.host, feed::number(call)?).await? {
        Some(item) => Ok(Submission::new(call, item)),
        None => Err(ErrorCode::NotFound.into()),
    }
}

/// Why a submission is not to count.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    reason: String,
    by: Option<String>,
}

/// What was made void, and the grade that is left.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "VoidedSubmission")]
pub(crate) struct Done {
    /// `updated` or `unchanged`.
    outcome: &'static str,
    submission: Submission,
    grade: Grade,
}

/// Takes a submission out of the count. It stays in the history, with the reason.
pub(crate) async fn void(call: HostCall) -> HostResult {
    call.query(&[])?;
    let Why { reason, by } = call.json()?;
    within(&reason, MAX_REASON, "reason")?;
    if let Some(by) = &by {
        within(by, MAX_ID_LEN, "by")?;
    }
    let number = feed::number(&call)?;
    let voided = call.store().void(&call.host, number, &reason, by.as_deref(), call.now).await;
    let (item, changed) = voided.map_err(|refused| match refused {
        RulingRefused::Store(error) => error.into(),
        _ => Refusal::new(ErrorCode::NotFound),
    })?;
    call.done(&Done {
        outcome: if changed { "updated" } else { "unchanged" },
        submission: read(&call).await?,
        grade: Grade::new(&call, item),
    })
}
