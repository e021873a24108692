//! Pages that are placed otherwise than in the page itself: in a sandboxed frame, in WebAssembly, in a worker.

use crate::keys::claims;
use crate::school::{School, send};
use serde_json::Value;

fn policy(answer: &crate::school::Answer) -> String {
    answer.header("content-security-policy").unwrap().to_owned()
}

#[tokio::test]
async fn a_guests_key_is_of_use_in_its_frame_alone() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let token = ada.launch("guest").await;
    assert_eq!(claims(&token)["origins"], serde_json::json!(["null"]));
    let page = ada.get("/activity/guest").await.body;
    assert!(page.contains("sandbox=\"allow-scripts\""), "{page}");
    assert!(
        page.contains("data-src=\"/guest/guest\"") && !page.contains(" src=\"/guest"),
        "{page}"
    );

    // The site's own pages may not use it, the frame may.
    assert_eq!(school.hand_in(&token, 1.0).await.code(), "key_scope");
    let headers = [
        ("Origin", "null".to_owned()),
        ("Authorization", format!("Bearer {token}")),
        ("Content-Type", "application/json".into()),
    ];
    let answer = send(school.api, "POST", "/v1/grade", &headers, r#"{"score":7}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("access-control-allow-origin"), Some("null"));
    // Nor may the frame use a key of another page.
    let other = ada.launch("rivers").await;
    let mut headers = headers;
    headers[1].1 = format!("Bearer {other}");
    let answer = send(school.api, "POST", "/v1/grade", &headers, r#"{"score":7}"#).await;
    assert_eq!(answer.code(), "key_scope");
}

#[tokio::test]
async fn the_page_in_the_frame_has_no_key_and_no_origin() {
    let school = School::open().await;
    let page = school.visitor().get("/guest/guest").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let block: Value = serde_json::from_str(page.between("data-latchkey>", "</script>")).unwrap();
    assert_eq!(block, serde_json::json!({ "parent": school.visitor().origin() }));
    assert_eq!(page.header("set-cookie"), None);
    let policy = policy(&page);
    assert!(policy.starts_with("sandbox allow-scripts; default-src 'none';"), "{policy}");
    assert!(!policy.contains("'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(
        policy.contains(&format!("frame-ancestors {} ", school.visitor().origin())),
        "{policy}"
    );
    // By the name that the browser used.
    let host = [("Host", format!("localhost:{}", school.site.port()))];
    let page = send(school.site, "GET", "/guest/guest", &host, "").await;
    let around = format!("http://localhost:{}", school.site.port());
    assert!(page.body.contains(&format!("data-around=\"{around}\"")), "{}", page.body);
    for host in ["evil.example", "<script>", ""] {
        let page = send(school.site, "GET", "/guest/guest", &[("Host", host.into())], "").await;
        assert!(!page.body.contains("evil") && !page.body.contains("\"<script"), "{}", page.body);
    }
    for path in ["/guest/rivers", "/guest/nothing"] {
        assert_eq!(school.visitor().get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn scripts_may_be_read_by_pages_without_an_origin_and_renewals_not() {
    let school = School::open().await;
    for file in ["quiz.js", "activity.js", "questions.js", "site.css", "height.js"] {
        let file = school.visitor().get(&format!("/static/{file}")).await;
        assert_eq!(file.header("access-control-allow-origin"), Some("*"));
        assert_eq!(file.header("access-control-allow-credentials"), None);
    }
    // What a sandboxed frame would send, the cookie included.
    let mut ada = school.logged_in("ada").await;
    let token = ada.launch("guest").await;
    for from in [("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let headers = [(from.0, from.1.to_owned()), ("Latchkey-Renew", "1".to_owned())];
        let answer = ada.renew_with("guest", &token, &headers).await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "foreign_page"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let renewed = ada.renew("guest", &token).await;
    let renewed = renewed.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&renewed)["origins"], serde_json::json!(["null"]));
}

#[tokio::test]
async fn webassembly_runs_where_it_is_needed_and_nowhere_else() {
    let school = School::open_with_built_files().await;
    let mut ada = school.logged_in("ada").await;
    let allowed = "'wasm-unsafe-eval'";
    assert!(policy(&ada.get("/activity/pendulum").await).contains(allowed));
    assert!(policy(&ada.get("/static/query-worker.js").await).contains(allowed));
    for path in
        ["/activity/rivers", "/activity/records", "/activity/guest", "/course", "/static/query.js"]
    {
        let policy = policy(&ada.get(path).await);
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    for (file, kind) in [
        ("lab.js", "text/javascript; charset=utf-8"),
        ("lab_bg.wasm", "application/wasm"),
        ("sql-wasm.js", "text/javascript; charset=utf-8"),
        ("sql-wasm.wasm", "application/wasm"),
    ] {
        let path = format!("/built/{file}");
        let answer = school.visitor().get(&path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{file}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let tag = [("If-None-Match", answer.header("etag").unwrap().to_owned())];
        assert_eq!(send(school.site, "GET", &path, &tag, "").await.status, 304);
    }
    for path in ["/built/x", "/built/..%2fCargo.toml", "/built/%2e%2e", "/built/latchkey.db"] {
        assert_eq!(school.visitor().get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_has_not_been_built_says_how() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    for path in [
        "/activity/pendulum",
        "/activity/records",
        "/activity/tides",
        "/built/lab.js",
        "/built/sql-wasm.wasm",
    ] {
        let answer = ada.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.body.contains("cargo xtask web"), "{}", answer.body);
        assert!(!answer.body.contains(school.folder.path().to_str().unwrap()), "no folder is told");
    }
    // Everything else works.
    assert_eq!(ada.get("/activity/rivers").await.status, 200);
    assert!(ada.get("/course").await.body.matches("data-testid=\"activity-card\"").count() >= 5);
}
