//! SCORM runtimes that commit by themselves. The bodies are those of scorm-again 3.4.3, shortened.

use crate::client::Answer;
use crate::server::{R, SECOND, Server, W};
use latchkey_protocol::launch::{LaunchClaims, Mode};
use latchkey_server::config::{Config, Protocol};
use serde_json::{Value, json};

async fn server_with(change: impl FnOnce(&mut Config)) -> Server {
    Server::start_with(|config| {
        config.protocols = vec![Protocol::Json, Protocol::Scorm];
        change(config);
    })
    .await
}

async fn server() -> Server {
    server_with(|_| ()).await
}

fn granted(claims: &mut LaunchClaims) {
    claims.functions = Some(["log", "grade", "recent", "state"].map(str::to_owned).into());
}

fn launch(server: &Server) -> String {
    server.launch_with(granted)
}

/// A commit of SCORM 1.2.
fn commit(sequence: u64, raw: &str, place: &str) -> Value {
    json!({"cmi": {"suspend_data": format!("p={place}"), "launch_data": "", "comments": "",
        "core": {"student_id": "eve", "student_name": "Eve", "lesson_location": place, "credit": "",
            "lesson_status": "incomplete", "entry": "", "lesson_mode": "normal", "exit": "",
            "session_time": "00:00:00", "score": {"raw": raw, "min": "", "max": "100"}},
        "objectives": {}, "student_data": {"mastery_score": ""},
        "interactions": {"0": {"id": "q1", "time": "", "type": "choice", "student_response": place,
            "result": "", "objectives": {}, "correct_responses": {}}}},
        "commitSequence": sequence})
}

async fn post(server: &Server, key: &str, body: &Value) -> Answer {
    server.ask("POST", "/legacy/v1/scorm/commit").bearer(key).json(body).send().await
}

#[track_caller]
fn done(answer: &Answer) {
    let told = answer.json();
    assert_eq!((&told["result"], &told["errorCode"]), (&json!(true), &json!(0)), "{told}");
}

#[track_caller]
fn refused(answer: &Answer, expected: &str) {
    let told = answer.json();
    assert_eq!((&told["result"], &told["errorCode"]), (&json!(false), &json!(101)), "{told}");
    let field =
        told["error"]["field"].as_str().map(|field| format!(" {field}")).unwrap_or_default();
    let code = told["error"]["code"].as_str().unwrap();
    assert_eq!(format!("{} {code}{field}", answer.status.as_u16()), expected);
}

async fn kept(server: &Server) -> Value {
    let mut page = server.page_with(granted);
    page.call("state", json!({"op": "get", "name": "scorm"})).await.result()["value"].clone()
}

async fn scores(server: &Server) -> Vec<f64> {
    let store = server.latchkey.store();
    let rows = store.submissions("school", "quiz", "ada", 99).await.unwrap();
    rows.iter().rev().map(|row| row.score).collect()
}

fn interactions(server: &Server) -> i64 {
    server.count("SELECT count(*) FROM entries WHERE event = 'interaction'")
}

#[tokio::test]
async fn a_package_commits_and_the_next_launch_has_it() {
    let server = server().await;
    let key = launch(&server);
    let answer = post(&server, &key, &commit(1, "14.29", "3")).await;
    done(&answer);
    let renewed = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(server.opened(&renewed).generation, 0);
    let document = kept(&server).await;
    assert_eq!(document["scorm"], "1.2");
    let core = json!({"lesson_location": "3", "lesson_status": "incomplete", "score": {"raw": "14.29", "max": "100"}});
    assert_eq!(
        (&document["cmi"]["core"], &document["cmi"]["suspend_data"]),
        (&core, &json!("p=3"))
    );
    assert_eq!((scores(&server).await, interactions(&server)), (vec![14.29], 1));
    // A score of zero is one; SCORM 2004, by full names, as text, the key in the body: a beacon.
    let last = json!({"key": renewed, "commitSequence": 2, "cmi.location": "5", "cmi.suspend_data": "x",
        "cmi.completion_status": "completed", "cmi.success_status": "passed", "cmi.exit": "suspend",
        "cmi.score.scaled": "0", "cmi.score.raw": "0", "cmi.score.min": "0", "cmi.score.max": "10",
        "cmi.objectives": {}, "cmi.interactions.0.id": "q1", "cmi.interactions.0.objectives": {}});
    let ask = server.ask("POST", "/legacy/v1/scorm/commit").text("text/plain", last.to_string());
    done(&ask.send().await);
    let document = kept(&server).await;
    assert_eq!(
        (&document["scorm"], &document["exit"], &document["ended"]),
        (&json!("2004"), &json!("suspend"), &json!(true))
    );
    assert_eq!(scores(&server).await, [14.29, 0.0]);
    let rows = server.latchkey.store().standings("school", "quiz").await.unwrap();
    assert_eq!(serde_json::to_value(rows[0].tally.progress).unwrap(), "completed");
}

