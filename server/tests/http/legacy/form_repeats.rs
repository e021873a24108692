//! Movies that loop: what they post again without an id is what they posted before.

use super::server;
use crate::server::{R, SECOND, Server, W};

fn grades(server: &Server) -> i64 {
    server.count("SELECT count(*) FROM submissions")
}

#[tokio::test]
async fn a_movie_without_a_stop_submits_once() {
    let server = server().await;
    let key = server.launch();
    let first = server.form_with(&key, "grade", "score=55.5&max=100&loop=0").await;
    assert_eq!(first.is_ok().get("replayed"), None);
    for turn in 1..20 {
        server.after(5 * SECOND);
        let again =
            server.form_with(&key, "grade", &format!("loop={turn}&max=100&score=55.5")).await;
        assert_eq!(again.is_ok().get("replayed"), Some("true"));
        assert_eq!(again.get("submission"), first.get("submission"));
    }
    assert_eq!(grades(&server), 1);
    // After a pause it is the next one: the same score may well be earned twice.
    server.after(W + SECOND);
    assert_eq!(
        server.form_with(&key, "grade", "score=55.5&max=100").await.is_ok().get("replayed"),
        None
    );
    assert_eq!(grades(&server), 2);
}

#[tokio::test]
async fn one_that_takes_up_its_keys_submits_once_too() {
    let server = server().await;
    let mut key = server.launch();
    for _ in 0..20 {
        key = server.form_with(&key, "grade", "score=55.5").await.is_ok().key();
        server.after(5 * SECOND);
    }
    assert!(server.opened(&key).generation > 0);
    assert_eq!(grades(&server), 1);
}

#[tokio::test]
async fn a_late_repeat_is_the_same() {
    let server = server().await;
    let first = server.form_with(&server.launch(), "grade", "score=3").await.key();
    server.after(R);
    let second = server.form_with(&first, "log", "event=a").await.key();
    server.form_with(&second, "grade", "score=4").await.is_ok();
    // The former token, whose answer was lost on the way.
    let late = server.form_with(&first, "grade", "score=4").await;
    assert_eq!((late.is_ok().get("keystate"), late.get("key")), (Some("late"), None));
    assert_eq!((late.get("replayed"), grades(&server)), (Some("true"), 2));
}

#[tokio::test]
async fn a_repeat_after_a_crash_is_the_same() {
    let server = server().await;
    let key = server.launch();
    server.form_with(&key, "grade", "score=3").await.is_ok();
    let server = server.restarted().await;
    let again = server.form_with(&key, "grade", "score=3").await;
    assert_eq!((again.is_ok().get("replayed"), grades(&server)), (Some("true"), 1));
}

#[tokio::test]
async fn other_content_other_keys_and_other_functions_are_not_the_same() {
    let server = server().await;
    let key = server.launch();
    for body in ["score=3", "score=4", "score=3&comment=", "score=3&comment=a", "score=3&max=50"] {
        assert_eq!(server.form_with(&key, "grade", body).await.is_ok().get("replayed"), None);
    }
    assert_eq!(server.form_with(&server.launch(), "grade", "score=3").await.get("replayed"), None);
    assert_eq!(grades(&server), 6);
    server.form_with(&key, "log", "event=a").await.is_ok();
    assert_eq!(server.form_with(&key, "log", "event=b").await.get("replayed"), None);
    assert_eq!(server.form_with(&key, "log", "event=a").await.get("replayed"), Some("true"));
}

#[tokio::test]
async fn an_id_is_for_ever() {
    let server = server().await;
    let key = server.launch();
    let first = server.form_with(&key, "grade", "id=q1&score=3").await;
    server.after(10 * W);
    let again = server.form_with(&key, "grade", "id=q1&score=3").await;
    assert_eq!(again.get("submission"), first.get("submission"));
    assert_eq!(server.form_with(&key, "grade", "id=q1&score=4").await.refusal(), "id_reused id");
    assert_eq!(server.form_with(&key, "grade", "id=&score=4").await.is_ok().get("replayed"), None);
    let ask = server.ask("POST", "/legacy/v1/grade").bearer(&key).header("idempotency-key", "q1");
    let answer = ask.text(super::FORM, "score=3").send().await;
    assert_eq!(super::Variables::of(answer).get("replayed"), Some("true"));
}
