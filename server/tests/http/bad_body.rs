//! Bodies that cannot be taken: each is told why, and nothing of any of them is stored.

use crate::server::Server;
use serde_json::{Value, json};

/// Sends each body with a good key, and notes what is said to it.
async fn answers(cases: &[(&str, &str)]) -> String {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    let mut seen = Vec::new();
    for (function, body) in cases {
        let path = format!("/v1/{function}");
        let ask = server.ask("POST", &path).bearer(&page.token);
        let answer = ask.text("application/json", (*body).to_owned()).send().await;
        let shown: String = body.chars().take(70).map(printable).collect();
        seen.push(format!("{} <- {function} {shown}", answer.refusal()).trim_end().to_owned());
    }
    assert_eq!(server.count("SELECT count(*) FROM entries"), 2, "a join, and what began it");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
    assert_eq!(server.count("SELECT count(*) FROM operations"), 0);
    // The key is as good as before.
    page.log("still.here").await.is_done();
    seen.join("\n")
}

fn printable(c: char) -> char {
    if c.is_ascii_graphic() || c == ' ' { c } else { '·' }
}

#[tokio::test]
async fn scores_that_are_none() {
    let cases = [
        ("grade", r#"{"score":NaN}"#),
        ("grade", r#"{"score":Infinity}"#),
        ("grade", r#"{"score":-Infinity}"#),
        ("grade", r#"{"score":1e999}"#),
        ("grade", r#"{"score":-0.001}"#),
        ("grade", r#"{"score":100.001}"#),
        ("grade", r#"{"score":10.5,"max":10}"#),
        ("grade", r#"{"score":0,"max":0}"#),
        ("grade", r#"{"score":0,"max":-1}"#),
        ("grade", r#"{"score":"8.5"}"#),
        ("grade", r#"{"score":true}"#),
        ("grade", r#"{"score":null}"#),
        ("grade", r#"{"score":[8.5]}"#),
        ("grade", r#"{}"#),
    ];
    insta::assert_snapshot!(answers(&cases).await, @r#"
    400 bad_json <- grade {"score":NaN}
    400 bad_json <- grade {"score":Infinity}
    400 bad_json <- grade {"score":-Infinity}
    400 bad_json <- grade {"score":1e999}
    422 score_negative score <- grade {"score":-0.001}
    422 score_above_max score <- grade {"score":100.001}
    422 score_above_max score <- grade {"score":10.5,"max":10}
    422 out_of_range max <- grade {"score":0,"max":0}
    422 out_of_range max <- grade {"score":0,"max":-1}
    422 wrong_type score <- grade {"score":"8.5"}
    422 wrong_type score <- grade {"score":true}
    422 wrong_type score <- grade {"score":null}
    422 wrong_type score <- grade {"score":[8.5]}
    422 missing_field score <- grade {}
    "#);
}

#[tokio::test]
async fn members_that_are_wrong() {
    let cases = [
        ("grade", r#"{"score":1,"sccore":1}"#),
        ("grade", r#"{"score":1,"<script>":1}"#),
        ("grade", r#"{"score":1,"comment":5}"#),
        ("grade", r#"{"score":1,"progress":"done"}"#),
        ("grade", r#"{"score":1,"grading":"perhaps"}"#),
        ("grade", r#"{"score":1,"sequence":-1}"#),
        ("grade", r#"{"score":1,"at":"noon"}"#),
        ("grade", r#"{"score":1,"sent":"noon"}"#),
        ("grade", r#"{"score":1,"sent":5}"#),
        ("grade", r#"{"score":1,"id":5}"#),
        ("grade", r#"{"score":1,"id":""}"#),
        ("grade", r#"{"score":1,"id":"two words"}"#),
        ("log", r#"{"entries":{}}"#),
        ("log", r#"{"entries":[]}"#),
        ("log", r#"{"entries":[{"event":"a"},["b"]]}"#),
        ("log", r#"{"entries":[{"event":"a"},{"event":"b","ip":"1"}]}"#),
        ("log", r#"{"entries":[{"event":"a"},{}]}"#),
        ("log", r#"{"entries":[{"event":"a"},{"event":""}]}"#),
        ("log", r#"{"entries":[{"event":"a","data":[1]}]}"#),
        ("log", r#"{"entries":[{"event":"a","id":""}]}"#),
        ("recent", r#"{"limit":101}"#),
        ("recent", r#"{"limit":-1}"#),
        ("recent", r#"{"kinds":["rumour"]}"#),
        ("recent", r#"{"before":"latest"}"#),
        ("recent", r#"{"since":"01"}"#),
        ("batch", r#"{}"#),
        ("batch", r#"{"calls":{}}"#),
        ("batch", r#"{"calls":[],"more":1}"#),
        ("batch", r#"{"calls":[{"function":"log","args":{}},5]}"#),
        ("batch", r#"{"calls":[{"args":{}}]}"#),
        ("batch", r#"{"calls":[{"function":"log","args":[]}]}"#),
        ("delete", r#"{}"#),
    ];
    insta::assert_snapshot!(answers(&cases).await, @r#"
    422 unknown_field sccore <- grade {"score":1,"sccore":1}
    422 unknown_field ? <- grade {"score":1,"<script>":1}
    422 wrong_type comment <- grade {"score":1,"comment":5}
    422 wrong_type progress <- grade {"score":1,"progress":"done"}
    422 wrong_type grading <- grade {"score":1,"grading":"perhaps"}
    422 wrong_type sequence <- grade {"score":1,"sequence":-1}
    422 wrong_type at <- grade {"score":1,"at":"noon"}
    422 wrong_type sent <- grade {"score":1,"sent":"noon"}
    422 wrong_type sent <- grade {"score":1,"sent":5}
    422 wrong_type id <- grade {"score":1,"id":5}
    422 out_of_range id <- grade {"score":1,"id":""}
    422 out_of_range id <- grade {"score":1,"id":"two words"}
    422 wrong_type entries <- log {"entries":{}}
    422 out_of_range entries <- log {"entries":[]}
    422 wrong_type entries[1] <- log {"entries":[{"event":"a"},["b"]]}
    422 unknown_field entries[1].ip <- log {"entries":[{"event":"a"},{"event":"b","ip":"1"}]}
    422 missing_field entries[1].event <- log {"entries":[{"event":"a"},{}]}
    422 bad_event entries[1].event <- log {"entries":[{"event":"a"},{"event":""}]}
    422 wrong_type entries[0].data <- log {"entries":[{"event":"a","data":[1]}]}
    422 out_of_range entries[0].id <- log {"entries":[{"event":"a","id":""}]}
    422 out_of_range limit <- recent {"limit":101}
    422 wrong_type limit <- recent {"limit":-1}
    422 wrong_type kinds[0] <- recent {"kinds":["rumour"]}
    422 bad_cursor before <- recent {"before":"latest"}
    422 bad_cursor since <- recent {"since":"01"}
    422 missing_field calls <- batch {}
    422 wrong_type calls <- batch {"calls":{}}
    422 unknown_field more <- batch {"calls":[],"more":1}
    422 wrong_type calls[1] <- batch {"calls":[{"function":"log","args":{}},5]}
    422 wrong_type calls[0] <- batch {"calls":[{"args":{}}]}
    422 wrong_type calls[0] <- batch {"calls":[{"function":"log","args":[]}]}
    404 unknown_function <- delete {}
    "#);
}

#[tokio::test]
async fn whose_it_is_is_not_the_bodys_to_say() {
    let cases = [
        ("grade", r#"{"score":1,"user":"bob"}"#),
        ("grade", r#"{"score":1,"user":"ada"}"#),
        ("grade", r#"{"score":1,"userid":5}"#),
        ("grade", r#"{"score":1,"activity":"other"}"#),
        ("grade", r#"{"score":1,"attempt":2}"#),
        ("grade", r#"{"score":1,"attempt":0}"#),
        ("log", r#"{"entries":[{"event":"a"}],"activity_id":7}"#),
        ("log", r#"{"entries":[{"event":"a","user":"bob"}]}"#),
        ("recent", r#"{"user":"bob"}"#),
        ("recent", r#"{"host":"academy"}"#),
        ("recent", r#"{"attempt":2}"#),
    ];
    insta::assert_snapshot!(answers(&cases).await, @r#"
    422 foreign_subject user <- grade {"score":1,"user":"bob"}
    422 foreign_subject user <- grade {"score":1,"user":"ada"}
    422 foreign_subject userid <- grade {"score":1,"userid":5}
    422 foreign_subject activity <- grade {"score":1,"activity":"other"}
    422 foreign_subject attempt <- grade {"score":1,"attempt":2}
    422 foreign_subject attempt <- grade {"score":1,"attempt":0}
    422 foreign_subject activity_id <- log {"entries":[{"event":"a"}],"activity_id":7}
    422 unknown_field entries[0].user <- log {"entries":[{"event":"a","user":"bob"}]}
    422 foreign_subject user <- recent {"user":"bob"}
    422 foreign_subject host <- recent {"host":"academy"}
    422 unknown_field attempt <- recent {"attempt":2}
    "#);
}

#[tokio::test]
async fn bodies_that_are_no_json_object() {
    let deep = format!(r#"{{"score":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let cases = [
        ("grade", ""),
        ("grade", " "),
        ("grade", "null"),
        ("grade", "5"),
        ("grade", r#"[{"score":1}]"#),
        ("grade", r#"{"score":1"#),
        ("grade", r#"{"score":1}}"#),
        ("grade", r#"{"score":1,}"#),
        ("grade", r#"{'score':1}"#),
        ("grade", r#"{"score":01}"#),
        ("grade", "{\"score\":1,\"comment\":\"a\nb\"}"),
        ("grade", r#"{"score":1,"comment":"\ud800"}"#),
        ("grade", "\u{feff}{\"score\":1}"),
        ("grade", &deep),
        ("batch", ""),
        ("batch", r#"[]"#),
    ];
    insta::assert_snapshot!(answers(&cases).await, @r#"
    400 bad_json <- grade
    400 bad_json <- grade
    400 bad_json <- grade null
    400 bad_json <- grade 5
    400 bad_json <- grade [{"score":1}]
    400 bad_json <- grade {"score":1
    400 bad_json <- grade {"score":1}}
    400 bad_json <- grade {"score":1,}
    400 bad_json <- grade {'score':1}
    400 bad_json <- grade {"score":01}
    400 bad_json <- grade {"score":1,"comment":"a·b"}
    400 bad_json <- grade {"score":1,"comment":"\ud800"}
    400 bad_json <- grade ·{"score":1}
    400 bad_json <- grade {"score":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
    400 bad_json <- batch
    400 bad_json <- batch []
    "#);
}

/// Readers of JSON differ on which of two members counts, so that what one checks another may not do.
#[tokio::test]
async fn duplicate_members() {
    let cases = [
        ("grade", r#"{"score":1,"score":2}"#),
        ("grade", r#"{"score":1,"id":"a","id":"b"}"#),
        ("grade", r#"{"score":1,"token":"a","token":"b"}"#),
        ("log", r#"{"entries":[{"event":"a","event":"b"}]}"#),
        ("batch", r#"{"calls":[],"calls":[]}"#),
    ];
    insta::assert_snapshot!(answers(&cases).await, @r#"
    400 bad_json <- grade {"score":1,"score":2}
    400 bad_json <- grade {"score":1,"id":"a","id":"b"}
    400 bad_json <- grade {"score":1,"token":"a","token":"b"}
    400 bad_json <- log {"entries":[{"event":"a","event":"b"}]}
    400 bad_json <- batch {"calls":[],"calls":[]}
    "#);
}

#[tokio::test]
async fn bytes_that_are_no_utf8() {
    let server = Server::start().await;
    let ask = server.ask("POST", "/v1/grade").bearer(&server.launch());
    let body = b"{\"score\":1,\"comment\":\"\xff\xfe\"}".to_vec();
    assert_eq!(ask.text("application/json", body).send().await.refusal(), "400 bad_json");
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
}

#[tokio::test]
async fn types_that_are_not_read() {
    let server = Server::start().await;
    let token = server.launch();
    for kind in
        ["text/html", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""]
    {
        let ask = server.ask("POST", "/v1/grade").bearer(&token);
        let answer = ask.text(kind, r#"{"score":1}"#).send().await;
        assert_eq!(answer.refusal(), "415 unsupported_media_type", "{kind}");
    }
    let none = server.ask("POST", "/v1/grade").bearer(&token).body(r#"{"score":1}"#);
    assert_eq!(none.send().await.refusal(), "415 unsupported_media_type");
    for kind in ["application/json", "Application/JSON; charset=utf-8", "text/plain;charset=UTF-8"]
    {
        let ask = server.ask("POST", "/v1/grade").bearer(&token);
        ask.text(kind, r#"{"score":1}"#).send().await.is_done();
    }
}

#[tokio::test]
async fn sizes_on_both_sides_of_their_limits() {
    let server = Server::start().await;
    let mut page = server.page();
    let entries = |n: usize| json!({"entries": vec![json!({"event": "e"}); n]});
    page.call("log", entries(100)).await.is_done();
    assert_eq!(page.call("log", entries(101)).await.refusal(), "422 too_many entries");
    let data = |n: usize| json!({"entries": [{"event": "e", "data": {"x": "y".repeat(n - 8)}}]});
    page.call("log", data(4096)).await.is_done();
    assert_eq!(page.call("log", data(4097)).await.refusal(), "422 data_too_large entries[0].data");
    let deep = |n: usize| {
        let data = (1..n).fold(json!({}), |inner, _| json!({ "in": inner }));
        json!({"entries": [{"event": "e", "data": data}]})
    };
    page.call("log", deep(16)).await.is_done();
    assert_eq!(page.call("log", deep(17)).await.refusal(), "422 data_too_deep entries[0].data");
    let calls = |n: usize| json!({"calls": vec![json!({"function": "recent", "args": {}}); n]});
    page.call("batch", calls(100)).await.is_done();
    assert_eq!(page.call("batch", calls(101)).await.refusal(), "422 too_many calls");
    let comment = |n: usize| json!({"score": 1, "comment": "x".repeat(n)});
    page.call("grade", comment(4096)).await.is_done();
    assert_eq!(page.call("grade", comment(4097)).await.refusal(), "422 out_of_range comment");
    let id = |n: usize| json!({"score": 1, "id": "x".repeat(n)});
    page.call("grade", id(128)).await.is_done();
    assert_eq!(page.call("grade", id(129)).await.refusal(), "422 out_of_range id");
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 102);
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let server = Server::start().await;
    let token = server.launch();
    for (size, expected) in [(131_072, "200"), (131_073, "413")] {
        let mut body = br#"{"score":1}"#.to_vec();
        body.resize(size, b' ');
        let ask = server.ask("POST", "/v1/grade").bearer(&token);
        let answer = ask.text("application/json", body).send().await;
        assert_eq!(answer.status.as_str(), expected, "{size}");
    }
}

#[tokio::test]
async fn one_bad_entry_keeps_all_of_its_call_out() {
    let server = Server::start().await;
    let mut page = server.page();
    page.call("log", json!({"entries": [{"id": "e1", "event": "kept"}]})).await.is_done();
    let reused = json!({"entries": [{"id": "e2", "event": "new"}, {"id": "e1", "event": "other"}]});
    assert_eq!(page.call("log", reused).await.refusal(), "422 id_reused entries[1].id");
    let twins = json!({"entries": [{"id": "e3", "event": "a"}, {"id": "e3", "event": "b"}]});
    assert_eq!(page.call("log", twins).await.refusal(), "422 id_reused entries[1].id");
    assert_eq!(page.events().await, ["kept"]);
    assert_eq!(server.count("SELECT count(*) FROM operations"), 1);
}

#[tokio::test]
async fn a_bad_call_does_not_stop_its_batch() {
    let server = Server::start().await;
    let mut page = server.page();
    let calls: Vec<Value> = vec![
        json!({"id": "1", "function": "log", "args": {"entries": [{"event": "first"}]}}),
        json!({"id": "2", "function": "grade", "args": {"score": -1}}),
        json!({"id": "3", "function": "vote", "args": {}}),
        json!({"id": "4", "function": "grade", "args": {"score": 0}}),
        json!({"function": "recent", "args": {"user": "bob"}}),
    ];
    let mut result = page.call("batch", json!({ "calls": calls })).await.result();
    let hidden = ["/calls/0/result/ids/0", "/calls/3/result/url", "/calls/3/result/submission"];
    for pointer in hidden {
        result.pointer_mut(pointer).unwrap().take();
    }
    let lines: Vec<_> = result["calls"].as_array().unwrap().iter().map(Value::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"id":"1","result":{"accepted":1,"ids":[null]},"status":"ok"}
    {"error":{"code":"score_negative","field":"score","message":"The score is below zero.","retryable":false},"id":"2","status":"failed"}
    {"error":{"code":"unknown_function","message":"There is no function of this name. See the list of functions in the documentation.","retryable":false},"id":"3","status":"failed"}
    {"id":"4","result":{"attempt":1,"attempts_left":null,"max":100.0,"score":0.0,"standing":{"max":100.0,"method":"highest","score":0.0},"submission":null,"url":null},"status":"ok"}
    {"error":{"code":"foreign_subject","field":"user","message":"User, activity and attempt come from the key. The field named says another.","retryable":false},"status":"failed"}
    "#);
    assert_eq!(page.events().await, ["first"]);
}
