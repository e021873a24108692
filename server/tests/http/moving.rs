//! `latchkey copy`: everything is at the other end, keys go on, and what is interrupted is taken up again.

use crate::database::Database;
use crate::host::{Caller, academy, school};
use crate::program::{latchkey, run};
use crate::server::{HOUR, MINUTE, Page, R, SECOND, Server, copy};
use latchkey_protocol::token::KeyId;
use latchkey_server::config::WebhookConfig;
use latchkey_server::store::EventKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

/// A server on a database of that kind, with a webhook that nobody answers.
pub(crate) async fn server_on(make: impl FnOnce(&Path) -> Database) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path());
    Server::start_on(folder, database, |config| {
        config.webhooks.networks = vec!["127.0.0.1".into()];
        config.hosts[0].webhooks = vec![WebhookConfig {
            id: "main".into(),
            // A port that is taken by nobody who listens.
            url: "http://127.0.0.1:1/".into(),
            events: EventKind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect(),
            secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".into(),
            former_secret: None,
        }];
    })
    .await
}

pub(crate) fn in_file(folder: &Path) -> Database {
    Database::file(&folder.join("data/latchkey.db"))
}

/// Something of everything that is kept.
pub(crate) async fn furnish(server: &Server) {
    let school = school(server);
    let users =
        json!([{"id": "ada", "username": "ada", "name": "Ada"}, {"id": "bob"}, {"id": "gone"}]);
    school.set("users", users).await;
    let course =
        json!([{"id": "c1", "title": "Course", "sections": [{"id": "s1", "name": "One"}]}]);
    school.set("courses", course).await;
    let activities = json!([
        {"id": "quiz", "course": "c1", "section": "s1", "title": "Quiz", "max": 10, "method": "latest"},
        {"id": "film", "hidden": true}]);
    school.set("activities", activities).await;
    let enrolments = json!([{"id": "e1", "user": "ada", "course": "c1", "role": "student"}]);
    school.set("enrolments", enrolments).await;
    school.delete("/host/v1/users/gone").await.is_done();
    for (user, activity) in [("ada", "quiz"), ("bob", "quiz"), ("ada", "essay"), ("eve", "exam")] {
        let mut page = server.page_for("school", user, activity);
        for n in 0..7 {
            let entry =
                json!({"event": "step", "data": {"n": n, "é": null}, "id": format!("{user}{n}")});
            page.call("log", json!({"entries": [entry]})).await.is_done();
            page.call("grade", json!({"score": n, "comment": format!("{n}")})).await.is_done();
            server.after(7 * SECOND);
        }
    }
    server.page_for("academy", "ada", "quiz").grade(3.0).await.is_done();
    let given =
        json!([{"user": "ada", "activity": "quiz", "score": 7.5, "reason": "oral", "by": "t1"}]);
    school.set("grades", given).await;
    let all = school.get("/host/v1/submissions?user=bob").await.result();
    let id = all["items"][2]["id"].as_str().unwrap();
    school
        .post(&format!("/host/v1/submissions/{id}/void"), &json!({"reason": "copied"}))
        .await
        .is_done();
    school.post("/host/v1/activities/essay/reset", &json!({})).await.is_done();
    server.page_for("school", "ada", "essay").grade(2.0).await.is_done();
    school.delete("/host/v1/web-sessions/evening").await.is_done();
    let mut state = server.page_with(|claims| claims.functions = Some(vec!["state".into()]));
    state.call("state", json!({"op": "put", "value": {"page": 3}})).await.is_done();
    let store = server.latchkey.store();
    let ends = server.latchkey.now() + HOUR;
    assert!(store.create_web_session("login", "{\"user\":1}", ends).await.unwrap());
}

/// Items of a list or feed, without the numbers that each database gives for itself, by activity in their order.
async fn items(caller: &Caller<'_>, path: &str) -> BTreeMap<String, Vec<Value>> {
    let (mut all, mut since) = (BTreeMap::<String, Vec<Value>>::new(), String::new());
    loop {
        let page = caller.get(&format!("/host/v1/{path}{since}")).await.result();
        for item in page["items"].as_array().unwrap() {
            let mut item = item.clone();
            let activity = item["activity"]["id"].as_str().unwrap_or_default().to_owned();
            if path.starts_with("log") || path.starts_with("submissions") {
                let object = item.as_object_mut().unwrap();
                assert!(object.remove("id").is_some() && object.remove("url").is_some());
            }
            all.entry(activity).or_default().push(item);
        }
        let next = page["next"].as_str().unwrap_or_default();
        if page["more"].as_bool() != Some(true) {
            return all;
        }
        since = format!("?since={next}");
    }
}

