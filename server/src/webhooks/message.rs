//! What is sent: which thing changed and where to read it, not what it is now. A message that comes late, or
//! twice, or that somebody reads on the way, says nothing wrong and nothing secret.

use super::Hook;
use crate::host::IN_PATH;
use crate::instant;
use crate::store::{Due, Event, EventKind};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The version of the messages. Members may be added to `data` within one; nothing else changes.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    version: u32,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    host: &'a str,
    user: &'a str,
    activity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    submission: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// The body, as JSON.
pub(super) fn body(host: &str, event: &Event, base: &str) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Message {
        kind: event.kind.as_str(),
        timestamp: instant::format(event.at),
        version: VERSION,
        data: Data {
            host,
            user: &event.user,
            activity: &event.activity,
            submission: event.submission.map(|seq| seq.to_string()),
            key: event.key.map(|key| key.to_string()),
            url: url(event, base),
        },
    })
}

/// Where the host reads what has changed.
fn url(event: &Event, base: &str) -> Option<String> {
    let escaped = |text| percent_encoding::utf8_percent_encode(text, IN_PATH);
    let (activity, user) = (escaped(&event.activity), escaped(&event.user));
    match event.kind {
        EventKind::GradeChanged => Some(format!("{base}/host/v1/grades/{activity}/{user}")),
        EventKind::SubmissionCreated | EventKind::SubmissionVoided => {
            event.submission.map(|seq| format!("{base}/host/v1/submissions/{seq}"))
        }
        EventKind::KeyTheft => event.key.map(|key| format!("{base}/host/v1/keys/{key}")),
    }
}

/// The id of a message, the same at every attempt and at a replay: the receiver's way to tell a repetition.
/// It is of the event's place and time, so that a database restored from an older copy, which gives the same
/// places anew, does not give the same ids.
pub(super) fn id(deployment: &str, hook: &Hook, due: &Due) -> String {
    let Event { kind, user, activity, at, .. } = &due.event;
    let place = (deployment, &hook.host, &hook.id, activity, user, kind.as_str(), due.number, at);
    let digest = Sha256::digest(format!("{place:?}").as_bytes());
    digest[..16].iter().fold("msg_".to_owned(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}
