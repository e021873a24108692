//! `log` and `grade` over HTTP: results, receipts, and operations that happen once.

use crate::server::{HOUR, MINUTE, SECOND, START, Server};
use latchkey_protocol::launch::{GradeMethod, Placement};
use latchkey_server::instant;
use serde_json::{Value, json};

#[tokio::test]
async fn a_log_call_and_its_result() {
    let server = Server::start().await;
    let mut page = server.page();
    let entries = json!({"entries": [
        {"id": "0197-a", "event": "answered", "data": {"question": 3, "text": "Zoë <b>"}},
        {"event": "hint.shown", "at": "2026-11-18T11:05:00Z"},
    ]});
    let answer = page.call("log", entries).await;
    let result = answer.result();
    assert_eq!(result["accepted"], 2);
    let items = page.call("recent", json!({"kinds": ["log"]})).await.result()["items"].clone();
    assert_eq!([&items[1]["id"], &items[0]["id"]], [&result["ids"][0], &result["ids"][1]]);
    assert_eq!(items[1]["data"], json!({"question": 3, "text": "Zoë <b>"}));
    assert_eq!(items[0]["at"], "2026-11-18T11:05:00.000Z");
    assert_eq!(items[1]["at"], "2026-11-18T11:06:40.000Z");
}

#[tokio::test]
async fn a_grade_and_its_receipt() {
    let server = Server::start().await;
    let mut page = server.page_with(|claims| {
        claims.placement = Some(Placement {
            max: Some(10.0),
            method: Some(GradeMethod::Highest),
            attempts: Some(3),
            ..Placement::default()
        });
    });
    page.grade(9.0).await.is_done();
    let answer =
        page.call("grade", json!({"score": 8.5, "comment": "", "progress": "completed"})).await;
    let mut object = answer.seen();
    let submission = object["result"]["submission"].take();
    let url = object["result"]["url"].take();
    assert_eq!(url, format!("https://latch.example/v1/entries/{}", submission.as_str().unwrap()));
    insta::assert_json_snapshot!(object["result"], @r#"
    {
      "attempt": 1,
      "attempts_left": 2,
      "max": 10.0,
      "score": 8.5,
      "standing": {
        "max": 10.0,
        "method": "highest",
        "score": 9.0
      },
      "submission": null,
      "url": null
    }
    "#);
}

#[tokio::test]
async fn zero_is_a_score() {
    let server = Server::start().await;
    let mut page = server.page();
    let receipt = page.grade(0.0).await.result();
    assert_eq!(
        (receipt["score"].as_f64(), receipt["standing"]["score"].as_f64()),
        (Some(0.0), Some(0.0))
    );
    let negative = page.call("grade", json!({"score": -0.0})).await.result();
    assert_eq!(negative["score"].to_string(), "0.0");
    let full = page.grade(100.0).await.result();
    assert_eq!(full["standing"]["score"], 100.0);
}

#[tokio::test]
async fn the_clients_clock_is_set_right() {
    let server = Server::start().await;
    let mut page = server.page();
    // A client whose clock is an hour behind, and one that is a year ahead.
    for (sent, at, expected) in [
        (-HOUR, -HOUR - MINUTE, -MINUTE),
        (365 * 24 * HOUR, 365 * 24 * HOUR - SECOND, -SECOND),
        (0, 5 * MINUTE, 0),
    ] {
        let (sent, at) = (instant::format(START + sent), instant::format(START + at));
        let args = json!({"sent": sent, "entries": [{"event": "timed", "at": at}]});
        page.call("log", args).await.is_done();
        let newest = page.call("recent", json!({"limit": 1})).await.result()["items"][0].clone();
        assert_eq!(newest["at"], instant::format(START + expected));
    }
}

#[tokio::test]
async fn an_operation_sent_again_is_answered_as_before() {
    let server = Server::start().await;
    let mut page = server.page();
    for (function, args) in [
        ("grade", json!({"id": "op-1", "score": 7.25, "comment": "Good"})),
        ("log", json!({"id": "op-1", "entries": [{"event": "once"}]})),
    ] {
        let first = page.call(function, args.clone()).await;
        assert_eq!(first.json().get("replayed"), None);
        server.after(MINUTE);
        let again = page.call(function, args).await;
        assert_eq!(again.json()["replayed"], true);
        assert_eq!(again.result(), first.result());
        assert!(again.token().is_some(), "with the token that this presenter is entitled to");
    }
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind < 2"), 2);
}

#[tokio::test]
async fn the_id_may_stand_in_a_header() {
    let server = Server::start().await;
    let token = server.launch();
    let ask = |header: &str, args: Value| {
        let ask = server.ask("POST", "/v1/grade").bearer(&token).header("idempotency-key", header);
        ask.json(&args).send()
    };
    ask("op-1", json!({"score": 5})).await.is_done();
    assert_eq!(ask("op-1", json!({"score": 5})).await.json()["replayed"], true);
    assert_eq!(ask("op-1", json!({"id": "op-1", "score": 5})).await.json()["replayed"], true);
    assert_eq!(ask("op-1", json!({"score": 6})).await.refusal(), "422 id_reused id");
    assert_eq!(
        ask("op-1", json!({"id": "op-2", "score": 5})).await.refusal(),
        "422 out_of_range id"
    );
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
}

#[tokio::test]
async fn times_told_anew_make_no_other_operation() {
    let server = Server::start().await;
    let mut page = server.page();
    let args = |n: i64| {
        json!({"id": "op-1", "score": 5, "at": instant::format(START - n), "sequence": START - n,
               "sent": instant::format(START + n)})
    };
    page.call("grade", args(1)).await.is_done();
    assert_eq!(page.call("grade", args(2)).await.json()["replayed"], true);
    let entries = |n: i64| json!({"id": "op-2", "entries": [{"event": "a", "at": instant::format(START - n)}]});
    page.call("log", entries(1)).await.is_done();
    assert_eq!(page.call("log", entries(2)).await.json()["replayed"], true);
}

#[tokio::test]
async fn an_operation_outlives_its_key() {
    let server = Server::start().await;
    let args = json!({"id": "op-1", "score": 5});
    let first = server.page().call("grade", args.clone()).await;
    // The page was renewed: another key of the same user and activity.
    let again = server.page().call("grade", args.clone()).await;
    assert_eq!((again.result(), &again.json()["replayed"]), (first.result(), &json!(true)));
    // Another user or activity is another operation.
    for (user, activity) in [("bob", "quiz"), ("ada", "other")] {
        let other = server.page_for("school", user, activity).call("grade", args.clone()).await;
        assert_eq!(other.is_done().json().get("replayed"), None, "{user} {activity}");
    }
}

#[tokio::test]
async fn an_id_is_used_for_one_thing_per_function() {
    let server = Server::start().await;
    let mut page = server.page();
    page.call("grade", json!({"id": "op-1", "score": 5})).await.is_done();
    page.call("log", json!({"id": "op-1", "entries": [{"event": "a"}]})).await.is_done();
    let other = page.call("grade", json!({"id": "op-1", "score": 6})).await;
    assert_eq!(other.refusal(), "422 id_reused id");
    let other = page.call("grade", json!({"id": "op-1", "score": 5, "comment": null})).await;
    assert_eq!(other.refusal(), "422 id_reused id");
    let standing =
        page.call("grade", json!({"id": "op-1", "score": 5})).await.result()["standing"].clone();
    assert_eq!(standing["score"], 5.0);
}

#[tokio::test]
async fn entries_with_ids_are_stored_once_whatever_brings_them() {
    let server = Server::start().await;
    let mut page = server.page();
    let entry = |id: &str| json!({"id": id, "event": "answered", "data": {"id": id}});
    let first = page.call("log", json!({"entries": [entry("a"), entry("b")]})).await.result();
    let second =
        page.call("log", json!({"entries": [entry("b"), entry("c"), entry("c")]})).await.result();
    assert_eq!(second["accepted"], 3);
    assert_eq!(second["ids"][0], first["ids"][1]);
    assert_eq!(second["ids"][1], second["ids"][2]);
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 3);
    let mut other = server.page_for("school", "bob", "quiz");
    other.call("log", json!({"entries": [entry("a")]})).await.is_done();
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 4);
}

