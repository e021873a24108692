//! What the database holds, and whether that is what pages believe.

use super::tab::Book;
use super::{GLANCE, PATIENCE};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The database, as another program may read it.
#[derive(Clone)]
pub(crate) struct Database(PathBuf);

/// One thing that is kept: `log` or `grade`, its receipt's number, what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) function: &'static str,
    pub(crate) number: String,
    pub(crate) args: Value,
}

impl Database {
    pub(crate) fn of(data: &Path) -> Self {
        Self(data.join("latchkey.db"))
    }

    fn open(&self) -> Connection {
        Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// All that is kept of a user in an activity, oldest first.
    pub(crate) fn kept(&self, user: &str, activity: &str) -> Vec<Kept> {
        let connection = self.open();
        let mut statement = connection
            .prepare(
                "SELECT e.seq, e.event, e.data, s.score, s.comment
                 FROM entries e JOIN users u ON u.id = e.user JOIN activities a ON a.id = e.activity
                 LEFT JOIN submissions s ON s.seq = e.seq
                 WHERE u.key = ? AND a.key = ? AND e.kind <> 2 ORDER BY e.seq",
            )
            .unwrap();
        let rows = statement.query_map([user, activity], |row| {
            let score: Option<f64> = row.get(3)?;
            let event: Option<String> = row.get(1)?;
            let data: Option<String> = row.get(2)?;
            let data = data.map(|text| serde_json::from_str::<Value>(&text).unwrap());
            let (function, args) = match score {
                Some(score) => ("grade", json!({ "score": score })),
                None => ("log", json!({ "event": event, "data": data })),
            };
            Ok(Kept { function, number: row.get::<_, i64>(0)?.to_string(), args })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Waits until that many are kept.
    pub(crate) async fn until_kept(&self, user: &str, activity: &str, count: usize) {
        let come = async {
            while self.kept(user, activity).len() < count {
                tokio::time::sleep(GLANCE).await;
            }
        };
        if tokio::time::timeout(PATIENCE, come).await.is_err() {
            panic!("never {count} kept, but {:#?}", self.kept(user, activity));
        }
    }

    /// What is kept under a name from one launch to the next, as JSON, of the newest attempt.
    pub(crate) fn state(&self, user: &str, activity: &str, name: &str) -> Option<Value> {
        let sql = "SELECT s.value FROM states s JOIN users u ON u.id = s.user
                   JOIN activities a ON a.id = s.activity
                   WHERE u.key = ? AND a.key = ? AND s.name = ? ORDER BY s.attempt DESC LIMIT 1";
        let text: Option<String> =
            self.open().query_row(sql, [user, activity, name], |row| row.get(0)).ok()?;
        text.map(|text| serde_json::from_str(&text).unwrap())
    }

    /// Waits until that many keys were started.
    pub(crate) async fn until_keys(&self, count: usize) {
        let come = async {
            while self.keys() < count {
                tokio::time::sleep(GLANCE).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, come).await.is_ok(), "never {count} keys");
    }

    /// Why keys were ended, in no order.
    pub(crate) fn revoked(&self) -> Vec<String> {
        let connection = self.open();
        let mut statement = connection
            .prepare("SELECT revoked_for FROM keys WHERE revoked_at IS NOT NULL ORDER BY 1")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// How many keys were ever started.
    pub(crate) fn keys(&self) -> usize {
        let sql = "SELECT count(*) FROM keys";
        self.open().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
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
