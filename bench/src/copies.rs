//! Fills a PostgreSQL in minutes: the server writes one page, and the database copies its rows.
//!
//! A page is what one user leaves in one activity: a key, a join, a grade, entries. Nothing of a copy is made up here
//! but its numbers and ids, which are given as the server gives them (`server/src/store/postgres/numbers.rs`);
//! [`crate::proof`] reads copies back through the server.

use crate::clock;
use crate::flood::thousands;
use anyhow::{Context, Result, ensure};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// Entries of a page whose ids are still known: results go after three days, a page may be a year old.
const IDS_KEPT: usize = 4;
/// How often progress is shown.
const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// Neither waits for the disk at each statement, nor gives up; rows are copied in their order.
const SETTINGS: &str = "SET synchronous_commit = off; SET synchronize_seqscans = off;
    SET work_mem = '128MB'; SET maintenance_work_mem = '256MB'";

/// What copies there are to be of the one page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copies {
    /// Users, the one of the page among them.
    pub(crate) users: usize,
    /// Activities, that of the page among them. With more than one, each has one page.
    pub(crate) activities: usize,
}

impl Copies {
    /// Pages, the first among them.
    fn pages(self) -> usize {
        if self.activities > 1 { self.activities } else { self.users }
    }
}

/// The numbers of what a host calls `$key`, after the page: as `numbers.rs` gives them.
fn number(key: &str, count: &str) -> String {
    format!(
        "(m.host << 36) | ((n.last + {count}) * 16) | (get_byte(sha256(convert_to({key}, 'UTF8')), 0) % 16)"
    )
}