#[tokio::test]
async fn a_batch_is_answered_call_by_call_and_can_be_repeated() {
    let server = Server::start().await;
    let mut page = server.page();
    let calls = json!({"calls": [
        {"id": "c1", "function": "log", "args": {"entries": [{"event": "a"}]}},
        {"id": "c2", "function": "grade", "args": {"score": 3}},
        {"function": "recent", "args": {"kinds": ["grade"]}},
    ]});
    let first = page.call("batch", calls.clone()).await.result();
    assert_eq!(
        first["calls"][2]["result"]["items"][0]["score"], 3.0,
        "later calls see earlier ones"
    );
    let again = page.call("batch", calls).await.result();
    for at in [0, 1] {
        assert_eq!(again["calls"][at]["replayed"], true);
        assert_eq!(again["calls"][at]["result"], first["calls"][at]["result"]);
    }
    assert_eq!(again["calls"][2]["result"], first["calls"][2]["result"]);
}

#[tokio::test]
async fn late_scores_do_not_turn_the_latest_back() {
    let server = Server::start().await;
    let mut page = server.page_with(|claims| {
        let method = Some(GradeMethod::Latest);
        claims.placement = Some(Placement { method, ..Placement::default() });
    });
    let grade = |score: i64, sequence: i64| json!({"score": score, "sequence": sequence});
    page.call("grade", grade(80, START - 10)).await.is_done();
    let late = page.call("grade", grade(30, START - 20)).await.result();
    assert_eq!((&late["score"], &late["standing"]["score"]), (&json!(30.0), &json!(80.0)));
    // A clock that runs ahead is taken for now, and does not rule for ever.
    page.call("grade", grade(60, START + HOUR)).await.is_done();
    server.after(SECOND);
    let newest = page.call("grade", grade(50, START + SECOND)).await.result();
    assert_eq!(newest["standing"]["score"], 50.0);
}

#[tokio::test]
async fn what_is_pending_does_not_count() {
    let server = Server::start().await;
    let mut page = server.page();
    let pending = page.call("grade", json!({"score": 90, "grading": "pending_manual"})).await;
    assert_eq!(pending.result()["standing"]["score"], Value::Null);
    let full = page.grade(40.0).await;
    assert_eq!(full.result()["standing"]["score"], 40.0);
}
