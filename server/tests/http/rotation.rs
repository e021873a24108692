//! The acceptance table over HTTP, with the clock moved by hand: what runs, and what the reply carries.

use crate::server::{MINUTE, R, SECOND, START, Server, W};
use latchkey_protocol::launch::Rotation;
use latchkey_protocol::token::LAUNCH_BRANCH;
use serde_json::json;

#[tokio::test]
async fn a_first_use_starts_the_key_and_answers_with_a_session_token() {
    let server = Server::start().await;
    let launch = server.launch();
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0, "minting stores nothing");
    let answer = server.call(&launch, "log", json!({"entries": [{"event": "begun"}]})).await;
    let token = server.opened(&answer.token().unwrap());
    assert_eq!((token.generation, token.branch), (0, LAUNCH_BRANCH));
    assert_eq!(i64::from(token.issued_at) * SECOND, START);
    assert_eq!(answer.json()["key"]["expires_at"], "2026-11-18T19:06:40.000Z");
    insta::assert_json_snapshot!(answer.seen(), @r#"
    {
      "key": {
        "expires_at": "[end]",
        "state": "current"
      },
      "request_id": "[id]",
      "result": {
        "accepted": 1,
        "ids": [
          "[entry]"
        ]
      },
      "server_time": "[now]",
      "status": "ok",
      "token": "[token]"
    }
    "#);
}

#[tokio::test]
async fn before_r_a_token_is_stamped_anew_and_at_r_its_successor_is_offered() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    server.after(R - 1);
    page.log("soon").await.is_done();
    let stamped = server.opened(&page.token);
    assert_eq!((stamped.generation, stamped.branch), (0, LAUNCH_BRANCH));
    assert_eq!(i64::from(stamped.issued_at), (START + R - 1) / SECOND);
    server.after(1);
    page.log("now").await.is_done();
    let offered = server.opened(&page.token);
    assert_eq!(offered.generation, 1);
    assert_ne!(offered.branch, LAUNCH_BRANCH);
}

#[tokio::test]
async fn an_offer_moves_nothing_until_it_is_presented() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    let held = page.token.clone();
    server.after(R);
    // Beacons: their replies, and the offers in them, are read by nobody.
    for _ in 0..3 {
        let answer = server.call(&held, "log", json!({"entries": [{"event": "beacon"}]})).await;
        assert_eq!(server.opened(&answer.token().unwrap()).generation, 1);
        server.after(5 * MINUTE);
    }
    assert_eq!(server.count("SELECT hi FROM keys"), 0);
    page.log("offered").await.is_done();
    page.log("confirmed").await.is_done();
    assert_eq!((page.generation(), server.count("SELECT hi FROM keys")), (1, 1));
}

#[tokio::test]
async fn a_confirmation_is_stamped_and_can_be_repeated() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    server.after(R);
    page.log("offered").await.is_done();
    let offered = page.token.clone();
    server.after(SECOND);
    // The reply to the first is lost: the same token is presented again.
    for _ in 0..2 {
        let answer = server.call(&offered, "recent", json!({})).await;
        let renewed = server.opened(&answer.is_done().token().unwrap());
        assert_eq!(renewed.generation, 1);
        assert_eq!(renewed.branch, server.opened(&offered).branch);
        assert_eq!(i64::from(renewed.issued_at), (START + R + SECOND) / SECOND);
        assert_eq!(answer.state().as_deref(), Some("current"));
    }
}

#[tokio::test]
async fn parallel_requests_with_the_same_offer_are_all_served() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    server.after(R);
    page.log("offered").await.is_done();
    let call = || server.call(&page.token, "log", json!({"entries": [{"event": "parallel"}]}));
    let answers = tokio::join!(call(), call(), call(), call(), call(), call());
    let (a, b, c, d, e, f) = answers;
    for answer in [a, b, c, d, e, f] {
        assert_eq!(server.opened(&answer.is_done().token().unwrap()).generation, 1);
    }
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'parallel'"), 6);
}

/// A page whose token has just been superseded, with the superseded one.
async fn superseded(server: &Server) -> (crate::server::Page<'_>, String) {
    let mut page = server.page();
    page.log("begun").await.is_done();
    server.after(R);
    page.log("offered").await.is_done();
    // Two seconds before the confirmation, so that what is measured is not the stamp.
    let mut old = server.page_with(|_| ());
    old.token = page.token.clone();
    page.log("confirmed").await.is_done();
    server.after(R);
    page.log("offered").await.is_done();
    let old = old.token;
    page.log("confirmed").await.is_done();
    assert_eq!(page.generation(), 2);
    (page, old)
}

