//! Users, courses, activities and enrolments: setting, looking up, listing.

use super::{academy, outcomes, school};
use crate::server::Server;
use serde_json::{Value, json};

#[tokio::test]
async fn a_user_is_created_updated_and_left_alone() {
    let server = Server::start().await;
    let school = school(&server);
    let ada = json!({"id": "u1", "username": "ada", "email": "ada@school.example",
                     "idnumber": "CS2121212", "name": "Ada"});
    let answer = school.post("/host/v1/users", &json!({ "users": [ada] })).await.result();
    assert_eq!(
        answer,
        json!({"items": [{"index": 0, "id": "u1", "outcome": "created",
                          "url": "https://latch.example/host/v1/users/u1"}]})
    );
    assert_eq!(school.set("users", json!([ada])).await, ["unchanged"]);
    // Absent stays, null clears, empty is a text.
    let partial = json!({"id": "u1", "email": null, "idnumber": "", "name": "Ada L."});
    assert_eq!(school.set("users", json!([partial])).await, ["updated"]);
    assert_eq!(
        school.get("/host/v1/users/u1").await.result(),
        json!({"id": "u1", "username": "ada", "email": null, "idnumber": "", "name": "Ada L.",
               "url": "https://latch.example/host/v1/users/u1"})
    );
}

#[tokio::test]
async fn an_item_that_is_wrong_spoils_only_itself() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("users", json!([{"id": "old", "username": "old", "name": "Old"}])).await;
    let items = json!([
        {"id": "u0", "name": "Zero"},
        {"id": "u1", "nmae": "Ada"},
        {"id": "u2", "name": 7},
        {"name": "Nobody"},
        {"id": "u0", "name": "Again"},
        {"id": "u5", "username": "old"},
        {"id": "old", "name": "New", "username": 5},
        "u7",
        {"id": "x".repeat(256)},
        {"id": "u9", "name": "é\u{0}"},
        {"id": "u10"},
    ]);
    assert_eq!(
        school.set("users", items).await,
        [
            "created",
            "unknown_field users[1].nmae",
            "wrong_type users[2].name",
            "missing_field users[3].id",
            "duplicate users[4].id",
            "taken users[5].username",
            "wrong_type users[6].username",
            "wrong_type users[7]",
            "out_of_range users[8].id",
            "out_of_range users[9].name",
            "created",
        ]
    );
    let name = async |id: &str| {
        let answer = school.get(&format!("/host/v1/users/{id}")).await;
        if answer.status == 200 { answer.result()["name"].clone() } else { json!(answer.refusal()) }
    };
    assert_eq!(name("u0").await, "Zero");
    assert_eq!(name("old").await, "Old", "never half an item");
    assert_eq!(name("u5").await, "404 not_found");
}