/// Copies the page of user 0 in activity 0, which must be all that is there.
///
/// # Errors
/// When the database has other tables than this knows, or cannot.
pub(crate) async fn make(clients: [Client; 2], copies: Copies) -> Result<()> {
    for client in &clients {
        client.batch_execute(SETTINGS).await?;
    }
    let main = &clients[0];
    main.batch_execute(&directory(copies)).await.context("users and activities")?;
    main.batch_execute(&places(copies)).await.context("the list of copies")?;
    let steps = Mutex::new(steps(main, copies).await?);
    let progress = Progress::new(&steps);
    let (one, other) =
        tokio::join!(run(&clients[0], &steps, &progress), run(&clients[1], &steps, &progress));
    one.and(other)?;
    main.batch_execute(
        "UPDATE counters c SET last = s.last FROM
            (SELECT strand, max(base + size * rows) AS last FROM pages GROUP BY strand) s
         WHERE c.strand = s.strand;
         DROP TABLE pages",
    )
    .await
    .context("the counters")?;
    println!("  tidying up");
    main.batch_execute("VACUUM (ANALYZE)").await?;
    main.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Users and activities, and the counts that they take. Their other columns are those of the first.
fn directory(copies: Copies) -> String {
    let (user, activity) = ("('u' || g)", "('quiz-' || g)");
    format!(
        "INSERT INTO users (host, id, key, said)
            SELECT m.host, {user_number}, {user}, m.said
            FROM users m JOIN numbers n ON n.host = m.host, generate_series(1, {users} - 1) g
            WHERE m.key = 'u0' ORDER BY g;
         INSERT INTO activities (strand, id, key, max, attempts, said, method)
            SELECT host * 16 + id % 16, id, key, max, attempts, said, method
            FROM (SELECT m.host, {activity_number} AS id, {activity} AS key,
                    m.max, m.attempts, m.said, m.method
                FROM (SELECT *, strand / 16 AS host FROM activities WHERE key = 'quiz-0') m
                JOIN numbers n ON n.host = m.host, generate_series(1, {activities} - 1) g
                ORDER BY g) made;
         UPDATE numbers SET last = last + {users} + {activities};
         ANALYZE users; ANALYZE activities",
        user_number = number(user, "g"),
        users = copies.users,
        activity_number = number(activity, &format!("{} + g", copies.users)),
        activities = copies.activities,
    )
}

/// For each copy whose it is, and which numbers its entries get: the first of each, then the second of each, and so on
/// within its strand, as if all had worked at the same time.
fn places(copies: Copies) -> String {
    let (user, activity) = match copies.activities {
        0 | 1 => ("g".to_owned(), "0"),
        _ => (format!("g % {}", copies.users), "g"),
    };
    format!(
        "CREATE UNLOGGED TABLE pages AS
         SELECT g AS n, a.strand, a.id AS activity, u.id AS user_id,
            substr(sha256(convert_to('page ' || g, 'UTF8')), 1, 16) AS key,
            row_number() OVER (PARTITION BY a.strand ORDER BY g) AS rank,
            count(*) OVER (PARTITION BY a.strand) AS size,
            greatest(c.last, (newest.last >> 32) << 32) AS base,
            newest.rows
         FROM generate_series(1, {pages} - 1) g
         JOIN users u ON u.key = 'u' || ({user})
         JOIN activities a ON a.key = 'quiz-' || {activity}
         JOIN counters c ON c.strand = a.strand
         CROSS JOIN (SELECT max(last) AS last, (SELECT count(*) FROM entries) AS rows
            FROM counters) newest
         ORDER BY g",
        pages = copies.pages(),
    )
}

/// A statement and the rows that it writes.
struct Step {
    sql: String,
    rows: u64,
}

/// A table whose rows are copied: what is another value in each copy, and which rows of the page are meant.
async fn step(
    client: &Client,
    table: &str,
    other: &[(&str, &str)],
    only: &str,
    copies: Copies,
) -> Result<Step> {
    let columns = "SELECT column_name::TEXT FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
    let columns: Vec<String> = client
        .query(columns, &[&table])
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    for (name, _) in other {
        ensure!(columns.iter().any(|column| column == name), "{table} has no column {name}");
    }
    let value = |column: &String| match other.iter().find(|(name, _)| name == column) {
        Some((_, value)) => (*value).to_owned(),
        None => format!("m.{column}"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    // The few rows of the page stand on the inside: the list is read once, in its order.
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM pages p CROSS JOIN
            (SELECT * FROM {table} WHERE {only}) m",
        columns.join(", "),
        values.join(", ")
    );
    Ok(Step { sql, rows: copies.pages() as u64 - 1 })
}

/// What is to be done, in no order.
async fn steps(client: &Client, copies: Copies) -> Result<VecDeque<Step>> {
    let place = [("strand", "p.strand"), ("activity", "p.activity"), ("user_id", "p.user_id")];
    let with = |more: &[(&'static str, &'static str)]| [&place[..], more].concat();
    // Of its user in its activity there is no copy.
    let page = "activity = (SELECT id FROM activities WHERE key = 'quiz-0')
        AND user_id = (SELECT id FROM users WHERE key = 'u0')";
    let mut steps = VecDeque::new();
    let keys = with(&[("id", "p.key")]);
    steps.push_back(step(client, "keys", &keys, page, copies).await?);
    let places = [("id", "p.key"), ("activity", "p.activity")];
    let only = format!("id = (SELECT id FROM keys WHERE {page})");
    steps.push_back(step(client, "key_places", &places, &only, copies).await?);
    steps.push_back(step(client, "joins", &place, page, copies).await?);
    let entries = "SELECT seq, kind FROM entries ORDER BY seq";
    let entries = client.query(entries, &[]).await?;
    for (at, row) in entries.iter().enumerate() {
        let (seq, kind): (i64, i16) = (row.try_get(0)?, row.try_get(1)?);
        let new = format!("(p.base + {at} * p.size + p.rank) * 16 + p.strand % 16");
        let mut other: Vec<(&str, &str)> = place.to_vec();
        other.push(("seq", &new));
        let only = format!("{page} AND seq = {seq}");
        steps.push_back(step(client, "entries", &other, &only, copies).await?);
        if kind == 1 {
            other.push(("key", "p.key"));
            steps.push_back(step(client, "submissions", &other, &only, copies).await?);
            let standing = [&place[..], &[("last", &*new)]].concat();
            steps.push_back(step(client, "standings", &standing, page, copies).await?);
        }
        if kind == 1 || (kind == 0 && at + IDS_KEPT >= entries.len()) {
            let outcome = format!("replace(m.outcome, '{seq}', ({new})::TEXT)");
            let id = "left(m.id, 24) || lpad(to_hex(p.n), 12, '0')";
            let other = [&place[..], &[("outcome", &*outcome), ("id", id)]].concat();
            let only = format!("{page} AND strpos(outcome, '{seq}') > 0");
            steps.push_back(step(client, "operations", &other, &only, copies).await?);
        }
    }
    Ok(steps)
}

/// How far it is.
struct Progress {
    start: Instant,
    total: u64,
    done: Mutex<(u64, Duration)>,
}

impl Progress {
    fn new(steps: &Mutex<VecDeque<Step>>) -> Self {
        let steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
        let total = steps.iter().map(|step| step.rows).sum();
        Self { start: clock::now(), total, done: Mutex::default() }
    }

    fn add(&self, rows: u64) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.start.elapsed();
        done.0 += rows;
        if since - done.1 >= SHOWN_EVERY {
            done.1 = since;
            let (sum, total) = (thousands(done.0), thousands(self.total));
            eprintln!("  rows: {sum} of {total}, {} s", since.as_secs());
        }
    }
}

/// Takes one step after the other, beside others that do.
async fn run(client: &Client, steps: &Mutex<VecDeque<Step>>, progress: &Progress) -> Result<()> {
    loop {
        let step = steps.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(step) = step else { return Ok(()) };
        let written = client.execute(&*step.sql, &[]).await.with_context(|| step.sql.clone())?;
        ensure!(written == step.rows, "{written} rows instead of {}: {}", step.rows, step.sql);
        progress.add(written);
    }
}
