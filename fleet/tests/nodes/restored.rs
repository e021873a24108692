//! A database that is an hour older than its pages, as after a restore: they go on, and somebody is told.

use hyper::Method;
use latchkey_fleet::clock::{PATIENCE, until};
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::host::Host;
use latchkey_fleet::http::Http;
use latchkey_fleet::page::{Page, log};
use latchkey_fleet::postgres::Postgres;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// Seconds.
const HOUR: i32 = 3_600;
const METRICS: &str = "[metrics]\nlisten = \"127.0.0.1:0\"";
const ALARM: &str = "a key is ahead of the database: it has lost commits";

/// A page before the copy; what it has done is in it.
async fn before(fleet: &Fleet) -> Page {
    let mut page = Page::open(&fleet.host, fleet.front(), "ada", "quiz", None);
    page.call("log", &log("kept"), false).await.unwrap();
    page.call("batch", &json!({"calls": []}), false).await.unwrap();
    page
}

/// The hour between the copy and the end of the database: the page works on, and one that is opened after the copy
/// works too. That one.
async fn an_hour(fleet: &mut Fleet, url: &str, page: &mut Page) -> Page {
    for minutes in [50, 40, 30, 20, 10, 0] {
        fleet.again(url, -60 * minutes).await;
        // An offer, and the confirmation of it.
        for call in 0..2 {
            page.call("log", &log(&format!("lost-{minutes}-{call}")), false).await.unwrap();
        }
    }
    let mut late = Page::open(&fleet.host, fleet.front(), "eve", "quiz", None);
    late.call("log", &log("lost-too"), false).await.unwrap();
    late.call("batch", &json!({"calls": []}), false).await.unwrap();
    assert_eq!(page.seen.renewals, 0);
    late
}

/// How often a server of the fleet has raised the alarm, by its log and by its metrics.
async fn alarms(fleet: &Fleet) -> (usize, u64) {
    let mut counted = 0;
    for node in &fleet.nodes {
        let mut at = Http::new(node.metrics().expect("metrics"), PATIENCE);
        let text = at.ask(Method::GET, "/metrics", "", &Value::Null).await.unwrap().body;
        let mut lines = text.as_str().unwrap().lines();
        let value = lines.find_map(|line| line.strip_prefix("latchkey_ahead_total "));
        counted += value.expect("the counter").parse::<u64>().unwrap();
    }
    (fleet.logs().matches(ALARM).count(), counted)
}

/// On the older database.
async fn go_on(fleet: &Fleet, mut page: Page, mut late: Page) {
    assert_eq!(alarms(fleet).await, (0, 0));
    page.call("log", &log("after"), false).await.unwrap();
    assert_eq!(page.seen.renewals, 0, "its key was taken up again");
    assert_eq!(alarms(fleet).await, (1, 1));
    page.call("log", &log("after-that"), false).await.unwrap();
    assert_eq!(alarms(fleet).await, (1, 1), "once for a key");
    // A key that the database has never seen: its page renews.
    late.call("log", &log("after-too"), false).await.unwrap();
    assert_eq!(late.seen.renewals, 1);
    let feed = Host::feed(&fleet.places(), "log").await;
    let mut kept: Vec<_> = feed.iter().filter_map(|item| item["data"]["op"].as_str()).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["after", "after-that", "after-too", "kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_after_a_backup_of_an_hour_ago() {
    let url = "sqlite:latchkey.db";
    let mut fleet = Fleet::start(url, &[Some(-HOUR)], METRICS).await;
    let mut page = before(&fleet).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    fleet.nodes[0].command(&["backup", "--to", copy.to_str().unwrap()]).await;
    let late = an_hour(&mut fleet, url, &mut page).await;

    fleet.nodes[0].kill().await;
    for file in std::fs::read_dir(fleet.nodes[0].data()).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().starts_with("latchkey.db") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    fleet.nodes[0].command(&["restore", "--from", copy.to_str().unwrap()]).await;
    fleet.nodes[0].again(None).await;
    go_on(&fleet, page, late).await;
}

/// As docs/operations.md has it: a base copy, an archive of what came after, and a moment in between.
#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_after_postgres_was_taken_back_by_an_hour() {
    let archive = tempfile::tempdir().unwrap();
    std::fs::set_permissions(archive.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let folder = archive.path().display();
    let save = format!("archive_command=test ! -f {folder}/%f && cp %p {folder}/%f");
    let mut postgres = Postgres::start(&["wal_level=replica", "archive_mode=on", &save]).await;
    let url = postgres.url();
    let mut fleet = Fleet::start(&url, &[Some(-HOUR), Some(-HOUR)], METRICS).await;
    let copy = postgres.copied().await;
    let mut page = before(&fleet).await;
    let moment = postgres.one("SELECT clock_timestamp()").await;
    let late = an_hour(&mut fleet, &url, &mut page).await;
    // What is not full is archived too when it stops.
    postgres.stop().await;

    let fetch = format!("restore_command=cp {folder}/%f %p");
    let upto = format!("recovery_target_time={moment}");
    let settings = [&fetch, &upto, "recovery_target_action=promote"];
    let restored = Postgres::restored(&copy, &settings).await;
    until("the end of the restore", async || {
        (restored.one("SELECT pg_is_in_recovery()").await == "f").then_some(())
    })
    .await;
    fleet.again(&restored.url(), 0).await;
    go_on(&fleet, page, late).await;
    latchkey_fleet::books::sound(&restored).await;
}
