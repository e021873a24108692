//! Reading back what has changed: cursors, pages, filters.

use super::{Caller, academy, school};
use crate::server::{MINUTE, START, Server};
use latchkey_server::instant;
use serde_json::{Value, json};

/// A page of a feed: its items, and the cursor to go on from.
async fn read(caller: &Caller<'_>, path: &str) -> (Vec<Value>, String, bool) {
    let result = caller.get(path).await.result();
    let next = result["next"].as_str().unwrap().to_owned();
    (result["items"].as_array().unwrap().clone(), next, result["more"].as_bool().unwrap())
}

#[tokio::test]
async fn a_log_is_read_to_its_end_and_on() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page();
    page.log("one").await.is_done();
    let (items, next, more) = read(&school, "/host/v1/log").await;
    assert!(!more);
    assert_eq!(items.iter().map(|item| &item["kind"]).collect::<Vec<_>>(), ["join", "log"]);
    let id = items[1]["id"].as_str().unwrap();
    let base = "https://latch.example/host/v1";
    assert_eq!(
        items[1],
        json!({
            "id": id, "url": format!("{base}/log/{id}"), "kind": "log", "event": "one",
            "user": {"id": "ada", "name": null, "url": format!("{base}/users/ada")},
            "activity": {"id": "quiz", "url": format!("{base}/activities/quiz")},
            "course": null, "attempt": 1, "at": instant::format(START), "client_at": null
        })
    );
    assert_eq!(school.get(&format!("/host/v1/log/{id}")).await.result(), items[1]);
    let on = format!("/host/v1/log?since={next}");
    assert_eq!(read(&school, &on).await, (Vec::new(), next, false));
    page.call("log", json!({"entries": [{"event": "two", "data": {"n": 0.5}}]})).await.is_done();
    let (items, ..) = read(&school, &on).await;
    assert_eq!((&items[0]["event"], &items[0]["data"]), (&json!("two"), &json!({"n": 0.5})));
    assert_eq!(items.len(), 1);
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap() {
    let server = Server::start().await;
    let school = school(&server);
    for user in ["ada", "bob", "cem"] {
        let mut page = server.page_for("school", user, "quiz");
        for score in 0..5 {
            page.grade(f64::from(score)).await.is_done();
        }
        // Another host's lie between.
        server.page_for("academy", user, "quiz").grade(9.0).await.is_done();
    }
    for (feed, expected) in [("submissions", 15), ("log", 18), ("grades", 3)] {
        for limit in [1, 2, 7, 1000] {
            let (mut all, mut since, mut more) = (Vec::new(), String::new(), true);
            while more {
                let path = format!("/host/v1/{feed}?limit={limit}{since}");
                let (items, next, on) = read(&school, &path).await;
                assert!(items.len() <= limit);
                all.extend(items.iter().map(|item| item["url"].as_str().unwrap().to_owned()));
                (since, more) = (format!("&since={next}"), on);
            }
            // A standing is told on every page on which it changed.
            if feed == "grades" {
                all.dedup();
            }
            assert_eq!(all.len(), expected, "{feed} {limit}");
        }
    }
}

#[tokio::test]
async fn filters_name_user_activity_and_course() {
    let server = Server::start().await;
    let school = school(&server);
    for (user, activity) in [("ada", "quiz"), ("ada", "film"), ("bob", "quiz")] {
        server.page_for("school", user, activity).grade(5.0).await.is_done();
    }
    school.set("courses", json!([{"id": "c 1"}])).await;
    school.set("activities", json!([{"id": "film", "course": "c 1"}])).await;
    for (query, count) in [
        ("user=ada", 2),
        ("activity=quiz", 2),
        ("user=bob&activity=film", 0),
        ("course=c%201", 1),
        ("course=c+1&user=ada", 1),
        ("user=nobody", 0),
        ("user=", 0),
    ] {
        let (items, next, _) = read(&school, &format!("/host/v1/grades?{query}")).await;
        assert_eq!(items.len(), count, "{query}");
        // A cursor is of the feed, whatever was picked out of it.
        let (items, ..) = read(&school, &format!("/host/v1/grades?since={next}")).await;
        assert!(items.is_empty());
    }
}

