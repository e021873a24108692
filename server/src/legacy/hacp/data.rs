//! What AICC content writes into `aicc_data`: groups as in an INI file, and tables.

use crate::error::Refusal;
use latchkey_protocol::error::ErrorCode;
use serde_json::{Map, Value};

/// Groups that there are. Only these end a group of free text, which may hold lines in brackets of its own.
const KNOWN: &[&str] = &[
    "core",
    "core_lesson",
    "core_vendor",
    "evaluation",
    "comments",
    "objectives_status",
    "student_data",
    "student_demographics",
    "student_preferences",
];

/// The groups of a text. Line ends may be of either kind, names of any case, empty lines anywhere.
#[derive(Debug)]
pub(super) struct Groups<'a>(Vec<(String, Vec<&'a str>)>);

impl<'a> Groups<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            match (head(line), groups.last_mut()) {
                (Some(name), _) => groups.push((name, Vec::new())),
                (None, Some((_, lines))) => lines.push(line),
                // What stands before the first group belongs to none.
                (None, None) => {}
            }
        }
        Self(groups)
    }

    /// The value of `key=value` in a group; the first, if there are several.
    pub(super) fn value(&self, group: &str, key: &str) -> Option<&'a str> {
        let lines = self.0.iter().filter(|(name, _)| name == group).flat_map(|(_, lines)| lines);
        let mut pairs = lines.filter_map(|line| line.split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(key))?;
        Some(value.trim())
    }

    /// The free text of a group, without the empty lines around it.
    pub(super) fn text(&self, group: &str) -> Option<String> {
        let (_, lines) = self.0.iter().find(|(name, _)| name == group)?;
        let filled = |line: &&str| !line.trim().is_empty();
        let Some(first) = lines.iter().position(filled) else {
            return Some(String::new());
        };
        let last = lines.iter().rposition(filled).unwrap_or(first);
        Some(lines[first..=last].join("\r\n"))
    }
}

fn head(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix('[')?.strip_suffix(']')?.trim().to_ascii_lowercase();
    KNOWN.contains(&&*name).then_some(name)
}

/// The columns of a table of interactions that does not name its own.
const COLUMNS: &[&str] = &[
    "course_id",
    "student_id",
    "lesson_id",
    "date",
    "time",
    "interaction_id",
    "objective_id",
    "type_interaction",
    "correct_response",
    "student_response",
    "result",
    "weighting",
    "latency",
];
/// Whom and what it is about is the key's to say.
const UNSAID: &[&str] = &["course_id", "student_id"];

/// The rows of a table of interactions, each as an object of what is not empty.
///
/// # Errors
/// [`ErrorCode::BadForm`], if it is no table.
pub(super) fn interactions(text: &str) -> Result<Vec<Map<String, Value>>, Refusal> {
    let bad = |_| Refusal::field(ErrorCode::BadForm, "aicc_data");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.trim().as_bytes());
    let mut columns: Vec<String> = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let mut rows = Vec::new();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(bad)?;
        let names = record.iter().map(str::to_ascii_lowercase);
        if at == 0 && names.clone().any(|name| name == "interaction_id") {
            columns = names.collect();
            continue;
        }
        let cells = columns.iter().zip(&record);
        let said = cells.filter(|(name, cell)| {
            COLUMNS.contains(&name.as_str()) && !UNSAID.contains(&name.as_str()) && !cell.is_empty()
        });
        let row: Map<_, _> = said.map(|(name, cell)| (name.clone(), Value::from(cell))).collect();
        if !row.is_empty() {
            rows.push(row);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_are_read_however_they_are_written() {
        for text in [
            "[Core]\r\nLesson_Location=3\r\nScore=7\r\n[Core_Lesson]\r\na=1\r\n\r\n[note]\r\nb",
            "\r\n\n[CORE]\nLESSON_LOCATION=3\nScore=7\n[core_lesson]\n\na=1\n\n[note]\nb\n\n",
            " [ core ] \nlesson_location = 3 \nscore=7\n[CORE_LESSON]\na=1\n\n[note]\nb",
        ] {
            let groups = Groups::read(text);
            assert_eq!(groups.value("core", "lesson_location"), Some("3"), "{text}");
            assert_eq!(groups.value("core", "score"), Some("7"), "{text}");
            assert_eq!(groups.value("core", "time"), None);
            assert_eq!(groups.text("core_lesson").unwrap(), "a=1\r\n\r\n[note]\r\nb", "{text}");
        }
        assert_eq!(Groups::read("lesson_location=3").value("core", "lesson_location"), None);
        assert_eq!(Groups::read("[core_lesson]\r\n\r\n").text("core_lesson").unwrap(), "");
        assert_eq!(Groups::read("[core]\nscore=").value("core", "score"), Some(""));
        assert_eq!(Groups::read("").text("core_lesson"), None);
        assert_eq!(Groups::read("[core]\na=b=c").value("core", "a"), Some("b=c"));
    }

    #[test]
    fn interactions_are_read_with_and_without_a_head() {
        let row = json!({"interaction_id": "q1", "student_response": "a, \"b\"", "result": "C"});
        for text in [
            "\"course_id\",\"Interaction_ID\",\"student_response\",\"result\",\"foo\"\r\n\
             \"c\",\"q1\",\"a, \"\"b\"\"\",\"C\",\"x\"\r\n",
            "\n\"c\",\"s\",\"\",\"\",\"\",\"q1\",\"\",\"\",\"\",\"a, \"\"b\"\"\",\"C\"\n",
        ] {
            let rows = interactions(text).unwrap();
            assert_eq!(Value::Object(rows[0].clone()), row, "{text}");
            assert_eq!(rows.len(), 1);
        }
        assert!(interactions("").unwrap().is_empty());
        assert!(interactions("\"interaction_id\"\r\n").unwrap().is_empty());
    }
}
