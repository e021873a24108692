//! `state` over HTTP: what an attempt keeps from one launch to the next.

use crate::server::{HOUR, Page, START, Server};
use axum::http::StatusCode;
use latchkey_protocol::launch::{LaunchClaims, Mode};
use serde_json::{Value, json};

fn granted(claims: &mut LaunchClaims) {
    claims.functions = Some(vec!["state".into(), "log".into()]);
}

fn page(server: &Server) -> Page<'_> {
    server.page_with(granted)
}

async fn put(page: &mut Page<'_>, value: Value) -> Value {
    page.call("state", json!({"op": "put", "value": value})).await.result()
}

async fn get(page: &mut Page<'_>) -> Value {
    page.call("state", json!({"op": "get"})).await.result()
}

#[tokio::test]
async fn a_document_is_there_at_the_next_launch() {
    let server = Server::start().await;
    let mut first = page(&server);
    let nothing = json!({"name": "state", "version": 0, "value": null});
    assert_eq!(get(&mut first).await, nothing);
    let document = json!({"page": 3, "answers": ["ä & +", null, 0.1, {"deep": [[]]}], "": false});
    let written = put(&mut first, document.clone()).await;
    assert_eq!((&written["name"], &written["version"]), (&json!("state"), &json!(1)));
    let at = written["at"].as_str().unwrap().to_owned();
    let mut next = page(&server);
    let expected = json!({"name": "state", "version": 1, "value": document, "at": at});
    assert_eq!(get(&mut next).await, expected);
    let patch = json!({"op": "patch", "value": {"page": 4, "answers": null}});
    assert_eq!(next.call("state", patch).await.result()["version"], 2);
    assert_eq!(get(&mut next).await["value"], json!({"page": 4, "": false}));
    let deleted = next.call("state", json!({"op": "delete"})).await.result();
    assert_eq!(deleted["version"], 3);
    let gone = get(&mut next).await;
    assert_eq!((&gone["version"], &gone["value"]), (&json!(3), &Value::Null));
}

#[tokio::test]
async fn whatever_is_json_is_kept_as_it_is() {
    let server = Server::start().await;
    let mut page = page(&server);
    for value in [
        json!(null),
        json!(false),
        json!(0),
        json!(-0.5),
        json!(u64::MAX),
        json!(14.29),
        json!(""),
        json!("2|0|1\u{1}\u{2028}😀"),
        json!([]),
        json!({}),
        json!({"__proto__": 1, "user": "u2", "token": "lk1_", "value": {"at": 1}}),
    ] {
        put(&mut page, value.clone()).await;
        assert_eq!(get(&mut page).await["value"], value);
    }
}

#[tokio::test]
async fn a_conflict_tells_how_the_document_stands() {
    let server = Server::start().await;
    let mut page = page(&server);
    put(&mut page, json!({"page": 1})).await;
    put(&mut page, json!({"page": 2})).await;
    for (args, field) in [
        (json!({"op": "put", "value": 1, "if_version": 1}), "if_version"),
        (json!({"op": "patch", "value": {}, "if_version": 0}), "if_version"),
        (json!({"op": "delete", "if_version": u64::MAX}), "if_version"),
    ] {
        let answer = page.call("state", args.clone()).await;
        assert_eq!(answer.refusal(), format!("409 version_conflict {field}"), "{args}");
        let object = answer.json();
        assert_eq!(object["error"]["current"], json!({"version": 2, "value": {"page": 2}}));
        assert!(object["token"].is_string(), "a refused call does not refuse the key");
    }
    let in_batch = json!({"calls": [
        {"id": "a", "function": "state", "args": {"op": "put", "value": 3, "if_version": 9}},
        {"id": "b", "function": "state", "args": {"op": "get"}},
    ]});
    let calls = page.call("batch", in_batch).await.result()["calls"].clone();
    assert_eq!(calls[0]["error"]["current"]["version"], 2);
    assert_eq!(calls[1]["result"]["value"], json!({"page": 2}));
    // No other refusal has that member.
    let other = page.call("state", json!({"op": "put"})).await;
    assert_eq!(other.refusal(), "422 missing_field value");
    assert_eq!(other.json()["error"].get("current"), None);
}

