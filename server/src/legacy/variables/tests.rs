use super::*;
use crate::version::Version;
use axum::http::StatusCode;
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::result::{ErrorBody, KeyStanding, ResultObject};
use serde_json::json;

fn told(result: Option<Value>, error: Option<ErrorBody>) -> Told {
    let status = if error.is_none() { Status::Ok } else { Status::Error };
    let object = ResultObject {
        status,
        result: result.map(|value| serde_json::value::to_raw_value(&value).unwrap()),
        error,
        replayed: false,
        token: Some("lk1_a-b".into()),
        key: Some(KeyStanding { state: KeyState::Current, expires_at: "2026".into() }),
        server_time: "12:00".into(),
        request_id: "r".into(),
    };
    Told { status: StatusCode::OK, retry_after: None, version: Version::NEWEST, object }
}

fn form(result: Value) -> String {
    Flat::of(told(Some(result), None)).form()
}

/// As a player reads it.
fn read(form: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

fn of<'a>(read: &'a [(String, String)], name: &str) -> Option<&'a str> {
    read.iter().find(|(known, _)| known == name).map(|(_, text)| &**text)
}

const HEAD: &str =
    "status=ok&key=lk1%5Fa%2Db&keystate=current&keyexpires=2026&servertime=12%3A00&requestid=r";

#[test]
fn every_byte_but_letters_and_digits_is_escaped() {
    let written =
        form(json!({"comment": "Café & 50% + €_.-~*\n", "standing": {"score": 8.5, "max": 10.0}}));
    let rest = "comment=Caf%C3%A9%20%26%2050%25%20%2B%20%E2%82%AC%5F%2E%2D%7E%2A%0A&standing%5Fmax=10&\
                standing%5Fscore=8%2E5";
    assert_eq!(written, format!("{HEAD}&{rest}"));
    assert_eq!(of(&read(&written), "comment"), Some("Café & 50% + €_.-~*\n"));
}

#[test]
fn values_of_every_kind() {
    let read = read(&form(
        json!({"a": null, "b": true, "c": [1, 2], "d": {"e": {"f": 1}}, "g": 0.5, "h": 1e21}),
    ));
    for (name, text) in
        [("b", "true"), ("c", "[1,2]"), ("d_e", "{\"f\":1}"), ("g", "0.5"), ("h", "1e+21")]
    {
        assert_eq!(of(&read, name), Some(text), "{name}");
    }
    assert_eq!(of(&read, "a"), None);
}

#[test]
fn lists_are_numbered() {
    let ids = form(json!({"accepted": 2, "ids": ["12", "13"]}));
    assert_eq!(ids, format!("{HEAD}&accepted=2&count=2&id0=12&id1=13"));
    let items = json!([{"event": "a", "data": {"q": 1}, "user": {"id": "u1", "name": null}}, {"event": "b"}]);
    let read = read(&form(json!({"items": items, "next": "4"})));
    for (name, text) in [
        ("count", "2"),
        ("event0", "a"),
        ("data0_q", "1"),
        ("user0_id", "u1"),
        ("event1", "b"),
        ("next", "4"),
    ] {
        assert_eq!(of(&read, name), Some(text), "{name}");
    }
    assert_eq!(form(json!({"items": [], "next": null})), format!("{HEAD}&count=0"));
}

#[test]
fn a_long_list_is_cut_and_goes_on() {
    let item =
        |id: u32, size: usize| json!({"id": id.to_string(), "data": {"t": "é".repeat(size)}});
    let items: Vec<_> = (1..=100).map(|id| item(101 - id, 40)).collect();
    let written = form(json!({"items": items, "next": "1"}));
    assert!(written.len() <= MAX_LIST && written.len() > MAX_LIST - 512, "{}", written.len());
    let seen = read(&written);
    let count: usize = of(&seen, "count").unwrap().parse().unwrap();
    let last = of(&seen, &format!("id{}", count - 1)).unwrap().to_owned();
    assert_eq!(of(&seen, "next"), Some(&*last));
    assert_eq!(of(&seen, &format!("id{count}")), None);
    // One that is too long by itself goes without its data, and tells so.
    let seen = read(&form(json!({"items": [item(9, 2_000), item(8, 1)], "next": null})));
    assert_eq!(
        (of(&seen, "id0"), of(&seen, "cut0"), of(&seen, "data0_t")),
        (Some("9"), Some("true"), None)
    );
    assert_eq!((of(&seen, "id1"), of(&seen, "count")), (Some("8"), Some("2")));
}

#[test]
fn refusals() {
    let error = ErrorBody::new(ErrorCode::ScoreNegative, Some("score".into()));
    let written = Flat::of(Told { retry_after: Some(2), ..told(None, Some(error)) }).form();
    let start = "status=error&code=score%5Fnegative&message=The%20score%20is%20below%20zero%2E&field=score&\
                 retryable=false&retryafter=2&key=lk1";
    assert!(written.starts_with(start), "{written}");
}

#[test]
fn xml_says_the_same() {
    let items =
        json!([{"event": "a<b>\"'\n&\u{1}", "data": {"a b": 1, "a-c": 2, "a.b": 3, "a_b": 4}}]);
    let written = Flat::of(told(Some(json!({"items": items, "next": "4"})), None)).xml();
    let expected = "<latchkey status=\"ok\" key=\"lk1_a-b\" keystate=\"current\" keyexpires=\"2026\" \
        servertime=\"12:00\" requestid=\"r\" next=\"4\" count=\"1\"><item data_a_b=\"1\" data_a-c=\"2\" \
        data_a.b=\"3\" event=\"a&#60;b&#62;&#34;&#39;&#10;&#38;\u{fffd}\"/></latchkey>";
    assert_eq!(written, expected);
    let empty = Flat::of(told(Some(json!({"score": 1})), None)).xml();
    assert!(empty.ends_with(" score=\"1\"/>"), "{empty}");
}
