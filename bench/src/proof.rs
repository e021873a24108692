//! Whether what [`crate::copies`] wrote is what the server would have written: asked of the server itself.

use crate::case::{log_body, post};
use crate::clock;
use crate::host::Host;
use crate::link::{Address, connect};
use crate::reply::Reader;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio_postgres::Client;

/// Pages that are looked at: spread over all, since they come in the order of a hash.
const PAGES: &str = "SELECT k.strand, k.activity, k.user_id, k.id, u.key, a.key
    FROM (SELECT * FROM keys ORDER BY id LIMIT 16) k
    JOIN users u ON u.id = k.user_id JOIN activities a ON a.id = k.activity ORDER BY k.id";
/// What the log holds of a page, newest first.
const NEWEST: &str = "SELECT seq::TEXT FROM entries
    WHERE strand = $1 AND activity = $2 AND user_id = $3 ORDER BY seq DESC LIMIT 100";
/// An operation of a page whose result is kept.
const OPERATION: &str = "SELECT id, outcome FROM operations
    WHERE strand = $1 AND activity = $2 AND user_id = $3 AND function = $4 ORDER BY id LIMIT 1";

/// A page that was copied.
struct Page<'a> {
    database: &'a Client,
    server: &'a Address,
    place: [i64; 3],
    launch: String,
}

/// Presents keys that were copied, reads their entries, and repeats their operations: all must be known, and nothing
/// is written.
pub(crate) async fn read_back(database: &Client, server: &Address, host: &Host) -> Result<()> {
    let rows = database.query(PAGES, &[]).await?;
    for row in &rows {
        let place = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        let key: [u8; 16] = row.try_get::<_, &[u8]>(3)?.try_into()?;
        let (user, activity): (String, String) = (row.try_get(4)?, row.try_get(5)?);
        let launch = host.launch(&user, &activity, key)?;
        let page = Page { database, server, place, launch };
        page.check().await.with_context(|| format!("a copied page of {user} in {activity}"))?;
    }
    println!("  {} pages read back", rows.len());
    Ok(())
}

impl Page<'_> {
    async fn check(&self) -> Result<()> {
        let told = self.ask("/v1/recent", None, r#"{"limit":100}"#).await?;
        let items = told["result"]["items"].as_array().context("no items")?;
        let told: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap_or("")).collect();
        let [strand, activity, user] = &self.place;
        let rows = self.database.query(NEWEST, &[strand, activity, user]).await?;
        let kept: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        ensure!(told == kept && told.len() > 1, "recent tells {told:?}, kept is {kept:?}");
        let (id, seq) = self.operation("entry").await?;
        let at = clock::rfc3339(clock::wall_millis())?;
        let again = self.ask("/v1/log", None, &log_body(&[id], &at)).await?;
        ensure!(again["result"]["ids"][0] == seq.as_str(), "entry {seq} again: {again}");
        let (id, outcome) = self.operation("grade").await?;
        let again = self.ask("/v1/grade", Some(&id), GRADE).await?;
        let submission = again["result"]["submission"].as_str().unwrap_or("none");
        ensure!(
            again["replayed"] == true && outcome.contains(submission),
            "grade {outcome} again: {again}"
        );
        Ok(())
    }

    async fn operation(&self, function: &str) -> Result<(String, String)> {
        let [strand, activity, user] = &self.place;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [strand, activity, user, &function];
        let row = self.database.query_one(OPERATION, &values).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    async fn ask(&self, path: &str, operation: Option<&str>, body: &str) -> Result<Value> {
        ask(self.server, path, &self.launch, operation, body).await
    }
}

/// What a page's grade says.
const GRADE: &str = r#"{"score":7.5,"max":10}"#;

/// Writes the page that is to be copied: a grade, and an entry for each further id.
pub(crate) async fn write_page(server: &Address, launch: &str, ids: &[String]) -> Result<()> {
    let (grade, entries) = ids.split_first().context("no ids")?;
    ask(server, "/v1/grade", launch, Some(grade), GRADE).await?;
    let at = clock::rfc3339(clock::wall_millis())?;
    ask(server, "/v1/log", launch, None, &log_body(entries, &at)).await?;
    Ok(())
}

/// One answer, which must be a good one.
async fn ask(
    server: &Address,
    path: &str,
    launch: &str,
    operation: Option<&str>,
    body: &str,
) -> Result<Value> {
    let mut stream = connect(server).await?;
    stream.write_all(post(path, launch, operation, body).as_bytes()).await?;
    let mut reader = Reader::new();
    let reply = reader.next(&mut stream).await?;
    ensure!(reply.status == 200, "{path}: {} {}", reply.status, reply.excerpt());
    Ok(serde_json::from_slice(reply.body)?)
}
