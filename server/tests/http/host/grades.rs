//! A teacher's own grades, and submissions that do not count.

use super::{academy, outcomes, school};
use crate::server::{MINUTE, START, Server};
use latchkey_server::instant;
use serde_json::{Value, json};

fn seven() -> Value {
    json!({"user": "ada", "activity": "quiz", "score": 7.5, "max": 10, "feedback": "Well argued",
           "scale": "B+", "reason": "oral exam", "by": "t1"})
}

#[tokio::test]
async fn an_override_shows_beside_what_was_reported() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page_with(|claims| {
        claims.placement = Some(serde_json::from_value(json!({"max": 10})).unwrap());
    });
    page.grade(4.0).await.is_done();
    let before = school.get("/host/v1/grades/quiz/ada").await.result();
    assert_eq!((&before["score"], &before["reported"]), (&json!(4.0), &json!(4.0)));
    assert!(before.get("overridden_at").is_none());
    server.after(MINUTE);
    let set = school.post("/host/v1/grades", &json!({"grades": [seven()]})).await.result();
    let base = "https://latch.example/host/v1";
    let grade = json!({
        "user": {"id": "ada", "name": null, "url": format!("{base}/users/ada")},
        "activity": {"id": "quiz", "url": format!("{base}/activities/quiz")}, "course": null,
        "url": format!("{base}/grades/quiz/ada"), "score": 7.5, "max": 10.0, "method": "highest",
        "reported": 4.0, "submissions": 1, "comment": null, "progress": null,
        "updated_at": instant::format(START + MINUTE), "overridden_by": "t1",
        "overridden_at": instant::format(START + MINUTE), "overridden_reason": "oral exam",
        "feedback": "Well argued", "scale": "B+"
    });
    assert_eq!(set, json!({"items": [{"index": 0, "outcome": "updated", "grade": grade}]}));
    let later = page.grade(9.0).await.result();
    assert_eq!(later["standing"]["score"], 7.5);
    assert_eq!(later["standing"]["overridden"], true);
    let after = school.get("/host/v1/grades/quiz/ada").await.result();
    assert_eq!((&after["score"], &after["reported"]), (&json!(7.5), &json!(9.0)));
    assert_eq!(school.set("grades", json!([seven()])).await, ["unchanged"]);
    let back = json!([{"user": "ada", "activity": "quiz", "score": null, "by": "t1"}]);
    assert_eq!(school.set("grades", back).await, ["updated"]);
    let after = school.get("/host/v1/grades/quiz/ada").await.result();
    assert_eq!(after["score"], 9.0);
    assert!(after.get("overridden_by").is_none());
}

