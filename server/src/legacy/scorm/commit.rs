//! What a SCORM runtime commits: the whole of `cmi`, onto grade, state and log.

use crate::error::Refusal;
use crate::legacy::fields::number;
use crate::plan::fingerprint;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{MAX_DATA_LEN, MAX_STATE_LEN};
use serde_json::{Map, Value, json};

/// The document in which a package is kept.
pub(super) const NAME: &str = "scorm";
/// Deepest nesting of what is committed; `cmi` itself is level 1.
const MAX_DEPTH: usize = 16;
/// Said by the launch each time, never kept; whom it is about is the key's to say.
const GIVEN: &[&str] = &[
    "student_id",
    "student_name",
    "learner_id",
    "learner_name",
    "credit",
    "lesson_mode",
    "mode",
    "entry",
    "exit",
    "session_time",
    "launch_data",
    "student_data",
    "comments_from_lms",
    "scaled_passing_score",
    "completion_threshold",
    "max_time_allowed",
    "time_limit_action",
];

/// A commit, read.
#[derive(Debug)]
pub(super) struct Commit {
    /// Rises with each commit of a launch; `None` if the runtime does not count.
    pub(super) sequence: Option<u64>,
    /// `1.2` or `2004`.
    version: &'static str,
    cmi: Map<String, Value>,
}

fn refused(code: ErrorCode, name: &str) -> Refusal {
    Refusal::field(code, crate::functions::presentable(name))
}

impl Commit {
    /// Reads a commit: `cmi` as an object of objects, or each element by its full name.
    ///
    /// # Errors
    /// A text with U+0000, no `cmi`, one that contradicts itself, or a `commitSequence` that is no whole number.
    pub(super) fn read(mut body: Map<String, Value>) -> Result<Self, Refusal> {
        crate::functions::storable(&body)?;
        let sequence = match body.remove("commitSequence") {
            None | Some(Value::Null) => None,
            Some(value) => match value.as_u64() {
                None => return Err(refused(ErrorCode::WrongType, "commitSequence")),
                sequence => sequence,
            },
        };
        // Newer runtimes put it one level down.
        if let Some(Value::Object(inner)) = body.remove("runtimeData") {
            body.extend(inner);
        }
        let mut cmi = match body.remove("cmi") {
            None => Map::new(),
            Some(Value::Object(cmi)) => cmi,
            Some(_) => return Err(refused(ErrorCode::WrongType, "cmi")),
        };
        for (name, value) in body {
            if let Some(path) = name.strip_prefix("cmi.") {
                place(&mut cmi, path, value).ok_or_else(|| refused(ErrorCode::WrongType, &name))?;
            }
        }
        if cmi.is_empty() {
            return Err(refused(ErrorCode::MissingField, "cmi"));
        }
        let version = if cmi.contains_key("core") { "1.2" } else { "2004" };
        Ok(Self { sequence, version, cmi })
    }

    /// Tells commits apart by what they say.
    pub(super) fn mark(&self) -> String {
        URL_SAFE_NO_PAD.encode(fingerprint(&self.cmi))
    }