#[tokio::test]
async fn a_write_sent_again_is_done_once() {
    let server = Server::start().await;
    let mut page = page(&server);
    let args = json!({"id": "op-1", "op": "put", "value": {"page": 1}, "if_version": 0});
    let first = page.call("state", args.clone()).await;
    assert_eq!(first.json().get("replayed"), None);
    put(&mut page, json!({"page": 2})).await;
    let again = page.call("state", args.clone()).await;
    assert_eq!((&again.json()["replayed"], again.result()), (&json!(true), first.result()));
    assert_eq!(get(&mut page).await["value"], json!({"page": 2}));
    let other = json!({"id": "op-1", "op": "put", "value": {"page": 3}, "if_version": 0});
    assert_eq!(page.call("state", other).await.refusal(), "422 id_reused id");
    // After 72 hours it is another operation.
    server.after(73 * HOUR);
    while server.latchkey.store().sweep(START + 73 * HOUR).await.unwrap() {}
    let mut page = self::page(&server);
    assert_eq!(page.call("state", args).await.refusal(), "409 version_conflict if_version");
    // An id on a read does nothing.
    for _ in 0..2 {
        let read = page.call("state", json!({"id": "op-1", "op": "get"})).await;
        assert_eq!(read.json().get("replayed"), None);
    }
}

#[tokio::test]
async fn only_who_was_granted_it_may_call_it() {
    let server = Server::start().await;
    let refused = server.page().call("state", json!({"op": "get"})).await.refusal();
    assert_eq!(refused, "403 key_scope");
    put(&mut page(&server), json!(1)).await;
    for mode in [Mode::Browse, Mode::Review] {
        let mut onlooker = server.page_with(|claims| {
            granted(claims);
            claims.mode = mode;
        });
        assert_eq!(get(&mut onlooker).await["value"], 1);
        for args in [
            json!({"op": "put", "value": 2}),
            json!({"op": "patch", "value": {}}),
            json!({"op": "delete"}),
            json!({"op": "GET"}),
        ] {
            assert_eq!(onlooker.call("state", args).await.refusal(), "403 key_scope");
        }
    }
    assert_eq!(server.count("SELECT version FROM states"), 1);
    server.reload(|config| config.functions.retain(|name| name != "state")).unwrap();
    let off = page(&server).call("state", json!({"op": "get"})).await.refusal();
    assert_eq!(off, "403 function_off");
}

#[tokio::test]
async fn somebody_elses_document_is_out_of_reach() {
    let server = Server::start().await;
    put(&mut page(&server), json!("ada's")).await;
    let other = |change: fn(&mut LaunchClaims)| {
        server.page_with(|claims| {
            granted(claims);
            change(claims);
        })
    };
    for change in [
        (|claims| claims.sub = "ben".into()) as fn(&mut LaunchClaims),
        |claims| claims.activity = "essay".into(),
        |claims| claims.attempt = 2,
    ] {
        assert_eq!(get(&mut other(change)).await["version"], 0);
    }
    let mut ben = other(|claims| claims.sub = "ben".into());
    for (name, refusal) in [
        ("user", "422 foreign_subject user"),
        ("activity", "422 foreign_subject activity"),
        ("attempt", "422 unknown_field attempt"),
    ] {
        let args = json!({"op": "get", name: "ada"});
        assert_eq!(ben.call("state", args).await.refusal(), refusal);
    }
}

