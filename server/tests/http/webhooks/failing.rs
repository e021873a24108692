//! Receivers that fail, and what becomes of their messages.

use super::receiver::{Receiver, Reply};
use super::{failure, move_to_next, next_in_time, once, server_for, server_with, state};
use crate::host::school;
use crate::server::{HOUR, MINUTE, SECOND, START};
use latchkey_server::instant;
use serde_json::json;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn one_that_is_broken_for_days_is_disabled_and_then_told_all() {
    let mended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&mended);
    let receiver = Receiver::answering(move |_, _| match flag.load(Ordering::SeqCst) {
        false => Reply::Status(500),
        true => Reply::Status(200),
    })
    .await;
    let server = server_for(&receiver.url(), &["grade.changed"]).await;
    let mut page = server.page();
    page.grade(1.0).await.is_done();
    let first = receiver.next().await;
    assert_eq!(failure(&server).await, "answered 500");
    page.grade(2.0).await.is_done();
    let (mut attempts, mut last, mut pauses) = (1, START, Vec::new());
    let disabled = loop {
        move_to_next(&server).await;
        let now = server.latchkey.now();
        let again = receiver.next().await;
        assert_eq!((again.verified(now).id(), &again.body), (first.id(), &first.body));
        assert_eq!(failure(&server).await, "answered 500");
        attempts += 1;
        pauses.push(now - last);
        last = now;
        let state = state(&server).await;
        if let Some((at, why)) = state.disabled {
            assert_eq!(why, "answered 500");
            break at;
        }
    };
    assert!((10..20).contains(&attempts), "{attempts}");
    assert!((5 * DAY..7 * DAY).contains(&(disabled - START)), "{disabled}");
    assert!((4 * SECOND..=6 * SECOND).contains(&pauses[0]) && pauses[8] > 18 * HOUR, "{pauses:?}");
    // What happens meanwhile waits; nothing is sent.
    let mut page = server.page();
    page.grade(3.0).await.is_done();
    server.after(30 * DAY - (server.latchkey.now() - START) - HOUR);
    server.latchkey.look_for_events();
    let answer = school(&server).get("/host/v1/webhooks/main").await.result();
    assert_eq!((&answer["state"], &answer["waiting"]), (&json!("disabled"), &json!(3)));
    assert!(receiver.is_quiet().await);
    mended.store(true, Ordering::SeqCst);
    let since = instant::format(server.latchkey.now());
    let replay = format!("/host/v1/webhooks/main/replay?since={since}");
    let answer = school(&server).post(&replay, &json!({})).await.result();
    assert_eq!(answer["failing_since"], json!(null));
    assert_eq!(receiver.next().await.id(), first.id());
    receiver.next().await;
    receiver.next().await;
    let state = once(&server, |state| state.waiting == 0).await;
    assert_eq!((state.disabled, state.failing_since), (None, None));
}

#[tokio::test]
async fn one_that_is_not_there_is_tried_again() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let server = server_for(&url, &["grade.changed"]).await;
    server.page().grade(1.0).await.is_done();
    assert_eq!(failure(&server).await, "no connection: connection refused");
    let first = state(&server).await;
    assert_eq!((first.waiting, first.failing_since), (1, Some(START)));
    move_to_next(&server).await;
    assert_eq!(failure(&server).await, "no connection: connection refused");
    assert_eq!(state(&server).await.failing_since, Some(START));
}

#[tokio::test]
async fn one_that_is_slow_holds_nobody_up() {
    let slow = Receiver::answering(|_, _| Reply::Silence).await;
    let quick = Receiver::start().await;
    let server = server_with(&slow.url(), |config| {
        config.webhooks.deadline = Duration::from_millis(50);
        let other = super::webhook("other", &quick.url());
        config.hosts[0].webhooks.push(other);
    })
    .await;
    let mut page = server.page();
    assert_eq!(page.grade(1.0).await.result()["score"], 1.0, "the student's answer does not wait");
    slow.next().await;
    for line in ["submission.created quiz", "grade.changed quiz"] {
        assert_eq!(quick.next().await.line(), line);
    }
    let slow = once(&server, |state| state.webhook == "main" && state.failed.is_some()).await;
    assert_eq!(slow.failed.unwrap().1, "no answer in time");
}

#[tokio::test]
async fn one_that_sends_elsewhere_is_not_followed() {
    let elsewhere = Receiver::start().await;
    let url = elsewhere.url();
    for status in [301, 302, 307, 308] {
        let location = url.clone();
        let receiver =
            Receiver::answering(move |_, _| Reply::With(status, "Location", location.clone()))
                .await;
        let server = server_for(&receiver.url(), &["grade.changed"]).await;
        server.page().grade(1.0).await.is_done();
        receiver.next().await;
        let told = format!("redirected ({status}): write the new address");
        assert_eq!(failure(&server).await, told);
        assert_eq!(state(&server).await.waiting, 1);
    }
    assert!(elsewhere.is_quiet().await);
}

#[tokio::test]
async fn one_that_is_gone_is_asked_no_more() {
    let receiver = Receiver::answering(|_, _| Reply::Status(410)).await;
    let server = server_for(&receiver.url(), &["grade.changed"]).await;
    let mut page = server.page();
    page.grade(1.0).await.is_done();
    receiver.next().await;
    let state = once(&server, |state| state.disabled.is_some()).await;
    assert_eq!(state.disabled.unwrap(), (START, "the receiver wants no more (410)".into()));
    page.grade(2.0).await.is_done();
    server.after(DAY);
    server.latchkey.look_for_events();
    server.page_for("school", "bob", "film").grade(3.0).await.is_done();
    assert_eq!(once(&server, |state| state.waiting == 3).await.next_at, None);
    assert!(receiver.is_quiet().await);
}

#[tokio::test]
async fn one_may_ask_for_time() {
    let hour = || Reply::With(503, "Retry-After", "3600".into());
    let receiver = Receiver::answering(move |_, _| hour()).await;
    let server = server_for(&receiver.url(), &["grade.changed"]).await;
    server.page().grade(1.0).await.is_done();
    receiver.next().await;
    assert_eq!(failure(&server).await, "answered 503");
    assert_eq!(state(&server).await.next_at, Some(START + HOUR));
    server.after(HOUR - 1);
    server.latchkey.look_for_events();
    server.after(1);
    server.latchkey.look_for_events();
    receiver.next().await.verified(START + HOUR);
}

#[tokio::test]
async fn a_message_that_is_not_taken_does_not_block_its_activity_for_ever() {
    let receiver = Receiver::answering(|_, message| {
        let user = message.json()["data"]["user"].clone();
        if user == "ada" { Reply::Status(400) } else { Reply::Status(200) }
    })
    .await;
    let server = server_with(&receiver.url(), |config| {
        config.hosts[0].webhooks[0].events = vec!["grade.changed".into()];
        config.webhooks.disable_after = Duration::from_secs(600);
    })
    .await;
    server.page().grade(1.0).await.is_done();
    receiver.next().await;
    failure(&server).await;
    server.page_for("school", "bob", "quiz").grade(2.0).await.is_done();
    // Others arrive all the time, so the webhook itself is well.
    for minute in 1..=11 {
        server.after(START + minute * MINUTE - server.latchkey.now());
        let activity = format!("film {minute}");
        server.page_for("school", "cem", &activity).grade(3.0).await.is_done();
    }
    while next_in_time(&server, &receiver).await.json()["data"]["user"] != "bob" {}
    let state = once(&server, |state| state.waiting == 0).await;
    assert_eq!((state.disabled, state.failed.unwrap().1), (None, "answered 400".into()));
}
