//! What is told, and to whom.

use super::receiver::{Receiver, Reply};
use super::{next_in_time, once, server_for, server_with, webhook};
use crate::host::{academy, school};
use crate::server::{MINUTE, START};
use latchkey_server::instant;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test]
async fn a_grade_is_told_signed_and_thin() {
    let receiver = Receiver::start().await;
    let server = server_with(&receiver.url(), |_| ()).await;
    let mut page = server.page();
    let receipt = page.grade(8.5).await.result();
    let created = receiver.next().await;
    created.verified(START);
    assert_eq!(created.path, "/hooks?from=latchkey");
    assert_eq!(created.headers["host"], receiver.address.to_string());
    assert_eq!(created.headers["content-type"], "application/json");
    let submission = receipt["submission"].as_str().unwrap();
    let url = format!("https://latch.example/host/v1/submissions/{submission}");
    assert_eq!(
        created.json(),
        json!({
            "type": "submission.created",
            "timestamp": instant::format(START),
            "version": 1,
            "data": {"host": "school", "user": "ada", "activity": "quiz",
                     "submission": submission, "url": url}
        })
    );
    let changed = receiver.next().await;
    assert_ne!(changed.verified(START).id(), created.id());
    assert_eq!(changed.line(), "grade.changed quiz");
    let url = changed.json()["data"]["url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("https://latch.example").unwrap();
    assert_eq!(school(&server).get(path).await.result()["score"], 8.5);
    once(&server, |state| state.waiting == 0).await;
}

#[tokio::test]
async fn a_theft_is_told_with_the_key_and_not_its_token() {
    let receiver = Receiver::start().await;
    let server = server_for(&receiver.url(), &["key.theft"]).await;
    let mut page = server.page();
    page.log("a").await.is_done();
    let key = server.opened(&page.token).key_id;
    for branch in [[1; 8], [2; 8]] {
        server.call(&server.seal(key, 1, branch), "recent", json!({})).await;
    }
    let told = receiver.next().await;
    let message = told.verified(START).json();
    assert_eq!(message["type"], "key.theft");
    assert_eq!(message["data"]["key"], key.to_string());
    assert!(!String::from_utf8(told.body.clone()).unwrap().contains("lk1_"));
    let url = message["data"]["url"].as_str().unwrap();
    let path = url.strip_prefix("https://latch.example").unwrap().to_owned();
    assert!(school(&server).get(&path).await.result()["revoked_at"].is_string());
}

#[tokio::test]
async fn both_secrets_sign_while_one_is_replaced() {
    let receiver = Receiver::start().await;
    let server = server_with(&receiver.url(), |config| {
        let webhook = &mut config.hosts[0].webhooks[0];
        let former = std::mem::replace(&mut webhook.secret, format!("whsec_{}", "QUFB".repeat(10)));
        webhook.former_secret = Some(former);
    })
    .await;
    server.page().grade(5.0).await.is_done();
    let told = receiver.next().await;
    assert_eq!(told.verified(START).headers["webhook-signature"].split(' ').count(), 2);
}

#[tokio::test]
async fn others_hear_nothing() {
    let receiver = Receiver::start().await;
    let server = server_for(&receiver.url(), &["grade.changed"]).await;
    server.page_for("academy", "ada", "quiz").grade(3.0).await.is_done();
    server.page().log("a").await.is_done();
    server.page_for("school", "bob", "film").grade(7.0).await.is_done();
    assert_eq!(receiver.next().await.json()["data"]["user"], "bob");
    once(&server, |state| state.waiting == 0).await;
    assert!(receiver.is_quiet().await);
    assert_eq!(server.count("SELECT count(*) FROM outbox"), 1);
    let academy = academy(&server);
    assert_eq!(academy.get("/host/v1/webhooks").await.result(), json!({"items": []}));
    assert_eq!(academy.get("/host/v1/webhooks/main").await.refusal(), "404 not_found");
    let replay = "/host/v1/webhooks/main/replay?since=2026-01-01T00:00:00Z";
    assert_eq!(academy.post(replay, &json!({})).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn a_host_sees_how_it_fares_and_has_events_sent_again() {
    // What is sent again waits until the host has seen that.
    let permits = Arc::new(Semaphore::new(2));
    let script = Arc::clone(&permits);
    let receiver = Receiver::answering(move |_, _| Reply::Permitted(Arc::clone(&script))).await;
    let server = server_for(&receiver.url(), &["grade.changed"]).await;
    let school = school(&server);
    let mut page = server.page();
    page.grade(1.0).await.is_done();
    let first = receiver.next().await;
    once(&server, |state| state.waiting == 0).await;
    server.after(MINUTE);
    page.grade(2.0).await.is_done();
    let second = receiver.next().await;
    once(&server, |state| state.waiting == 0).await;
    assert_eq!(
        school.get("/host/v1/webhooks").await.result(),
        json!({"items": [{
            "id": "main", "url": "https://latch.example/host/v1/webhooks/main",
            "target": receiver.url(), "events": ["grade.changed"], "state": "active", "waiting": 0,
            "next_at": null, "delivered_at": instant::format(START + MINUTE),
            "failing_since": null, "failed_at": null, "failure": null, "disabled_at": null
        }]})
    );
    let replay = async |query: &str| {
        school.post(&format!("/host/v1/webhooks/main/replay{query}"), &json!({})).await
    };
    server.after(MINUTE);
    let answer = replay(&format!("?since={}", instant::format(START + MINUTE))).await.result();
    assert_eq!((&answer["id"], &answer["waiting"]), (&json!("main"), &json!(1)));
    permits.add_permits(3);
    let again = receiver.next().await;
    assert_eq!((again.id(), &again.body), (second.id(), &second.body), "the same message");
    again.verified(START + 2 * MINUTE);
    once(&server, |state| state.waiting == 0).await;
    replay(&format!("?since={}", instant::format(START))).await.is_done();
    assert_eq!(receiver.next().await.id(), first.id());
    assert_eq!(receiver.next().await.id(), second.id());
    for (query, refusal) in [
        ("", "422 missing_field since"),
        ("?since=yesterday", "422 wrong_type since"),
        ("?since=2026-01-01T00:00:00Z&all=1", "400 bad_query all"),
    ] {
        assert_eq!(replay(query).await.refusal(), refusal);
    }
}

#[tokio::test]
async fn within_an_activity_they_come_in_order_and_none_is_lost() {
    // Every third is not taken at first.
    let receiver = Receiver::answering(|number, _| match number % 3 {
        2 => Reply::HangUp,
        _ => Reply::Status(200),
    })
    .await;
    let server = server_for(&receiver.url(), &["submission.created"]).await;
    let mut expected = Vec::new();
    for activity in ["quiz", "film"] {
        let mut page = server.page_for("school", "ada", activity);
        for score in 0..8 {
            let receipt = page.grade(f64::from(score)).await.result();
            let submission = receipt["submission"].as_str().unwrap().to_owned();
            expected.push((activity.to_owned(), submission));
        }
    }
    let mut told: Vec<(String, String)> = Vec::new();
    while told.len() < expected.len() {
        let message = next_in_time(&server, &receiver).await.json();
        let text = |name: &str| message["data"][name].as_str().unwrap().to_owned();
        let message = (text("activity"), text("submission"));
        // One whose connection broke had arrived all the same, and comes again.
        if !told.contains(&message) {
            told.push(message);
        }
    }
    told.sort_by_key(|(activity, _)| activity == "film");
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_reload_changes_who_is_told() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let server = server_for(&first.url(), &["grade.changed"]).await;
    let mut page = server.page();
    page.grade(1.0).await.is_done();
    first.next().await;
    once(&server, |state| state.waiting == 0).await;
    let moved = vec![webhook("other", &second.url())];
    server.reload(|config| config.hosts[0].webhooks = moved).unwrap();
    page.grade(2.0).await.is_done();
    assert_eq!(second.next().await.line(), "submission.created quiz");
    assert!(first.is_quiet().await);
    let wrong = server.reload(|config| {
        config.hosts[0].webhooks[0].url = "gopher://school.example".into();
    });
    assert!(wrong.unwrap_err().to_string().contains("hosts[0].webhooks[0].url"));
    page.grade(3.0).await.is_done();
    assert_eq!(second.next().await.line(), "grade.changed quiz");
    assert!(first.is_quiet().await);
}
