//! A whole school in one request.

use super::{outcomes, school};
use crate::server::Server;
use serde_json::{Value, json};

/// As many users as one request may hold, and one more if asked.
fn users(count: usize) -> Vec<Value> {
    let user = |n: usize| {
        json!({"id": format!("user-{n}"), "username": format!("login{n}"),
               "email": format!("student.{n}@school.example"), "idnumber": format!("CS{n:07}"),
               "name": format!("Student Number {n}")})
    };
    (0..count).map(user).collect()
}

#[tokio::test]
async fn none_forty_thousand_and_one_more() {
    let server = Server::start().await;
    let school = school(&server);
    assert_eq!(school.set("users", json!([])).await, [""; 0]);
    let mut list = users(40_001);
    let answer = school.post("/host/v1/users", &json!({ "users": list })).await;
    assert_eq!(answer.refusal(), "422 too_many users");
    assert_eq!(server.count("SELECT count(*) FROM users"), 0, "nothing of it was done");
    list.pop();
    let body = json!({ "users": list });
    let created = outcomes(&school.post("/host/v1/users", &body).await.result());
    assert_eq!(created.len(), 40_000);
    assert!(created.iter().all(|outcome| outcome == "created"));
    assert_eq!(server.count("SELECT count(DISTINCT username) FROM users"), 40_000);
    let again = outcomes(&school.post("/host/v1/users", &body).await.result());
    assert!(again.len() == 40_000 && again.iter().all(|outcome| outcome == "unchanged"));
}

#[tokio::test]
async fn forty_thousand_lines() {
    let server = Server::start().await;
    let school = school(&server);
    let lines = |list: Vec<Value>| {
        list.into_iter().map(|user| format!("{user}\n")).collect::<String>().into_bytes()
    };
    let send =
        async |body| school.send("POST", "/host/v1/users", "application/x-ndjson", body).await;
    assert_eq!(send(lines(users(40_001))).await.refusal(), "422 too_many");
    assert_eq!(server.count("SELECT count(*) FROM users"), 0);
    let created = outcomes(&send(lines(users(40_000))).await.result());
    assert!(created.len() == 40_000 && created.iter().all(|outcome| outcome == "created"));
}

#[tokio::test]
async fn a_body_beyond_the_limit() {
    let server = Server::start_with(|config| config.limits.host_body = 10_000).await;
    let school = school(&server);
    let sized = |size: usize| {
        let head = r#"{"users":[]"#;
        format!("{head}{}}}", " ".repeat(size - head.len() - 1))
    };
    assert_eq!(school.text("/host/v1/users", sized(10_000)).await.result(), json!({"items": []}));
    let refused = school.text("/host/v1/users", sized(10_001)).await;
    assert_eq!(refused.refusal(), "413 body_too_large");
}
