//! Deleting, hiding and starting again: what becomes of keys, grades and the log.

use super::school;
use crate::server::{MINUTE, Server};
use latchkey_protocol::launch::CourseDescription;
use serde_json::{Value, json};

/// The standing of `ada` in `quiz`, as the library tells it.
async fn standing(server: &Server) -> Option<f64> {
    let rows = server.latchkey.store().standings("school", "quiz").await.unwrap();
    let row = rows.into_iter().find(|row| row.user == "ada")?;
    row.tally.standing(row.method)
}

#[tokio::test]
async fn a_deleted_user_is_out_at_once_and_the_work_stays() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("users", json!([{"id": "ada", "name": "Ada", "username": "ada"}])).await;
    let (mut first, mut second) = (server.page(), server.page());
    first.log("begun").await.is_done();
    second.grade(60.0).await.is_done();
    let unused = server.launch();
    let deleted = school.delete("/host/v1/users/ada").await.result();
    assert_eq!(
        deleted,
        json!({"id": "ada", "url": "https://latch.example/host/v1/users/ada", "keys_ended": 2,
               "activities": 0, "enrolments": 0})
    );
    for page in [&mut first, &mut second] {
        page.log("late").await.is_over();
    }
    server.call(&unused, "log", json!({"entries": [{"event": "x"}]})).await.is_over();
    assert_eq!(school.get("/host/v1/users/ada").await.refusal(), "404 not_found");
    assert_eq!(school.delete("/host/v1/users/ada").await.refusal(), "404 not_found");
    assert_eq!(school.get("/host/v1/users").await.result()["items"], json!([]));
    // What was done stays, without the name.
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'begun'"), 1);
    assert_eq!(
        server.count("SELECT count(*) FROM users WHERE name IS NOT NULL OR username IS NOT NULL"),
        0
    );
    assert_eq!(school.set("users", json!([{"id": "ben", "username": "ada"}])).await, ["created"]);
    // The same primary key is the same person, who comes back to their work.
    assert_eq!(school.set("users", json!([{"id": "ada", "name": "Ada"}])).await, ["created"]);
    server.page().log("back").await.is_done();
    assert_eq!(standing(&server).await, Some(60.0));
}

#[tokio::test]
async fn a_deleted_activity_takes_no_calls_and_keeps_its_grades() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page();
    page.grade(60.0).await.is_done();
    let unused = server.launch();
    assert_eq!(school.delete("/host/v1/activities/quiz").await.result()["keys_ended"], 1);
    page.grade(70.0).await.is_over();
    server.call(&unused, "grade", json!({"score": 70})).await.is_over();
    assert_eq!(school.get("/host/v1/activities/quiz").await.refusal(), "404 not_found");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
    assert_eq!(school.set("activities", json!([{"id": "quiz"}])).await, ["created"]);
    assert_eq!(standing(&server).await, Some(60.0));
}

#[tokio::test]
async fn a_deleted_course_takes_its_activities_with_it() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("courses", json!([{"id": "c1", "sections": [{"id": "s1"}]}, {"id": "c2"}])).await;
    let activities = json!([
        {"id": "quiz", "course": "c1", "section": "s1"},
        {"id": "film", "course": "c1"},
        {"id": "game", "course": "c2"},
    ]);
    school.set("activities", activities).await;
    school.set("users", json!([{"id": "ada"}])).await;
    school.set("enrolments", json!([{"id": "e1", "user": "ada", "course": "c1"}])).await;
    let (mut quiz, mut game) = (server.page(), server.page_for("school", "ada", "game"));
    quiz.log("a").await.is_done();
    game.log("a").await.is_done();
    let deleted = school.delete("/host/v1/courses/c1").await.result();
    assert_eq!(
        (&deleted["keys_ended"], &deleted["activities"], &deleted["enrolments"]),
        (&json!(1), &json!(2), &json!(1))
    );
    quiz.log("b").await.is_over();
    game.log("b").await.is_done();
    assert_eq!(school.get("/host/v1/activities/film").await.refusal(), "404 not_found");
    assert_eq!(school.get("/host/v1/enrolments/e1").await.refusal(), "404 not_found");
    let reference = json!([{"id": "new", "course": "c1"}]);
    assert_eq!(
        school.set("activities", reference).await,
        ["unknown_reference activities[0].course"]
    );
    // A launch that names it does not bring it back.
    let course =
        CourseDescription { id: "c1".into(), title: Some("R".into()), ..Default::default() };
    let mut page = server.page_with(|claims| {
        claims.activity = "other".into();
        claims.course = Some(course);
    });
    page.log("a").await.is_done();
    assert_eq!(school.get("/host/v1/courses/c1").await.refusal(), "404 not_found");
    assert_eq!(school.get("/host/v1/activities/other").await.result()["course"], Value::Null);
}

