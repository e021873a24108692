//! Tokens that are none: everything before the MAC is valid is one answer, and leaves no trace.

use crate::client::Answer;
use crate::server::{SECOND, START, Server, base64url};
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::{KeyId, LAUNCH_BRANCH, TEXT_LEN};
use latchkey_server::keys::keyring::{Keyring, Secret};
use serde_json::{Value, json};

const SCHOOL: [u8; 32] = [11; 32];
const ACADEMY: [u8; 32] = [22; 32];

/// A JWT of any header and claims, signed with HMAC-SHA-256.
fn jwt(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = base64url(&Signer::new(secret).sign(signed.as_bytes()));
    format!("{signed}.{mac}")
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "latchkey+jwt", "kid": "school.1"})
}

fn claims(server: &Server) -> Value {
    serde_json::to_value(server.claims()).unwrap()
}

/// The object with one member changed.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// What a caller is told of a token that is none of ours: one text, byte for byte.
#[track_caller]
fn is_none_of_ours(answer: &Answer, what: &str) {
    assert_eq!(answer.refusal(), "401 key_invalid", "{what}");
    let expected = r#"401 Unauthorized ["cache-control", "content-length", "content-type", "date", "latchkey-version", "x-content-type-options"] {"status":"error","error":{"code":"key_invalid","message":"This key is not valid here. Renew it through the page's renewal address, or reload the page.","retryable":false},"server_time":"[now]","request_id":"[id]"}"#;
    assert_eq!(answer.bytes(), expected, "{what}");
}

