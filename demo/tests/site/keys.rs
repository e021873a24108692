//! Keys in pages: what they may do, what ends them, how they are renewed.

use crate::school::School;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The claims of a launch token.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn ok(answer: &crate::school::Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_page_carries_a_key_for_its_user_and_activity() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let page = ada.get("/activity/rivers").await;
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("connect-src 'self' http://{};", school.api)), "{policy}");
    assert!(policy.contains("frame-ancestors 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let block: Value = serde_json::from_str(page.between("data-latchkey>", "</script>")).unwrap();
    assert_eq!(block["endpoint"], format!("http://{}", school.api));
    assert_eq!(block["renew"], "/renew/rivers");
    let claims = claims(block["token"].as_str().unwrap());
    assert_eq!((&claims["sub"], &claims["activity"]), (&"s1".into(), &"rivers".into()));
    assert_eq!((&claims["recent"], &claims["attempt"]), (&"activity".into(), &1.into()));
}

#[tokio::test]
async fn what_is_handed_in_is_in_the_gradebook() {
    let school = School::open().await;
    let (mut ada, mut ben) = (school.logged_in("ada").await, school.logged_in("ben").await);
    let token = ada.launch("rivers").await;
    let log = r#"{"entries":[{"event":"answered","data":{"question":1}}]}"#;
    ok(&school.call("log", &token, log).await);
    let receipt = ok(&school.hand_in(&token, 8.5).await);
    assert_eq!(receipt["result"]["standing"]["score"], 8.5);

    let recent = ok(&school.call("recent", &ben.launch("rivers").await, "{}").await);
    let items = recent["result"]["items"].as_array().unwrap();
    let kinds: Vec<_> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["join", "grade", "log", "join"]);
    assert_eq!(items[1]["user"]["name"], "Ada Lindqvist");

    let next = ada.launch("rivers").await;
    assert_eq!(claims(&next)["attempt"], 2, "what was handed in is an attempt");
    ok(&school.hand_in(&next, 0.0).await);
    let mut teacher = school.logged_in("teacher").await;
    let book = teacher.get("/gradebook/rivers").await.body;
    assert!(book.contains("data-score=\"8.5\"") && book.contains("Well &lt;tried&gt;"), "{book}");
    assert_eq!(book.matches("data-testid=\"submission-row\"").count(), 2);
    assert_eq!(book.matches("data-testid=\"gradebook-row\"").count(), 4);
    assert_eq!(book.matches("class=\"tag trust\">reported by the client").count(), 2);
    assert!(teacher.get("/insight/rivers").await.body.contains("data-testid=\"chart\""));
}

#[tokio::test]
async fn logging_out_ends_every_key_of_the_login() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let mut elsewhere = school.logged_in("ada").await;
    let (used, unused) = (ada.launch("rivers").await, ada.launch("summits").await);
    let other = elsewhere.launch("rivers").await;
    ok(&school.hand_in(&used, 1.0).await);
    let answer = ada.form("/logout", "").await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/login?out=1")));
    assert_eq!(school.hand_in(&used, 2.0).await.code(), "key_renew");
    assert_eq!(school.hand_in(&unused, 2.0).await.status, 401);
    assert_eq!(ada.renew("rivers", &used).await.status, 401);
    ok(&school.hand_in(&other, 3.0).await);
}

#[tokio::test]
async fn logging_in_as_another_ends_the_keys_of_the_former() {
    let school = School::open().await;
    let mut browser = school.logged_in("ada").await;
    let token = browser.launch("rivers").await;
    ok(&school.hand_in(&token, 1.0).await);
    browser.log_in("ben", latchkey_demo::accounts::PASSWORD).await;
    assert_eq!(school.hand_in(&token, 2.0).await.status, 401);
}

#[tokio::test]
async fn a_renewal_replaces_the_key() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let launch = ada.launch("rivers").await;
    let session = ok(&school.hand_in(&launch, 1.0).await)["token"].as_str().unwrap().to_owned();
    assert!(session.starts_with("lk1_"));
    let renewed = ok(&ada.renew("rivers", &session).await);
    assert_eq!(renewed["status"], "ok");
    let renewed = renewed["token"].as_str().unwrap();
    assert_eq!(claims(renewed)["attempt"], 1, "the attempt goes on");
    assert_eq!(school.hand_in(&session, 2.0).await.code(), "key_renew");
    assert_eq!(school.hand_in(&launch, 2.0).await.code(), "key_renew");
    ok(&school.hand_in(renewed, 3.0).await);
}

#[tokio::test]
async fn only_a_script_of_the_page_renews() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let token = ada.launch("rivers").await;
    ok(&school.hand_in(&token, 1.0).await);
    let marked = ("Latchkey-Renew", "1".to_owned());
    for headers in [
        vec![marked.clone()],
        vec![("Origin", "https://evil.example".to_owned()), marked.clone()],
        vec![("Sec-Fetch-Site", "same-site".to_owned()), marked.clone()],
        vec![("Sec-Fetch-Site", "same-origin".to_owned())],
        vec![("Origin", ada.origin())],
    ] {
        let answer = ada.renew_with("rivers", &token, &headers).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "foreign_page"), "{headers:?}");
    }
    ok(&school.hand_in(&token, 2.0).await);
    let by_origin = [("Origin", ada.origin()), marked];
    ok(&ada.renew_with("rivers", &token, &by_origin).await);
    assert_eq!(ada.renew("nothing", &token).await.status, 403);
    assert_eq!(school.visitor().renew("rivers", &token).await.code(), "login_over");
}

#[tokio::test]
async fn a_renewal_leaves_keys_of_others_alone() {
    let school = School::open().await;
    let (mut ada, mut ben) = (school.logged_in("ada").await, school.logged_in("ben").await);
    let launch = ada.launch("rivers").await;
    let session = ok(&school.hand_in(&launch, 1.0).await)["token"].as_str().unwrap().to_owned();
    for token in [&launch, &session] {
        let renewed = ok(&ben.renew("rivers", token).await);
        assert_eq!(claims(renewed["token"].as_str().unwrap())["sub"], "s2", "a key of one's own");
    }
    ok(&school.hand_in(&session, 2.0).await);
}
