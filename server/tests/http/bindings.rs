//! What ties a key: origin, network, function, mode, host; and how often it may be used.

use crate::database::on_postgres;
use crate::server::{MINUTE, SECOND, START, Server};
use latchkey_protocol::launch::{LaunchClaims, Mode, RecentScope};
use serde_json::{Value, json};

const SCHOOL: &str = "https://school.example";

#[tokio::test]
async fn a_key_is_used_from_its_origins_alone() {
    let server = Server::start().await;
    let token = server.launch_with(|claims| claims.origins = Some(vec![SCHOOL.into()]));
    let from = |origin: &str| {
        let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
        if origin.is_empty() { ask } else { ask.header("origin", origin) }
    };
    for other in
        ["https://evil.example", "http://school.example", "https://school.example:444", "null", ""]
    {
        assert_eq!(from(other).send().await.refusal(), "403 key_scope", "{other}");
    }
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0, "nothing is begun from elsewhere");
    from(SCHOOL).send().await.is_done();
    assert_eq!(from("https://evil.example").send().await.refusal(), "403 key_scope");
}

#[tokio::test]
async fn a_hosts_origins_hold_for_launches_that_name_none() {
    let server = Server::start_with(|config| config.hosts[0].origins = vec![SCHOOL.into()]).await;
    let token = server.launch();
    let ask = || server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    assert_eq!(ask().send().await.refusal(), "403 key_scope");
    ask().header("origin", SCHOOL).send().await.is_done();
    server.page_for("academy", "ada", "quiz").recent().await.is_done();
}

