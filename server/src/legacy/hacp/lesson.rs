//! What a lesson says of itself, and what it is told: the group `[core]`, onto grade and state and back.

use super::data::Groups;
use crate::call::RawCall;
use crate::error::Refusal;
use crate::legacy::fields::number;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::Mode;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The document in which a lesson is kept.
pub(super) const NAME: &str = "hacp";
/// What a score is out of that does not say.
const MAX: f64 = 100.0;
/// Longest text of a value, and longest time, in hours.
const MAX_TEXT: usize = 255;
const MAX_HOURS: u64 = 9999;

/// Statuses, and how far the user has come with each. The first letter is enough.
const STATUSES: &[(&str, &str)] = &[
    ("passed", "completed"),
    ("completed", "completed"),
    ("failed", "completed"),
    ("incomplete", "in_progress"),
    ("browsed", "started"),
    ("not attempted", "initialized"),
];
/// How a lesson was left. The first letter is enough, and `normal` has none.
const EXITS: &[&str] = &["time-out", "suspend", "logout", "normal"];

/// Whose lesson it is.
pub(super) struct Holder {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) mode: Mode,
}

fn refused(name: &'static str) -> Refusal {
    Refusal::field(ErrorCode::OutOfRange, name)
}

/// What a `PutParam` asks.
#[derive(Debug)]
pub(super) struct Put {
    /// The grade, if it is not what was graded last.
    pub(super) grade: Option<RawCall>,
    /// What is graded then.
    pub(super) graded: Value,
    /// What changes in the document.
    pub(super) document: Map<String, Value>,
}

/// What a `PutParam` asks, by what is kept of the lesson.
///
/// # Errors
/// A value of `[core]` that is none; the score is left to `grade`.
pub(super) fn put(text: &str, kept: &Value, session: &str) -> Result<Put, Refusal> {
    let groups = Groups::read(text);
    let core = |key| groups.value("core", key);
    let mut document = Map::new();
    if let Some(location) = core("lesson_location") {
        let fits = location.len() <= MAX_TEXT;
        document.insert(
            "location".into(),
            fits.then_some(location).ok_or_else(|| refused("lesson_location"))?.into(),
        );
    }
    if let Some((status, exit)) = core("lesson_status").map(status).transpose()?.flatten() {
        document.insert("status".into(), status.into());
        document.insert("exit".into(), exit.into());
    }
    if let Some(time) = core("time").filter(|time| !time.is_empty()) {
        let seconds = seconds(time).ok_or_else(|| refused("time"))?;
        document.insert("times".into(), json!({ session: seconds }));
    }
    if let Some(lesson) = groups.text("core_lesson") {
        document.insert("lesson".into(), lesson.into());
    }
    let score = core("score").filter(|score| !score.is_empty());
    document.extend(score.map(|score| ("score".to_owned(), score.into())));
    // A lesson that is merely under way, again perhaps, hands nothing in.
    let over =
        document.get("status").and_then(Value::as_str).and_then(progress) == Some("completed");
    let told = score.is_some() || over;
    let now = |name: &str| document.get(name).or_else(|| kept.get(name)).and_then(Value::as_str);
    let (score, status) = (now("score"), now("status"));
    let graded = json!([session, score, status]);
    // What was graded so already is the same grade told again.
    let fresh = told && kept.get("graded") != Some(&graded);
    let grade = grade(score, status).filter(|_| fresh).map(|grade| match grade {
        Ok(args) => RawCall::new(None, "grade", args).known_by_content(),
        Err(why) => RawCall::unread("grade", why),
    });
    Ok(Put { grade, graded, document })
}

/// A status with its exit flag, as words; `None` for an empty one.
fn status(text: &str) -> Result<Option<(&'static str, &'static str)>, Refusal> {
    let bad = || refused("lesson_status");
    let (status, exit) = text.split_once(',').unwrap_or((text, ""));
    let (status, exit) = (status.trim().to_ascii_lowercase(), exit.trim().to_ascii_lowercase());
    if status.is_empty() {
        return Ok(None);
    }
    let meant =
        |word: &str, text: &str| word == text || (text.len() == 1 && word.starts_with(text));
    let (status, _) = STATUSES.iter().find(|(word, _)| meant(word, &status)).ok_or_else(bad)?;
    let exit = match &*exit {
        "" => "normal",
        exit => EXITS.iter().find(|word| meant(word, exit)).ok_or_else(bad)?,
    };
    Ok(Some((status, exit)))
}