#[tokio::test]
async fn a_cursor_from_elsewhere_is_refused() {
    let server = Server::start().await;
    server.page().grade(5.0).await.is_done();
    server.page_for("academy", "ada", "quiz").grade(5.0).await.is_done();
    let (school, academy) = (school(&server), academy(&server));
    let (_, own, _) = read(&school, "/host/v1/grades").await;
    let (_, other_host, _) = read(&academy, "/host/v1/grades").await;
    let (_, other_feed, _) = read(&school, "/host/v1/submissions").await;
    let elsewhere = Server::start_with(|_| ()).await;
    // Its secrets are its own; the sequence of seeds is the same, so they are made different.
    let file = elsewhere.folder.path().join("data/secrets.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("deployment = \"", "deployment = \"x", 1)).unwrap();
    elsewhere.reload(|_| ()).unwrap();
    elsewhere.page().grade(5.0).await.is_done();
    let (_, other_deployment, _) = read(&super::school(&elsewhere), "/host/v1/grades").await;
    for cursor in [
        other_host.as_str(),
        &other_feed,
        &other_deployment,
        &own[1..],
        &format!("{own}AA"),
        "",
        "0",
        "-1",
        "%FF",
        &"A".repeat(5_000),
    ] {
        let answer = school.get(&format!("/host/v1/grades?since={cursor}")).await;
        assert_eq!(answer.refusal(), "422 bad_cursor since", "{cursor}");
    }
    let answer = school.get("/host/v1/grades?since=%00").await;
    assert_eq!(answer.refusal(), "422 invalid_input since");
    assert!(read(&school, &format!("/host/v1/grades?since={own}")).await.0.is_empty());
}

#[tokio::test]
async fn a_cursor_of_a_lost_state_is_told() {
    let server = Server::start().await;
    let mut page = server.page();
    page.grade(5.0).await.is_done();
    let (_, next, _) = read(&school(&server), "/host/v1/grades").await;
    server.after(MINUTE);
    // As an older copy would look that was put in place and went on.
    server.database().execute("UPDATE entries SET at = at + 1");
    let path = format!("/host/v1/grades?since={next}");
    assert_eq!(school(&server).get(&path).await.refusal(), "410 cursor_lost since");
}

#[tokio::test]
async fn a_cursor_survives_a_restart() {
    let server = Server::start().await;
    let mut page = server.page();
    page.grade(5.0).await.is_done();
    let (_, next, _) = read(&school(&server), "/host/v1/grades").await;
    let server = server.restarted().await;
    let path = format!("/host/v1/grades?since={next}");
    assert!(read(&school(&server), &path).await.0.is_empty());
    server.page().grade(7.0).await.is_done();
    assert_eq!(read(&school(&server), &path).await.0[0]["score"], 7.0);
}

#[tokio::test]
async fn queries_that_cannot_be_are_refused() {
    let server = Server::start().await;
    let school = school(&server);
    for feed in ["grades", "submissions", "log"] {
        for (query, refusal) in [
            ("limit=0", "422 out_of_range limit"),
            ("limit=1001", "422 out_of_range limit"),
            ("limit=-1", "422 wrong_type limit"),
            ("limit=ten", "422 wrong_type limit"),
            ("limit=1&limit=2", "400 bad_query limit"),
            ("sicne=x", "400 bad_query sicne"),
        ] {
            let answer = school.get(&format!("/host/v1/{feed}?{query}")).await;
            assert_eq!(answer.refusal(), refusal, "{feed} {query}");
        }
        let unsigned = server.ask("GET", &format!("/host/v1/{feed}")).send().await;
        assert_eq!(unsigned.status, 401);
    }
    for path in
        ["log/0", "log/x", "log/9999", "log/-1", "log/+1", "submissions/1e3", "grades/quiz/ada"]
    {
        let answer = school.get(&format!("/host/v1/{path}")).await;
        assert_eq!(answer.refusal(), "404 not_found", "{path}");
    }
}