#[tokio::test]
async fn bodies_that_are_refused_as_a_whole() {
    let server = Server::start().await;
    let school = school(&server);
    let refused = async |body: &[u8]| school.text("/host/v1/users", body).await.refusal();
    let good = r#"{"id":"u1"}"#;
    for (body, expected) in [
        ("".to_owned(), "400 bad_json"),
        ("[]".to_owned(), "400 bad_json"),
        (format!("[{good}]"), "400 bad_json"),
        (format!(r#"{{"users":[{good},]}}"#), "400 bad_json"),
        (format!(r#"{{"users":[{good}]"#), "400 bad_json"),
        (format!(r#"{{"users":[{good}],"users":[]}}"#), "400 bad_json"),
        ("{}".to_owned(), "422 missing_field users"),
        (format!(r#"{{"courses":[{good}]}}"#), "422 unknown_field courses"),
        (format!(r#"{{"users":{good}}}"#), "422 wrong_type users"),
        (r#"{"users":null}"#.to_owned(), "422 wrong_type users"),
    ] {
        assert_eq!(refused(body.as_bytes()).await, expected, "{body}");
    }
    assert_eq!(refused(b"{\"users\":[{\"id\":\"u1\",\"name\":\"\xff\"}]}").await, "400 bad_json");
    let answer = school.send("POST", "/host/v1/users", "text/csv", b"id\nu1".to_vec()).await;
    assert_eq!(answer.refusal(), "415 unsupported_media_type");
    assert_eq!(server.count("SELECT count(*) FROM users"), 0);
    // A value nested beyond all reason costs an error, not the server.
    let deep = format!(r#"{{"users":[{{"id":{}1{}}}]}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let answer = school.text("/host/v1/users", deep).await;
    assert!([200, 400].contains(&answer.status.as_u16()), "{answer:?}");
    assert_eq!(server.count("SELECT count(*) FROM users"), 0);
}

#[tokio::test]
async fn one_item_a_line() {
    let server = Server::start().await;
    let school = school(&server);
    let lines =
        "{\"id\":\"u1\",\"name\":\"Ada\"}\r\n\n{\"id\":\"u2\"\n{\"id\":\"u1\"}\n{\"id\":\"u3\"}";
    let send = async |kind: &str, body: &[u8]| {
        school.send("POST", "/host/v1/users", kind, body.to_vec()).await
    };
    let answer = send("application/x-ndjson", lines.as_bytes()).await;
    let expected = ["created", "bad_json users[1]", "duplicate users[2].id", "created"];
    assert_eq!(outcomes(&answer.result()), expected);
    let answer = send("application/x-ndjson; charset=utf-8", b"\xff\n{\"id\":\"u4\"}\n").await;
    assert_eq!(outcomes(&answer.result()), ["bad_json users[0]", "created"]);
    assert_eq!(send("application/x-ndjson", b"").await.result(), json!({"items": []}));
}

#[tokio::test]
async fn looked_up_by_what_institutions_know() {
    let server = Server::start().await;
    let school = school(&server);
    let users = json!([
        {"id": "u1", "username": "ada", "email": "a+b@school.example", "idnumber": "CS2121212"},
        {"id": "u2", "username": "ben", "email": "twins@school.example", "idnumber": "7"},
        {"id": "u3", "username": "bea", "email": "twins@school.example", "idnumber": "7"},
    ]);
    assert_eq!(school.set("users", users).await, ["created"; 3]);
    academy(&server).set("users", json!([{"id": "z", "idnumber": "CS2121212"}])).await;
    let found = async |query: &str| {
        let answer = school.get(&format!("/host/v1/users?{query}")).await;
        if answer.status == 200 {
            answer.result()["id"].as_str().unwrap().to_owned()
        } else {
            answer.refusal()
        }
    };
    for (query, expected) in [
        ("by=idnumber&value=CS2121212", "u1"),
        ("by=username&value=ben", "u2"),
        ("by=email&value=a%2Bb%40school.example", "u1"),
        ("by=id&value=u3", "u3"),
        ("value=u3&by=id", "u3"),
        ("by=email&value=twins%40school.example", "409 ambiguous"),
        ("by=idnumber&value=7", "409 ambiguous"),
        ("by=idnumber&value=8", "404 not_found"),
        ("by=idnumber&value=", "404 not_found"),
        ("by=username&value=Ada", "404 not_found"),
        ("by=name&value=Ada", "400 bad_query by"),
        ("by=password&value=x", "400 bad_query by"),
        ("by=idnumber", "400 bad_query"),
        ("by=idnumber&value=7&limit=1", "400 bad_query"),
        ("by=id&by=id&value=u1", "400 bad_query by"),
        ("colour=red", "400 bad_query colour"),
    ] {
        assert_eq!(found(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn courses_by_number_and_short_name() {
    let server = Server::start().await;
    let school = school(&server);
    let courses = json!([
        {"id": "c1", "title": "Rivers", "shortname": "riv", "idnumber": "GEO1"},
        {"id": "c2", "title": "Rivers again", "shortname": "riv"},
    ]);
    assert_eq!(school.set("courses", courses).await, ["created"; 2]);
    let by = async |query: &str| school.get(&format!("/host/v1/courses?{query}")).await;
    assert_eq!(by("by=idnumber&value=GEO1").await.result()["id"], "c1");
    assert_eq!(by("by=shortname&value=riv").await.refusal(), "409 ambiguous");
    assert_eq!(by("by=email&value=riv").await.refusal(), "400 bad_query by");
}

/// Ids may be anything that fits, and the address of each leads to it.
#[tokio::test]
async fn every_address_leads_to_its_entity() {
    let server = Server::start().await;
    let school = school(&server);
    for id in ["u/1", "ü ser", "50%", "?a=b#c", "..", "a&b", "'\"<>"] {
        let set = school.post("/host/v1/users", &json!({"users": [{"id": id}]})).await.result();
        let url = set["items"][0]["url"].as_str().unwrap();
        let path = url.strip_prefix("https://latch.example").unwrap();
        let shown = school.get(path).await.result();
        assert_eq!((&shown["id"], &shown["url"]), (&json!(id), &json!(url)));
    }
}

#[tokio::test]
async fn a_list_in_pages_misses_nothing() {
    let server = Server::start().await;
    let school = school(&server);
    let ids: Vec<String> = (0..25).map(|n| format!("u{n:02}")).collect();
    let items: Vec<Value> = ids.iter().rev().map(|id| json!({ "id": id })).collect();
    school.set("users", json!(items)).await;
    academy(&server).set("users", json!([{"id": "u99"}])).await;
    let (mut seen, mut path) = (Vec::new(), "/host/v1/users?limit=10".to_owned());
    loop {
        let page = school.get(&path).await.result();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 10);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/host/v1/users?limit=10&after={next}");
        // What is set meanwhile, before and behind, moves nothing.
        school.set("users", json!([{"id": "a-new-one"}])).await;
    }
    assert_eq!(seen, ids);
    let whole = school.get("/host/v1/users?limit=26").await.result();
    assert_eq!((whole["items"].as_array().unwrap().len(), &whole["next"]), (26, &Value::Null));
    let cursor = school.get("/host/v1/users?limit=1").await.result()["next"].clone();
    let foreign = format!("/host/v1/courses?after={}", cursor.as_str().unwrap());
    assert_eq!(school.get(&foreign).await.refusal(), "422 bad_cursor after");
    for (query, expected) in [
        ("after=x", "422 bad_cursor after"),
        ("after=", "422 bad_cursor after"),
        ("limit=0", "422 out_of_range limit"),
        ("limit=1001", "422 out_of_range limit"),
        ("limit=-1", "422 wrong_type limit"),
        ("course=c1", "400 bad_query course"),
    ] {
        let answer = school.get(&format!("/host/v1/users?{query}")).await;
        assert_eq!(answer.refusal(), expected, "{query}");
    }
}

#[tokio::test]
async fn sections_stand_in_the_order_given() {
    let server = Server::start().await;
    let school = school(&server);
    let set = async |sections: Value| {
        school.set("courses", json!([{"id": "c1", "sections": sections}])).await.remove(0)
    };
    let weeks = json!([{"id": "s1", "name": "Week 1"}, {"id": "s2", "name": "Week 2"}]);
    assert_eq!(set(weeks.clone()).await, "created");
    assert_eq!(set(weeks).await, "unchanged");
    let activity = json!({"id": "a1", "course": "c1", "section": "s2"});
    assert_eq!(school.set("activities", json!([activity])).await, ["created"]);
    let turned = json!([{"id": "s2", "name": "Later"}, {"id": "s3", "name": null}, {"id": "s1", "name": "Week 1"}]);
    assert_eq!(set(turned.clone()).await, "updated");
    assert_eq!(school.get("/host/v1/courses/c1").await.result()["sections"], turned);
    let section = async || school.get("/host/v1/activities/a1").await.result()["section"].clone();
    assert_eq!(section().await, "s2");
    // One that is not listed goes, and its activities stay in the course.
    assert_eq!(set(json!([{"id": "s1"}])).await, "updated");
    assert_eq!(section().await, Value::Null);
    assert_eq!(school.get("/host/v1/activities/a1").await.result()["course"], "c1");
    let twice = json!([{"id": "s1"}, {"id": "s1"}]);
    assert_eq!(set(twice).await, "out_of_range courses[0].sections[1].id");
    // Silence about them changes nothing.
    assert_eq!(school.set("courses", json!([{"id": "c1", "title": "R"}])).await, ["updated"]);
    let sections = school.get("/host/v1/courses/c1").await.result()["sections"].clone();
    assert_eq!(sections, json!([{"id": "s1", "name": null}]));
}

#[tokio::test]
async fn activities_refer_to_what_is_there() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("courses", json!([{"id": "c1", "sections": [{"id": "s1"}]}, {"id": "c2"}])).await;
    academy(&server).set("courses", json!([{"id": "theirs"}])).await;
    let items = json!([
        {"id": "a1", "course": "c1", "section": "s1", "title": "Quiz", "max": 10, "method": "latest",
         "attempts": 3, "page": "https://school.example/quiz"},
        {"id": "a2", "course": "c3"},
        {"id": "a3", "course": "theirs"},
        {"id": "a4", "course": "c2", "section": "s1"},
        {"id": "a5", "section": "s1"},
        {"id": "a6", "max": 0},
        {"id": "a7"},
    ]);
    assert_eq!(
        school.set("activities", items).await,
        [
            "created",
            "unknown_reference activities[1].course",
            "unknown_reference activities[2].course",
            "unknown_reference activities[3].section",
            "unknown_reference activities[4].section",
            "out_of_range activities[5].max",
            "created",
        ]
    );
    let shown = async |id: &str| school.get(&format!("/host/v1/activities/{id}")).await.result();
    assert_eq!(
        shown("a1").await,
        json!({"id": "a1", "course": "c1", "section": "s1", "title": "Quiz", "max": 10.0,
               "method": "latest", "attempts": 3, "hidden": false, "page": "https://school.example/quiz",
               "url": "https://latch.example/host/v1/activities/a1"})
    );
    assert_eq!(
        (&shown("a7").await["max"], &shown("a7").await["method"]),
        (&json!(100.0), &json!("highest"))
    );
    // In another course it stands in none of the former's sections.
    let moved = json!([{"id": "a1", "course": "c2", "attempts": null}]);
    assert_eq!(school.set("activities", moved).await, ["updated"]);
    let activity = shown("a1").await;
    assert_eq!(
        (&activity["course"], &activity["section"], &activity["attempts"]),
        (&json!("c2"), &Value::Null, &Value::Null)
    );
    let listed = school.get("/host/v1/activities?course=c2").await.result();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let none = school.get("/host/v1/activities?course=c9").await.result();
    assert_eq!(none, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn enrolments_name_a_user_and_a_course() {
    let server = Server::start().await;
    let school = school(&server);
    school.set("users", json!([{"id": "u1"}, {"id": "u2"}])).await;
    school.set("courses", json!([{"id": "c1"}])).await;
    let items = json!([
        {"id": "e1", "user": "u1", "course": "c1", "role": "student"},
        {"id": "e2", "user": "u2"},
        {"id": "e3", "user": "u9", "course": "c1"},
        {"id": "e4", "user": "u1", "course": "c9"},
        {"id": "e5", "user": null, "course": "c1"},
        {"id": "e6", "user": "u2", "course": "c1"},
    ]);
    assert_eq!(
        school.set("enrolments", items).await,
        [
            "created",
            "missing_field enrolments[1].course",
            "unknown_reference enrolments[2].user",
            "unknown_reference enrolments[3].course",
            "wrong_type enrolments[4].user",
            "created",
        ]
    );
    assert_eq!(
        school.set("enrolments", json!([{"id": "e1", "role": "teacher"}])).await,
        ["updated"]
    );
    assert_eq!(
        school.get("/host/v1/enrolments/e1").await.result(),
        json!({"id": "e1", "user": "u1", "course": "c1", "role": "teacher",
               "url": "https://latch.example/host/v1/enrolments/e1"})
    );
    let of = async |query: &str| {
        let page = school.get(&format!("/host/v1/enrolments?{query}")).await.result();
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("user=u1").await, ["e1"]);
    assert_eq!(of("course=c1").await, ["e1", "e6"]);
    assert_eq!(of("course=c1&user=u2").await, ["e6"]);
}

#[tokio::test]
async fn hosts_see_nothing_of_each_other() {
    let server = Server::start().await;
    let (school, academy) = (school(&server), academy(&server));
    assert_eq!(school.set("users", json!([{"id": "u1", "username": "ada"}])).await, ["created"]);
    assert_eq!(academy.get("/host/v1/users/u1").await.refusal(), "404 not_found");
    // Login names are unique for each host only.
    assert_eq!(
        academy.set("users", json!([{"id": "u1", "username": "ada", "name": "B"}])).await,
        ["created"]
    );
    assert_eq!(school.get("/host/v1/users/u1").await.result()["name"], Value::Null);
    assert_eq!(academy.delete("/host/v1/users/u1").await.status, 200);
    assert_eq!(school.get("/host/v1/users/u1").await.status, 200);
}

#[tokio::test]
async fn wrong_methods_and_addresses() {
    let server = Server::start().await;
    let school = school(&server);
    for (method, path, expected) in [
        ("PUT", "/host/v1/users", "405 method_not_allowed"),
        ("POST", "/host/v1/users/u1", "405 method_not_allowed"),
        ("GET", "/host/v1/activities/a1/reset", "405 method_not_allowed"),
        ("GET", "/host/v1/nonsense", "404 not_found"),
        ("GET", "/host/v2/users", "404 not_found"),
    ] {
        let answer = school.send(method, path, "", Vec::new()).await;
        assert_eq!(answer.refusal(), expected, "{method} {path}");
    }
}
