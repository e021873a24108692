//! Who is let in, and that everybody else learns nothing.

use super::{academy, nonce, school};
use crate::server::{HOUR, MINUTE, SECOND, Server, base64url};
use latchkey_protocol::mac::Signer;
use latchkey_server::config::HostSecret;
use latchkey_server::host::signature::sign;
use serde_json::json;

const PATH: &str = "/host/v1/users?limit=5";

/// A request to list users, with that header.
async fn listed(server: &Server, authorization: &str) -> String {
    let answer = server.ask("GET", PATH).header("authorization", authorization).send().await;
    if answer.status == 200 { answer.result().to_string() } else { answer.refusal() }
}

fn signed(server: &Server, host: &str, secret: u8, seconds: i64) -> String {
    let time = server.latchkey.now() / 1000 + seconds;
    sign(host, &Signer::new(&[secret; 32]), "GET", PATH, b"", time, &nonce())
}

const NOBODY: &str = r#"{"items":[],"next":null}"#;
const STRANGER: &str = "401 host_unauthorized";

#[tokio::test]
async fn a_signature_lets_its_host_in_and_nobody_else() {
    let server = Server::start().await;
    assert_eq!(listed(&server, &signed(&server, "school", 11, 0)).await, NOBODY);
    assert_eq!(listed(&server, &signed(&server, "academy", 22, 0)).await, NOBODY);
    for (host, secret) in [("school", 22), ("academy", 11), ("nowhere", 11), ("nowhere", 0)] {
        assert_eq!(listed(&server, &signed(&server, host, secret, 0)).await, STRANGER);
    }
    let key = server.page().token;
    for other in ["", "Bearer", "Basic c2Nob29sOng=", &format!("Bearer {key}"), "Latchkey-HMAC x=1"]
    {
        assert_eq!(listed(&server, other).await, STRANGER, "{other}");
    }
    assert_eq!(server.ask("GET", PATH).send().await.refusal(), STRANGER);
    let twice = signed(&server, "school", 11, 0);
    let ask = server.ask("GET", PATH).header("authorization", &twice);
    assert_eq!(ask.header("authorization", &twice).send().await.refusal(), STRANGER);
}

