//! `recent` and what its items point to.

use crate::database::on_postgres;
use crate::server::{Page, SECOND, Server};
use latchkey_protocol::launch::{RecentScope, UserDescription};
use serde_json::{Value, json};

/// A page of that user that sees everybody's entries.
fn onlooker<'a>(server: &'a Server, user: &str, name: &str) -> Page<'a> {
    let mut claims = server.claims_for("school", user, "quiz");
    claims.recent = RecentScope::Activity;
    claims.user = Some(UserDescription { name: Some(name.into()), ..UserDescription::default() });
    Page { server, token: server.sign(&claims) }
}

fn items(result: &Value) -> Vec<Value> {
    result["items"].as_array().unwrap().clone()
}

/// What an item is, in a word.
fn word(item: &Value) -> String {
    match item["kind"].as_str().unwrap() {
        "log" => item["event"].as_str().unwrap().to_owned(),
        "grade" => item["score"].to_string(),
        kind => format!("{kind} {}", item["user"]["id"].as_str().unwrap()),
    }
}

fn words(result: &Value) -> Vec<String> {
    items(result).iter().map(word).collect()
}

#[tokio::test]
async fn newest_first_with_all_that_belongs_to_it() {
    let server = Server::start().await;
    let mut ada = onlooker(&server, "ada", "Ada");
    let entry = json!({"event": "answered", "data": {"question": 3}});
    ada.call("log", json!({ "entries": [entry] })).await.is_done();
    server.after(SECOND);
    onlooker(&server, "bob", "Bob").grade(8.5).await.is_done();
    let mut result = ada.recent().await.result();
    for item in result["items"].as_array_mut().unwrap() {
        let id = item["id"].take();
        let url = format!("https://latch.example/v1/entries/{}", id.as_str().unwrap());
        assert_eq!(item["url"].take(), url);
    }
    insta::assert_json_snapshot!(result, @r#"
    {
      "items": [
        {
          "at": "2026-11-18T11:06:41.000Z",
          "id": null,
          "kind": "grade",
          "max": 100.0,
          "score": 8.5,
          "url": null,
          "user": {
            "id": "bob",
            "name": "Bob",
            "own": false
          }
        },
        {
          "at": "2026-11-18T11:06:41.000Z",
          "id": null,
          "kind": "join",
          "url": null,
          "user": {
            "id": "bob",
            "name": "Bob",
            "own": false
          }
        },
        {
          "at": "2026-11-18T11:06:40.000Z",
          "data": {
            "question": 3
          },
          "event": "answered",
          "id": null,
          "kind": "log",
          "url": null,
          "user": {
            "id": "ada",
            "name": "Ada",
            "own": true
          }
        },
        {
          "at": "2026-11-18T11:06:40.000Z",
          "id": null,
          "kind": "join",
          "url": null,
          "user": {
            "id": "ada",
            "name": "Ada",
            "own": true
          }
        }
      ],
      "next": null
    }
    "#);
}

#[tokio::test]
async fn one_sees_ones_own_unless_the_key_says_otherwise() {
    let server = Server::start().await;
    let mut ada = server.page();
    ada.log("ada.1").await.is_done();
    let mut bob = onlooker(&server, "bob", "Bob");
    bob.log("bob.1").await.is_done();
    ada.log("ada.2").await.is_done();
    assert_eq!(words(&ada.recent().await.result()), ["ada.2", "ada.1", "join ada"]);
    let all = ["ada.2", "bob.1", "join bob", "ada.1", "join ada"];
    assert_eq!(words(&bob.recent().await.result()), all);
    server.page_for("school", "ada", "other").log("elsewhere").await.is_done();
    assert_eq!(words(&bob.recent().await.result()), all);
}

#[tokio::test]
async fn pages_join_without_gap_or_overlap() {
    let server = Server::start().await;
    let mut page = server.page();
    for n in 0..7 {
        page.log(&format!("e{n}")).await.is_done();
    }
    let mut seen = Vec::new();
    let mut args = json!({"limit": 3});
    for pages in 1.. {
        let result = page.call("recent", args.clone()).await.result();
        seen.extend(words(&result));
        // What is written meanwhile does not shift the pages.
        page.log("meanwhile").await.is_done();
        match &result["next"] {
            Value::Null => {
                assert_eq!(pages, 3);
                break;
            }
            next => args["before"] = next.clone(),
        }
    }
    assert_eq!(seen, ["e6", "e5", "e4", "e3", "e2", "e1", "e0", "join ada"]);
}

#[tokio::test]
async fn since_gives_what_is_new() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("old").await.is_done();
    let newest = page.recent().await.result()["items"][0]["id"].clone();
    let nothing = page.call("recent", json!({ "since": newest })).await.result();
    assert_eq!(nothing, json!({"items": [], "next": null}));
    page.log("new.1").await.is_done();
    page.grade(5.0).await.is_done();
    let news = page.call("recent", json!({ "since": newest })).await.result();
    assert_eq!(words(&news), ["5.0", "new.1"]);
    let grades = page.call("recent", json!({"since": newest, "kinds": ["grade"]})).await.result();
    assert_eq!(words(&grades), ["5.0"]);
}

