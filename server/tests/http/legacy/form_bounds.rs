//! What must not come in by a form, and how that is told.

use super::{FORM, Variables, server, server_with};
use crate::client::Ask;
use crate::server::{PATIENCE, Server};
use latchkey_server::config::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SCHOOL: &str = "https://school.example";

async fn told(ask: Ask<'_>) -> Variables {
    Variables::of(ask.send().await)
}

#[tokio::test]
async fn scores_that_are_none() {
    let server = server().await;
    let key = server.launch();
    for score in ["7%2C5", "7,5", "NaN", "Infinity", "undefined", "1e999", "%D9%A5", "8/10", "+"] {
        let refused = server.form_with(&key, "grade", &format!("score={score}")).await;
        assert_eq!(refused.refusal(), "bad_number score", "{score}");
        assert!(refused.key().starts_with("lk1_"), "a good key is renewed all the same");
    }
    for (body, refusal) in [
        ("", "missing_field score"),
        ("score=", "missing_field score"),
        ("score=-1", "score_negative score"),
        ("score=101&max=100", "score_above_max score"),
        ("score=1&max=0", "out_of_range max"),
        ("score=1&score=2", "bad_form score"),
        ("score=1&comment=%FF", "bad_form comment"),
        ("score=1&progress=done", "wrong_type progress"),
        ("score=1&attempt=2", "foreign_subject attempt"),
        ("score=1&at=noon", "wrong_type at"),
        ("score=1&sent=noon", "wrong_type sent"),
        ("score=1&sequence=1.5", "wrong_type sequence"),
    ] {
        assert_eq!(server.form_with(&key, "grade", body).await.refusal(), refusal, "{body}");
    }
    let long = format!("score=1&comment={}", "x".repeat(4097));
    assert_eq!(server.form_with(&key, "grade", &long).await.refusal(), "out_of_range comment");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
}

#[tokio::test]
async fn entries_that_are_none() {
    let server = server().await;
    let key = server.launch();
    for (body, refusal) in [
        ("", "missing_field event"),
        ("event=A", "bad_event entries[0].event"),
        ("event0=a&event1=B", "bad_event entries[1].event"),
        ("event=a&data=hello", "wrong_type data"),
        ("event=a&data=[1]", "wrong_type data"),
        ("event=a&at=noon", "wrong_type entries[0].at"),
        ("event=a&id=%C3%A9", "out_of_range id"),
    ] {
        assert_eq!(server.form_with(&key, "log", body).await.refusal(), refusal, "{body}");
    }
    let many = (0..101).map(|at| format!("event{at}=a")).collect::<Vec<_>>().join("&");
    assert_eq!(server.form_with(&key, "log", &many).await.refusal(), "too_many entries");
    let large = format!("event=a&data_text={}", "x".repeat(4097));
    assert_eq!(
        server.form_with(&key, "log", &large).await.refusal(),
        "data_too_large entries[0].data"
    );
    let data = format!("event=a&data={}1{}", "%7B%22a%22%3A".repeat(20), "%7D".repeat(20));
    assert_eq!(
        server.form_with(&key, "log", &data).await.refusal(),
        "data_too_deep entries[0].data"
    );
    assert_eq!(server.form_with(&key, "recent", "limit=0").await.refusal(), "out_of_range limit");
    assert_eq!(server.form_with(&key, "recent", "before=x").await.refusal(), "bad_cursor before");
}

#[tokio::test]
async fn bodies_that_are_none() {
    let server = server().await;
    let key = server.launch();
    let post = |kind: &str, body: String| server.ask("POST", "/legacy/v1/log").text(kind, body);
    let large = format!("key={key}&event=a&junk={}", "x".repeat(140_000));
    assert_eq!(told(post(FORM, large)).await.refusal(), "body_too_large");
    let many = format!("key={key}&event=a{}", "&x=1".repeat(255));
    assert_eq!(told(post(FORM, many)).await.refusal(), "bad_form");
    for kind in ["application/json", "multipart/form-data; boundary=x", "image/png"] {
        let refused = told(post(kind, format!("key={key}&event=a"))).await;
        assert_eq!(refused.refusal(), "unsupported_media_type", "{kind}");
    }
    let utf16 = server.ask("POST", "/legacy/v1/log").text(FORM, &b"k\0e\0y\0=\0a\0"[..]);
    assert_eq!(told(utf16).await.refusal(), "key_missing");
    let bare = server.ask("POST", "/legacy/v1/log").body(format!("key={key}&event=a"));
    told(bare).await.is_ok();
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 1);
}

