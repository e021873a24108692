//! Sessions and keys as their host sees and ends them.

use super::{academy, school};
use crate::server::{HOUR, MINUTE, Server, base64url};
use serde_json::{Value, json};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_web_session_ends_with_all_its_keys() {
    let server = Server::start().await;
    let school = school(&server);
    let launch = |session: &str| server.page_with(|claims| claims.session = Some(session.into()));
    let (mut one, mut two, mut other) = (launch("login"), launch("login"), launch("else"));
    let unused = launch("login").token;
    for page in [&mut one, &mut two, &mut other] {
        page.log("a").await.is_done();
    }
    assert_eq!(
        academy(&server).delete("/host/v1/web-sessions/login").await.result()["keys_ended"],
        0,
        "another host's session of that name is another session"
    );
    let ended = school.delete("/host/v1/web-sessions/login").await.result();
    assert_eq!(
        ended,
        json!({"id": "login", "url": "https://latch.example/host/v1/web-sessions/login",
               "keys_ended": 2})
    );
    one.log("b").await.is_over();
    two.log("b").await.is_over();
    server.call(&unused, "recent", json!({})).await.is_over();
    other.log("b").await.is_done();
    assert_eq!(school.delete("/host/v1/web-sessions/login").await.result()["keys_ended"], 0);
}

#[tokio::test]
async fn live_keys_are_listed_without_secrets() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page_with(|claims| claims.session = Some("login".into()));
    page.log("a").await.is_done();
    server.page_for("school", "ada", "film").log("a").await.is_done();
    server.page_for("school", "ben", "quiz").log("a").await.is_done();
    server.page_for("academy", "ada", "quiz").log("a").await.is_done();
    let count = async |query: &str| {
        ids(&school.get(&format!("/host/v1/keys?{query}")).await.result()).len()
    };
    assert_eq!(count("user=ada").await, 2);
    assert_eq!(count("activity=quiz").await, 2);
    assert_eq!(count("user=ada&activity=quiz").await, 1);
    assert_eq!(count("session=login").await, 1);
    assert_eq!(count("user=nobody").await, 0);
    let answer = school.get("/host/v1/keys?session=login").await;
    let token = server.opened(&page.token);
    let key = &answer.result()["items"][0];
    assert_eq!(key["id"], token.key_id.to_string());
    assert_eq!(
        (&key["user"], &key["functions"]),
        (&json!("ada"), &json!(["log", "grade", "recent"]))
    );
    let text = answer.json().to_string();
    assert!(!text.contains("lk1_") && !text.contains("branch"), "{text}");
    assert!(!text.contains(&base64url(&[11; 32])), "{text}");
    for (query, expected) in [
        ("", "400 bad_query"),
        ("limit=5", "400 bad_query"),
        ("user=ada&after=x", "422 bad_cursor after"),
        ("user=ada&limit=0", "422 out_of_range limit"),
    ] {
        let answer = school.get(&format!("/host/v1/keys?{query}")).await;
        assert_eq!(answer.refusal(), expected, "{query}");
    }
    // Neither idle nor ended keys are live.
    server.after(29 * MINUTE);
    assert_eq!(count("user=ada").await, 2);
    server.after(MINUTE);
    assert_eq!(count("user=ada").await, 0);
    server.after(12 * HOUR);
    assert_eq!(count("activity=quiz").await, 0);
}

#[tokio::test]
async fn keys_in_pages() {
    let server = Server::start().await;
    let school = school(&server);
    for _ in 0..5 {
        server.page().log("a").await.is_done();
    }
    let (mut seen, mut path) = (Vec::new(), "/host/v1/keys?user=ada&limit=2".to_owned());
    loop {
        let page = school.get(&path).await.result();
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/host/v1/keys?user=ada&limit=2&after={next}");
    }
    let mut all = ids(&school.get("/host/v1/keys?user=ada").await.result());
    assert_eq!((seen.len(), &seen), (5, &all));
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[tokio::test]
async fn a_key_is_ended_for_a_reason_that_is_kept() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page();
    page.log("a").await.is_done();
    let id = server.opened(&page.token).key_id.to_string();
    let path = format!("/host/v1/keys/{id}");
    let foreign = academy(&server).delete(&path).await;
    assert_eq!(foreign.refusal(), "404 not_found");
    page.log("b").await.is_done();
    let ended = school.delete(&format!("{path}?reason=left%20the%20room")).await.result();
    assert_eq!(ended["reason"], "host: left the room");
    page.log("c").await.is_over();
    // The first reason stays.
    school.delete(&format!("{path}?reason=again")).await.is_done();
    let shown = school.get(&path).await.result();
    assert_eq!(shown["reason"], "host: left the room");
    assert!(shown["revoked_at"].is_string());
    assert_eq!(shown["url"], format!("https://latch.example{path}"));
    let long = format!("{path}?reason={}", "x".repeat(256));
    assert_eq!(school.delete(&long).await.refusal(), "422 out_of_range reason");
    for id in ["x", "AAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = school.delete(&format!("/host/v1/keys/{id}")).await;
        assert_eq!(answer.refusal(), "404 not_found", "{id}");
    }
}

/// What a host gives as its reason is no theft that was found here.
#[tokio::test]
async fn a_reason_locks_nobody_out() {
    let server = Server::start().await;
    let school = school(&server);
    for _ in 0..4 {
        let mut page = server.page_with(|claims| claims.session = Some("login".into()));
        page.log("a").await.is_done();
        let id = server.opened(&page.token).key_id;
        school.delete(&format!("/host/v1/keys/{id}?reason=theft")).await.is_done();
    }
    let mut page = server.page_with(|claims| claims.session = Some("login".into()));
    page.log("a").await.is_done();
}