    /// The value of an element: its full name, and its text, unless that is empty.
    fn element(&self, of_12: &'static str, of_2004: &'static str) -> Element<'_> {
        let name = if self.version == "1.2" { of_12 } else { of_2004 };
        let mut parts = name.split('.').skip(1);
        let first = parts.next().and_then(|part| self.cmi.get(part));
        let value = parts.try_fold(first, |value, part| value.map(|value| value.get(part)));
        let value = value.flatten().filter(|value| !value.is_null() && *value != "");
        Element { name, value }
    }

    /// How far the user has come.
    fn progress(&self) -> Result<&'static str, Refusal> {
        let completion = self.element("cmi.core.lesson_status", "cmi.completion_status");
        let success = self.element("", "cmi.success_status");
        let completed = match completion.word()? {
            None | Some("unknown" | "not attempted") => "initialized",
            Some("incomplete") => "in_progress",
            Some("browsed") => "started",
            Some("passed" | "failed" | "completed") => "completed",
            Some(_) => return Err(refused(ErrorCode::OutOfRange, completion.name)),
        };
        match success.word()? {
            None | Some("unknown") => Ok(completed),
            Some("passed") => Ok("completed"),
            Some("failed") if completed == "initialized" => Ok("submitted"),
            Some("failed") => Ok(completed),
            Some(_) => Err(refused(ErrorCode::OutOfRange, success.name)),
        }
    }

    /// What `grade` is to be told; `None` if there is nothing to grade. A package that is over without a score
    /// says how far the user has come, and no more.
    ///
    /// # Errors
    /// A score or a status that is none.
    pub(super) fn grade(&self) -> Result<Option<Map<String, Value>>, Refusal> {
        let progress = self.progress()?;
        let raw = self.element("cmi.core.score.raw", "cmi.score.raw").number()?;
        let min = self.element("cmi.core.score.min", "cmi.score.min").number()?.unwrap_or(0.0);
        let max = self.element("cmi.core.score.max", "cmi.score.max").number()?;
        let scaled = self.element("", "cmi.score.scaled").number()?;
        let full = (self.version == "1.2").then_some(100.0);
        let mut grade = Map::from_iter([("progress".to_owned(), json!(progress))]);
        let (score, max) = match (raw, max.or(full), scaled) {
            // Grades begin at zero.
            (Some(raw), Some(max), _) if min != 0.0 => (raw - min, Some(max - min)),
            (Some(raw), Some(max), _) => (raw, Some(max)),
            (_, None, Some(scaled)) | (None, _, Some(scaled)) => (scaled, Some(1.0)),
            (Some(raw), None, None) => (raw, None),
            (None, _, None) if progress == "completed" => {
                grade.insert("grading".to_owned(), json!("not_ready"));
                (0.0, None)
            }
            (None, _, None) => return Ok(None),
        };
        grade.insert("score".to_owned(), json!(score));
        grade.extend(max.map(|max| ("max".to_owned(), json!(max))));
        Ok(Some(grade))
    }

    /// What of the commit the next launch gets, without what is empty. The log has all interactions: where they
    /// leave no room, the place and the data are kept without them.
    pub(super) fn document(&self, graded: Value, sequences: Value) -> Value {
        let exit = self.element("cmi.core.exit", "cmi.exit").word().ok().flatten();
        let mut cmi = bare(&Value::Object(self.cmi.clone())).unwrap_or_else(|| json!({}));
        let document = |cmi: &Value| {
            json!({ "scorm": self.version, "exit": exit.unwrap_or_default(), "ended": exit.is_some(),
                    "cmi": cmi, "graded": graded, "sequences": sequences })
        };
        let whole = document(&cmi);
        if whole.to_string().len() <= MAX_STATE_LEN {
            return whole;
        }
        if let Value::Object(members) = &mut cmi {
            members.remove("interactions");
        }
        document(&cmi)
    }

    /// The interactions as entries of the log, each under an id by what it says: told again it is the same.
    pub(super) fn entries(&self, session: &str) -> Vec<Value> {
        let Some(Value::Object(rows)) = self.cmi.get("interactions") else { return Vec::new() };
        let said = rows.iter().filter_map(|(at, row)| Some((at, bare(row)?)));
        said.filter(|(_, row)| row.get("id").is_some())
            .map(|(at, row)| {
                let digits = fingerprint(&(session, at, &row));
                let id = format!("scorm-{}", URL_SAFE_NO_PAD.encode(digits));
                json!({ "id": id, "event": "interaction", "data": fitting(row) })
            })
            .collect()
    }
}

/// The data of an entry: what does not fit is left to the document, longest first.
fn fitting(mut row: Value) -> Value {
    for name in
        ["correct_responses", "description", "objectives", "learner_response", "student_response"]
    {
        if row.to_string().len() <= MAX_DATA_LEN {
            return row;
        }
        if let Some(members) = row.as_object_mut() {
            members.remove(name);
        }
    }
    match row.to_string().len() <= MAX_DATA_LEN {
        true => row,
        false => json!({}),
    }
}

/// Puts a value where its name says, `core.score.raw`; `None` if another value is in its way.
fn place(cmi: &mut Map<String, Value>, path: &str, value: Value) -> Option<()> {
    let Some((first, rest)) = path.split_once('.') else {
        // A table without rows is written beside its rows.
        let empty = value.as_object().is_some_and(Map::is_empty);
        match cmi.get(path) {
            Some(Value::Object(_)) if empty => {}
            Some(_) => return None,
            None => drop(cmi.insert(path.to_owned(), value)),
        }
        return Some(());
    };
    if rest.split('.').count() > MAX_DEPTH {
        return None;
    }
    let inner = cmi.entry(first).or_insert_with(|| json!({}));
    place(inner.as_object_mut()?, rest, value)
}