/// How far the user has come with a status.
fn progress(status: &str) -> Option<&'static str> {
    STATUSES.iter().find(|(word, _)| *word == status).map(|(_, progress)| *progress)
}

/// The grade that a score and a status come to; `None` if there is nothing to grade. A lesson that is over
/// without a score says how far the user has come, and no more.
fn grade(score: Option<&str>, status: Option<&str>) -> Option<Result<Map<String, Value>, Refusal>> {
    let progress = status.and_then(progress);
    let Some(score) = score else {
        return (progress == Some("completed")).then(|| {
            let args = [
                ("score", json!(0)),
                ("grading", json!("not_ready")),
                ("progress", json!(progress)),
            ];
            Ok(args.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
        });
    };
    let parts: Option<Vec<f64>> = score.split(',').map(|part| number(part)?.as_f64()).collect();
    let bad = || Refusal::field(ErrorCode::BadNumber, "score");
    let (raw, max) = match parts.as_deref() {
        Some([raw]) => (*raw, MAX),
        Some([raw, max]) => (*raw, *max),
        // Grades begin at zero.
        Some([raw, max, min]) => (raw - min, max - min),
        _ => return Some(Err(bad())),
    };
    let mut args =
        Map::from_iter([("score".to_owned(), json!(raw)), ("max".to_owned(), json!(max))]);
    args.extend(progress.map(|progress| ("progress".to_owned(), progress.into())));
    Some(Ok(args))
}

/// `hh:mm:ss` or `hhhh:mm:ss.ss`, in seconds.
fn seconds(time: &str) -> Option<f64> {
    let mut parts = time.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |text: &str| {
        let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok())?
    };
    let (hours, minutes) = (whole(hours)?, whole(minutes)?);
    let plain = seconds.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = plain.then(|| seconds.parse::<f64>().ok())??;
    let fits = parts.next().is_none() && hours <= MAX_HOURS && minutes < 60 && seconds < 60.0;
    fits.then_some((hours * 3600 + minutes * 60) as f64 + seconds)
}

