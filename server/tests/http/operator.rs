//! The switches of the operator: what is off, who may not, from where, and how much.

use crate::client::Answer;
use crate::server::{MINUTE, SECOND, START, Server};
use axum::http::StatusCode;
use latchkey_protocol::launch::Role;
use latchkey_server::config::{Config, Protocol, ProxyHeader};
use latchkey_server::version::{VERSIONS, Version};
use serde_json::{Value, json};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// One address of each group, with the method it takes.
const EVERYWHERE: [(&str, &str); 10] = [
    ("POST", "/v1/log"),
    ("POST", "/v1/batch"),
    ("GET", "/v1/recent"),
    ("GET", "/v1/entries/1"),
    ("DELETE", "/host/v1/web-sessions/1"),
    ("GET", "/sdk/latchkey.js"),
    ("GET", "/openapi.json"),
    ("GET", "/docs/api"),
    ("GET", "/nowhere"),
    ("PUT", "/v1/log"),
];

#[tokio::test]
async fn a_server_that_is_off_answers_for_its_health_alone() {
    let server = Server::start_with(|config| config.enabled = false).await;
    for (method, path) in EVERYWHERE {
        let answer = server.ask(method, path).header("origin", "https://a.example").send().await;
        assert_eq!(answer.refusal(), "503 disabled", "{method} {path}");
        assert_eq!(answer.header("retry-after"), Some("30"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
        assert_eq!(answer.json()["error"]["retryable"], true);
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.ask("GET", path).send().await.status, StatusCode::OK);
    }
    // A page must be able to read that it is off.
    let preflight = server.ask("OPTIONS", "/v1/log").header("origin", "https://a.example");
    assert_eq!(preflight.send().await.status, StatusCode::NO_CONTENT);
    // And when it is on again, keys go on as if nothing had been.
    server.reload(|config| config.enabled = true).unwrap();
    server.page().log("on").await.is_done();
}

#[tokio::test]
async fn a_protocol_that_is_off_is_refused_by_its_name() {
    for (open, path, refused) in [
        (Protocol::Host, "/v1/recent", "403 protocol_off"),
        (Protocol::Json, "/v1/recent", "401 key_missing"),
        (Protocol::Json, "/host/v1/web-sessions/1", "403 protocol_off"),
        (Protocol::Host, "/host/v1/web-sessions/1", "401 host_unauthorized"),
    ] {
        let server = Server::start_with(|config| config.protocols = vec![open]).await;
        let method = if path.starts_with("/host") { "DELETE" } else { "GET" };
        assert_eq!(server.ask(method, path).send().await.refusal(), refused, "{open:?} {path}");
        // What is of no protocol stays open.
        assert_eq!(server.ask("GET", "/sdk/latchkey.js").send().await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_function_that_is_off_is_off_whatever_the_key_says() {
    let server = Server::start_with(|config| config.functions = texts(&["log"])).await;
    let mut page = server.page_with(|claims| {
        claims.functions = Some(texts(&["log", "grade", "recent"]));
        claims.roles = vec![Role::Teacher];
    });
    page.log("on").await.is_done();
    let refused = page.grade(1.0).await;
    assert_eq!(refused.refusal(), "403 function_off");
    assert!(refused.token().is_some(), "the key itself is as good as before");
    assert_eq!(page.recent().await.refusal(), "403 function_off");
    let entry = server.ask("GET", "/v1/entries/1").bearer(&page.token).send().await;
    assert_eq!(entry.refusal(), "403 function_off");
    let calls = json!({"calls": [
        {"function": "grade", "args": {"score": 1}},
        {"function": "log", "args": {"entries": [{"event": "still"}]}},
        {"function": "nonsense", "args": {}},
    ]});
    let result = page.call("batch", calls).await.result();
    assert_eq!(result["calls"][0]["error"]["code"], "function_off");
    assert_eq!(result["calls"][1]["status"], "ok");
    assert_eq!(result["calls"][2]["error"]["code"], "unknown_function");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
}

#[tokio::test]
async fn roles_call_what_their_capabilities_say() {
    let server = Server::start_with(|config| {
        config.capabilities.insert("student".into(), texts(&["log", "grade"]));
        config.capabilities.insert("teacher".into(), texts(&["recent"]));
    })
    .await;
    for (roles, logs, reads) in [
        (vec![], true, false),
        (vec![Role::Student], true, false),
        (vec![Role::Teacher], false, true),
        (vec![Role::Student, Role::Teacher], true, true),
        (vec![Role::Guest], false, false),
    ] {
        let mut page = server.page_with(|claims| claims.roles.clone_from(&roles));
        for (answer, may) in [(page.log("a").await, logs), (page.recent().await, reads)] {
            let said = if may { "200".into() } else { answer.refusal() };
            assert_eq!(said, if may { "200" } else { "403 not_allowed" }, "{roles:?}");
        }
    }
    // Roles are part of what a launch token says: others than the key's start nothing and reach nothing.
    let claims = server.claims();
    server.call(&server.sign(&claims), "log", json!({"entries": [{"event": "a"}]})).await.is_done();
    let mut risen = claims;
    risen.roles = vec![Role::Teacher];
    server.call(&server.sign(&risen), "recent", json!({})).await.is_over();
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_no_launch() {
    let server = Server::start().await;
    let claims = serde_json::to_value(server.claims()).unwrap();
    for roles in [json!(["dean"]), json!("teacher"), json!(null), json!([1])] {
        let mut claims = claims.clone();
        claims["roles"] = roles;
        let token = signed(&claims);
        assert_eq!(server.call(&token, "recent", json!({})).await.refusal(), "401 key_invalid");
    }
}

/// A launch token of whatever claims, signed by the host `school`.
fn signed(claims: &Value) -> String {
    use latchkey_protocol::mac::Signer;
    let part = |value: &Value| crate::server::base64url(value.to_string().as_bytes());
    let header = json!({"alg": "HS256", "typ": "latchkey+jwt", "kid": "school.1"});
    let text = format!("{}.{}", part(&header), part(claims));
    let mac = crate::server::base64url(&Signer::new(&[11; 32]).sign(text.as_bytes()));
    format!("{text}.{mac}")
}

/// Behind a proxy on this machine, so that tests can come from anywhere.
fn behind_a_proxy(config: &mut Config) {
    config.trusted_proxies = texts(&["127.0.0.0/8"]);
}

/// `recent` with that key from that address, as the proxy tells it.
async fn from(server: &Server, token: &str, address: &str) -> Answer {
    let ask = server.ask("POST", "/v1/recent").bearer(token).json(&json!({}));
    ask.header("x-forwarded-for", address).send().await
}

#[tokio::test]
async fn networks_hold_for_everything_but_health() {
    let server = Server::start_with(|config| {
        behind_a_proxy(config);
        config.networks = texts(&["203.0.113.0/24", "2001:db8::1-2001:db8::9", "192.168."]);
    })
    .await;
    let token = server.launch();
    for inside in ["203.0.113.7", "2001:db8::5", "192.168.9.9", "::ffff:203.0.113.7"] {
        from(&server, &token, inside).await.is_done();
    }
    for outside in ["203.0.114.1", "2001:db8::a", "192.169.0.1", "unknown", "_hidden", "x"] {
        assert_eq!(from(&server, &token, outside).await.refusal(), "403 not_allowed", "{outside}");
    }
    for (method, path) in EVERYWHERE {
        assert_eq!(server.ask(method, path).send().await.refusal(), "403 not_allowed", "{path}");
    }
    assert_eq!(server.ask("GET", "/healthz").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_rightmost_address_that_is_no_proxys_counts() {
    let server = Server::start_with(behind_a_proxy).await;
    let token = server.launch_with(|claims| claims.networks = Some(texts(&["203.0.113.7"])));
    for (line, may) in [
        ("203.0.113.7", true),
        ("1.1.1.1, 203.0.113.7", true),
        ("1.1.1.1, 203.0.113.7:4711, 127.0.0.9", true),
        ("203.0.113.7, 1.1.1.1", false),
        ("203.0.113.7, unknown", false),
    ] {
        let answer = from(&server, &token, line).await;
        assert_eq!(answer.status == StatusCode::OK, may, "{line}: {answer:?}");
    }
    // The other header is a client's own invention here.
    let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    let answer = ask.header("forwarded", "for=203.0.113.7").send().await;
    assert_eq!(answer.refusal(), "403 key_scope");
    server.reload(|config| config.proxy_header = ProxyHeader::Forwarded).unwrap();
    let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    ask.header("forwarded", "for=203.0.113.7").send().await.is_done();
    assert_eq!(from(&server, &token, "203.0.113.7").await.refusal(), "403 key_scope");
}

#[tokio::test]
async fn a_hosts_networks_and_users() {
    let server = Server::start_with(|config| {
        behind_a_proxy(config);
        let host = &mut config.hosts[0];
        host.networks = texts(&["10.0.0.0/8"]);
        host.users = Some(texts(&["ada", "bob"]));
        host.user_networks.insert("bob".into(), texts(&["10.1.0.0/16"]));
    })
    .await;
    let launch = |host, user| server.sign(&server.claims_for(host, user, "quiz"));
    for (host, user, address, may) in [
        ("school", "ada", "10.2.0.1", true),
        ("school", "ada", "11.0.0.1", false),
        ("school", "bob", "10.1.0.1", true),
        ("school", "bob", "10.2.0.1", false),
        ("school", "eve", "10.1.0.1", false),
        // Another host's users are its own affair.
        ("academy", "eve", "11.0.0.1", true),
    ] {
        let first = from(&server, &launch(host, user), address).await;
        let said = if may { first.status.as_str().to_owned() } else { first.refusal() };
        let expected = if may { "200" } else { "403 not_allowed" };
        assert_eq!(said, expected, "{host} {user} {address}");
    }
    assert_eq!(server.count("SELECT count(*) FROM users WHERE key = 'eve' AND host = 1"), 0);
    // A key that is in use is bound by what holds now, and so is its session token.
    let token = from(&server, &launch("school", "bob"), "10.1.0.1").await.token().unwrap();
    from(&server, &token, "10.1.0.1").await.is_done();
    assert_eq!(from(&server, &token, "10.2.0.1").await.refusal(), "403 not_allowed");
    server.reload(|config| config.hosts[0].user_networks.clear()).unwrap();
    from(&server, &token, "10.2.0.1").await.is_done();
    server.reload(|config| config.hosts[0].users = Some(texts(&["ada"]))).unwrap();
    assert_eq!(from(&server, &token, "10.1.0.1").await.refusal(), "403 not_allowed");
}

#[tokio::test]
async fn keys_of_a_host_that_is_off_or_gone_are_not_taken() {
    let server = Server::start().await;
    let (mut school, mut academy) = (server.page(), server.page_for("academy", "ada", "quiz"));
    school.log("a").await.is_done();
    academy.log("a").await.is_done();
    server.reload(|config| config.hosts[0].enabled = false).unwrap();
    assert_eq!(school.recent().await.refusal(), "403 not_allowed");
    assert_eq!(server.page().recent().await.refusal(), "403 not_allowed");
    academy.recent().await.is_done();
    server.reload(|config| drop(config.hosts.remove(0))).unwrap();
    assert_eq!(school.recent().await.refusal(), "403 not_allowed");
    assert_eq!(server.page().recent().await.refusal(), "401 key_invalid");
    academy.recent().await.is_done();
}

#[tokio::test]
async fn https_is_required_by_what_the_proxy_says() {
    let server = Server::start_with(|config| {
        behind_a_proxy(config);
        config.require_https = true;
    })
    .await;
    let token = server.launch();
    let by = |address: &'static str, proto: &'static str| {
        let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
        let ask = ask.header("x-forwarded-for", address);
        if proto.is_empty() { ask } else { ask.header("x-forwarded-proto", proto) }
    };
    by("203.0.113.7", "https").send().await.is_done();
    for proto in ["http", "", "https, http", "wss"] {
        let answer = by("203.0.113.7", proto).send().await;
        assert_eq!(answer.refusal(), "403 https_required", "{proto}");
    }
    // From the machine itself nothing goes over a wire.
    by("127.0.0.1", "http").send().await.is_done();
    // Whom nobody trusts, nobody believes.
    server.reload(|config| config.trusted_proxies = texts(&["10.0.0.1"])).unwrap();
    by("203.0.113.7", "http").send().await.is_done();
}

#[tokio::test]
async fn a_host_holds_so_many_keys_and_its_users_so_many() {
    let server = Server::start_with(|config| {
        config.keys.per_user = 2;
        config.keys.per_host = 100;
        config.hosts[0].per_host = Some(3);
        config.hosts[0].per_user = Some(1);
    })
    .await;
    let page = |host, user| server.page_for(host, user, "quiz");
    let mut first = page("school", "ada");
    first.recent().await.is_done();
    assert_eq!(page("school", "ada").recent().await.refusal(), "429 too_many_keys");
    for user in ["bob", "eve"] {
        page("school", user).recent().await.is_done();
    }
    let refused = page("school", "dan").recent().await;
    assert_eq!(refused.refusal(), "429 too_many_keys");
    assert_eq!(refused.header("retry-after"), Some("60"));
    // The other host has the common figures.
    for user in ["ada", "ada", "bob", "eve", "dan"] {
        page("academy", user).recent().await.is_done();
    }
    assert_eq!(page("academy", "ada").recent().await.refusal(), "429 too_many_keys");
    // Waiting as told helps, once a page is closed.
    let key = server.opened(&first.token).key_id;
    server.latchkey.store().revoke("school", key, "closed", START).await.unwrap();
    server.after(MINUTE);
    page("school", "dan").recent().await.is_done();
}

#[tokio::test]
async fn users_and_hosts_have_a_rate_of_their_own() {
    let server = Server::start_with(|config| {
        (config.limits.user_burst, config.limits.user_per_second) = (3, 1);
        (config.limits.host_burst, config.limits.host_per_second) = (8, 2);
    })
    .await;
    let (mut one, mut two) = (server.page(), server.page());
    // First calls: their keys' alone, and the host's.
    one.log("begun").await.is_done();
    two.log("begun").await.is_done();
    for page in [&mut one, &mut two] {
        page.log("shared").await.is_done();
    }
    one.log("shared").await.is_done();
    for page in [&mut one, &mut two] {
        let refused = page.log("too.much").await;
        assert_eq!(refused.refusal(), "429 rate_limited");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // Another user shares only the host's rate, of which five are spent.
    let mut bob = server.page_for("school", "bob", "quiz");
    for _ in 0..3 {
        bob.log("other").await.is_done();
    }
    assert_eq!(bob.log("host.is.full").await.refusal(), "429 rate_limited");
    server.page_for("academy", "ada", "quiz").log("elsewhere").await.is_done();
    server.after(SECOND);
    two.log("patient").await.is_done();
    server.reload(|config| config.limits.user_burst = 0).unwrap();
    server.after(4 * SECOND);
    for _ in 0..6 {
        one.log("no.limit").await.is_done();
    }
}

/// `academy` is pinned to the first version, and stays there when there are newer ones.
#[tokio::test]
async fn every_reply_says_its_version() {
    let first = VERSIONS[0].as_str();
    let pin = |config: &mut Config| config.hosts[1].version = Some(first.into());
    let server = Server::start_with(pin).await;
    let (school, academy) = (server.launch(), server.sign(&server.claims_for("academy", "a", "q")));
    let newest = Version::NEWEST.as_str();
    for (token, asked, spoken) in [
        (&school, None, newest),
        (&school, Some(first), first),
        (&academy, None, first),
        (&academy, Some(newest), newest),
    ] {
        let ask = server.ask("POST", "/v1/recent").bearer(token).json(&json!({}));
        let ask = match asked {
            Some(version) => ask.header("latchkey-version", version),
            None => ask,
        };
        let answer = ask.send().await;
        answer.is_done();
        assert_eq!(answer.header("latchkey-version"), Some(spoken));
    }
    // Refusals say it too, those of a version that is gone by the newest.
    let gone = server.ask("DELETE", "/host/v1/web-sessions/1").header("latchkey-version", "1");
    let gone = gone.send().await;
    assert_eq!(gone.refusal(), "400 unknown_version");
    assert_eq!(gone.header("latchkey-version"), Some(newest));
    let unsigned = server.ask("DELETE", "/host/v1/web-sessions/1").send().await;
    assert_eq!(unsigned.refusal(), "401 host_unauthorized");
    assert_eq!(unsigned.header("latchkey-version"), Some(newest));
}

#[tokio::test]
async fn the_server_describes_itself() {
    let server = Server::start().await;
    let description = server.ask("GET", "/openapi.json").send().await;
    assert_eq!(description.header("content-type"), Some("application/json"));
    assert_eq!(description.json()["openapi"], "3.1.0");
    // What is committed is what is served.
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    assert_eq!(description.body, std::fs::read(committed).unwrap());
    let page = server.ask("GET", "/docs/api").send().await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(String::from_utf8(page.body.to_vec()).unwrap().contains("/v1/grade"));
}
