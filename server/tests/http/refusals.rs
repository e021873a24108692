//! Every code of the one list of refusals, provoked over HTTP.

use crate::client::Answer;
use crate::server::{Page, Server, W};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::launch::{LaunchClaims, Mode, Placement};
use latchkey_protocol::token::KeyId;
use latchkey_server::config::Protocol;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::pin::Pin;
use std::time::Duration;

type Scenario = fn() -> Pin<Box<dyn Future<Output = Answer>>>;

macro_rules! scenarios {
    ($($code:ident $scenario:ident,)*) => {
        [$((ErrorCode::$code, || Box::pin($scenario()))),*]
    };
}

/// How each code comes about. The list is held against [`ErrorCode::ALL`].
const SCENARIOS: [(ErrorCode, Scenario); 45] = scenarios! {
    KeyMissing no_key,
    KeyInvalid forged_key,
    KeyRenew superseded_key,
    KeyScope looking_only,
    KeyLocked three_thefts,
    NotFound nowhere,
    UnknownFunction no_such_function,
    MethodNotAllowed get_of_a_write,
    SlowSender half_a_body,
    Busy row_better_than_memory,
    BodyTooLarge large_body,
    UnsupportedMediaType form,
    TwoTokens two_keys,
    BadJson no_json,
    BadQuery escaped_query,
    IdReused id_with_other_content,
    UnknownField misspelt_member,
    MissingField no_score,
    WrongType score_in_words,
    InvalidInput nul_in_a_comment,
    OutOfRange recent_of_none,
    ForeignSubject other_user,
    ScoreAboveMax score_over_100,
    ScoreNegative score_below_0,
    NoAttemptsLeft second_of_one,
    TooMany entries_101,
    BadEvent event_in_capitals,
    DataTooLarge data_of_5000,
    DataTooDeep data_of_20_levels,
    VersionConflict state_written_meanwhile,
    StateTooLarge state_of_65537,
    StateTooDeep state_of_33_levels,
    TooManyStates state_65,
    BadCursor cursor_of_another,
    RateLimited second_call_at_once,
    TooManyKeys second_page_of_one,
    Internal damaged_result,
    StoreUnavailable lost_table,
    KeyInvalid launch_token_of_nobody,
    NotAllowed network_of_others,
    FunctionOff grade_switched_off,
    ProtocolOff hosts_only,
    HttpsRequired plain_http,
    Disabled switched_off,
    UnknownVersion version_of_tomorrow,
};

/// What only hosts are told or bring about: provoked in `host/`.
const OF_HOSTS: [ErrorCode; 9] = [
    ErrorCode::HostUnauthorized,
    ErrorCode::HostClock,
    ErrorCode::NonceReused,
    ErrorCode::ActivityHidden,
    ErrorCode::Ambiguous,
    ErrorCode::Duplicate,
    ErrorCode::Taken,
    ErrorCode::UnknownReference,
    ErrorCode::CursorLost,
];

/// What only forms are refused for: provoked in `legacy/`.
const OF_FORMS: [ErrorCode; 2] = [ErrorCode::BadForm, ErrorCode::BadNumber];