async fn all_are_none_of_ours(server: &Server, tokens: &[(&str, String)]) {
    for (what, token) in tokens {
        let args = json!({"entries": [{"event": "forged"}]});
        is_none_of_ours(&server.call(token, "log", args).await, what);
    }
    for table in ["keys", "users", "activities", "entries"] {
        assert_eq!(server.count(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
}

#[tokio::test]
async fn the_tokens_made_by_hand_here_would_be_good() {
    let server = Server::start().await;
    let token = jwt(&header(), &claims(&server), &SCHOOL);
    server.call(&token, "recent", json!({})).await.is_done();
}

#[tokio::test]
async fn malformed_launch_tokens() {
    let server = Server::start().await;
    let good = jwt(&header(), &claims(&server), &SCHOOL);
    let parts: Vec<_> = good.split('.').collect();
    let tokens = [
        ("a word", "x".to_owned()),
        ("two letters", "ey".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{good}.{}", parts[2])),
        ("empty parts", "..".to_owned()),
        ("padded", format!("{good}=")),
        ("no base64", format!("{}.%%.{}", parts[0], parts[2])),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("a space inside", good.replacen('.', ". ", 1)),
        ("claims that are a list", jwt(&header(), &json!([]), &SCHOOL)),
    ];
    all_are_none_of_ours(&server, &tokens).await;
}

#[tokio::test]
async fn forged_launch_tokens() {
    let server = Server::start().await;
    let good = jwt(&header(), &claims(&server), &SCHOOL);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let promoted = with(claims(&server), "sub", json!("teacher"));
    let (promoted, _) = jwt(&header(), &promoted, &SCHOOL)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.len()))
        .unwrap();
    let mac = good.rsplit_once('.').unwrap().1;
    let tokens = [
        ("another secret", jwt(&header(), &claims(&server), &[9; 32])),
        ("the signature of another", format!("{promoted}.{mac}")),
        ("no signature", format!("{signed}.")),
        ("half a signature", format!("{signed}.{}", &mac[..22])),
        (
            "a secret that is not there",
            jwt(&with(header(), "kid", json!("school.2")), &claims(&server), &SCHOOL),
        ),
        (
            "no secret named",
            jwt(&with(header(), "kid", json!("school")), &claims(&server), &SCHOOL),
        ),
    ];
    all_are_none_of_ours(&server, &tokens).await;
}

#[tokio::test]
async fn launch_tokens_of_foreign_hosts() {
    let server = Server::start().await;
    let academy = with(header(), "kid", json!("academy.1"));
    let nobody = with(header(), "kid", json!("nobody.1"));
    let tokens = [
        ("our name, their secret", jwt(&header(), &claims(&server), &ACADEMY)),
        ("their key, our name", jwt(&academy, &claims(&server), &ACADEMY)),
        (
            "our key, their name",
            jwt(&header(), &with(claims(&server), "iss", json!("academy")), &SCHOOL),
        ),
        ("an unknown host", jwt(&nobody, &with(claims(&server), "iss", json!("nobody")), &SCHOOL)),
    ];
    all_are_none_of_ours(&server, &tokens).await;
}

#[tokio::test]
async fn the_algorithm_is_not_the_tokens_to_choose() {
    let server = Server::start().await;
    let header = |alg: &str| with(header(), "alg", json!(alg));
    let none = jwt(&header("none"), &claims(&server), &SCHOOL);
    let tokens = [
        ("none, unsigned", format!("{}.", none.rsplit_once('.').unwrap().0)),
        ("none, signed", none),
        ("RS256", jwt(&header("RS256"), &claims(&server), &SCHOOL)),
        ("HS512", jwt(&header("HS512"), &claims(&server), &SCHOOL)),
        ("hs256", jwt(&header("hs256"), &claims(&server), &SCHOOL)),
        (
            "another type",
            jwt(&with(self::header(), "typ", json!("JWT")), &claims(&server), &SCHOOL),
        ),
        (
            "a header that asks for more",
            jwt(&with(self::header(), "jku", json!("https://x")), &claims(&server), &SCHOOL),
        ),
    ];
    all_are_none_of_ours(&server, &tokens).await;
}

#[tokio::test]
async fn claims_beyond_their_limits() {
    let server = Server::start().await;
    let iat = START / SECOND;
    let token = |name, value| jwt(&header(), &with(claims(&server), name, value), &SCHOOL);
    let mut short = claims(&server);
    short.as_object_mut().unwrap().remove("jti");
    let tokens = [
        ("a misspelt restriction", token("network", json!(["10.0.0.0/8"]))),
        ("a first use for two hours", token("exp", json!(iat + 7200))),
        ("an end before the beginning", token("exp", json!(iat - 1))),
        ("a key that ends at once", token("key_exp", json!(iat))),
        ("no user", token("sub", json!(""))),
        ("a user by number", token("sub", json!(7))),
        ("a short id", token("jti", json!("AAAA"))),
        ("attempt 0", token("attempt", json!(0))),
        ("no maximum", token("placement", json!({"max": 0}))),
        ("an origin with a path", token("origins", json!(["https://a.example/x"]))),
        ("a network in words", token("networks", json!(["home"]))),
        ("a fixed token tied to no place", token("rotation", json!("off"))),
        ("no id", jwt(&header(), &short, &SCHOOL)),
    ];
    all_are_none_of_ours(&server, &tokens).await;
}

#[tokio::test]
async fn a_launch_from_the_future_waits_for_its_time() {
    let server = Server::start().await;
    let ahead = |by: i64| {
        server.launch_with(|claims: &mut LaunchClaims| {
            claims.iat += by;
            claims.exp += by;
        })
    };
    let not_before =
        server.launch_with(|claims: &mut LaunchClaims| claims.nbf = Some(claims.iat + 61));
    let tokens = [("61 s ahead", ahead(61)), ("nbf 61 s ahead", not_before.clone())];
    all_are_none_of_ours(&server, &tokens).await;
    server.call(&ahead(60), "recent", json!({})).await.is_done();
    server.after(SECOND);
    server.call(&not_before, "recent", json!({})).await.is_done();
}

#[tokio::test]
async fn oversized_launch_tokens() {
    let server = Server::start().await;
    let long =
        |n: usize| jwt(&header(), &with(claims(&server), "aud", json!("x".repeat(n))), &SCHOOL);
    // Base64 makes 4 characters of 3 bytes: lengths go up in small steps.
    let over = (0..3000).map(long).find(|token| token.len() > 2048).unwrap();
    assert!(over.len() < 2053, "{}", over.len());
    let tokens = [("just over 2048", over), ("much over", long(5000))];
    all_are_none_of_ours(&server, &tokens).await;
    let most = (0..3000).map(long).take_while(|token| token.len() <= 2048).last().unwrap();
    server.call(&most, "recent", json!({})).await.is_done();
}

#[tokio::test]
async fn session_tokens_that_are_none() {
    let server = Server::start().await;
    let key = KeyId([1; 16]);
    let good = server.seal(key, 0, LAUNCH_BRANCH);
    assert_eq!(good.len(), TEXT_LEN);
    let flipped = |at: usize| {
        let mut text = good.clone().into_bytes();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(text).unwrap()
    };
    let elsewhere = |deployment: &str, number| {
        let secret = Secret { number, bytes: [5; 32], sign_from: 0, verify_until: None };
        let ring = Keyring::new(deployment, [secret], START).unwrap();
        ring.seal(key, 0, LAUNCH_BRANCH, START)
    };
    let tokens = [
        ("the prefix alone", "lk1_".to_owned()),
        ("truncated", good[..75].to_owned()),
        ("one character more", format!("{good}A")),
        ("padded", format!("{}=", &good[..75])),
        ("another prefix", good.replacen("lk1_", "lk2_", 1)),
        ("capitals", good.replacen("lk1_", "LK1_", 1)),
        ("another key", flipped(10)),
        ("another generation", flipped(30)),
        ("another MAC", flipped(60)),
        ("another checksum", flipped(74)),
        ("no base64", good.replacen(&good[20..21], "!", 1)),
        ("of another deployment", elsewhere("other", 1)),
        ("of a secret that is not there", elsewhere("other", 200)),
    ];
    all_are_none_of_ours(&server, &tokens).await;
    // With all of that put right it is a key that is not there.
    server.call(&good, "recent", json!({})).await.is_over();
}

#[tokio::test]
async fn one_request_one_key() {
    let server = Server::start().await;
    let (one, two) = (server.launch(), server.launch());
    let post = || server.ask("POST", "/v1/grade");
    let args = |token: &str| json!({"token": token, "score": 1});
    let refused = [
        ("header and body", post().bearer(&one).json(&args(&two)), "400 two_tokens"),
        (
            "two headers",
            post().bearer(&one).bearer(&two).json(&json!({"score": 1})),
            "400 two_tokens",
        ),
        (
            "another scheme",
            post().header("authorization", "Basic YTpi").json(&args(&one)),
            "401 key_missing",
        ),
        (
            "an empty header",
            post().header("authorization", "Bearer ").json(&json!({"score": 1})),
            "401 key_missing",
        ),
        ("an empty member", post().json(&args("")), "401 key_missing"),
        ("a number", post().json(&json!({"token": 5, "score": 1})), "422 wrong_type token"),
    ];
    for (what, ask, expected) in refused {
        assert_eq!(ask.send().await.refusal(), expected, "{what}");
    }
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
    post().bearer(&one).bearer(&one).json(&args(&one)).send().await.is_done();
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
}