/// All that hosts can see, and that logins live.
pub(crate) async fn view(server: &Server) -> Vec<BTreeMap<String, Vec<Value>>> {
    let mut seen = Vec::new();
    for caller in [school(server), academy(server)] {
        for path in ["users", "courses", "activities", "enrolments", "submissions", "log"] {
            seen.push(items(&caller, path).await);
        }
        let mut grades = items(&caller, "grades").await;
        // A feed of standings tells each as often as pages have it, in no order between users.
        for standings in grades.values_mut() {
            standings.sort_by_key(|item| item["user"]["id"].to_string());
        }
        seen.push(grades);
    }
    let store = server.latchkey.store();
    let now = server.latchkey.now();
    let record = store.load_web_session("login", now).await.unwrap();
    seen.push(BTreeMap::from([("login".into(), vec![json!(record)])]));
    let webhook = &store.webhooks("school").await.unwrap()[0];
    seen.push(BTreeMap::from([("waiting".into(), vec![json!(webhook.waiting)])]));
    seen
}

/// Moves a server there and back; its keys and its data go on.
async fn there_and_back(server: Server, there: Database, back: Database) {
    furnish(&server).await;
    let mut page = server.page_for("school", "ada", "quiz");
    server.after(R);
    let graded = page.call("grade", json!({"score": 6, "id": "g1"})).await.result();
    let (token, cursor) = (page.token.clone(), next(&school(&server)).await);
    let launch = server.launch_with(|claims| claims.session = Some("evening".into()));
    let before = view(&server).await;

    let server = server.moved_to(there).await;
    assert_eq!(view(&server).await, before);
    let mut page = Page { server: &server, token };
    // What was acknowledged before is told again, by its new number.
    let again = page.call("grade", json!({"score": 6, "id": "g1"})).await;
    assert_eq!(again.json()["replayed"], true);
    let id = again.result()["submission"].as_str().unwrap().to_owned();
    let told = school(&server).get(&format!("/host/v1/submissions/{id}")).await.result();
    assert_eq!(told["score"], graded["score"]);
    assert_eq!(page.events().await.len(), 7);
    page.log("on").await.is_done();
    assert_eq!(page.events().await[0], "on");
    page.grade(9.0).await.is_done();
    server.call(&launch, "recent", json!({})).await.is_over();
    // A new user of a new activity, whose numbers are taken by nobody.
    new_page(&server).grade(1.0).await.is_done();
    let lost = school(&server).get(&format!("/host/v1/log?since={cursor}")).await;
    assert_eq!(lost.refusal(), "410 cursor_lost since");

    let (token, before) = (page.token.clone(), view(&server).await);
    let server = server.moved_to(back).await;
    assert_eq!(view(&server).await, before);
    let mut page = Page { server: &server, token };
    server.after(MINUTE);
    page.log("home").await.is_done();
    assert_eq!(page.events().await[..2], ["home", "on"]);
    page.grade(8.0).await.is_done();
}

/// A page of a new user of a new activity, with a key that nobody had before: a server of a test begins its randomness
/// anew, that of its keys' ids too.
pub(crate) fn new_page(server: &Server) -> Page<'_> {
    let mut claims = server.claims_for("school", "new", "new");
    claims.jti = KeyId([9; 16]).to_string();
    Page { server, token: server.sign(&claims) }
}

/// Where the log's feed has come to.
async fn next(caller: &Caller<'_>) -> String {
    let page = caller.get("/host/v1/log?limit=1000").await.result();
    page["next"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_moves_to_postgres_and_back() {
    let server = server_on(in_file).await;
    let back = Database::file(&server.folder.path().join("back/latchkey.db"));
    there_and_back(server, Database::postgres(), back).await;
}

#[tokio::test]
async fn a_server_moves_to_sqlite_and_back() {
    let server = server_on(|_| Database::postgres()).await;
    let there = in_file(server.folder.path());
    there_and_back(server, there, Database::postgres()).await;
}

/// Like to like keeps every number: feeds go on.
#[tokio::test]
async fn the_same_kind_keeps_numbers_and_cursors() {
    for on_postgres in [false, true] {
        let make = |folder: &Path| if on_postgres { Database::postgres() } else { in_file(folder) };
        let server = server_on(make).await;
        furnish(&server).await;
        let cursor = next(&school(&server)).await;
        let before = view(&server).await;
        let there = if on_postgres {
            Database::postgres()
        } else {
            Database::file(&server.folder.path().join("there/latchkey.db"))
        };
        let server = server.moved_to(there).await;
        assert_eq!(view(&server).await, before);
        server.page_for("school", "ada", "essay").log("later").await.is_done();
        let page = school(&server).get(&format!("/host/v1/log?since={cursor}")).await.result();
        let events: Vec<_> =
            page["items"].as_array().unwrap().iter().map(|it| &it["event"]).collect();
        assert_eq!(events, ["later"]);
    }
}

/// A database with a long log, made without a server; its URL.
pub(crate) async fn long(folder: &Path, entries: i64) -> String {
    let server = server_on(in_file).await;
    server.page().log("first").await.is_done();
    let stopping = server.stop();
    stopping.served.await.unwrap().unwrap();
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n WHERE n < 999 + {entries})
         INSERT INTO entries
         SELECT n, activity, user, 0, 1, CASE n WHEN 1000 THEN seq ELSE n - 1 END,
                CASE n WHEN 1000 THEN seq ELSE n - 1 END, at + n, NULL, 'step', '{{\"n\":1}}'
         FROM n, (SELECT * FROM entries WHERE event = 'first')"
    );
    stopping.database.execute(&sql);
    let file = folder.join("long.db");
    stopping.database.execute(&format!("VACUUM INTO '{}'", file.display()));
    format!("sqlite:{}", file.display())
}

