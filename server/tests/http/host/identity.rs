//! One identity, told by two: the directory and the claims of launches.

use super::school;
use crate::server::Server;
use latchkey_protocol::launch::{CourseDescription, GradeMethod, Placement, UserDescription};
use serde_json::{Value, json};

fn ada(name: &str) -> UserDescription {
    UserDescription { name: Some(name.into()), ..UserDescription::default() }
}

/// A first use of a launch with these descriptions.
async fn launched(
    server: &Server,
    user: Option<UserDescription>,
    course: Option<CourseDescription>,
    placement: Option<Placement>,
) {
    let mut page = server.page_with(|claims| {
        (claims.user, claims.course, claims.placement) = (user, course, placement);
    });
    page.log("launched").await.is_done();
}

#[tokio::test]
async fn what_launches_made_the_directory_knows() {
    let server = Server::start().await;
    let school = school(&server);
    let course =
        CourseDescription { id: "c1".into(), title: Some("R".into()), ..Default::default() };
    let placement = Placement { max: Some(10.0), ..Placement::default() };
    launched(&server, Some(ada("Ada")), Some(course), Some(placement)).await;
    assert_eq!(school.get("/host/v1/users/ada").await.result()["name"], "Ada");
    assert_eq!(school.get("/host/v1/courses/c1").await.result()["title"], "R");
    let activity = school.get("/host/v1/activities/quiz").await.result();
    assert_eq!((&activity["course"], &activity["max"]), (&json!("c1"), &json!(10.0)));
    // Setting it makes no second one.
    assert_eq!(
        school.set("users", json!([{"id": "ada", "email": "a@b.example"}])).await,
        ["updated"]
    );
    assert_eq!(server.count("SELECT count(*) FROM users"), 1);
    let user = school.get("/host/v1/users/ada").await.result();
    assert_eq!((&user["name"], &user["email"]), (&json!("Ada"), &json!("a@b.example")));
}

#[tokio::test]
async fn what_the_directory_said_launches_leave_alone() {
    let server = Server::start().await;
    let school = school(&server);
    let placement = |max, title: &str| Placement {
        max: Some(max),
        title: Some(title.into()),
        method: Some(GradeMethod::Latest),
        ..Placement::default()
    };
    launched(&server, Some(ada("From a launch")), None, Some(placement(5.0, "Launch"))).await;
    school.set("users", json!([{"id": "ada", "name": "Ada", "idnumber": null}])).await;
    school.set("activities", json!([{"id": "quiz", "max": 20}])).await;
    let stale =
        UserDescription { idnumber: Some("7".into()), email: Some("e".into()), ..ada("Old") };
    launched(&server, Some(stale), None, Some(placement(7.0, "Newer"))).await;
    let user = school.get("/host/v1/users/ada").await.result();
    assert_eq!(
        (&user["name"], &user["idnumber"], &user["email"]),
        (&json!("Ada"), &Value::Null, &json!("e")),
        "said, cleared, and never said"
    );
    let activity = school.get("/host/v1/activities/quiz").await.result();
    assert_eq!((&activity["max"], &activity["title"]), (&json!(20.0), &json!("Newer")));
    // And silence in a launch wipes nothing.
    launched(&server, None, None, None).await;
    assert_eq!(school.get("/host/v1/users/ada").await.result(), user);
    assert_eq!(school.get("/host/v1/activities/quiz").await.result(), activity);
}

#[tokio::test]
async fn the_maximum_of_the_directory_holds_grades() {
    let server = Server::start().await;
    school(&server).set("activities", json!([{"id": "quiz", "max": 20}])).await;
    let placement = Placement { max: Some(100.0), ..Placement::default() };
    let mut page = server.page_with(|claims| claims.placement = Some(placement));
    assert_eq!(page.grade(21.0).await.refusal(), "422 score_above_max score");
    assert_eq!(page.grade(20.0).await.result()["max"], 20.0);
}

/// A login name that somebody else has must not keep a student from working.
#[tokio::test]
async fn a_launch_with_a_taken_login_name_works() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("users", json!([{"id": "u1", "username": "ada"}])).await;
    let user = UserDescription { username: Some("ada".into()), ..ada("Ada") };
    launched(&server, Some(user), None, None).await;
    let user = school.get("/host/v1/users/ada").await.result();
    assert_eq!((&user["name"], &user["username"]), (&json!("Ada"), &Value::Null));
    let found = school.get("/host/v1/users?by=username&value=ada").await.result();
    assert_eq!(found["id"], "u1");
}