/// What a `GetParam` is told: the lesson as it was left.
pub(super) fn get(kept: &Value, holder: &Holder) -> String {
    let text = |name: &str| kept.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = match text("status") {
        "" => "not attempted",
        status => status,
    };
    let entry = match (status, text("exit")) {
        ("not attempted", _) => ", ab-initio",
        (_, "suspend") => ", resume",
        _ => "",
    };
    let times = kept.get("times").and_then(Value::as_object);
    let total: f64 = times.iter().flat_map(|times| times.values()).filter_map(Value::as_f64).sum();
    let total = total.clamp(0.0, MAX_HOURS as f64 * 3600.0) as u64;
    let (mode, credit) = match holder.mode {
        Mode::Normal => ("Normal", "Credit"),
        Mode::Browse => ("Browse", "No-credit"),
        Mode::Review => ("Review", "No-credit"),
    };
    let time = format!("{:02}:{:02}:{:02}", total / 3600, total / 60 % 60, total % 60);
    let status = format!("{status}{entry}");
    let mut out = String::from("[Core]\r\n");
    for (name, value) in [
        ("Student_ID", holder.id.as_str()),
        ("Student_Name", holder.name.as_deref().unwrap_or(&holder.id)),
        ("Output_File", ""),
        ("Credit", credit),
        ("Lesson_Location", text("location")),
        ("Lesson_Status", &status),
        ("Path", ""),
        ("Score", text("score")),
        ("Time", &time),
        ("Lesson_Mode", mode),
    ] {
        // A line is one line, whatever somebody is called.
        let _ = write!(out, "{name}={}\r\n", value.replace(char::is_control, " "));
    }
    let _ = write!(out, "[Core_Lesson]\r\n{}\r\n[Core_Vendor]\r\n", text("lesson"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        Holder { id: "u1".into(), name: Some("Ada\r\nScore=9".into()), mode: Mode::Normal }
    }

    /// The grade and the document of a `PutParam`.
    fn put_core(core: &str, kept: &Value) -> (Option<Value>, Value) {
        let put = put(&format!("[core]\r\n{core}"), kept, "s").unwrap();
        (put.grade.map(|call| Value::Object(call.args)), Value::Object(put.document))
    }

    #[test]
    fn a_lesson_becomes_a_grade_and_a_document() {
        let core =
            "lesson_location=p3\nlesson_status=C,S\nscore=85\ntime=00:01:30\n[core_lesson]\nx=1";
        let (grade, mut document) = put_core(core, &json!({}));
        assert_eq!(grade, Some(json!({"score": 85.0, "max": 100.0, "progress": "completed"})));
        assert_eq!(
            document,
            json!({"location": "p3", "status": "completed", "exit": "suspend", "score": "85",
                   "times": {"s": 90.0}, "lesson": "x=1"})
        );
        document["graded"] = json!(["s", "85", "completed"]);
        // Said again it is graded already; with another score or status it is not.
        assert_eq!(put_core("lesson_status=completed\nscore=85", &document).0, None);
        assert_eq!(put_core("lesson_location=p4", &document), (None, json!({"location": "p4"})));
        assert_eq!(put_core("score=86", &document).0.unwrap()["score"], 86.0);
        assert_eq!(put_core("lesson_status=failed", &document).0.unwrap()["score"], 85.0);
    }

    #[test]
    fn scores() {
        let score = |text: &str| match grade(Some(text), None).unwrap() {
            Ok(args) => Ok((args["score"].as_f64().unwrap(), args["max"].as_f64().unwrap())),
            Err(refusal) => Err(refusal.code),
        };
        assert_eq!(score("0"), Ok((0.0, 100.0)));
        assert_eq!(score("14.29"), Ok((14.29, 100.0)));
        assert_eq!(score("8, 10"), Ok((8.0, 10.0)));
        assert_eq!(score("8,10,0"), Ok((8.0, 10.0)));
        assert_eq!(score("-5,10,-10"), Ok((5.0, 20.0)));
        for text in ["x", "7;5", "1,2,3,4", ",", "1,", "NaN", "1e999", "85%"] {
            assert_eq!(score(text), Err(ErrorCode::BadNumber), "{text}");
        }
        assert!(grade(None, Some("incomplete")).is_none());
        let over = grade(None, Some("passed")).unwrap().unwrap();
        assert_eq!(
            (&over["grading"], &over["progress"]),
            (&json!("not_ready"), &json!("completed"))
        );
    }

    #[test]
    fn statuses_and_times() {
        for (text, status, exit) in [
            ("passed", "passed", "normal"),
            ("P", "passed", "normal"),
            ("Incomplete, Suspend", "incomplete", "suspend"),
            ("i,s", "incomplete", "suspend"),
            ("Not Attempted,", "not attempted", "normal"),
            ("n", "not attempted", "normal"),
            ("b,l", "browsed", "logout"),
        ] {
            assert_eq!(super::status(text).unwrap(), Some((status, exit)), "{text}");
        }
        assert_eq!(super::status(" ").unwrap(), None);
        for text in ["done", "pass", "passed, x", "x,s"] {
            assert_eq!(super::status(text).unwrap_err().code, ErrorCode::OutOfRange, "{text}");
        }
        assert_eq!(seconds("00:01:30"), Some(90.0));
        assert_eq!(seconds("0012:00:00.25"), Some(43_200.25));
        for text in [
            "90",
            "1:30",
            "00:61:00",
            "00:00:60",
            "-1:00:00",
            "aa:bb:cc",
            "00:00:inf",
            "1:1:1:1",
            "::",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_lesson_is_told_as_it_was_left() {
        let new = get(&json!(null), &holder());
        assert!(new.contains("Lesson_Status=not attempted, ab-initio\r\n"), "{new}");
        assert!(new.contains("Student_Name=Ada  Score=9\r\n"), "a name is one line: {new}");
        let kept = json!({"location": "p3", "status": "incomplete", "exit": "suspend", "score": "8,10",
            "times": {"a": 3600.5, "b": 61.0}, "lesson": "x=1\r\ny=2"});
        let told = get(&kept, &holder());
        let groups = Groups::read(&told);
        assert_eq!(groups.value("core", "lesson_location"), Some("p3"));
        assert_eq!(groups.value("core", "lesson_status"), Some("incomplete, resume"));
        assert_eq!(groups.value("core", "score"), Some("8,10"));
        assert_eq!(groups.value("core", "time"), Some("01:01:01"));
        assert_eq!(groups.text("core_lesson").unwrap(), "x=1\r\ny=2");
        let review = get(&kept, &Holder { mode: Mode::Review, name: None, ..holder() });
        assert!(review.contains("Credit=No-credit\r\n") && review.contains("Student_Name=u1\r\n"));
    }
}
