//! Texts that a database may refuse: on each backend the same refusal, and never a failure of the store.

use crate::host::school;
use crate::server::Server;
use axum::http::StatusCode;
use latchkey_protocol::launch::{LaunchClaims, Rotation, UserDescription};
use latchkey_server::config::Protocol;
use serde_json::{Value, json};

/// The value with `text` behind each of its texts in turn, and the path of that text.
fn with_each_text(value: &Value, text: &str) -> Vec<(String, Value)> {
    let child = |path: &str, rest: &str| match rest.is_empty() || rest.starts_with('[') {
        true => format!("{path}{rest}"),
        false => format!("{path}.{rest}"),
    };
    let mut all = Vec::new();
    match value {
        Value::String(old) => all.push((String::new(), json!(format!("{old}{text}")))),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                for (path, changed) in with_each_text(item, text) {
                    let mut value = value.clone();
                    value[at] = changed;
                    all.push((child(&format!("[{at}]"), &path), value));
                }
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                for (path, changed) in with_each_text(member, text) {
                    let mut value = value.clone();
                    value[name] = changed;
                    all.push((child(name, &path), value));
                }
            }
        }
        _ => {}
    }
    all
}

/// Inputs with every member that may hold a text.
fn inputs() -> Vec<(&'static str, Value)> {
    let data = json!({"a": "x", "b": [{"c": "y"}]});
    vec![
        ("log", json!({"entries": [{"event": "a", "data": data}, {"event": "b"}]})),
        ("grade", json!({"score": 1, "comment": "well done", "progress": "completed"})),
        ("state", json!({"op": "put", "name": "place", "value": {"page": "x", "of": ["y"]}})),
        ("recent", json!({"before": "1", "kinds": ["log"]})),
    ]
}

