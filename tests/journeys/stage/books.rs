//! What the database holds, and whether that is what pages believe.

use super::comes;
use super::database::Database;
use super::tab::Book;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One thing that is kept: `log` or `grade`, its receipt's number, what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) function: &'static str,
    pub(crate) number: String,
    pub(crate) args: Value,
}

impl Database {
    /// All that is kept of a user in an activity, oldest first. Their names are the test's own.
    pub(crate) fn kept(&self, user: &str, activity: &str) -> Vec<Kept> {
        let rows = self.rows(&format!(
            "SELECT e.seq, e.event, e.data, s.score
             FROM entries e JOIN users u ON u.id = e.{} JOIN activities a ON a.id = e.activity
             LEFT JOIN submissions s ON s.seq = e.seq
             WHERE u.key = '{user}' AND a.key = '{activity}' AND e.kind <> 2 ORDER BY e.seq",
            self.user()
        ));
        let kept = |row: Vec<String>| {
            let [number, event, data, score] = row.try_into().unwrap();
            let data: Option<Value> =
                (!data.is_empty()).then(|| serde_json::from_str(&data).unwrap());
            let (function, args) = match &*score {
                "" => ("log", json!({ "event": event, "data": data })),
                score => ("grade", json!({ "score": score.parse::<f64>().unwrap() })),
            };
            Kept { function, number, args }
        };
        rows.into_iter().map(kept).collect()
    }

    /// Waits until that many are kept.
    pub(crate) async fn until_kept(&self, user: &str, activity: &str, count: usize) {
        let come = comes(async || self.kept(user, activity).len() >= count).await;
        assert!(come, "never {count} kept, but {:#?}", self.kept(user, activity));
    }

    /// The comments of a user's submissions, oldest first.
    pub(crate) fn comments(&self, user: &str) -> Vec<Option<String>> {
        let rows = self.rows(&format!(
            "SELECT s.comment FROM submissions s JOIN entries e ON e.seq = s.seq
             JOIN users u ON u.id = e.{} WHERE u.key = '{user}' ORDER BY s.seq",
            self.user()
        ));
        rows.into_iter().flatten().map(|text| (!text.is_empty()).then_some(text)).collect()
    }

    /// What is kept under a name from one launch to the next, as JSON, of the newest attempt.
    pub(crate) fn state(&self, user: &str, activity: &str, name: &str) -> Option<Value> {
        let rows = self.rows(&format!(
            "SELECT s.value FROM states s JOIN users u ON u.id = s.{}
             JOIN activities a ON a.id = s.activity
             WHERE u.key = '{user}' AND a.key = '{activity}' AND s.name = '{name}'
             ORDER BY s.attempt DESC LIMIT 1",
            self.user()
        ));
        let text = rows.into_iter().flatten().find(|text| !text.is_empty())?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Waits until that is kept under a name.
    pub(crate) async fn until_state(&self, user: &str, activity: &str, name: &str, value: &Value) {
        let come = comes(async || self.state(user, activity, name).as_ref() == Some(value)).await;
        assert!(come, "never {value}, but {:?}", self.state(user, activity, name));
    }

    /// Waits until that many keys were started.
    pub(crate) async fn until_keys(&self, count: usize) {
        assert!(comes(async || self.keys() >= count).await, "never {count} keys");
    }

    /// Why keys were ended, in no order.
    pub(crate) fn revoked(&self) -> Vec<String> {
        let sql = "SELECT revoked_for FROM keys WHERE revoked_at IS NOT NULL ORDER BY 1";
        self.rows(sql).into_iter().flatten().collect()
    }

    /// How many keys were ever started.
    pub(crate) fn keys(&self) -> usize {
        self.rows("SELECT count(*) FROM keys")[0][0].parse().unwrap()
    }

    /// Holds the database against the books of all pages of a user in an activity: what was asked
    /// and not refused is kept once, under the number on its receipt where there is one, and
    /// nothing else is kept.
    #[track_caller]
    pub(crate) fn agrees(&self, user: &str, activity: &str, books: &[&Book]) {
        let kept = self.kept(user, activity);
        let mut asked: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
        for outcome in books.iter().flat_map(|book| &book.outcomes) {
            if outcome.state == "refused" || outcome.function == "recent" {
                continue;
            }
            let number = match (outcome.state.as_str(), outcome.function.as_str()) {
                ("saved", "log") => Some(outcome.result["id"].as_str().unwrap().to_owned()),
                ("saved", _) => Some(outcome.result["submission"].as_str().unwrap().to_owned()),
                _ => None,
            };
            asked.entry(line(&outcome.function, &outcome.args)).or_default().push(number);
        }
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for kept in &kept {
            found.entry(line(kept.function, &kept.args)).or_default().push(kept.number.clone());
        }
        for (what, numbers) in &asked {
            let there = found.remove(what).unwrap_or_default();
            let known: Vec<_> = numbers.iter().flatten().collect();
            let right = there.len() == numbers.len() && known.iter().all(|n| there.contains(n));
            assert!(right, "{what}: asked {numbers:?}, kept {there:?}\nof {kept:#?}\n{books:#?}");
        }
        assert!(found.is_empty(), "kept, but never asked: {found:#?}\n{books:#?}");
    }
}

/// What is asked as a text: members in order of their names, absent ones left out.
fn line(function: &str, args: &Value) -> String {
    let part = |name: &str| match &args[name] {
        // JSON has one kind of number: 8 and 8.0 are the same score.
        Value::Number(number) => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    };
    match function {
        "log" => format!("log {} {}", part("event"), part("data")),
        _ => format!("grade {}", part("score")),
    }
}