#[tokio::test]
async fn numbers_tell_order_and_repeats() {
    let server = server().await;
    let key = launch(&server);
    for sequence in [1, 2, 4, 3, 4, 1] {
        done(&post(&server, &key, &commit(sequence, "5", &sequence.to_string())).await);
    }
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "4");
    assert_eq!((scores(&server).await, interactions(&server)), (vec![5.0], 3));
    // The same grade three times is one submission, another one is another.
    for (sequence, raw) in [(5, "6"), (6, "6"), (7, "6"), (8, "5")] {
        done(&post(&server, &key, &commit(sequence, raw, "4")).await);
    }
    assert_eq!(scores(&server).await, [5.0, 6.0, 5.0]);
    // A second package of the same launch counts from one again.
    done(&post(&server, &key, &commit(1, "5", "second")).await);
    done(&post(&server, &key, &commit(1, "5", "second")).await);
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "second");
    done(&post(&server, &key, &commit(2, "4", "2")).await);
    assert_eq!(scores(&server).await, [5.0, 6.0, 5.0, 4.0]);
    // Another launch counts anew.
    done(&post(&server, &launch(&server), &commit(1, "7", "9")).await);
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "9");
    // A late one of the first launch has been overtaken in its own.
    done(&post(&server, &key, &commit(2, "1", "0")).await);
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "9");
}

#[tokio::test]
async fn commits_at_the_same_time_are_all_done_and_the_last_one_stays() {
    let server = server_with(|config| config.limits.burst = 0).await;
    let key = launch(&server);
    done(&post(&server, &key, &commit(1, "1", "1")).await);
    let bodies: Vec<_> = (2..=6).map(|n| commit(n, &n.to_string(), &n.to_string())).collect();
    let answers =
        futures_util::future::join_all(bodies.iter().map(|body| post(&server, &key, body)));
    for answer in answers.await {
        if answer.status.as_u16() == 409 {
            refused(&answer, "409 busy");
        } else {
            done(&answer);
        }
    }
    done(&post(&server, &key, &commit(6, "6", "6")).await);
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "6");
    // Whatever was overtaken is not graded after what overtook it.
    let graded = scores(&server).await;
    assert!(graded.is_sorted() && graded.last() == Some(&6.0), "{graded:?}");
}

#[tokio::test]
async fn twenty_commits_at_once_are_within_the_rate() {
    let server =
        server_with(|config| (config.limits.burst, config.limits.per_second) = (20, 10)).await;
    let key = launch(&server);
    for sequence in 1..=20 {
        let raw = format!("{sequence}.29");
        done(&post(&server, &key, &commit(sequence, &raw, &sequence.to_string())).await);
    }
    assert_eq!((scores(&server).await.len(), interactions(&server)), (20, 20));
    // Each is one call, whatever it takes.
    refused(&post(&server, &key, &commit(21, "5", "1")).await, "429 rate_limited");
    server.after(SECOND);
    done(&post(&server, &key, &commit(21, "5", "1")).await);
}

/// A runtime says once more what it has to say after the content has ended its session.
#[tokio::test]
async fn a_commit_after_the_last_one_is_taken_within_the_grace() {
    let server = server().await;
    let key = launch(&server);
    let mut last = commit(2, "5", "2");
    last["cmi"]["core"]["exit"] = json!("suspend");
    done(&post(&server, &key, &commit(1, "5", "1")).await);
    done(&post(&server, &key, &last).await);
    server.after(W - SECOND);
    done(&post(&server, &key, &commit(3, "6", "3")).await);
    // What was sent before the last one and comes after it has been overtaken.
    done(&post(&server, &key, &commit(2, "4", "0")).await);
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "3");
    assert_eq!(scores(&server).await, [5.0, 6.0]);
}