#[tokio::test]
async fn a_deleted_enrolment_ends_the_keys_of_that_course_only() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("users", json!([{"id": "ada"}, {"id": "ben"}])).await;
    school.set("courses", json!([{"id": "c1"}])).await;
    school.set("activities", json!([{"id": "quiz", "course": "c1"}, {"id": "game"}])).await;
    let enrolments = json!([
        {"id": "e1", "user": "ada", "course": "c1"},
        {"id": "e2", "user": "ada", "course": "c1"},
        {"id": "e3", "user": "ben", "course": "c1"},
    ]);
    school.set("enrolments", enrolments).await;
    let mut pages = [
        server.page(),
        server.page_for("school", "ada", "game"),
        server.page_for("school", "ben", "quiz"),
    ];
    for page in &mut pages {
        page.log("a").await.is_done();
    }
    // Another enrolment still holds her there.
    assert_eq!(school.delete("/host/v1/enrolments/e1").await.result()["keys_ended"], 0);
    assert_eq!(school.delete("/host/v1/enrolments/e2").await.result()["keys_ended"], 1);
    let [quiz, game, other] = &mut pages;
    quiz.log("b").await.is_over();
    game.log("b").await.is_done();
    other.log("b").await.is_done();
}

#[tokio::test]
async fn a_hidden_activity_refuses_every_call_until_it_is_shown() {
    let server = Server::start().await;
    let school = school(&server);
    let (mut page, mut other) = (server.page(), server.page_for("school", "ada", "film"));
    page.log("seen").await.is_done();
    other.log("seen").await.is_done();
    let hide = async |hidden: bool| {
        school.set("activities", json!([{"id": "quiz", "hidden": hidden}])).await.remove(0)
    };
    assert_eq!(hide(true).await, "updated");
    let refused = "403 activity_hidden";
    assert_eq!(page.log("x").await.refusal(), refused);
    assert_eq!(page.grade(5.0).await.refusal(), refused);
    assert_eq!(page.recent().await.refusal(), refused);
    assert_eq!(page.call("batch", json!({"calls": []})).await.refusal(), refused);
    assert_eq!(server.page().log("x").await.refusal(), refused, "a first use too");
    other.log("goes.on").await.is_done();
    // A restart has not forgotten it, neither of keys that were in use nor of new ones.
    let (token, launch) = (page.token.clone(), server.launch());
    let server = server.restarted().await;
    let school = crate::host::school(&server);
    for token in [&token, &launch] {
        assert_eq!(server.call(token, "log", json!({"event": "x"})).await.refusal(), refused);
    }
    let hide = async |hidden: bool| {
        school.set("activities", json!([{"id": "quiz", "hidden": hidden}])).await.remove(0)
    };
    assert_eq!(hide(true).await, "unchanged");
    assert_eq!(hide(false).await, "updated");
    let again = json!({"entries": [{"event": "again"}]});
    server.call(&token, "log", again).await.is_done();
    let recent = server.call(&token, "recent", json!({"kinds": ["log"]})).await.result();
    let events: Vec<_> =
        recent["items"].as_array().unwrap().iter().map(|item| &item["event"]).collect();
    assert_eq!(events, ["again", "seen"]);
}

/// A key that is found in two hands ends even while its activity is hidden.
#[tokio::test]
async fn a_theft_is_found_while_the_activity_is_hidden() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page();
    let old = page.log("a").await.token().unwrap();
    for _ in 0..2 {
        server.after(MINUTE);
        page.log("a").await.is_done();
        page.log("a").await.is_done();
    }
    school.set("activities", json!([{"id": "quiz", "hidden": true}])).await;
    server.call(&old, "log", json!({"entries": [{"event": "x"}]})).await.is_over();
    school.set("activities", json!([{"id": "quiz", "hidden": false}])).await;
    page.log("a").await.is_over();
}

#[tokio::test]
async fn attempts_start_again_and_the_history_stays() {
    let server = Server::start().await;
    let school = school(&server);
    for (user, score) in [("ada", 60.0), ("ben", 30.0)] {
        server.page_for("school", user, "quiz").grade(score).await.is_done();
    }
    let reset = async |body: Value| school.post("/host/v1/activities/quiz/reset", &body).await;
    let mut open = server.page();
    open.log("open").await.is_done();
    let done = reset(json!({"user": "ada"})).await.result();
    assert_eq!(
        done,
        json!({"activity": "quiz", "user": "ada", "standings": 1, "keys_ended": 2,
               "url": "https://latch.example/host/v1/activities/quiz"})
    );
    // The page that was open must not write into the new series.
    open.grade(99.0).await.is_over();
    assert_eq!(standing(&server).await, None);
    server.page().grade(10.0).await.is_done();
    assert_eq!(standing(&server).await, Some(10.0), "the former best counts no more");
    let rows = server.latchkey.store().standings("school", "quiz").await.unwrap();
    assert_eq!(rows.iter().find(|row| row.user == "ben").unwrap().tally.count, 1);
    assert_eq!(reset(json!({})).await.result()["standings"], 2);
    assert_eq!(standing(&server).await, None);
    let kept = server.latchkey.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|row| (row.score, row.reset)).collect();
    assert_eq!(kept, [(10.0, true), (60.0, true)]);
    server.page().grade(20.0).await.is_done();
    let kept = server.latchkey.store().submissions("school", "quiz", "ada", 1).await.unwrap();
    assert!(!kept[0].reset);
    for (body, expected) in [
        (json!({"user": "nobody"}), "404 not_found"),
        (json!({"user": 1}), "422 wrong_type user"),
        (json!({"users": ["ada"]}), "422 unknown_field users"),
        (json!({"user": ""}), "422 out_of_range user"),
    ] {
        assert_eq!(reset(body).await.refusal(), expected);
    }
    let answer = school.post("/host/v1/activities/none/reset", &json!({})).await;
    assert_eq!(answer.refusal(), "404 not_found");
}