#[tokio::test]
async fn bad_input_is_refused_by_name() {
    let server = Server::start().await;
    let mut page = page(&server);
    put(&mut page, json!("kept")).await;
    for (args, refusal) in [
        (json!({}), "422 missing_field op"),
        (json!({"op": null}), "422 wrong_type op"),
        (json!({"op": "append", "value": 1}), "422 wrong_type op"),
        (json!({"op": "get", "name": ""}), "422 out_of_range name"),
        (json!({"op": "get", "name": "a/b"}), "422 out_of_range name"),
        (json!({"op": "get", "name": "n".repeat(65)}), "422 out_of_range name"),
        (json!({"op": "get", "name": 7}), "422 wrong_type name"),
        (json!({"op": "put"}), "422 missing_field value"),
        (json!({"op": "get", "value": 1}), "422 unknown_field value"),
        (json!({"op": "get", "if_version": 1}), "422 unknown_field if_version"),
        (json!({"op": "put", "value": 1, "if_version": -1}), "422 wrong_type if_version"),
        (json!({"op": "put", "value": 1, "if_version": 0.5}), "422 wrong_type if_version"),
        (json!({"op": "put", "value": 1, "if_version": "0"}), "422 wrong_type if_version"),
        (json!({"op": "put", "value": 1, "version": 1}), "422 unknown_field version"),
        (json!({"op": "put", "value": "x".repeat(65_535)}), "422 state_too_large value"),
    ] {
        let shown = args.to_string();
        let answer = page.call("state", args).await;
        assert_eq!(answer.refusal(), refusal, "{}", &shown[..shown.len().min(80)]);
    }
    let nested = |levels: usize| {
        format!(
            r#"{{"op":"put","name":"deep","value":{}{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    for (levels, expected) in [(32, "200"), (33, "422"), (120, "422"), (200, "400"), (9_000, "400")]
    {
        let ask = server.ask("POST", "/v1/state").bearer(&page.token);
        let answer = ask.text("application/json", nested(levels)).send().await;
        assert_eq!(answer.status.as_str(), expected, "{levels}");
    }
    assert_eq!(get(&mut page).await["value"], "kept");
}

#[tokio::test]
async fn the_largest_document_fits_and_no_more() {
    let server = Server::start().await;
    let mut page = page(&server);
    let largest = json!("x".repeat(65_534));
    assert_eq!(put(&mut page, largest.clone()).await["version"], 1);
    assert_eq!(get(&mut page).await["value"], largest);
    let (status, value) = {
        let args = json!({"op": "put", "value": 1, "if_version": 0});
        let answer = page.call("state", args).await;
        (answer.status, answer.json()["error"]["current"]["value"].clone())
    };
    assert_eq!((status, value), (StatusCode::CONFLICT, largest));
    let patch = json!({"op": "patch", "value": {"a": 1}});
    assert_eq!(page.call("state", patch).await.result()["version"], 2);
    // As a beacon sends it: the key and the call in the body, as text.
    let full = format!("{{\"a\":\"{}\"}}", "é".repeat(32_764));
    assert_eq!(full.len(), 65_536);
    let call = json!({"function": "state", "args": {"op": "put", "value": Value::Null}});
    let body = json!({"token": page.token, "calls": [call]}).to_string();
    let body = body.replace("null", &full);
    let answer = server.ask("POST", "/v1/batch").text("text/plain", body).send().await;
    assert_eq!(answer.result()["calls"][0]["result"]["version"], 3);
}

#[tokio::test]
async fn names_run_out() {
    let server = Server::start_with(|config| config.limits.burst = 0).await;
    let mut page = page(&server);
    let call = |number: usize| {
        let args = json!({"op": "put", "name": format!("n{number}"), "value": number});
        json!({"id": number.to_string(), "function": "state", "args": args})
    };
    let calls: Vec<_> = (0..65).map(call).collect();
    let outcomes = page.call("batch", json!({ "calls": calls })).await.result()["calls"].clone();
    assert_eq!(outcomes[63]["status"], "ok");
    assert_eq!(outcomes[64]["error"]["code"], "too_many_states");
    assert_eq!(outcomes[64]["error"]["field"], "name");
    let again = page.call("state", json!({"op": "put", "name": "n5", "value": 1})).await;
    assert_eq!(again.result()["version"], 2);
}