#[tokio::test]
async fn bad_values_are_refused_and_the_place_is_kept() {
    let server = server_with(|config| config.limits.burst = 0).await;
    let key = launch(&server);
    for (sequence, (raw, expected)) in (1..).zip([
        ("7,5", "422 bad_number cmi.core.score.raw"),
        ("x", "422 bad_number cmi.core.score.raw"),
        ("-1", "422 score_negative score"),
        ("101", "422 score_above_max score"),
    ]) {
        refused(&post(&server, &key, &commit(sequence, raw, "3")).await, expected);
    }
    assert_eq!(scores(&server).await, [0.0; 0]);
    assert_eq!(
        kept(&server).await["cmi"]["core"]["lesson_location"],
        "3",
        "a score that is none keeps nothing else from being kept"
    );
    for (body, expected) in [
        (json!({}), "422 missing_field cmi"),
        (json!({"cmi": 1}), "422 wrong_type cmi"),
        (
            json!({"cmi": {"core": {"lesson_status": "done"}}}),
            "422 out_of_range cmi.core.lesson_status",
        ),
        (
            json!({"cmi": {"core": {"exit": "x"}}, "commitSequence": 1.5}),
            "422 wrong_type commitSequence",
        ),
        (json!({"cmi": {"core": {"exit": "x"}}, "key": 7}), "422 wrong_type key"),
        (json!({"cmi": {"core": {"exit": "x"}}, "key": "other"}), "400 two_tokens"),
        (json!({"cmi": {"suspend_data": "x".repeat(66_000)}}), "422 state_too_large value"),
    ] {
        refused(&post(&server, &key, &body).await, expected);
    }
    let full = json!({"cmi": {"suspend_data": "x".repeat(64_000)}, "commitSequence": 90});
    done(&post(&server, &key, &full).await);
    let ask = |body: &'static str, kind| {
        server.ask("POST", "/legacy/v1/scorm/commit").bearer(&key).text(kind, body)
    };
    refused(&ask("[]", "application/json").send().await, "400 bad_json");
    refused(
        &ask("cmi.core.exit=x", "application/x-www-form-urlencoded").send().await,
        "415 unsupported_media_type",
    );
    refused(&server.ask("GET", "/legacy/v1/scorm/commit").send().await, "405 method_not_allowed");
}

#[tokio::test]
async fn a_key_is_needed_that_may() {
    let server = server().await;
    let body = commit(1, "5", "1");
    let ask = server.ask("POST", "/legacy/v1/scorm/commit").json(&body);
    refused(&ask.send().await, "401 key_missing");
    refused(&post(&server, "lk1_x", &body).await, "401 key_invalid");
    refused(&post(&server, &server.launch(), &body).await, "403 key_scope");
    let looking = server.launch_with(|claims| {
        granted(claims);
        claims.mode = Mode::Review;
    });
    refused(&post(&server, &looking, &body).await, "403 key_scope");
    // In the address only where the operator lets it stand there.
    let key = launch(&server);
    let path = format!("/legacy/v1/scorm/commit?key={key}");
    refused(&server.ask("POST", &path).json(&body).send().await, "401 key_missing");
    server.reload(|config| config.legacy.query_key = true).unwrap();
    done(&server.ask("POST", &path).json(&body).send().await);
    server.reload(|config| config.protocols.retain(|one| *one != Protocol::Scorm)).unwrap();
    refused(&post(&server, &key, &body).await, "403 protocol_off");
}

#[tokio::test]
async fn a_late_commit_is_taken_within_the_grace() {
    let server = server().await;
    let first = launch(&server);
    let first = post(&server, &first, &commit(1, "5", "1")).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    server.after(R);
    let offered = post(&server, &first, &commit(2, "5", "2")).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    done(&post(&server, &offered, &commit(3, "5", "3")).await);
    // The beacon of a page that never saw the renewed token.
    let late = post(&server, &first, &commit(4, "5", "4")).await;
    done(&late);
    assert_eq!(late.json().get("token"), None);
    assert_eq!(kept(&server).await["cmi"]["core"]["lesson_location"], "4");
    server.after(W + SECOND);
    refused(&post(&server, &first, &commit(5, "5", "5")).await, "401 key_renew");
}
