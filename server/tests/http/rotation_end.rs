//! How keys end: by age, by idleness, by the host's hand, with the login. And that nothing tells why.

use crate::client::Answer;
use crate::server::{HOUR, MINUTE, Page, R, SECOND, START, Server, W};
use latchkey_protocol::token::{KeyId, LAUNCH_BRANCH};
use serde_json::json;
use std::collections::HashSet;

async fn begun(server: &Server) -> Page<'_> {
    let mut page = server.page();
    page.log("begun").await.is_done();
    page
}

/// Keeps the key alive as the SDK does.
async fn keep_alive(page: &mut Page<'_>) -> Answer {
    page.call("batch", json!({"calls": []})).await
}

#[tokio::test]
async fn use_extends_a_key_up_to_its_absolute_end() {
    let server = Server::start().await;
    let mut page = begun(&server).await;
    for _ in 0..23 {
        server.after(20 * MINUTE);
        keep_alive(&mut page).await.is_done();
    }
    server.after(20 * MINUTE - 1);
    page.log("last").await.is_done();
    server.after(1);
    page.log("beyond").await.is_over();
}

#[tokio::test]
async fn a_shorter_end_is_the_hosts_to_set() {
    let server = Server::start().await;
    let mut page = server.page_with(|claims| claims.key_exp = Some(claims.iat + 600));
    page.log("begun").await.is_done();
    server.after(10 * MINUTE - 1);
    page.log("last").await.is_done();
    server.after(1);
    page.log("beyond").await.is_over();
}

#[tokio::test]
async fn an_unused_key_dies_after_the_idle_limit() {
    let server = Server::start().await;
    let mut page = begun(&server).await;
    server.after(30 * MINUTE);
    page.log("awake").await.is_done();
    server.after(30 * MINUTE + 1);
    page.log("asleep").await.is_over();
}

#[tokio::test]
async fn an_empty_batch_keeps_a_three_hour_exercise_alive() {
    let server = Server::start().await;
    let mut page = begun(&server).await;
    for _ in 0..36 {
        server.after(5 * MINUTE);
        let answer = keep_alive(&mut page).await;
        assert_eq!(answer.result(), json!({"calls": []}));
    }
    page.grade(90.0).await.is_done();
    // One join, one event, one grade: a keep-alive writes nothing.
    assert_eq!(server.count("SELECT count(*) FROM entries"), 3);
}

#[tokio::test]
async fn the_host_can_end_a_key() {
    let server = Server::start().await;
    let mut page = begun(&server).await;
    let key = server.opened(&page.token).key_id;
    let store = server.latchkey.store();
    assert!(!store.revoke("academy", key, "not theirs", START).await.unwrap());
    page.recent().await.is_done();
    assert!(store.revoke("school", key, "renewed", START).await.unwrap());
    page.recent().await.is_over();
    assert!(!store.revoke("school", key, "twice", START).await.unwrap());
}

#[tokio::test]
async fn the_end_of_a_login_ends_its_keys_used_or_not() {
    let server = Server::start().await;
    let in_session =
        |session: &'static str| server.page_with(|claims| claims.session = Some(session.into()));
    let (mut used, mut unused, mut other) =
        (in_session("login-1"), in_session("login-1"), in_session("login-2"));
    used.log("begun").await.is_done();
    other.log("begun").await.is_done();
    let ended = server.latchkey.store().end_session("school", "login-1", START).await.unwrap();
    assert_eq!(ended, 1);
    used.log("after").await.is_over();
    unused.log("after").await.is_over();
    other.log("after").await.is_done();
}

#[tokio::test]
async fn a_launch_waits_for_its_first_use_until_exp() {
    let server = Server::start().await;
    let (mut punctual, mut late) = (server.page(), server.page());
    server.after(15 * MINUTE);
    punctual.log("begun").await.is_done();
    server.after(1);
    let refused = late.log("begun").await;
    // Its signature is ours, so it is told what every key is told that is no longer good.
    assert_eq!(refused.refusal(), "401 key_renew");
    punctual.log("on").await.is_done();
    assert_eq!(server.count("SELECT count(*) FROM keys"), 1);
}