#[tokio::test]
async fn each_item_stands_or_falls_alone() {
    let server = Server::start().await;
    let school = school(&server);
    server.page().grade(40.0).await.is_done();
    server.page_for("academy", "eve", "exam").grade(1.0).await.is_done();
    let with = |name: &str, value: Value| {
        let mut item = json!({"user": "ada", "activity": "quiz", "score": 1});
        item[name] = value;
        item
    };
    let items = json!([
        {"user": "ada", "activity": "quiz", "score": 0},
        with("score", json!(2)),
        {"user": "nobody", "activity": "quiz", "score": 1},
        {"user": "ada", "activity": "nothing", "score": 1},
        {"user": "eve", "activity": "exam", "score": 1},
        {"user": "ada", "activity": "film"},
        {"user": "ada", "activity": "exam", "score": null, "max": 3},
        {"user": "", "activity": "exam", "score": 1},
        {"user": "a", "activity": "b", "score": 1, "reason": "x".repeat(1001)},
        {"user": "a", "activity": "b", "score": 1, "feedback": "x".repeat(4097)},
        {"user": "a", "activity": "b", "score": 1, "scale": ""},
    ]);
    assert_eq!(
        school.set("grades", items).await,
        [
            "updated",
            "duplicate grades[1].user",
            "unknown_reference grades[2].user",
            "unknown_reference grades[3].activity",
            "unknown_reference grades[4].activity",
            "missing_field grades[5].score",
            "out_of_range grades[6].max",
            "out_of_range grades[7].user",
            "out_of_range grades[8].reason",
            "out_of_range grades[9].feedback",
            "out_of_range grades[10].scale",
        ]
    );
    for (name, value, told) in [
        ("score", json!(-1), "score_negative grades[0].score"),
        ("score", json!(101), "score_above_max grades[0].score"),
        ("max", json!(0), "out_of_range grades[0].max"),
    ] {
        assert_eq!(school.set("grades", json!([with(name, value)])).await, [told]);
    }
    let grade = school.get("/host/v1/grades/quiz/ada").await.result();
    assert_eq!((&grade["score"], &grade["reported"]), (&json!(0.0), &json!(40.0)));
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_whole() {
    let server = Server::start().await;
    let school = school(&server);
    server.page().grade(40.0).await.is_done();
    let many = json!({"grades": vec![seven(); 1001]}).to_string();
    for (body, refusal) in [
        (
            json!({"grades": [{"user": "ada", "activity": "quiz", "scroe": 1}]}).to_string(),
            "422 unknown_field grades[0].scroe",
        ),
        (
            json!({"grades": [{"user": "ada", "activity": "quiz", "score": "7"}]}).to_string(),
            "422 wrong_type grades[0].score",
        ),
        (
            json!({"grades": [{"user": 7, "activity": "quiz", "score": 7}]}).to_string(),
            "422 wrong_type grades[0].user",
        ),
        (json!({"grades": {}}).to_string(), "422 wrong_type grades"),
        ("{}".into(), "422 missing_field grades"),
        (many, "422 too_many grades"),
        ("".into(), "400 bad_json"),
        ("[]".into(), "400 bad_json"),
        ("[".repeat(100_000), "400 bad_json"),
        (r#"{"grades":[{"user":"a","user":"b"}]}"#.into(), "400 bad_json"),
    ] {
        assert_eq!(
            school.text("/host/v1/grades", body.clone()).await.refusal(),
            refusal,
            "{body:.80}"
        );
    }
    let invalid = b"{\"grades\":[{\"user\":\"\xff\"}]}".to_vec();
    assert_eq!(school.text("/host/v1/grades", invalid).await.refusal(), "400 bad_json");
    assert!(school.set("grades", json!([])).await.is_empty());
    assert_eq!(server.count("SELECT count(*) FROM rulings"), 0);
}

#[tokio::test]
async fn a_void_submission_is_kept_with_the_reason() {
    let server = Server::start().await;
    let school = school(&server);
    let mut page = server.page();
    page.grade(40.0).await.is_done();
    let best = page.grade(90.0).await.result()["submission"].as_str().unwrap().to_owned();
    let path = format!("/host/v1/submissions/{best}/void");
    let why = json!({"reason": "somebody else's work", "by": "t1"});
    let done = school.post(&path, &why).await.result();
    assert_eq!((&done["outcome"], &done["grade"]["score"]), (&json!("updated"), &json!(40.0)));
    assert_eq!(done["submission"]["voided_reason"], "somebody else's work");
    assert_eq!(done["submission"]["voided_at"], instant::format(START));
    assert_eq!(done["submission"]["score"], 90.0);
    assert_eq!(school.post(&path, &why).await.result()["outcome"], "unchanged");
    let kept = school.get("/host/v1/submissions").await.result();
    let voided = kept["items"].as_array().unwrap().iter().map(|item| item["voided_by"].clone());
    assert_eq!(voided.collect::<Vec<_>>(), [Value::Null, json!("t1")]);
    assert_eq!(page.grade(50.0).await.result()["standing"]["score"], 50.0);
    for (path, body, refusal) in [
        (path.as_str(), json!({}), "422 missing_field reason"),
        (&path, json!({"reason": ""}), "422 out_of_range reason"),
        (&path, json!({"reason": "x", "score": 1}), "422 unknown_field score"),
        ("/host/v1/submissions/0/void", why.clone(), "404 not_found"),
        ("/host/v1/submissions/x/void", why.clone(), "404 not_found"),
    ] {
        assert_eq!(school.post(path, &body).await.refusal(), refusal);
    }
    assert_eq!(academy(&server).post(&path, &why).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn forty_grades_at_once_are_all_set() {
    let server = Server::start().await;
    let school = school(&server);
    let users: Vec<_> = (0..40).map(|user| format!("user-{user}")).collect();
    let set = json!(users.iter().map(|id| json!({"id": id})).collect::<Vec<_>>());
    school.set("users", set).await;
    school.set("activities", json!([{"id": "exam"}])).await;
    let grades = users.iter().map(|user| json!({"user": user, "activity": "exam", "score": 50}));
    let body = json!({"grades": grades.collect::<Vec<_>>()});
    let done = outcomes(&school.post("/host/v1/grades", &body).await.result());
    assert_eq!(done, vec!["updated"; 40]);
    let told = school.get("/host/v1/grades?activity=exam").await.result();
    let items = told["items"].as_array().unwrap().iter();
    let mut told: Vec<_> = items.map(|item| item["user"]["id"].as_str().unwrap()).collect();
    // At once: in whatever order.
    let mut users: Vec<_> = users.iter().map(String::as_str).collect();
    told.sort_unstable();
    users.sort_unstable();
    assert_eq!(told, users);
}