#[tokio::test]
async fn a_late_token_works_until_w_and_earns_nothing() {
    let server = Server::start().await;
    let (mut page, old) = superseded(&server).await;
    server.after(W);
    let late = server.call(&old, "log", json!({"entries": [{"event": "late"}]})).await;
    insta::assert_json_snapshot!(late.seen(), @r#"
    {
      "key": {
        "expires_at": "[end]",
        "state": "late"
      },
      "request_id": "[id]",
      "result": {
        "accepted": 1,
        "ids": [
          "[entry]"
        ]
      },
      "server_time": "[now]",
      "status": "ok"
    }
    "#);
    assert_eq!(page.events().await[0], "late");
}

#[tokio::test]
async fn a_stale_token_ends_the_family() {
    let server = Server::start().await;
    let (mut page, old) = superseded(&server).await;
    server.after(W + 1);
    server.call(&old, "log", json!({"entries": [{"event": "stale"}]})).await.is_over();
    page.log("victim").await.is_over();
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event IN ('stale', 'victim')"), 0);
    assert_eq!(server.count("SELECT count(*) FROM keys WHERE revoked_for = 'theft'"), 1);
}

#[tokio::test]
async fn an_older_token_is_stale_at_once() {
    let server = Server::start().await;
    let (mut page, _) = superseded(&server).await;
    let key = server.opened(&page.token).key_id;
    // Generation 0 is two behind, however recently it was good.
    server.call(&server.seal(key, 0, LAUNCH_BRANCH), "recent", json!({})).await.is_over();
    page.recent().await.is_over();
}

#[tokio::test]
async fn another_branch_ends_the_family() {
    for behind in [0, 1] {
        let server = Server::start().await;
        let (mut page, _) = superseded(&server).await;
        let token = server.opened(&page.token);
        let other = server.seal(token.key_id, token.generation - behind, [9; 8]);
        server.call(&other, "grade", json!({"score": 1})).await.is_over();
        page.recent().await.is_over();
        assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
    }
}

#[tokio::test]
async fn two_holders_of_one_token_are_found_out() {
    let server = Server::start().await;
    let mut victim = server.page();
    victim.log("begun").await.is_done();
    let mut thief = server.page();
    thief.token.clone_from(&victim.token);
    server.after(R);
    thief.recent().await.is_done();
    victim.recent().await.is_done();
    // Both hold an offer of generation 1: whoever presents it second is not the one who confirmed it.
    thief.recent().await.is_done();
    victim.recent().await.is_over();
    thief.recent().await.is_over();
}

#[tokio::test]
async fn a_token_ahead_of_the_database_is_believed() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    let key = server.opened(&page.token).key_id;
    page.token = server.seal(key, 7, [7; 8]);
    let answer = page.log("survivor").await;
    assert_eq!(answer.is_done().state().as_deref(), Some("current"));
    let renewed = server.opened(&page.token);
    assert_eq!((renewed.generation, renewed.branch), (7, [7; 8]));
    // A request that was under way with the token before it is late, whatever its branch.
    let before = server.call(&server.seal(key, 6, [6; 8]), "recent", json!({})).await;
    assert_eq!((before.state().as_deref(), before.token()), (Some("late"), None));
    // All older ones are stale.
    server.call(&server.seal(key, 5, [5; 8]), "recent", json!({})).await.is_over();
}

#[tokio::test]
async fn the_launch_token_is_generation_0() {
    let server = Server::start().await;
    let mut page = server.page();
    let launch = page.token.clone();
    page.log("begun").await.is_done();
    // Long after its `exp`, which is for the first use alone.
    server.after(20 * MINUTE);
    let again = server.call(&launch, "recent", json!({})).await;
    assert_eq!(again.is_done().state().as_deref(), Some("current"));
    assert_eq!(server.opened(&again.token().unwrap()).generation, 1);
    page.token = again.token().unwrap();
    page.log("confirmed").await.is_done();
    server.after(W);
    let late = server.call(&launch, "recent", json!({})).await;
    assert_eq!((late.is_done().state().as_deref(), late.token()), (Some("late"), None));
    server.after(1);
    server.call(&launch, "recent", json!({})).await.is_over();
    page.recent().await.is_over();
}

#[tokio::test]
async fn every_second_of_a_long_exercise_is_served() {
    let server = Server::start().await;
    let mut page = server.page();
    for _ in 0..100 {
        page.log("tick").await.is_done();
        server.after(17 * SECOND);
    }
    // 17 s apart: every second call finds the generation older than R, every third confirms.
    assert!(page.generation() >= 33, "{}", page.generation());
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'tick'"), 100);
}

#[tokio::test]
async fn without_rotation_the_launch_token_stays_and_no_other_is_offered() {
    let server = Server::start().await;
    let launch = server.launch_with(|claims| {
        claims.rotation = Rotation::Off;
        claims.networks = Some(vec!["127.0.0.0/8".into()]);
    });
    for _ in 0..3 {
        let answer = server.call(&launch, "recent", json!({})).await;
        let token = server.opened(&answer.is_done().token().unwrap());
        assert_eq!((token.generation, token.branch), (0, LAUNCH_BRANCH));
        // No idle limit either.
        server.after(59 * MINUTE);
    }
    let key = server.latchkey.key_of(&launch).unwrap();
    server.call(&server.seal(key, 1, [1; 8]), "recent", json!({})).await.is_over();
    server.call(&launch, "recent", json!({})).await.is_over();
}
