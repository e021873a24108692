//! Who may see and do what.

use crate::school::{School, send};

#[tokio::test]
async fn students_do_not_see_the_gradebook() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    for path in ["/gradebook/rivers", "/insight/rivers"] {
        let answer = ada.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("for teachers") && !answer.body.contains("gradebook-row"));
    }
    assert!(!ada.get("/course").await.body.contains("/gradebook/"));
}

#[tokio::test]
async fn teachers_look_and_leave_no_grade() {
    let school = School::open().await;
    let mut teacher = school.logged_in("teacher").await;
    assert!(teacher.get("/gradebook/rivers").await.body.contains("not handed in yet"));
    assert!(teacher.get("/insight/rivers").await.body.contains("Nothing has happened yet"));
    let token = teacher.launch("rivers").await;
    assert_eq!(school.hand_in(&token, 10.0).await.code(), "key_scope");
    assert_eq!(school.call("recent", &token, "{}").await.status, 200);
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    for path in ["/activity/seas", "/nowhere", "/static/nothing.js"] {
        let answer = ada.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("There is no such page"));
    }
}

#[tokio::test]
async fn every_answer_bears_its_headers() {
    let school = School::open().await;
    for path in ["/login", "/nowhere", "/static/site.css", "/course"] {
        let answer = school.visitor().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("object-src 'none'") && policy.contains("form-action 'self'"));
    }
    let css = school.visitor().get("/static/site.css").await;
    let tag = css.header("etag").unwrap().to_owned();
    let again = [("If-None-Match", tag)];
    assert_eq!(send(school.site, "GET", "/static/site.css", &again, "").await.status, 304);
}
