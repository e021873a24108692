//! What movies send, and what they get.

use super::{FORM, Variables, escaped, server, server_with};
use crate::server::{R, SECOND, Server};
use latchkey_protocol::launch::{Mode, Placement};
use serde_json::json;

async fn grades(server: &Server) -> Vec<(f64, Option<String>)> {
    let sql = "SELECT score, coalesce(comment, '(none)') FROM submissions ORDER BY 1";
    let rows = server.database().rows(sql).into_iter();
    let comment = |text: &String| (text != "(none)").then(|| text.clone());
    rows.map(|row| (row[0].parse().unwrap(), comment(&row[1]))).collect()
}

#[tokio::test]
async fn a_movie_logs_grades_and_reads() {
    let server = server().await;
    let key = server.launch_with(|claims| {
        claims.placement = Some(Placement { max: Some(10.0), ..Placement::default() });
    });
    let logged =
        server.form_with(&key, "log", "event=answered&data%5Fquestion=3&data_text=a+b").await;
    let (count, first) = (logged.is_ok().get("count"), logged.get("id0").unwrap());
    assert_eq!((count, logged.get("accepted")), (Some("1"), Some("1")));
    let comment = "Très bien & 50% + €, a=b";
    let body = format!("id=7&score=8.5&comment={}&progress=completed", escaped(comment));
    let graded = server.form_with(&logged.key(), "grade", &body).await;
    for (name, text) in [
        ("score", "8.5"),
        ("max", "10"),
        ("attempt", "1"),
        ("standing_score", "8.5"),
        ("standing_method", "highest"),
        ("keystate", "current"),
    ] {
        assert_eq!(graded.is_ok().get(name), Some(text), "{name}");
    }
    assert_eq!(graded.get("attempts_left"), None);
    assert_eq!(grades(&server).await, [(8.5, Some(comment.into()))]);
    let recent = server.form_with(&graded.key(), "recent", "limit=2&kinds=grade%2Clog&").await;
    for (name, text) in [
        ("count", "2"),
        ("kind0", "grade"),
        ("score0", "8.5"),
        ("kind1", "log"),
        ("event1", "answered"),
        ("data1_question", "3"),
        ("data1_text", "a b"),
        ("id1", first),
        ("user0_id", "ada"),
        ("user0_own", "true"),
    ] {
        assert_eq!(recent.is_ok().get(name), Some(text), "{name}");
    }
    assert!(recent.get("servertime").is_some() && recent.get("requestid").is_some());
    // By JSON it is the same activity.
    assert_eq!(server.count("SELECT count(*) FROM keys"), 1);
}

#[tokio::test]
async fn it_goes_on_with_the_key_of_each_answer() {
    let server = server().await;
    let mut key = server.launch();
    for step in 0..5 {
        let answer = server.form_with(&key, "log", &format!("event=step.{step}")).await;
        assert_eq!(answer.is_ok().get("keystate"), Some("current"));
        key = answer.key();
        server.after(R + SECOND);
    }
    assert_eq!(server.opened(&key).generation, 2);
}

#[tokio::test]
async fn one_that_ignores_new_keys_goes_on_with_a_fixed_one() {
    let server = server().await;
    let key = server.launch_with(|claims| {
        claims.rotation = latchkey_protocol::launch::Rotation::Off;
        claims.key_exp = Some(claims.iat + 3600);
        claims.networks = Some(vec!["127.0.0.1".into()]);
    });
    for step in 0..5 {
        server.form_with(&key, "log", &format!("event=step.{step}")).await.is_ok();
        server.after(R + SECOND);
    }
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 5);
}

#[tokio::test]
async fn as_each_player_writes_it() {
    let server = server().await;
    for (at, comment) in
        ["well+done%2E", "well%20done.", "well done.", "%77ell%20done%2e"].iter().enumerate()
    {
        let body = format!("score={at}&comment={comment}");
        server.form_with(&server.launch(), "grade", &body).await.is_ok();
    }
    let comments = grades(&server).await;
    assert!(
        comments.iter().all(|(_, comment)| comment.as_deref() == Some("well done.")),
        "{comments:?}"
    );
    assert_eq!(comments.len(), 4);
}

#[tokio::test]
async fn absent_and_empty_comments_differ() {
    let server = server().await;
    server.form_with(&server.launch(), "grade", "score=0").await.is_ok();
    server.form_with(&server.launch(), "grade", "score=1&comment=").await.is_ok();
    assert_eq!(grades(&server).await, [(0.0, None), (1.0, Some(String::new()))]);
}

#[tokio::test]
async fn the_key_comes_in_body_header_or_both() {
    let server = server().await;
    let (key, other) = (server.launch(), server.launch());
    let body = |key: &str| {
        format!("event=a&key={key}&id={}", server.count("SELECT count(*) FROM entries"))
    };
    let post = |body: String| server.ask("POST", "/legacy/v1/log").text(FORM, body);
    let ask = async |ask: crate::client::Ask<'_>| Variables::of(ask.send().await);
    ask(post(body("")).bearer(&key)).await.is_ok();
    ask(post(body(&key)).bearer(&key)).await.is_ok();
    ask(post(format!("{}&key={key}", body(&key)))).await.is_ok();
    let twice = post(format!("{}&key={other}", body(&key)));
    assert_eq!(ask(twice).await.refusal(), "two_tokens");
    assert_eq!(ask(post(body(&key)).bearer(&other)).await.refusal(), "two_tokens");
    assert_eq!(ask(post(body(""))).await.refusal(), "key_missing");
    assert_eq!(ask(post(body("lk1_nonsense"))).await.refusal(), "key_invalid");
    // In an address it is none, and no cookie is ever looked at.
    let addressed = server.ask("POST", &format!("/legacy/v1/log?key={key}"));
    let addressed = addressed.header("cookie", &format!("key={key}")).text(FORM, "event=a");
    assert_eq!(ask(addressed).await.refusal(), "key_missing");
}