fn all_functions(claims: &mut LaunchClaims) {
    claims.functions = Some(["log", "grade", "recent", "state"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_nul_in_any_text_is_refused_by_its_path() {
    let server = Server::start().await;
    let mut page = server.page_with(all_functions);
    for (function, input) in inputs() {
        for (path, spoilt) in with_each_text(&input, "\0") {
            let refusal = page.call(function, spoilt).await.refusal();
            assert_eq!(refusal, format!("422 invalid_input {path}"), "{function}");
        }
    }
    let named = json!({"entries": [{"event": "a", "data": {"x\0": 1}}]});
    assert_eq!(page.call("log", named).await.refusal(), "422 invalid_input entries[0].data");
    // In a batch it spoils its own call only.
    let calls = json!([
        {"id": "1", "function": "grade", "args": {"score": 1, "comment": "\0"}},
        {"id": "2", "function": "grade", "args": {"score": 2}},
    ]);
    let answer = server.ask("POST", "/v1/batch").bearer(&page.token).json(&json!({"calls": calls}));
    let result = answer.send().await.result();
    assert_eq!(result["calls"][0]["error"]["code"], "invalid_input");
    assert_eq!(result["calls"][0]["error"]["field"], "comment");
    assert_eq!(result["calls"][1]["status"], "ok");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
}

/// What looks odd but is text is kept as it came.
#[tokio::test]
async fn every_other_character_is_kept() {
    let server = Server::start().await;
    let mut page = server.page_with(all_functions);
    let odd = "\u{1}\u{7f}\u{85}\u{fffe}\u{ffff}\u{feff}\u{202e}\u{10ffff}e\u{301}\\u0000%00'\";--";
    page.call("grade", json!({"score": 1, "comment": odd})).await.is_done();
    let entry = json!({"event": "odd", "data": {odd: [odd]}});
    page.call("log", json!({"entries": [entry]})).await.is_done();
    page.call("state", json!({"op": "put", "name": "odd", "value": {odd: odd}})).await.is_done();
    let state = page.call("state", json!({"op": "get", "name": "odd"})).await.result();
    assert_eq!(state["value"], json!({odd: odd}));
    assert_eq!(page.recent().await.result()["items"][0]["data"], json!({odd: [odd]}));
    let grade = school(&server).get("/host/v1/grades/quiz/ada").await.result();
    assert_eq!(grade["comment"], odd);
}

#[tokio::test]
async fn numbers_at_their_edges_are_kept_or_refused_alike() {
    let server = Server::start().await;
    let mut page = server.page_with(all_functions);
    for (args, outcome) in [
        (json!({"score": -0.0}), "ok"),
        (json!({"score": 5e-324}), "ok"),
        (json!({"score": 1e-300, "max": 1e-299}), "ok"),
        (json!({"score": 1.797e308, "max": 1.797e308}), "ok"),
        (json!({"score": 1, "sequence": i64::MAX}), "ok"),
        (json!({"score": 1, "sequence": u64::MAX}), "either"),
        (json!({"score": 1, "sequence": i64::MIN}), "either"),
        (json!({"score": 1, "sequence": 1e30}), "either"),
        (json!({"score": 1, "at": "9999-12-31T23:59:59Z"}), "ok"),
        (json!({"score": 1, "at": "0000-01-01T00:00:00Z"}), "ok"),
        (json!({"score": 1, "at": "-9999-01-01T00:00:00Z"}), "422 wrong_type at"),
        (json!({"score": 1, "at": "2026-02-30T00:00:00Z"}), "422 wrong_type at"),
    ] {
        let answer = page.call("grade", args.clone()).await;
        match outcome {
            "ok" => drop(answer.result()),
            "either" => assert!([200, 422].contains(&answer.status.as_u16()), "{args} {answer:?}"),
            refusal => assert_eq!(answer.refusal(), refusal, "{args}"),
        }
    }
    let beyond = json!({"op": "put", "name": "n", "value": 1, "if_version": u64::MAX});
    let status = page.call("state", beyond).await.status;
    assert!(status == StatusCode::CONFLICT || status == StatusCode::UNPROCESSABLE_ENTITY);
    for cursor in [i64::MIN, -1, 0, i64::MAX] {
        let args = json!({"before": cursor.to_string()});
        assert_eq!(page.call("recent", args).await.refusal(), "422 bad_cursor before");
    }
}

#[tokio::test]
async fn the_longest_keys_are_kept() {
    let server = Server::start().await;
    let (long, text) = ("é".repeat(127), "ü".repeat(512));
    let user = json!({"id": long, "username": long, "name": text, "email": text, "idnumber": text});
    assert_eq!(school(&server).set("users", json!([user])).await, ["created"]);
    let course = json!({"id": long, "title": text, "shortname": text, "idnumber": text});
    assert_eq!(school(&server).set("courses", json!([course])).await, ["created"]);
    let id = "~".repeat(128);
    let claims = |claims: &mut LaunchClaims| {
        (claims.sub, claims.activity) = (long.clone(), long.clone());
        claims.session = Some(long.clone());
    };
    let page = server.page_with(claims);
    let ask = server.ask("POST", "/v1/grade").bearer(&page.token).header("idempotency-key", &id);
    ask.json(&json!({"score": 1})).send().await.is_done();
}

#[tokio::test]
async fn hosts_are_told_the_same() {
    let server = Server::start().await;
    let host = school(&server);
    server.page().grade(1.0).await.is_done();
    let grade = json!({"user": "ada", "activity": "quiz", "score": 2, "feedback": "f", "scale": "s",
        "reason": "r", "by": "b"});
    for (path, spoilt) in with_each_text(&json!({"grades": [grade]}), "\0") {
        let refusal = host.post("/host/v1/grades", &spoilt).await.refusal();
        assert_eq!(refusal, format!("422 invalid_input {path}"));
    }
    let set = host.set("users", json!([{"id": "u", "name": "\0"}, {"id": "v"}])).await;
    assert_eq!(set, ["out_of_range users[0].name", "created"]);
    for path in ["users/a%00b", "grades/quiz/%00", "activities/%00"] {
        let refusal = host.get(&format!("/host/v1/{path}")).await.refusal();
        assert!(refusal.starts_with("422 invalid_input "), "{path}: {refusal}");
    }
    let refusal = host.delete("/host/v1/users/%00").await.refusal();
    assert_eq!(refusal, "422 invalid_input id");
    let refusal = host.get("/host/v1/users?by=idnumber&value=a%00").await.refusal();
    assert_eq!(refusal, "422 invalid_input value");
}

#[tokio::test]
async fn a_launch_with_one_is_none() {
    let server = Server::start().await;
    let name = Some("Ada\0".to_owned());
    let described = UserDescription { name, ..UserDescription::default() };
    let mut page = server.page_with(|claims| claims.user = Some(described));
    assert_eq!(page.recent().await.refusal(), "401 key_invalid");
}

#[tokio::test]
async fn older_wires_refuse_it_in_their_words() {
    let server = Server::start_with(|config| {
        config.protocols = vec![Protocol::Json, Protocol::Form, Protocol::Hacp, Protocol::Scorm];
    });
    let server = server.await;
    let launch = || {
        server.launch_with(|claims| {
            all_functions(claims);
            claims.rotation = Rotation::Off;
            claims.networks = Some(vec!["127.0.0.1".to_owned()]);
        })
    };
    let form = "application/x-www-form-urlencoded";
    let post = async |path: &str, kind: &str, body: String| {
        let answer = server.ask("POST", path).text(kind, body).send().await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    let body = format!("key={}&score=1&comment=a%00b", launch());
    let told = post("/legacy/v1/grade", form, body).await;
    assert!(told.contains("code=invalid%5Finput") || told.contains("invalid_input"), "{told}");
    assert!(told.contains("comment"), "{told}");
    for command in ["PutParam", "PutInteractions"] {
        let data = "%5BCore%5D%0D%0AScore%3D1%00%0D%0A";
        let body = format!("command={command}&session_id={}&aicc_data={data}", launch());
        let told = post("/legacy/v1/hacp", form, body).await;
        assert!(told.starts_with("error=4\r\n"), "{told}");
        assert!(told.contains("invalid_input aicc_data"), "{told}");
    }
    let commit = json!({"key": launch(), "cmi": {"suspend_data": "a\0b"}});
    let told = post("/legacy/v1/scorm/commit", "application/json", commit.to_string()).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["error"]["code"], "invalid_input");
    assert_eq!(told["error"]["field"], "cmi.suspend_data");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
}