/// An unknown host and a wrong signature are told apart by nothing.
#[tokio::test]
async fn a_stranger_learns_nothing() {
    let server = Server::start().await;
    let mut seen = Vec::new();
    for (host, secret) in [("school", 12), ("nowhere", 11)] {
        let signed = signed(&server, host, secret, 0);
        let answer = server.ask("GET", PATH).header("authorization", &signed).send().await;
        let mut headers: Vec<_> = answer.headers.keys().map(|name| name.to_string()).collect();
        headers.sort();
        seen.push((answer.seen(), headers));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn both_sides_of_the_window() {
    let server = Server::start().await;
    for (seconds, expected) in [
        (-300, NOBODY),
        (300, NOBODY),
        (-301, "401 host_clock"),
        (301, "401 host_clock"),
        (-360, "401 host_clock"),
    ] {
        let header = signed(&server, "school", 11, seconds);
        assert_eq!(listed(&server, &header).await, expected, "{seconds}");
    }
}

#[tokio::test]
async fn a_nonce_is_good_once_for_each_host() {
    let server = Server::start().await;
    let first = signed(&server, "school", 11, 0);
    assert_eq!(listed(&server, &first).await, NOBODY);
    assert_eq!(listed(&server, &first).await, "401 nonce_reused");
    server.after(5 * MINUTE);
    assert_eq!(listed(&server, &first).await, "401 nonce_reused");
    server.after(SECOND);
    assert_eq!(listed(&server, &first).await, "401 host_clock");
    // The same nonce at another time is the same nonce; at another host it is another.
    let time = server.latchkey.now() / 1000;
    let of = |host, secret: u8, time, nonce| {
        sign(host, &Signer::new(&[secret; 32]), "GET", PATH, b"", time, nonce)
    };
    let nonce = "0123456789abcdef";
    assert_eq!(listed(&server, &of("school", 11, time, nonce)).await, NOBODY);
    assert_eq!(listed(&server, &of("school", 11, time + 1, nonce)).await, "401 nonce_reused");
    assert_eq!(listed(&server, &of("academy", 22, time, nonce)).await, NOBODY);
}

/// A forged request with somebody's nonce must not use it up.
#[tokio::test]
async fn a_forgery_spends_no_nonce() {
    let server = Server::start().await;
    let good = signed(&server, "school", 11, 0);
    let (head, _) = good.rsplit_once('=').unwrap();
    let forged = format!("{head}={}", base64url(&[7; 32]));
    assert_eq!(listed(&server, &forged).await, STRANGER);
    assert_eq!(listed(&server, &good).await, NOBODY);
    assert_eq!(server.count("SELECT count(*) FROM nonces"), 1);
}

#[tokio::test]
async fn spent_nonces_go_when_their_time_is_past() {
    let server = Server::start().await;
    for _ in 0..3 {
        assert_eq!(listed(&server, &signed(&server, "school", 11, 0)).await, NOBODY);
    }
    server.after(HOUR);
    assert_eq!(listed(&server, &signed(&server, "school", 11, 0)).await, NOBODY);
    assert_eq!(server.count("SELECT count(*) FROM nonces"), 1);
}

#[tokio::test]
async fn each_part_of_the_request_is_signed() {
    let server = Server::start().await;
    let school = school(&server);
    let body = json!({"users": [{"id": "u1"}]}).to_string();
    let users = "/host/v1/users";
    let send = async |method: &str, path: &str, header: &str, body: &str| {
        let ask = server.ask(method, path).header("authorization", header);
        ask.text("application/json", body.to_owned()).send().await
    };
    let over = |method: &str, path: &str| school.sign(method, path, body.as_bytes());
    // The body was changed after it was signed.
    let other = body.replace("u1", "u2");
    assert_eq!(send("POST", users, &over("POST", users), &other).await.refusal(), STRANGER);
    assert_eq!(send("POST", users, &over("PUT", users), &body).await.refusal(), STRANGER);
    let courses = over("POST", "/host/v1/courses");
    assert_eq!(send("POST", users, &courses, &body).await.refusal(), STRANGER);
    let swapped = school.sign("GET", "/host/v1/users?limit=5&after=x", b"");
    let answer = send("GET", "/host/v1/users?after=x&limit=5", &swapped, "").await;
    assert_eq!(answer.refusal(), STRANGER);
    assert_eq!(server.count("SELECT count(*) FROM users"), 0, "nothing was done");
    assert_eq!(send("POST", users, &over("POST", users), &body).await.status, 200);
}

#[tokio::test]
async fn two_secrets_live_while_one_is_replaced() {
    let server = Server::start_with(|config| {
        config.hosts[0].secrets.push(HostSecret { number: 2, secret: base64url(&[12; 32]) });
    })
    .await;
    for (secret, expected) in [(11, NOBODY), (12, NOBODY), (13, STRANGER)] {
        assert_eq!(listed(&server, &signed(&server, "school", secret, 0)).await, expected);
    }
}

#[tokio::test]
async fn a_secret_itself_is_taken_only_where_the_settings_say_so() {
    let server = Server::start_with(|config| config.hosts[0].bearer = true).await;
    let bearer = |secret: u8| format!("Bearer {}", base64url(&[secret; 32]));
    assert_eq!(listed(&server, &bearer(11)).await, NOBODY);
    assert_eq!(listed(&server, &bearer(22)).await, STRANGER);
    assert_eq!(listed(&server, &bearer(33)).await, STRANGER);
    let academy = academy(&server).set("users", json!([{"id": "theirs"}])).await;
    assert_eq!(academy, ["created"]);
    assert_eq!(listed(&server, &bearer(11)).await, NOBODY, "it is the school that is let in");
}

/// From elsewhere a secret may only come over HTTPS, and what says so must be a proxy that is trusted.
#[tokio::test]
async fn a_secret_itself_needs_https() {
    let server = Server::start_with(|config| {
        config.hosts[0].bearer = true;
        config.trusted_proxies = vec!["127.0.0.1".into()];
    })
    .await;
    let bearer = format!("Bearer {}", base64url(&[11; 32]));
    for (proto, expected) in [("https", NOBODY), ("http", "403 https_required")] {
        let ask = server.ask("GET", PATH).header("authorization", &bearer);
        let ask = ask.header("x-forwarded-for", "203.0.113.7").header("x-forwarded-proto", proto);
        let answer = ask.send().await;
        let seen =
            if answer.status == 200 { answer.result().to_string() } else { answer.refusal() };
        assert_eq!(seen, expected, "{proto}");
    }
}

#[tokio::test]
async fn a_host_has_a_rate_of_its_own() {
    let server = Server::start_with(|config| {
        config.limits.requests_burst = 2;
        config.limits.requests_per_second = 1;
    })
    .await;
    // Whoever cannot sign takes nothing of it.
    for _ in 0..5 {
        assert_eq!(listed(&server, &signed(&server, "school", 12, 0)).await, STRANGER);
    }
    for expected in [NOBODY, NOBODY, "429 rate_limited"] {
        assert_eq!(listed(&server, &signed(&server, "school", 11, 0)).await, expected);
    }
    assert_eq!(listed(&server, &signed(&server, "academy", 22, 0)).await, NOBODY);
    server.after(SECOND);
    assert_eq!(listed(&server, &signed(&server, "school", 11, 0)).await, NOBODY);
}

/// The unsigned world is not told what there is.
#[tokio::test]
async fn nothing_is_said_before_the_signature_is_good() {
    let server = Server::start().await;
    let long = "x".repeat(100);
    for (method, path, kind, body) in [
        ("POST", "/host/v1/users", "application/json", "{"),
        ("POST", "/host/v1/users", "text/html", "x"),
        ("GET", "/host/v1/users/u1", "", ""),
        ("GET", "/host/v1/users?by=nonsense", "", ""),
        ("DELETE", "/host/v1/keys/x", "", ""),
        ("POST", "/host/v1/activities/a/reset", "application/json", long.as_str()),
    ] {
        let answer = server.ask(method, path).text(kind, body.to_owned()).send().await;
        assert_eq!(answer.refusal(), STRANGER, "{method} {path}");
    }
}
