//! Whether what pages were told is what is kept.

use crate::host::Host;
use crate::http::Place;
use crate::load::Book;
use crate::page::Seen;
use crate::postgres::Postgres;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What was found, when it was as it must be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// Operations that were acknowledged, each kept once.
    pub acknowledged: usize,
    /// Operations that were given up, and are kept once all the same.
    pub kept_untold: usize,
    /// Operations that were given up, and are not kept.
    pub absent: usize,
    /// What all pages together have seen.
    pub seen: Seen,
}

/// Holds the books against what the host is told through its feeds.
///
/// # Panics
/// When an operation is missing, there twice, not as it was told, or nobody's.
pub async fn agree(places: &[Place], books: &[Book]) -> Found {
    let mut kept: HashMap<String, Vec<Value>> = HashMap::new();
    for item in Host::feed(places, "log").await {
        if item["kind"] == "log" {
            kept.entry(text(&item["data"]["op"])).or_default().push(item);
        }
    }
    for item in Host::feed(places, "submissions").await {
        kept.entry(text(&item["comment"])).or_default().push(item);
    }
    let mut found = Found::default();
    let mut standings: BTreeMap<(String, String), f64> = BTreeMap::new();
    for book in books {
        for asked in &book.asked {
            let kept = kept.remove(&asked.id).unwrap_or_default();
            assert!(kept.len() <= 1, "done twice: {asked:?} {kept:?}");
            let Some(kept) = kept.first() else {
                assert!(asked.told.is_none(), "lost: {asked:?} of {} {:?}", book.user, book.seen);
                found.absent += 1;
                continue;
            };
            let (user, activity) = (&kept["user"]["id"], &kept["activity"]["id"]);
            assert_eq!((user, activity), (&json(&book.user), &json(&book.activity)), "{asked:?}");
            assert_eq!(kept["score"].as_f64(), asked.score, "{asked:?}");
            if let Some(score) = asked.score {
                let place = (book.activity.clone(), book.user.clone());
                let best = standings.entry(place).or_insert(score);
                *best = best.max(score);
            }
            match &asked.told {
                Some(told) => {
                    assert_eq!(kept["id"], told.as_str(), "told otherwise: {asked:?}");
                    found.acknowledged += 1;
                }
                None => found.kept_untold += 1,
            }
        }
        found.add(&book.seen);
    }
    assert!(kept.is_empty(), "nobody asked for these: {:?}", kept.keys().collect::<Vec<_>>());
    // A standing that has changed may be told on several pages, each time as it is now.
    let mut told = BTreeMap::new();
    for item in Host::feed(places, "grades").await {
        let place = (text(&item["activity"]["id"]), text(&item["user"]["id"]));
        told.insert(place, item["score"].as_f64().expect("a score"));
    }
    assert_eq!(told, standings, "standings");
    found
}

impl Found {
    fn add(&mut self, seen: &Seen) {
        self.seen.answered += seen.answered;
        self.seen.lost += seen.lost;
        self.seen.told_to_wait += seen.told_to_wait;
        self.seen.renewals += seen.renewals;
        self.seen.longest = self.seen.longest.max(seen.longest);
    }
}

/// What the database itself must show, whatever the pages were told.
///
/// # Panics
/// When it does not.
pub async fn sound(postgres: &Postgres) {
    for (what, sql) in SOUND {
        let rows = postgres.rows(sql).await;
        assert!(rows.is_empty(), "{what}: {rows:?}");
    }
}

/// What must not be found, each with the query that would.
const SOUND: &[(&str, &str)] = &[
    (
        "a strand's numbers have gaps, or its counter is not the newest",
        "SELECT e.strand, e.first, e.newest, e.count, c.last FROM (
             SELECT strand, min(seq / 16) AS first, max(seq / 16) AS newest, count(*) AS count
             FROM entries GROUP BY strand, seq >> 36) e
         JOIN counters c USING (strand)
         WHERE e.newest - (e.newest >> 32 << 32) <> e.count OR c.last < e.newest",
    ),
    (
        "a submission without its entry, or the reverse",
        "SELECT strand, seq FROM (SELECT strand, seq FROM entries WHERE kind = 1) e
         FULL JOIN submissions s USING (strand, seq)
         WHERE e.seq IS NULL OR s.seq IS NULL OR s.seq IS NULL",
    ),
    (
        "standings that are not what their submissions come to",
        "WITH worked AS (
             SELECT strand, activity, user_id, count(*) AS count, sum(score) AS sum,
                 max(score) AS highest, max(seq) AS last,
                 (array_agg(score ORDER BY sequence, seq))[1] AS first,
                 (array_agg(score ORDER BY sequence DESC, seq DESC))[1] AS latest
             FROM submissions GROUP BY strand, activity, user_id)
         SELECT w.*, s.* FROM worked w FULL JOIN standings s USING (strand, activity, user_id)
         WHERE (w.count, w.sum, w.highest, w.last, w.first, w.latest)
             IS DISTINCT FROM (s.count, s.sum, s.highest, s.last, s.first, s.latest)",
    ),
    (
        "a saved result whose work is not there",
        // Both are put side by side once: to look for each would take as long as the square of their number.
        "SELECT o.id FROM operations o LEFT JOIN submissions s
             ON s.strand = o.strand AND s.comment = o.id
         WHERE o.function = 'grade' AND s.seq IS NULL
         UNION ALL
         SELECT o.id FROM operations o LEFT JOIN entries e
             ON e.strand = o.strand AND substring(e.data FROM '\"op\":\"([^\"]*)\"') = o.id
         WHERE o.function = 'log' AND e.seq IS NULL",
    ),
    (
        "more than one join of a user in an activity",
        "SELECT activity, user_id FROM entries WHERE kind = 2
         GROUP BY activity, user_id HAVING count(*) > 1",
    ),
    (
        "a key without its place",
        "SELECT k.id FROM keys k LEFT JOIN key_places p ON p.id = k.id
         WHERE p.activity IS DISTINCT FROM k.activity",
    ),
];

/// What a row of each table takes, indexes and all: name, rows, bytes of them together.
///
/// # Panics
/// When the database does not answer.
pub async fn sizes(postgres: &Postgres) -> Vec<(&'static str, u64, u64)> {
    let mut sizes = Vec::new();
    for table in TABLES {
        // A log is in partitions.
        let size = format!(
            "SELECT sum(pg_total_relation_size(relid)) FROM (SELECT '{table}'::regclass AS relid
             UNION SELECT relid FROM pg_partition_tree('{table}')) parts"
        );
        let count = postgres.one(&format!("SELECT count(*) FROM {table}")).await;
        let number = |text: String| text.parse().expect("a number");
        sizes.push((*table, number(count), number(postgres.one(&size).await)));
    }
    sizes
}

/// The tables that grow with use.
const TABLES: &[&str] =
    &["entries", "operations", "submissions", "standings", "keys", "key_places"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn json(text: &str) -> Value {
    Value::String(text.to_owned())
}