#[tokio::test]
async fn a_holder_who_comes_back_after_the_end_still_exposes_the_other() {
    let server = Server::start().await;
    let mut page = begun(&server).await;
    let old = page.token.clone();
    server.after(R);
    page.recent().await.is_done();
    page.recent().await.is_done();
    server.after(9 * HOUR);
    server.call(&old, "recent", json!({})).await.is_over();
    assert_eq!(server.count("SELECT count(*) FROM keys WHERE revoked_for = 'theft'"), 1);
}

async fn stale(server: &Server) -> Answer {
    let mut page = begun(server).await;
    let old = page.token.clone();
    server.after(R);
    page.recent().await.is_done();
    page.recent().await.is_done();
    server.after(W + SECOND);
    server.call(&old, "recent", json!({})).await
}

async fn fork(server: &Server) -> Answer {
    let page = begun(server).await;
    let key = server.opened(&page.token).key_id;
    server.call(&server.seal(key, 0, [3; 8]), "recent", json!({})).await
}

async fn expired(server: &Server) -> Answer {
    let mut page = server.page_with(|claims| claims.key_exp = Some(claims.iat + 60));
    page.log("begun").await.is_done();
    server.after(MINUTE);
    page.recent().await
}

async fn idle(server: &Server) -> Answer {
    let mut page = begun(server).await;
    server.after(HOUR);
    page.recent().await
}

async fn revoked(server: &Server) -> Answer {
    let mut page = begun(server).await;
    let key = server.opened(&page.token).key_id;
    server.latchkey.store().revoke("school", key, "test", START).await.unwrap();
    page.recent().await
}

async fn session_ended(server: &Server) -> Answer {
    let mut page = server.page_with(|claims| claims.session = Some("login".into()));
    page.log("begun").await.is_done();
    server.latchkey.store().end_session("school", "login", START).await.unwrap();
    page.recent().await
}

async fn launched_after_the_session(server: &Server) -> Answer {
    server.latchkey.store().end_session("school", "login", START).await.unwrap();
    server.page_with(|claims| claims.session = Some("login".into())).recent().await
}

async fn swept(server: &Server) -> Answer {
    server.call(&server.seal(KeyId([5; 16]), 0, LAUNCH_BRANCH), "recent", json!({})).await
}

async fn of_another_activity(server: &Server) -> Answer {
    let mut claims = server.claims();
    server.call(&server.sign(&claims), "recent", json!({})).await.is_done();
    claims.activity = "other".into();
    server.call(&server.sign(&claims), "recent", json!({})).await
}

#[tokio::test]
async fn nothing_tells_why_a_key_is_over() {
    let server = Server::start().await;
    let answers = [
        stale(&server).await,
        fork(&server).await,
        expired(&server).await,
        idle(&server).await,
        revoked(&server).await,
        session_ended(&server).await,
        launched_after_the_session(&server).await,
        swept(&server).await,
        of_another_activity(&server).await,
    ];
    let distinct: HashSet<_> = answers.iter().map(|answer| answer.is_over().bytes()).collect();
    assert_eq!(distinct.len(), 1, "{distinct:#?}");
}

#[tokio::test]
async fn a_refused_presenter_changes_nothing() {
    let server = Server::start().await;
    let page = begun(&server).await;
    let key = server.opened(&page.token).key_id;
    let args = json!({"id": "g1", "score": 10});
    server.call(&server.seal(key, 0, [3; 8]), "grade", args.clone()).await.is_over();
    assert_eq!(server.count("SELECT count(*) FROM operations"), 0);
    // The honest page has renewed: for its new key the operation is a new one.
    let done = server.page().call("grade", args).await;
    assert_eq!(done.result()["score"], 10.0);
    assert_eq!(done.json().get("replayed"), None);
}
