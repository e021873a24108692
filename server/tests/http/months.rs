//! `store.keep_log`: old months of the log go as whole tables, and everything else stays as it is.

use crate::database::Database;
use crate::host::{Caller, school};
use crate::server::{HOUR, Server};
use latchkey_server::config::Config;
use serde_json::{Value, json};

/// The longest month.
const MONTH: i64 = 31 * 24 * HOUR;
/// Each begins in the one after the former.
const MONTHS: [&str; 4] = ["november", "december", "january", "february"];

/// What a server does every ten minutes; twice, since a round may have begun by itself.
async fn sweep(server: &Server) {
    for _ in 0..2 {
        while server.latchkey.store().sweep(server.latchkey.now()).await.unwrap() {}
    }
}

/// The items of a feed, from that cursor on, and where it has come to.
async fn feed(caller: &Caller<'_>, name: &str, since: &str) -> (Vec<Value>, String) {
    let (mut items, mut since) = (Vec::new(), since.to_owned());
    loop {
        let query = if since.is_empty() { String::new() } else { format!("&since={since}") };
        let page = caller.get(&format!("/host/v1/{name}?limit=3{query}")).await.result();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        page["next"].as_str().unwrap().clone_into(&mut since);
        if page["more"] == false {
            return (items, since);
        }
    }
}

fn events(items: &[Value]) -> Vec<&str> {
    items.iter().filter_map(|item| item["event"].as_str()).collect()
}

/// The months whose tables are there.
fn tables(database: &Database) -> String {
    let sql = "SELECT string_agg(right(tablename, 7), ' ' ORDER BY tablename) FROM pg_tables
               WHERE tablename LIKE 'entries\\_2%'";
    database.rows(sql).concat().concat()
}

/// Four months of one activity: each begins with a page, which logs and hands in. Where the feed of the log had come to
/// after each month.
async fn four_months(server: &Server) -> Vec<String> {
    let mut cursors = Vec::new();
    for (number, month) in MONTHS.iter().enumerate() {
        for user in ["ada", "bob"] {
            let mut page = server.page_for("school", user, "quiz");
            page.log(month).await.is_done();
            let id = format!("{user}-{month}");
            page.call("grade", json!({"score": number, "id": id})).await.is_done();
        }
        cursors.push(feed(&school(server), "log", "").await.1);
        if number + 1 < MONTHS.len() {
            server.after(MONTH);
            // The table of the month after the next is made long before it begins.
            sweep(server).await;
        }
    }
    cursors
}

#[tokio::test]
async fn old_months_go_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::postgres();
    let server = Server::start_on(folder, database.clone(), |_| ()).await;
    let cursors = four_months(&server).await;
    sweep(&server).await;
    let all = "2026_11 2026_12 2027_01 2027_02 2027_03 2027_04";
    assert_eq!(tables(&database), all, "nothing goes unless that is asked for");
    let grades = feed(&school(&server), "grades", "").await.0;
    let submissions = feed(&school(&server), "submissions", "").await.0;
    assert_eq!((grades.len(), submissions.len()), (2, 8));

    // A server that keeps one month beside the present one drops the others when it starts.
    server.reload(|config| config.store.keep_log = 1).unwrap();
    let server = server.restarted().await;
    sweep(&server).await;
    assert_eq!(tables(&database), "2027_01 2027_02 2027_03 2027_04");
    assert_eq!(database.number("SELECT count(*) FROM entries_other"), 0);
    let deleted = "SELECT coalesce(sum(n_tup_del), 0) FROM pg_stat_user_tables
                   WHERE relname LIKE 'entries%'";
    assert_eq!(database.number(deleted), 0, "tables were dropped, no row was looked for");

    // Grades, submissions and what was answered are as they were.
    let school = school(&server);
    assert_eq!(feed(&school, "grades", "").await.0, grades);
    assert_eq!(feed(&school, "submissions", "").await.0, submissions);
    let mut page = server.page_for("school", "ada", "quiz");
    let again = page.call("grade", json!({"score": 0, "id": "ada-november"})).await;
    assert_eq!(again.json()["replayed"], true);
    // Newer entries remain; who had joined does not join again.
    assert_eq!(page.events().await, ["february", "january"]);
    let (log, end) = feed(&school, "log", "").await;
    assert_eq!(events(&log), ["january", "january", "february", "february"]);
    let joins = log.iter().filter(|item| item["kind"] == "join").count();
    assert_eq!((joins, log.len()), (0, 8), "entries and grades of two users in two months");
    // A reader who stopped in a month that is gone goes on with the first that is there, and one who stopped later is not
    // told anything twice.
    for (cursor, expected) in [(0, 8), (1, 8), (2, 4), (3, 0)] {
        assert_eq!(feed(&school, "log", &cursors[cursor]).await.0.len(), expected, "{cursor}");
    }
    page.log("later").await.is_done();
    assert_eq!(events(&feed(&school, "log", &end).await.0), ["later"]);
    assert_eq!(page.events().await, ["later", "february", "january"]);
}

/// Somebody reads what is to be dropped: calls do not queue up behind that, and it is dropped the next time.
#[tokio::test]
async fn who_reads_an_old_month_is_let_finish() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::postgres();
    let keep = |config: &mut Config| config.store.keep_log = 1;
    let server = Server::start_on(folder, database.clone(), keep).await;
    let mut page = server.page();
    page.log("november").await.is_done();
    let Database::Postgres(postgres) = &database else { unreachable!("it is one") };
    let reader = postgres.hold("SELECT count(*) FROM entries_2026_11");
    server.after(2 * MONTH);
    let store = server.latchkey.store();
    assert!(store.sweep(server.latchkey.now()).await.is_err());
    assert!(tables(&database).starts_with("2026_11"));
    let mut page = server.page();
    page.log("january").await.is_done();
    drop(reader);
    sweep(&server).await;
    assert!(tables(&database).starts_with("2026_12"), "{}", tables(&database));
    assert_eq!(page.events().await, ["january"]);
}