/// Without what is empty and what each launch is given anew; `None` if nothing is left.
fn bare(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let left = members.iter().filter(|(name, _)| !GIVEN.contains(&name.as_str()));
            let left: Map<_, _> =
                left.filter_map(|(name, value)| Some((name.clone(), bare(value)?))).collect();
            (!left.is_empty()).then_some(Value::Object(left))
        }
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        other => Some(other.clone()),
    }
}

/// An element by its full name.
struct Element<'a> {
    name: &'static str,
    value: Option<&'a Value>,
}

impl<'a> Element<'a> {
    fn word(&self) -> Result<Option<&'a str>, Refusal> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(refused(ErrorCode::WrongType, self.name)),
        }
    }

    /// Elements are texts; a number will do.
    fn number(&self) -> Result<Option<f64>, Refusal> {
        let found = match self.value {
            None => return Ok(None),
            Some(Value::String(text)) => number(text).and_then(|number| number.as_f64()),
            Some(value) => value.as_f64(),
        };
        found.map(Some).ok_or_else(|| refused(ErrorCode::BadNumber, self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(value: Value) -> Result<Commit, (ErrorCode, String)> {
        let Value::Object(body) = value else { panic!("{value}") };
        Commit::read(body).map_err(|refusal| (refusal.code, refusal.field.unwrap().into_owned()))
    }

    fn grade(value: Value) -> Result<Value, (ErrorCode, String)> {
        let grade = commit(value).unwrap().grade();
        let grade = grade.map_err(|refusal| (refusal.code, refusal.field.unwrap().into_owned()))?;
        Ok(grade.map_or(Value::Null, Value::Object))
    }

    #[test]
    fn nested_and_flattened_say_the_same() {
        let nested = commit(
            json!({"commitSequence": 3, "cmi": {"suspend_data": "a", "objectives": {},
            "core": {"student_id": "eve", "lesson_location": "3", "score": {"raw": "14.29", "max": "100"}},
            "interactions": {"0": {"id": "q1", "student_response": "a"}}}}),
        );
        let flat = commit(
            json!({"commitSequence": 3, "cmi.suspend_data": "a", "cmi.objectives": {},
            "cmi.core.student_id": "eve", "cmi.core.lesson_location": "3", "cmi.core.score.raw": "14.29",
            "cmi.core.score.max": "100", "cmi.interactions": {}, "cmi.interactions.0.id": "q1",
            "cmi.interactions.0.student_response": "a"}),
        );
        let (nested, flat) = (nested.unwrap(), flat.unwrap());
        assert_eq!((nested.sequence, flat.sequence), (Some(3), Some(3)));
        let document = nested.document(json!(null), json!({}));
        assert_eq!(document, flat.document(json!(null), json!({})));
        assert_eq!(
            document["cmi"]["core"],
            json!({"lesson_location": "3", "score": {"raw": "14.29", "max": "100"}})
        );
        assert_eq!(nested.entries("s"), flat.entries("s"));
        assert_eq!(nested.entries("s")[0]["data"], json!({"id": "q1", "student_response": "a"}));
        assert_ne!(nested.entries("s")[0]["id"], nested.entries("t")[0]["id"]);
    }

    #[test]
    fn scores() {
        let of_12 = |score: Value| grade(json!({"cmi": {"core": {"score": score}}}));
        let of_2004 = |score: Value| grade(json!({"cmi": {"location": "1", "score": score}}));
        let good = |score: f64, max: f64| {
            Ok(json!({"score": score, "max": max, "progress": "initialized"}))
        };
        assert_eq!(of_12(json!({"raw": "0"})), good(0.0, 100.0));
        assert_eq!(of_12(json!({"raw": "14.29", "max": "100", "min": ""})), good(14.29, 100.0));
        assert_eq!(of_12(json!({"raw": 7, "max": 10})), good(7.0, 10.0));
        assert_eq!(of_12(json!({"raw": "15", "min": "10", "max": "20"})), good(5.0, 10.0));
        assert_eq!(of_2004(json!({"scaled": "0.7"})), good(0.7, 1.0));
        assert_eq!(of_2004(json!({"raw": "7", "max": "10", "scaled": "0.7"})), good(7.0, 10.0));
        assert_eq!(of_2004(json!({"raw": "7", "scaled": "0.7"})), good(0.7, 1.0));
        assert_eq!(
            of_2004(json!({"raw": "7"})),
            Ok(json!({"score": 7.0, "progress": "initialized"}))
        );
        assert_eq!(of_12(json!({"raw": ""})), Ok(json!(null)));
        for raw in [
            json!("7,5"),
            json!("x"),
            json!("NaN"),
            json!("1e999"),
            json!([7]),
            json!(true),
            json!("7 %"),
        ] {
            let refused = of_12(json!({ "raw": raw })).unwrap_err();
            assert_eq!(refused, (ErrorCode::BadNumber, "cmi.core.score.raw".into()), "{raw}");
        }
    }

    #[test]
    fn statuses() {
        let of_12 = |status: &str| {
            grade(json!({"cmi": {"core": {"lesson_status": status, "score": {"raw": "1"}}}}))
        };
        for (status, progress) in [
            ("incomplete", "in_progress"),
            ("passed", "completed"),
            ("failed", "completed"),
            ("browsed", "started"),
            ("not attempted", "initialized"),
            ("", "initialized"),
        ] {
            assert_eq!(of_12(status).unwrap()["progress"], progress, "{status}");
        }
        assert_eq!(
            of_12("done").unwrap_err(),
            (ErrorCode::OutOfRange, "cmi.core.lesson_status".into())
        );
        let of_2004 = |completion: &str, success: &str| {
            grade(json!({"cmi": {"completion_status": completion, "success_status": success}}))
        };
        let over = json!({"score": 0.0, "grading": "not_ready", "progress": "completed"});
        assert_eq!(of_2004("completed", "unknown"), Ok(over.clone()));
        assert_eq!(of_2004("incomplete", "passed"), Ok(over));
        assert_eq!(of_2004("incomplete", "failed"), Ok(json!(null)));
        assert_eq!(of_2004("completed", "won").unwrap_err().1, "cmi.success_status");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        use ErrorCode::{MissingField, WrongType};
        for (body, code, field) in [
            (json!({}), MissingField, "cmi"),
            (json!({"cmi": {}}), MissingField, "cmi"),
            (json!({"cmi": "x"}), WrongType, "cmi"),
            (json!({"cmi": {"a": 1}, "commitSequence": -1}), WrongType, "commitSequence"),
            (json!({"cmi": {"a": 1}, "commitSequence": "1"}), WrongType, "commitSequence"),
            (json!({"cmi.core": "x", "cmi.core.exit": "y"}), WrongType, "cmi.core.exit"),
            (
                json!({"cmi": {"core": {"exit": "x"}}, "cmi.core.exit": "y"}),
                WrongType,
                "cmi.core.exit",
            ),
        ] {
            assert_eq!(commit(body.clone()).unwrap_err(), (code, field.to_owned()), "{body}");
        }
        let deep = format!("cmi{}", ".a".repeat(40));
        assert_eq!(commit(json!({ deep: 1 })).unwrap_err().0, WrongType);
    }

    #[test]
    fn a_package_of_many_answers_keeps_its_place() {
        let rows: Map<_, _> = (0..900)
            .map(|n| {
                (n.to_string(), json!({"id": format!("q{n}"), "learner_response": "x".repeat(60)}))
            })
            .collect();
        let full = commit(json!({"cmi": {"location": "9", "suspend_data": "y".repeat(60_000), "interactions": rows}})).unwrap();
        let document = full.document(json!(null), json!({}));
        assert!(document.to_string().len() <= MAX_STATE_LEN);
        assert_eq!(
            (&document["cmi"]["location"], document["cmi"].get("interactions")),
            (&json!("9"), None)
        );
        assert_eq!(full.entries("s").len(), 900);
        let long = json!({"id": "q", "learner_response": "x".repeat(5_000), "result": "correct"});
        assert_eq!(fitting(long), json!({"id": "q", "result": "correct"}));
    }
}