#[tokio::test]
async fn an_address_asks_the_same() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("a").await.is_done();
    page.grade(5.0).await.is_done();
    page.log("b").await.is_done();
    let get = |query: &str| {
        let path = format!("/v1/recent{query}");
        server.ask("GET", &path).bearer(&page.token).send()
    };
    assert_eq!(words(&get("").await.result()), ["b", "5.0", "a", "join ada"]);
    assert_eq!(words(&get("?limit=2").await.result()), ["b", "5.0"]);
    assert_eq!(words(&get("?kinds=log,join").await.result()), ["b", "a", "join ada"]);
    assert_eq!(words(&get("?kinds=log%2Cgrade").await.result()), ["b", "5.0", "a"]);
    let first = get("?limit=1").await.result();
    let before = first["next"].as_str().unwrap();
    assert_eq!(words(&get(&format!("?before={before}&limit=1")).await.result()), ["5.0"]);
    for (query, expected) in [
        ("?limit=many", "422 wrong_type limit"),
        ("?limit=0", "422 out_of_range limit"),
        ("?limit=1&limit=2", "400 bad_query"),
        ("?before=%31", "400 bad_query"),
        ("?before=0", "422 bad_cursor before"),
        ("?before=999999", "422 bad_cursor before"),
        ("?kinds=rumour", "422 wrong_type kinds[0]"),
        ("?order=oldest", "422 unknown_field order"),
        ("?user=bob", "422 foreign_subject user"),
    ] {
        assert_eq!(get(query).await.refusal(), expected, "{query}");
    }
}

#[tokio::test]
async fn every_url_leads_to_its_entry() {
    let server = Server::start().await;
    let mut ada = server.page();
    ada.log("mine").await.is_done();
    ada.grade(5.0).await.is_done();
    for item in items(&ada.recent().await.result()) {
        let path = item["url"].as_str().unwrap().strip_prefix("https://latch.example").unwrap();
        let answer = server.ask("GET", path).bearer(&ada.token).send().await;
        assert_eq!(answer.result(), item);
        // Bob's key shows only his own; one for the activity shows it as another's.
        let bob = server.page_for("school", "bob", "quiz").token;
        let answer = server.ask("GET", path).bearer(&bob).send().await;
        assert_eq!(answer.refusal(), "404 not_found");
        let bob = onlooker(&server, "bob", "Bob").token;
        let answer = server.ask("GET", path).bearer(&bob).send().await;
        assert_eq!(answer.result()["user"]["own"], false);
    }
    for id in ["0", "-1", "01", "x", "999999", "9999999999999999999999"] {
        let ask = server.ask("GET", &format!("/v1/entries/{id}"));
        let answer = ask.bearer(&ada.token).send().await;
        assert_eq!(answer.refusal(), "404 not_found", "{id}");
    }
}

#[tokio::test]
async fn one_joins_once() {
    let server = Server::start().await;
    for _ in 0..3 {
        server.page().recent().await.is_done();
    }
    assert_eq!(words(&server.page().recent().await.result()), ["join ada"]);
}

#[tokio::test]
async fn reading_does_not_write() {
    // The figure is SQLite's own.
    if on_postgres() {
        return;
    }
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    let version = || server.count("SELECT data_version FROM pragma_data_version");
    let file = server.folder.path().join("data/latchkey.db");
    let database = rusqlite::Connection::open(file).unwrap();
    let read =
        || database.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = read();
    for _ in 0..5 {
        page.recent().await.is_done();
    }
    assert_eq!(read(), before);
    assert!(version() > 0);
}