#[tokio::test]
async fn where_the_operator_allows_it_the_key_comes_in_the_address() {
    let server = server_with(|config| config.legacy.query_key = true).await;
    let (key, other) = (server.launch(), server.launch());
    let post = |query: &str, body: String| {
        server.ask("POST", &format!("/legacy/v1/log?{query}")).text(FORM, body)
    };
    let ask = async |ask: crate::client::Ask<'_>| Variables::of(ask.send().await);
    ask(post(&format!("x=1&key={key}"), "event=a".into())).await.is_ok();
    ask(post(&format!("key={key}"), format!("event=b&key={key}"))).await.is_ok();
    let two = post(&format!("key={key}"), format!("event=c&key={other}"));
    assert_eq!(ask(two).await.refusal(), "two_tokens");
    let read = server.ask("GET", &format!("/legacy/v1/recent?kinds=log&key={key}"));
    assert_eq!(ask(read).await.is_ok().get("count"), Some("2"));
}

#[tokio::test]
async fn recent_by_an_address_has_its_key_in_the_header() {
    let server = server().await;
    let key = server.launch();
    server.form_with(&key, "log", "event=a").await.is_ok();
    let ask = server.ask("GET", "/legacy/v1/recent?limit=1&_junk=x").bearer(&key);
    assert_eq!(Variables::of(ask.send().await).is_ok().get("event0"), Some("a"));
    let ask = server.ask("GET", &format!("/legacy/v1/recent?key={key}"));
    assert_eq!(Variables::of(ask.send().await).refusal(), "key_missing");
}

#[tokio::test]
async fn xml_is_answered_in_xml() {
    let server = server().await;
    let key = server.launch();
    let ask = async |function: &str, kind: &str, body: String| {
        let answer =
            server.ask("POST", &format!("/legacy/v1/{function}")).text(kind, body).send().await;
        assert_eq!(answer.status.as_u16(), 200);
        assert_eq!(answer.header("content-type"), Some("text/xml; charset=utf-8"));
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    // A player sends XML under the type of forms.
    let grade = format!(
        "<grade key=\"{key}\" score=\"8.5\"><comment>Caf\u{e9} &amp; t\u{e9}</comment></grade>"
    );
    let graded = ask("grade", FORM, grade).await;
    assert!(graded.starts_with("<latchkey status=\"ok\" key=\"lk1_"), "{graded}");
    assert!(graded.contains(" score=\"8.5\" ") && graded.ends_with("/>"), "{graded}");
    assert_eq!(grades(&server).await, [(8.5, Some("Café & té".into()))]);
    let log = format!(
        "<?xml version=\"1.0\"?>\n<log key=\"{key}\"><e event=\"a\" data_q=\"&lt;\"/><e event=\"b\"/></log>"
    );
    assert!(ask("log", "text/xml", log).await.contains(" count=\"2\"><item id=\""));
    let recent = ask("recent", "application/xml", format!("<x key='{key}' kinds='log'/>")).await;
    assert!(recent.contains(" data_q=\"&#60;\" event=\"a\" "), "{recent}");
    let refused = ask("grade", FORM, format!("<grade key=\"{key}\" score=\"7,5\"/>")).await;
    assert!(refused.starts_with("<latchkey status=\"error\" code=\"bad_number\""), "{refused}");
    let broken = ask("grade", FORM, format!("\u{feff} <grade key=\"{key}\"")).await;
    assert!(broken.starts_with("<latchkey status=\"error\" code=\"bad_form\""), "{broken}");
}

#[tokio::test]
async fn all_that_a_timeline_holds_is_ignored() {
    let server = server().await;
    let junk = "onLoad=%5Btype%20Function%5D&%24version=LNX%2032&user=eve&activity=other&course=x&host=y&\
                token=abc&_quality=HIGH&caf%E9=%FF&count=12&fields=&=&x";
    let body = format!("{junk}&score=8&key={}", server.launch());
    server.form("grade", &body).await.is_ok();
    assert_eq!(server.database().rows("SELECT key FROM users"), [["ada"]]);
    assert_eq!(grades(&server).await.len(), 1);
}

#[tokio::test]
async fn a_list_longer_than_4_kib_goes_on_behind_its_cursor() {
    let server = server().await;
    let mut key = server.launch();
    for at in 0..40 {
        let entry = json!({"event": format!("e.{at}"), "data": {"text": "é".repeat(30)}});
        let answer = server.call(&key, "log", json!({"entries": [entry]})).await;
        key = answer.token().unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let body = format!("limit=100&kinds=log&before={before}");
        let page = server.form_with(&key, "recent", &body).await;
        assert!(page.answer.body.len() <= 4096, "{}", page.answer.body.len());
        let count: usize = page.is_ok().get("count").unwrap().parse().unwrap();
        seen.extend((0..count).map(|at| page.get(&format!("event{at}")).unwrap().to_owned()));
        match page.get("next") {
            Some(next) => before = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<_> = (0..40).rev().map(|at| format!("e.{at}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_page_that_may_only_look() {
    let server = server().await;
    let key = server.launch_with(|claims| claims.mode = Mode::Review);
    assert_eq!(server.form_with(&key, "grade", "score=1").await.refusal(), "key_scope");
    server.form_with(&key, "recent", "").await.is_ok();
}
