//! What browsers need: preflights, readable refusals, beacons, the SDK. And what they send unasked.

use crate::server::Server;
use serde_json::json;

const SCHOOL: &str = "https://school.example";
const EVIL: &str = "https://evil.example";

#[tokio::test]
async fn any_page_may_ask_beforehand() {
    let server = Server::start().await;
    for path in ["/v1/log", "/v1/grade", "/v1/recent", "/v1/batch", "/v1/entries/5"] {
        let ask = server.ask("OPTIONS", path).header("origin", EVIL);
        let ask = ask.header("access-control-request-method", "POST");
        let answer = ask.header("access-control-request-headers", "authorization").send().await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(EVIL));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
        let headers = Some("authorization, content-type, idempotency-key, latchkey-version");
        assert_eq!(answer.header("access-control-allow-headers"), headers);
        assert_eq!(answer.header("access-control-max-age"), Some("7200"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn any_page_may_read_a_refusal() {
    let server = Server::start().await;
    let token = server.launch_with(|claims| claims.origins = Some(vec![SCHOOL.into()]));
    let post = |path| server.ask("POST", path).header("origin", EVIL).json(&json!({}));
    let asks = [
        ("401 key_missing", post("/v1/recent")),
        ("401 key_invalid", post("/v1/recent").bearer("ey")),
        ("403 key_scope", post("/v1/recent").bearer(&token)),
        ("404 not_found", post("/v2/recent")),
        ("405 method_not_allowed", server.ask("GET", "/v1/log").header("origin", EVIL)),
        ("401 key_missing", server.ask("GET", "/v1/recent").header("origin", EVIL)),
        ("401 key_missing", server.ask("GET", "/v1/entries/5").header("origin", EVIL)),
    ];
    for (expected, ask) in asks {
        let answer = ask.send().await;
        assert_eq!(answer.refusal(), expected);
        assert_eq!(answer.header("access-control-allow-origin"), Some(EVIL), "{expected}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("Latchkey-Version, Retry-After")
        );
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn a_page_without_an_origin_may_ask_load_and_read_refusals() {
    let server = Server::start().await;
    let ask = server.ask("OPTIONS", "/v1/batch").header("origin", "null");
    let answer = ask.header("access-control-request-method", "POST").send().await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("null"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    // No host here is configured for such pages.
    let token = server.launch_with(|claims| claims.origins = Some(vec!["null".into()]));
    let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    let answer = ask.header("origin", "null").send().await;
    assert_eq!(answer.refusal(), "401 key_invalid");
    assert_eq!(answer.header("access-control-allow-origin"), Some("null"));
    for file in ["latchkey.js", "framed.js", "place.js"] {
        let answer =
            server.ask("GET", &format!("/sdk/{file}")).header("origin", "null").send().await;
        assert_eq!(answer.status.as_u16(), 200, "{file}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn a_success_is_for_the_keys_origin_alone() {
    let server = Server::start().await;
    let token = server.launch_with(|claims| claims.origins = Some(vec![SCHOOL.into()]));
    let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    let answer = ask.header("origin", SCHOOL).send().await;
    assert_eq!(answer.is_done().header("access-control-allow-origin"), Some(SCHOOL));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("vary"), Some("Origin"));
    // A caller that is no page is told nothing about pages.
    let answer = server.page().recent().await;
    assert_eq!(answer.is_done().header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn cookies_are_not_looked_at() {
    let server = Server::start().await;
    let token = server.launch();
    let cookie = format!("token={token}; session={token}; authorization=Bearer {token}");
    let ask = server.ask("POST", "/v1/recent").header("cookie", &cookie).json(&json!({}));
    let answer = ask.send().await;
    assert_eq!(answer.refusal(), "401 key_missing");
    assert_eq!(answer.header("set-cookie"), None);
    // Nor do they stand in the way of a key.
    let ask = server.ask("POST", "/v1/recent").header("cookie", "session=x").bearer(&token);
    let answer = ask.json(&json!({})).send().await;
    assert_eq!(answer.is_done().header("set-cookie"), None);
}

#[tokio::test]
async fn a_token_in_an_address_is_no_key() {
    let server = Server::start().await;
    let path = format!("/v1/recent?token={}", server.launch());
    let answer = server.ask("GET", &path).send().await;
    assert!(["401 key_missing", "422 unknown_field token"].contains(&answer.refusal().as_str()));
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
}

#[tokio::test]
async fn a_beacon_carries_its_key_in_a_plain_text_body() {
    let server = Server::start().await;
    let body = json!({
        "token": server.launch_with(|claims| claims.origins = Some(vec![SCHOOL.into()])),
        "calls": [
            {"id": "b1", "function": "log", "args": {"entries": [{"event": "left"}]}},
            {"id": "b2", "function": "grade", "args": {"score": 42}},
        ],
    });
    let send = || {
        let ask = server.ask("POST", "/v1/batch").header("origin", SCHOOL);
        ask.text("text/plain;charset=UTF-8", body.to_string()).send()
    };
    let calls = send().await.result()["calls"].clone();
    assert!(calls.as_array().unwrap().iter().all(|call| call["status"] == "ok"), "{calls}");
    // Nobody read that answer: the next launch sends it once more.
    let calls = send().await.result()["calls"].clone();
    assert!(calls.as_array().unwrap().iter().all(|call| call["replayed"] == true), "{calls}");
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind < 2"), 2);
}

#[tokio::test]
async fn every_answer_is_json_that_no_browser_guesses_at_or_keeps() {
    let server = Server::start().await;
    for answer in [server.page().recent().await, server.ask("GET", "/v1/recent").send().await] {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn the_sdk_is_served_to_every_page() {
    let server = Server::start().await;
    let first = server.ask("GET", "/sdk/latchkey.js").header("origin", EVIL).send().await;
    assert_eq!(first.status.as_u16(), 200);
    assert_eq!(first.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(first.header("access-control-allow-origin"), Some("*"));
    assert_eq!(first.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(first.header("x-content-type-options"), Some("nosniff"));
    let text = String::from_utf8(first.body.to_vec()).unwrap();
    assert!(text.contains("export"), "{text}");
    // What the module loads beside itself is there too.
    let loads = |line: &&str| line.starts_with("import") || line.starts_with("export {");
    for line in text.lines().filter(loads).filter(|line| line.contains("from \"./")) {
        let file = line.split("from \"./").nth(1).unwrap().split('"').next().unwrap();
        let answer = server.ask("GET", &format!("/sdk/{file}")).send().await;
        assert_eq!(answer.status.as_u16(), 200, "{file}");
    }
    let tag = first.header("etag").unwrap();
    let ask = || server.ask("GET", "/sdk/latchkey.js");
    let known = ask().header("if-none-match", tag).header("origin", EVIL).send().await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), Some(tag));
    assert_eq!(known.header("access-control-allow-origin"), Some("*"));
    let old = ask().header("if-none-match", "\"0\"").send().await;
    assert_eq!(old.status.as_u16(), 200);
}

/// As proxies that compress write it, and browsers that hold several.
#[tokio::test]
async fn a_known_sdk_is_known_in_every_writing() {
    let server = Server::start().await;
    let ask = || server.ask("GET", "/sdk/latchkey.js");
    let first = ask().send().await;
    let tag = first.header("etag").unwrap();
    for tags in [format!("W/{tag}"), format!("\"0\", {tag}"), "*".to_owned()] {
        let known = ask().header("if-none-match", &tags).send().await;
        assert_eq!(known.status.as_u16(), 304, "{tags}");
    }
}

/// Whether it is there depends on what was built first; its script and its WebAssembly come together.
#[tokio::test]
async fn the_sdk_in_webassembly_is_served_if_it_was_built_in() {
    let server = Server::start().await;
    let script = server.ask("GET", "/sdk/wasm/latchkey.js").header("origin", "null").send().await;
    let module = server.ask("GET", "/sdk/wasm/latchkey_bg.wasm").send().await;
    assert_eq!(script.status, module.status);
    if script.status.as_u16() == 200 {
        assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(script.header("access-control-allow-origin"), Some("*"));
        assert_eq!(module.header("content-type"), Some("application/wasm"));
        assert_eq!(module.header("x-content-type-options"), Some("nosniff"));
        assert!(module.body.starts_with(b"\0asm"));
    } else {
        assert_eq!(script.refusal(), "404 not_found");
    }
}

#[tokio::test]
async fn other_files_are_not_served() {
    let server = Server::start().await;
    for path in [
        "/sdk/",
        "/sdk/secrets.toml",
        "/sdk/../server.toml",
        "/sdk/%2e%2e/x",
        "/sdk/a/b",
        "/sdk/wasm/",
        "/sdk/wasm/latchkey.d.ts",
    ] {
        assert_eq!(server.ask("GET", path).send().await.refusal(), "404 not_found", "{path}");
    }
}