/// Copies, and is killed as soon as it says that it is at `at`.
pub(crate) fn killed_at(how: &[&str], from: &str, to: &str, at: &str) {
    let mut child = latchkey()
        .args(["copy", "--from", from, "--to", to])
        .args(how)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with(at)), "it never came to {at}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_copy_that_is_killed_goes_on() {
    const ENTRIES: i64 = 60_000;
    let folder = tempfile::tempdir().unwrap();
    let from = long(folder.path(), ENTRIES).await;
    let postgres = Database::postgres();
    let back = Database::file(&folder.path().join("back/latchkey.db"));
    for (from, to) in [(from, &postgres), (postgres.url(), &back)] {
        killed_at(&[], &from, &to.url(), "copying: 1");
        let there = to.number("SELECT count(*) FROM entries");
        assert!((1..ENTRIES).contains(&there), "{there}");
        // Nobody opens a part for the whole.
        let mut serve = latchkey();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        let refused = run(serve.env("LATCHKEY_STORE__URL", to.url()));
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("was not finished"));
        let copying = run(latchkey().args(["copy", "--from", &from, "--to", &to.url()]));
        let said = String::from_utf8_lossy(&copying.stderr).into_owned();
        assert!(copying.status.success() && said.contains("going on: "), "{said}");
        assert_eq!(to.number("SELECT count(*) FROM entries"), ENTRIES + 2);
    }
    // The chains of what was written before and after the kill are one.
    let sql = "WITH RECURSIVE chain (seq) AS (
                   SELECT seq FROM heads WHERE user = 0
                   UNION ALL SELECT e.previous FROM entries e JOIN chain c ON e.seq = c.seq
                   WHERE e.previous > 0)
               SELECT count(*) FROM chain";
    assert_eq!(back.number(sql), ENTRIES + 2);
}

/// What it says when it refuses.
pub(crate) fn refusal(how: &[&str], from: &str, to: &str) -> String {
    let done = run(latchkey().args(["copy", "--from", from, "--to", to]).args(how));
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let from = long(folder.path(), 1).await;
    let at =
        |name: &str| format!("sqlite:{}", folder.path().join(name).join("latchkey.db").display());
    copy(&from, &at("there"));
    assert!(refusal(&[], &from, &at("there")).contains("holds other data"));
    assert!(refusal(&[], &from, &from).contains("the same database"));
    assert!(refusal(&[], &at("nowhere"), &at("a")).contains("no Latchkey database at the source"));
    let nowhere = Database::postgres();
    assert!(refusal(&[], &nowhere.url(), &at("b")).contains("no Latchkey database at the source"));
    assert!(refusal(&[], "mysql://x", &at("c")).contains("--from"));
    assert!(refusal(&[], &from, "").contains("--to"));
    let secret = "postgres://ada:hunter2@127.0.0.1:1/latchkey?connect_timeout=1";
    let said = refusal(&[], &from, secret);
    assert!(!said.contains("hunter2"), "{said}");
    // Another version of the schema, at either end.
    let newer = Database::file(&folder.path().join("there/latchkey.db"));
    newer.execute("PRAGMA user_version = 99");
    assert!(refusal(&[], &at("there"), &at("d")).contains("the source is at schema version 99"));
    assert!(refusal(&[], &from, &at("there")).contains("the target is at schema version 99"));
    // A running server holds its folder.
    let server = server_on(in_file).await;
    let running = server.database().url();
    assert!(refusal(&[], &running, &at("e")).contains("in use by another latchkey"));
    assert!(refusal(&[], &from, &running).contains("in use by another latchkey"));
}

/// A source that is written to after the copy began is found out, and the target stays closed.
#[tokio::test]
async fn a_source_that_changes_between_two_runs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let from = long(folder.path(), 60_000).await;
    let to = Database::postgres();
    killed_at(&[], &from, &to.url(), "copying: 8");
    let source = Database::file(&folder.path().join("long.db"));
    source.execute("DELETE FROM entries WHERE seq = 1000");
    assert!(refusal(&[], &from, &to.url()).contains("the source has changed"));
}