#[tokio::test]
async fn addresses_that_are_none() {
    let server = server().await;
    let key = server.launch();
    for function in ["nonsense", "batch", "GRADE", "%ff", "entries"] {
        assert_eq!(server.form_with(&key, function, "").await.refusal(), "unknown_function");
        assert_eq!(server.form(function, "").await.refusal(), "key_missing");
    }
    for (method, path) in [("GET", "grade"), ("PUT", "log"), ("DELETE", "recent"), ("GET", "log")] {
        let refused = told(server.ask(method, &format!("/legacy/v1/{path}"))).await;
        assert_eq!(refused.refusal(), "method_not_allowed", "{method} {path}");
    }
}

#[tokio::test]
async fn what_the_operator_closes_is_told_in_variables() {
    let server = Server::start().await;
    assert_eq!(
        server.form_with(&server.launch(), "grade", "score=1").await.refusal(),
        "protocol_off"
    );
    let open = |config: &mut latchkey_server::config::Config| config.protocols.push(Protocol::Form);
    server.reload(open).unwrap();
    server.form_with(&server.launch(), "grade", "score=1").await.is_ok();
    server.reload(|config| config.functions = vec!["log".into()]).unwrap();
    assert_eq!(
        server.form_with(&server.launch(), "grade", "score=1").await.refusal(),
        "function_off"
    );
    server.reload(|config| config.networks = vec!["10.0.0.0/8".into()]).unwrap();
    assert_eq!(server.form_with(&server.launch(), "log", "event=a").await.refusal(), "not_allowed");
    server.reload(|config| config.enabled = false).unwrap();
    let off = server.form_with(&server.launch(), "log", "event=a").await;
    assert_eq!((off.refusal(), off.get("retryafter")), ("disabled".into(), Some("30")));
}

#[tokio::test]
async fn a_flood_is_told_when_to_come_back() {
    let server = server_with(|config| {
        config.limits.burst = 1;
        config.limits.per_second = 1;
    });
    let server = server.await;
    let key = server.launch();
    server.form_with(&key, "log", "event=a").await.is_ok();
    let flood = server.form_with(&key, "log", "event=b").await;
    assert_eq!((flood.refusal(), flood.get("retryafter")), ("rate_limited".into(), Some("1")));
}

#[tokio::test]
async fn pages_by_their_origin() {
    let server = server_with(|config| config.hosts[0].opaque_origins = true).await;
    let key =
        server.launch_with(|claims| claims.origins = Some(vec![SCHOOL.into(), "null".into()]));
    let from = |origin: &str| {
        let body = format!("key={key}&event=a");
        server.ask("POST", "/legacy/v1/log").header("origin", origin).text(FORM, body)
    };
    for origin in [SCHOOL, "null"] {
        let answer = told(from(origin)).await;
        assert_eq!(answer.is_ok().answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.answer.header("access-control-allow-credentials"), None);
    }
    // The post of a page elsewhere arrives without being asked for; that its answer is hidden is no help.
    let evil = told(from("https://evil.example")).await;
    assert_eq!(evil.refusal(), "key_scope");
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 1, "and its repeat");
    let ask = server.ask("OPTIONS", "/legacy/v1/log").header("origin", SCHOOL).send().await;
    assert_eq!(ask.status.as_u16(), 204);
}

#[tokio::test]
async fn players_elsewhere_are_kept_out_unless_named() {
    let server =
        server_with(|config| config.legacy.flash_domains = vec!["films.example".into()]).await;
    let file = async || {
        let answer = server.ask("GET", "/crossdomain.xml").send().await;
        assert_eq!(answer.status.as_u16(), 200);
        let policies = answer.header("x-permitted-cross-domain-policies").unwrap().to_owned();
        (String::from_utf8(answer.body.to_vec()).unwrap(), policies)
    };
    let (open, policies) = file().await;
    assert_eq!(policies, "master-only");
    let lines: Vec<_> = open.lines().map(str::trim).collect();
    let expected = [
        "<?xml version=\"1.0\"?>",
        "<cross-domain-policy>",
        "<site-control permitted-cross-domain-policies=\"master-only\"/>",
        "<allow-access-from domain=\"films.example\" secure=\"true\"/>",
        "</cross-domain-policy>",
    ];
    assert_eq!(lines, expected);
    server.reload(|config| config.legacy.flash_domains.clear()).unwrap();
    let (closed, policies) = file().await;
    assert_eq!(policies, "none");
    assert!(
        closed.contains("permitted-cross-domain-policies=\"none\"") && !closed.contains("allow-")
    );
    let put = server.ask("POST", "/crossdomain.xml").send().await;
    assert_eq!(put.status.as_u16(), 405);
}

#[tokio::test]
async fn a_form_byte_by_byte() {
    let server = server().await;
    let body = format!("key={}&event=a", server.launch());
    let head = format!(
        "POST /legacy/v1/log HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let (start, id) = body.rsplit_once("&count=1&id0=").unwrap();
    assert!(start.starts_with("status=ok&") && id.parse::<u64>().is_ok(), "{body}");
}