#[tokio::test]
async fn a_key_for_a_page_without_an_origin_needs_a_host_that_allows_it() {
    let server = Server::start_with(|config| config.hosts[0].opaque_origins = true).await;
    let null = || Some(vec!["null".to_owned()]);
    let from = |token: &str, origin: &str| {
        server.ask("POST", "/v1/recent").bearer(token).json(&json!({})).header("origin", origin)
    };
    let framed = server.launch_with(|claims| claims.origins = null());
    let mut others = server.claims_for("academy", "ada", "quiz");
    others.origins = null();
    let other = server.sign(&others);
    assert_eq!(from(&other, "null").send().await.refusal(), "401 key_invalid", "another host's");
    for origin in [SCHOOL, "https://null", "NULL", "null:1", ""] {
        assert_eq!(from(&framed, origin).send().await.refusal(), "403 key_scope", "{origin}");
    }
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
    let answer = from(&framed, "null").send().await;
    assert_eq!(answer.is_done().header("access-control-allow-origin"), Some("null"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    // Keys for pages with an origin stay as they were.
    let paged = server.launch_with(|claims| claims.origins = Some(vec![SCHOOL.into()]));
    assert_eq!(from(&paged, "null").send().await.refusal(), "403 key_scope");
}

#[tokio::test]
async fn a_key_is_used_from_its_networks_alone() {
    let server = Server::start().await;
    for (networks, allowed) in [
        (vec!["127.0.0.0/8"], true),
        (vec!["10.0.0.0/8", "127.0.0.1"], true),
        (vec!["127."], true),
        (vec!["127.0.0.1-127.0.0.9"], true),
        (vec!["10.0.0.0/8"], false),
        (vec!["127.0.0.2-127.0.0.9"], false),
        (vec!["::1"], false),
    ] {
        let own = networks.iter().map(|text| (*text).to_owned()).collect();
        let answer = server.page_with(|claims| claims.networks = Some(own)).recent().await;
        let said = if allowed { answer.status.as_str().to_owned() } else { answer.refusal() };
        assert_eq!(said, if allowed { "200" } else { "403 key_scope" }, "{networks:?}");
    }
}

#[tokio::test]
async fn forwarded_addresses_are_not_believed() {
    let server = Server::start().await;
    let token = server.launch_with(|claims| claims.networks = Some(vec!["10.0.0.0/8".into()]));
    let ask = server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    let ask = ask.header("x-forwarded-for", "10.0.0.1").header("forwarded", "for=10.0.0.1");
    assert_eq!(ask.send().await.refusal(), "403 key_scope");
}

#[tokio::test]
async fn a_key_calls_its_functions_alone() {
    let server = Server::start().await;
    let mut page = server.page_with(|claims| claims.functions = Some(vec!["log".into()]));
    page.log("allowed").await.is_done();
    assert_eq!(page.grade(1.0).await.refusal(), "403 key_scope");
    assert_eq!(page.recent().await.refusal(), "403 key_scope");
    let entry = server.ask("GET", "/v1/entries/1").bearer(&page.token).send().await;
    assert_eq!(entry.refusal(), "403 key_scope");
    let calls = json!({"calls": [
        {"function": "grade", "args": {"score": 1}},
        {"function": "log", "args": {"entries": [{"event": "allowed.too"}]}},
    ]});
    let result = page.call("batch", calls).await.result();
    assert_eq!(result["calls"][0]["error"]["code"], "key_scope");
    assert_eq!(result["calls"][1]["status"], "ok");
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
}

#[tokio::test]
async fn a_refusal_of_scope_renews_the_token_all_the_same() {
    let server = Server::start().await;
    let mut page = server.page_with(|claims| claims.functions = Some(vec!["log".into()]));
    page.log("begun").await.is_done();
    server.after(20 * MINUTE);
    let refused = page.grade(1.0).await;
    assert_eq!(server.opened(&refused.token().unwrap()).generation, 1);
    assert_eq!(refused.state().as_deref(), Some("current"));
}

#[tokio::test]
async fn who_only_looks_cannot_write() {
    let server = Server::start().await;
    for mode in [Mode::Browse, Mode::Review] {
        let mut page = server.page_with(|claims| claims.mode = mode);
        assert_eq!(page.log("looked").await.refusal(), "403 key_scope");
        assert_eq!(page.grade(1.0).await.refusal(), "403 key_scope");
        page.recent().await.is_done();
    }
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind < 2"), 0);
}

#[tokio::test]
async fn hosts_share_nothing() {
    let server = Server::start().await;
    let activity = |host| {
        let mut claims = server.claims_for(host, "ada", "quiz");
        claims.recent = RecentScope::Activity;
        server.sign(&claims)
    };
    let (school, academy) = (activity("school"), activity("academy"));
    let args = json!({"id": "g1", "score": 50});
    let one = server.call(&school, "grade", args.clone()).await;
    // Numbers may be each host's own: theirs is made one that the school does not have.
    server.call(&academy, "log", json!({"entries": [{"event": "a"}, {"event": "b"}]})).await;
    let two = server.call(&academy, "grade", args).await;
    assert_eq!(
        two.json().get("replayed"),
        None,
        "the same id at another host is another operation"
    );
    assert_ne!(one.result()["submission"], two.result()["submission"]);
    // That of the school is one of the academy's own numbers too.
    let pairs = [(&school, &one, &two), (&academy, &two, &one)];
    let pairs = pairs.into_iter().take(if on_postgres() { 1 } else { 2 });
    for (token, own, foreign) in pairs {
        let items = server.call(token, "recent", json!({})).await.result()["items"].clone();
        let ids: Vec<_> = items.as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert!(ids.contains(&&own.result()["submission"]));
        assert!(!ids.contains(&&foreign.result()["submission"]));
        let id = foreign.result()["submission"].clone();
        let path = format!("/v1/entries/{}", id.as_str().unwrap());
        let entry = server.ask("GET", &path).bearer(token).send().await;
        assert_eq!(entry.refusal(), "404 not_found");
        let page = server.call(token, "recent", json!({ "before": id })).await;
        assert_eq!(page.refusal(), "422 bad_cursor before");
    }
}

#[tokio::test]
async fn a_key_id_of_one_host_is_not_anothers_to_take() {
    let server = Server::start().await;
    let school = server.claims();
    server.call(&server.sign(&school), "log", json!({"entries": [{"event": "a"}]})).await.is_done();
    let mut academy: LaunchClaims = server.claims_for("academy", "ada", "quiz");
    academy.jti.clone_from(&school.jti);
    server.call(&server.sign(&academy), "recent", json!({})).await.is_over();
    // And the one whose id was tried is none the worse for it.
    server.call(&server.sign(&school), "recent", json!({})).await.is_done();
}

fn three_a_second(config: &mut latchkey_server::config::Config) {
    (config.limits.burst, config.limits.per_second) = (3, 1);
}

#[tokio::test]
async fn a_key_that_calls_too_often_is_told_when() {
    let server = Server::start_with(three_a_second).await;
    let mut page = server.page();
    for _ in 0..3 {
        page.log("quick").await.is_done();
    }
    let refused = page.log("too.quick").await;
    assert_eq!(refused.refusal(), "429 rate_limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["error"]["retryable"], true);
    // Another key is not concerned, and waiting as told helps.
    server.page().log("other").await.is_done();
    server.after(SECOND);
    page.log("patient").await.is_done();
    assert_eq!(page.log("again").await.refusal(), "429 rate_limited");
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'too.quick'"), 0);
}

#[tokio::test]
async fn what_of_a_batch_is_over_the_rate_is_not_run() {
    let server = Server::start_with(three_a_second).await;
    let mut page = server.page();
    let calls: Vec<Value> = (0..5)
        .map(|n| {
            let args = json!({"entries": [{"event": format!("e{n}")}]});
            json!({"id": n.to_string(), "function": "log", "args": args})
        })
        .collect();
    let calls = json!({ "calls": calls });
    let result = page.call("batch", calls.clone()).await.result();
    let statuses: Vec<_> =
        result["calls"].as_array().unwrap().iter().map(|call| call["status"].clone()).collect();
    assert_eq!(statuses, ["ok", "ok", "ok", "not_run", "not_run"]);
    insta::assert_json_snapshot!(result["calls"][4], @r#"
    {
      "error": {
        "code": "rate_limited",
        "message": "Too many calls in a short time. Wait as long as Retry-After says, then send it again.",
        "retryable": true
      },
      "id": "4",
      "status": "not_run"
    }
    "#);
    // Sent again as it was: what is done is not done twice, and takes its share of the rate.
    server.after(5 * SECOND);
    let again = page.call("batch", calls).await.result();
    assert_eq!(again["calls"][2]["replayed"], true);
    assert_eq!(again["calls"][3]["status"], "not_run");
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), 3);
}

#[tokio::test]
async fn a_user_holds_so_many_keys_and_no_more() {
    let server = Server::start_with(|config| config.keys.per_session = 2).await;
    let in_session =
        |session: &'static str| server.page_with(|claims| claims.session = Some(session.into()));
    let mut first = in_session("login");
    first.recent().await.is_done();
    in_session("login").recent().await.is_done();
    let refused = in_session("login").recent().await;
    assert_eq!(refused.refusal(), "429 too_many_keys");
    assert_eq!(refused.header("retry-after"), Some("60"));
    in_session("other").recent().await.is_done();
    // A page that is closed makes room.
    let key = server.opened(&first.token).key_id;
    server.latchkey.store().revoke("school", key, "closed", START).await.unwrap();
    in_session("login").recent().await.is_done();
}

#[tokio::test]
async fn three_thefts_lock_the_activity_for_ten_minutes() {
    let server = Server::start().await;
    let page = |session: &'static str, activity: &'static str| {
        server.page_with(|claims| {
            claims.session = Some(session.into());
            claims.activity = activity.into();
        })
    };
    for _ in 0..3 {
        let mut victim = page("login", "quiz");
        victim.recent().await.is_done();
        let key = server.opened(&victim.token).key_id;
        server.call(&server.seal(key, 0, [3; 8]), "recent", json!({})).await.is_over();
        server.after(MINUTE);
    }
    assert_eq!(page("login", "quiz").recent().await.refusal(), "403 key_locked");
    page("login", "other").recent().await.is_done();
    page("another-login", "quiz").recent().await.is_done();
    server.after(7 * MINUTE - 1);
    assert_eq!(page("login", "quiz").recent().await.refusal(), "403 key_locked");
    server.after(1);
    page("login", "quiz").recent().await.is_done();
}