#[tokio::test]
async fn every_code_is_provoked() {
    let mut seen = Vec::new();
    let mut provoked = HashSet::new();
    for (code, scenario) in SCENARIOS {
        let answer = scenario().await;
        let object = answer.seen();
        assert_eq!(object["error"]["code"], code.as_str(), "{answer:?}");
        assert_eq!(object["error"]["message"], code.message());
        assert_eq!(object["error"]["retryable"], code.retryable());
        answer.refusal();
        let wait = answer.header("retry-after").map(|s| format!(" after {s} s"));
        seen.push(format!("{}{} {object}", answer.status.as_u16(), wait.unwrap_or_default()));
        provoked.insert(code);
    }
    provoked.extend(OF_HOSTS);
    provoked.extend(OF_FORMS);
    let all: HashSet<_> = ErrorCode::ALL.iter().copied().collect();
    assert_eq!(provoked, all, "a code without a scenario, or the reverse");
    seen.sort();
    insta::assert_snapshot!(seen.join("\n"), @r#"
    400 {"error":{"code":"bad_json","message":"The body is not a JSON object in UTF-8, or a member stands twice in an object of it.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    400 {"error":{"code":"bad_query","message":"The query of the address cannot be read. See the function's documentation.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    400 {"error":{"code":"two_tokens","message":"The request carries two different keys. Send one.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    400 {"error":{"code":"unknown_version","message":"The version in Latchkey-Version is not spoken here. Leave the header out for the newest one.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    401 {"error":{"code":"key_invalid","message":"This key is not valid here. Renew it through the page's renewal address, or reload the page.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    401 {"error":{"code":"key_invalid","message":"This key is not valid here. Renew it through the page's renewal address, or reload the page.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    401 {"error":{"code":"key_missing","message":"Send the key as 'Authorization: Bearer …', as the member 'token' of the JSON body, or as the field 'key' of a form.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    401 {"error":{"code":"key_renew","message":"This key has ended. Renew it through the page's renewal address, or reload the page.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    403 {"error":{"code":"function_off","message":"The operator of this server has switched this function off.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    403 {"error":{"code":"https_required","message":"This is taken over HTTPS only: others could read it on the way.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    403 {"error":{"code":"key_locked","message":"Keys of this activity were found in two hands repeatedly. Wait ten minutes, log in again, then reload the page.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    403 {"error":{"code":"key_scope","message":"The key does not allow this call: check its functions, origins, networks and mode.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    403 {"error":{"code":"not_allowed","message":"The operator of this server does not allow this from this network, to this user or in this role. Ask them; their log names the rule under request_id.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    403 {"error":{"code":"protocol_off","message":"The operator of this server has switched this way to talk to it off.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    404 {"error":{"code":"not_found","message":"There is nothing at this address.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    404 {"error":{"code":"unknown_function","message":"There is no function of this name. See the list of functions in the documentation.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    405 {"error":{"code":"method_not_allowed","message":"This address does not take this method. Functions are called with POST.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    408 {"error":{"code":"slow_sender","message":"The request took too long to arrive. Send it again.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    409 {"error":{"code":"busy","message":"Another request for the same thing is under way. Send it again.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    409 {"error":{"code":"version_conflict","current":{"value":{"page":3},"version":1},"field":"if_version","message":"The state is not at the version in if_version. Bring in what 'current' holds, then write with its version.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    413 {"error":{"code":"body_too_large","message":"The body is over the size limit. Send fewer calls at a time.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    415 {"error":{"code":"unsupported_media_type","message":"Send JSON as 'application/json' or 'text/plain', a form as 'application/x-www-form-urlencoded'.","retryable":false},"request_id":"[id]","server_time":"[now]","status":"error"}
    422 {"error":{"code":"bad_cursor","field":"before","message":"This cursor is not from this list. Start without one.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"bad_event","field":"entries[0].event","message":"An event is 1 to 64 characters of a-z, 0-9, '_', '.', ':' and '-'.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"data_too_deep","field":"entries[1].data","message":"The data of an entry is nested more than 16 levels deep.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"data_too_large","field":"entries[0].data","message":"The data of an entry is over 4096 bytes of JSON.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"foreign_subject","field":"user","message":"User, activity and attempt come from the key. The field named says another.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"id_reused","field":"id","message":"This id was used before with other content. Give every operation an id of its own.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"invalid_input","field":"comment","message":"The field named holds the character U+0000, which no text here may hold. Leave it out.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"missing_field","field":"score","message":"The field named is required.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"no_attempts_left","message":"The activity allows no further attempt.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"out_of_range","field":"limit","message":"The field named is outside its limits. See the function's documentation.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"score_above_max","field":"score","message":"The score is above the maximum.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"score_negative","field":"score","message":"The score is below zero.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"state_too_deep","field":"value","message":"A state is nested more than 32 levels deep.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"state_too_large","field":"value","message":"A state is at most 65536 bytes of JSON. Keep less, or keep it under several names.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"too_many","field":"entries","message":"The list named holds more than one request may. Send it in parts.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"too_many_states","field":"name","message":"An attempt keeps at most 64 names of state, deleted ones included. Use one of them again.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"unknown_field","field":"scroe","message":"The field named is not part of this function.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    422 {"error":{"code":"wrong_type","field":"score","message":"The field named has the wrong type.","retryable":false},"key":{"expires_at":"[end]","state":"current"},"request_id":"[id]","server_time":"[now]","status":"error","token":"[token]"}
    429 after 1 s {"error":{"code":"rate_limited","message":"Too many calls in a short time. Wait as long as Retry-After says, then send it again.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    429 after 60 s {"error":{"code":"too_many_keys","message":"Too many pages are open for this user. Close some, then reload the page.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    500 {"error":{"code":"internal","message":"Something failed on the server. Nothing was stored unless a retry says so; send it again with the same id.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    503 after 2 s {"error":{"code":"store_unavailable","message":"The server cannot store anything at the moment. Nothing was lost; send it again with the same id.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    503 after 30 s {"error":{"code":"disabled","message":"The server is switched off for the moment. Wait as long as Retry-After says, then send it again.","retryable":true},"request_id":"[id]","server_time":"[now]","status":"error"}
    "#);
}

async fn call(function: &str, args: Value) -> Answer {
    Server::start().await.page().call(function, args).await
}

async fn no_key() -> Answer {
    Server::start().await.ask("POST", "/v1/log").json(&json!({"entries": []})).send().await
}

async fn network_of_others() -> Answer {
    let server = Server::start_with(|config| config.networks = vec!["10.".into()]).await;
    server.page().recent().await
}

async fn grade_switched_off() -> Answer {
    let server = Server::start_with(|config| config.functions = vec!["log".into()]).await;
    server.page().grade(1.0).await
}

async fn hosts_only() -> Answer {
    let server = Server::start_with(|config| config.protocols = vec![Protocol::Host]).await;
    server.page().recent().await
}

async fn plain_http() -> Answer {
    let server = Server::start_with(|config| {
        config.require_https = true;
        config.trusted_proxies = vec!["127.0.0.1".into()];
    })
    .await;
    let ask = server.ask("GET", "/v1/recent").header("x-forwarded-for", "203.0.113.7");
    ask.bearer(&server.launch()).send().await
}

async fn version_of_tomorrow() -> Answer {
    let server = Server::start().await;
    let ask = server.ask("GET", "/v1/recent").header("latchkey-version", "2999-01-01");
    ask.bearer(&server.launch()).send().await
}

async fn switched_off() -> Answer {
    let server = Server::start_with(|config| config.enabled = false).await;
    server.page().recent().await
}

async fn forged_key() -> Answer {
    let server = Server::start().await;
    let token = server.seal(KeyId([1; 16]), 1, [1; 8]);
    let (rest, last) = token.split_at(75);
    let forged = format!("{rest}{}", if last == "A" { "B" } else { "A" });
    server.call(&forged, "recent", json!({})).await
}

async fn launch_token_of_nobody() -> Answer {
    let server = Server::start_with(|config| config.hosts.truncate(1)).await;
    server.page_for("academy", "ada", "quiz").recent().await
}

async fn superseded_key() -> Answer {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    let old = page.token.clone();
    server.after(W);
    page.log("offered").await.is_done();
    page.log("confirmed").await.is_done();
    server.after(W + 1);
    server.call(&old, "recent", json!({})).await
}

async fn looking_only() -> Answer {
    let server = Server::start().await;
    server.page_with(|claims| claims.mode = Mode::Review).grade(1.0).await
}

/// Lets a page of that web session be stolen from, and found out.
async fn theft(server: &Server) {
    let mut page = server.page_with(|claims| claims.session = Some("login".into()));
    page.log("begun").await.is_done();
    let key = server.opened(&page.token).key_id;
    server.call(&server.seal(key, 0, [9; 8]), "recent", json!({})).await.is_over();
}

async fn three_thefts() -> Answer {
    let server = Server::start().await;
    for _ in 0..3 {
        theft(&server).await;
    }
    server.page_with(|claims| claims.session = Some("login".into())).log("again").await
}

async fn nowhere() -> Answer {
    Server::start().await.ask("GET", "/v2/log").send().await
}

async fn no_such_function() -> Answer {
    call("regrade", json!({})).await
}

async fn get_of_a_write() -> Answer {
    Server::start().await.ask("GET", "/v1/grade").send().await
}

async fn half_a_body() -> Answer {
    let short = |config: &mut latchkey_server::config::Config| {
        config.limits.read_deadline = Duration::from_millis(50);
    };
    let server = Server::start_with(short).await;
    let half = futures_util::stream::once(async { Ok::<_, std::io::Error>("{\"entries\":") });
    let body = futures_util::StreamExt::chain(half, futures_util::stream::pending());
    let ask = server.ask("POST", "/v1/log").header("content-type", "application/json");
    ask.stream(axum::body::Body::from_stream(body)).send().await
}

/// Memory may say yes but never no. Where the row says yes against it, the client asks again.
async fn row_better_than_memory() -> Answer {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    ended_by_mistake(&server, &mut page).await
}

/// The answer to a page whose key's end was taken back in the row, while memory knows of the end.
async fn ended_by_mistake(server: &Server, page: &mut Page<'_>) -> Answer {
    let (key, now) = (server.opened(&page.token).key_id, server.latchkey.now());
    loop {
        assert!(server.latchkey.store().revoke("school", key, "by mistake", now).await.unwrap());
        assert_eq!(page.recent().await.refusal(), "401 key_renew");
        server.database().execute("UPDATE keys SET revoked_at = NULL");
        let answer = page.recent().await;
        // Memory that is a second old is not believed either way.
        if answer.status != 200 {
            return answer;
        }
    }
}

async fn large_body() -> Answer {
    let server = Server::start().await;
    server.ask("POST", "/v1/log").text("application/json", vec![b' '; 131_073]).send().await
}

async fn form() -> Answer {
    let server = Server::start().await;
    let ask = server.ask("POST", "/v1/grade").bearer(&server.launch());
    ask.text("application/x-www-form-urlencoded", "score=1").send().await
}

async fn two_keys() -> Answer {
    let server = Server::start().await;
    let args = json!({"token": server.launch(), "score": 1});
    server.ask("POST", "/v1/grade").bearer(&server.launch()).json(&args).send().await
}

async fn no_json() -> Answer {
    let server = Server::start().await;
    let ask = server.ask("POST", "/v1/grade").bearer(&server.launch());
    ask.text("application/json", "{score:1}").send().await
}

async fn escaped_query() -> Answer {
    let server = Server::start().await;
    server.ask("GET", "/v1/recent?before=%31").bearer(&server.launch()).send().await
}

async fn id_with_other_content() -> Answer {
    let server = Server::start().await;
    let mut page = server.page();
    page.call("grade", json!({"id": "g1", "score": 1})).await.is_done();
    page.call("grade", json!({"id": "g1", "score": 2})).await
}

async fn misspelt_member() -> Answer {
    call("grade", json!({"score": 1, "scroe": 2})).await
}

async fn no_score() -> Answer {
    call("grade", json!({})).await
}

async fn nul_in_a_comment() -> Answer {
    let server = Server::start().await;
    server.page().call("grade", json!({"score": 1, "comment": "a\0b"})).await
}

async fn score_in_words() -> Answer {
    call("grade", json!({"score": "seven"})).await
}

async fn recent_of_none() -> Answer {
    call("recent", json!({"limit": 0})).await
}

async fn other_user() -> Answer {
    call("grade", json!({"score": 1, "user": "bob"})).await
}

async fn score_over_100() -> Answer {
    call("grade", json!({"score": 100.5})).await
}

async fn score_below_0() -> Answer {
    call("grade", json!({"score": -0.5})).await
}

async fn second_of_one() -> Answer {
    let server = Server::start().await;
    let mut page = server.page_with(|claims| {
        claims.attempt = 2;
        claims.placement = Some(Placement { attempts: Some(1), ..Placement::default() });
    });
    page.grade(1.0).await
}

async fn entries_101() -> Answer {
    call("log", json!({"entries": vec![json!({"event": "a"}); 101]})).await
}

async fn event_in_capitals() -> Answer {
    call("log", json!({"entries": [{"event": "Answered"}]})).await
}

async fn data_of_5000() -> Answer {
    call("log", json!({"entries": [{"event": "a", "data": {"text": "x".repeat(5000)}}]})).await
}

async fn data_of_20_levels() -> Answer {
    let deep = (1..20).fold(json!({}), |inner, _| json!({ "in": inner }));
    call("log", json!({"entries": [{"event": "a"}, {"event": "a", "data": deep}]})).await
}

/// `put` by a key that may.
async fn put(server: &Server, args: Value) -> Answer {
    let grant = |claims: &mut LaunchClaims| claims.functions = Some(vec!["state".into()]);
    let mut call = json!({"op": "put", "value": 1});
    call.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
    server.page_with(grant).call("state", call).await
}

async fn state_written_meanwhile() -> Answer {
    let server = Server::start().await;
    put(&server, json!({"value": {"page": 3}})).await.is_done();
    put(&server, json!({"if_version": 0})).await
}

async fn state_of_65537() -> Answer {
    put(&Server::start().await, json!({"value": "x".repeat(65_535)})).await
}

async fn state_of_33_levels() -> Answer {
    let deep = (0..33).fold(json!(1), |inner, _| json!([inner]));
    put(&Server::start().await, json!({ "value": deep })).await
}

async fn state_65() -> Answer {
    let server = Server::start().await;
    for number in 0..64 {
        put(&server, json!({"name": number.to_string()})).await.is_done();
    }
    put(&server, json!({"name": "64"})).await
}

async fn cursor_of_another() -> Answer {
    let server = Server::start().await;
    let logged = server.page_for("school", "ada", "other").log("begun").await;
    let cursor = logged.result()["ids"][0].clone();
    let mut page = server.page();
    page.log("begun").await.is_done();
    page.call("recent", json!({ "before": cursor })).await
}

async fn second_call_at_once() -> Answer {
    let slow = |config: &mut latchkey_server::config::Config| {
        (config.limits.burst, config.limits.per_second) = (1, 1);
    };
    let server = Server::start_with(slow).await;
    let mut page = server.page();
    page.log("first").await.is_done();
    page.log("second").await
}

async fn second_page_of_one() -> Answer {
    let server = Server::start_with(|config| config.keys.per_user = 1).await;
    server.page().log("first").await.is_done();
    server.page().log("second").await
}

/// A saved result that cannot be read: another version wrote it, or the disk did.
async fn damaged_result() -> Answer {
    let server = Server::start().await;
    let mut page = server.page();
    let args = json!({"id": "g1", "score": 1});
    page.call("grade", args.clone()).await.is_done();
    server.database().execute("UPDATE operations SET outcome = '{'");
    page.call("grade", args).await
}

/// The database refuses to write; once it is mended, the same operation is done once.
async fn lost_table() -> Answer {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    let args = json!({"id": "g1", "score": 7});
    server.database().execute("ALTER TABLE submissions RENAME TO gone");
    let refused = page.call("grade", args.clone()).await;
    server.database().execute("ALTER TABLE gone RENAME TO submissions");
    let done = page.call("grade", args).await;
    assert_eq!(done.result()["score"], 7.0);
    assert_eq!(done.json().get("replayed"), None);
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
    refused
}

#[tokio::test]
async fn a_busy_row_is_free_at_the_next_try() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    assert_eq!(ended_by_mistake(&server, &mut page).await.refusal(), "409 busy");
    // "Send it again", says the refusal.
    page.recent().await.is_done();
}
