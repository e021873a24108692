//! Settings that change under way: all at once, without a call lost, or not at all.

use crate::client::client;
use crate::program::{Program, launch, read};
use crate::server::{PATIENCE, Server, base64url};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use latchkey_protocol::mac::Signer;
use latchkey_server::config::HostSecret;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_is_lost_while_settings_change() {
    let server = Arc::new(Server::start().await);
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for _ in 0..4 {
        let (server, over) = (Arc::clone(&server), Arc::clone(&over));
        callers.push(tokio::spawn(async move {
            let mut page = server.page();
            let mut done = 0;
            while !over.load(Ordering::Relaxed) || done == 0 {
                page.log("steady").await.is_done();
                done += 1;
            }
            done
        }));
    }
    for round in 0..200_u32 {
        server
            .reload(|config| {
                config.limits.burst = 1_000_000 * (round % 2);
                config.limits.per_second = 1_000_000;
                config.hosts[0].origins.clear();
                config.networks = vec![format!("127.0.0.{}-127.0.0.255", round % 2)];
            })
            .unwrap();
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    let mut done = 0;
    for caller in callers {
        done += caller.await.unwrap();
    }
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE kind = 0"), done);
}

#[tokio::test]
async fn a_hosts_secrets_and_origins_change_under_its_keys() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("before").await.is_done();
    let unused = server.launch();
    let other = [33; 32];
    server
        .reload(|config| {
            config.hosts[0].secrets = vec![HostSecret { number: 2, secret: base64url(&other) }];
            config.hosts[0].origins = vec!["https://school.example".into()];
        })
        .unwrap();
    // A launch token under the old secret is none any more; a key in use goes on.
    assert_eq!(server.call(&unused, "recent", json!({})).await.refusal(), "401 key_invalid");
    page.log("after").await.is_done();
    let token = server.claims().sign(2, &Signer::new(&other)).unwrap();
    let ask = || server.ask("POST", "/v1/recent").bearer(&token).json(&json!({}));
    assert_eq!(ask().send().await.refusal(), "403 key_scope", "the new origins hold");
    ask().header("origin", "https://school.example").send().await.is_done();
}

#[tokio::test]
async fn settings_that_cannot_be_change_nothing() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("before").await.is_done();
    let error = server
        .reload(|config| {
            config.enabled = false;
            config.networks = vec!["10.0.0.1/8".into()];
        })
        .unwrap_err();
    assert!(error.to_string().contains("networks[0]"), "{error}");
    page.log("after").await.is_done();
    let secrets = server.folder.path().join("data/secrets.toml");
    let text = read(&secrets);
    std::fs::write(&secrets, "nonsense").unwrap();
    assert!(server.reload(|config| config.enabled = false).is_err());
    std::fs::write(&secrets, text).unwrap();
    page.log("after.that").await.is_done();
    // Where it stores is not for a reload to change.
    server.reload(|config| config.data = "elsewhere".into()).unwrap();
    page.log("at.home").await.is_done();
    assert!(!Path::new("elsewhere").exists());
}

/// What `POST /v1/recent` is answered: status and code.
async fn asked(program: &Program, token: &str) -> (u16, Value) {
    let request = Request::post(format!("http://{}/v1/recent", program.address))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    let answer = client().request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let object: Value = serde_json::from_slice(&body).unwrap();
    (status, object["error"]["code"].clone())
}

/// Sends SIGHUP and waits for the log to say what came of it.
async fn hang_up(program: &Program, said: &str) -> String {
    let pid = program.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let wait = async {
        loop {
            let log = read(&program.log);
            if log.contains(said) {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{said}: {}", read(&program.log)))
}

#[tokio::test]
async fn a_hangup_reads_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latchkey.toml");
    std::fs::write(&file, "networks = []").unwrap();
    let path = file.display().to_string();
    let program = Program::start(folder.path(), &[("LATCHKEY_CONFIG", &path)]);
    let token = launch(folder.path(), |_| ());
    assert_eq!(asked(&program, &token).await.0, 200);

    std::fs::write(&file, "networks = [\"10.0.0.0/8\"]\n[log]\nlevel = \"debug\"").unwrap();
    let log = hang_up(&program, "settings read again and in force").await;
    assert!(log.contains("log.level") && !log.contains("listen,"), "{log}");
    assert_eq!(asked(&program, &token).await, (403, json!("not_allowed")));

    // A mistake leaves the last good settings in force and is told by the setting's name.
    std::fs::write(&file, "networks = [\"10.0.0.1/8\"]").unwrap();
    let log = hang_up(&program, "networks[0]").await;
    assert!(log.contains("the settings are as they were") && log.contains("10.0.0.0/8"), "{log}");
    assert_eq!(asked(&program, &token).await, (403, json!("not_allowed")));
    std::fs::write(&file, "netwroks = []").unwrap();
    hang_up(&program, "netwroks").await;
    std::fs::remove_file(&file).unwrap();
    hang_up(&program, "there is no configuration file").await;

    std::fs::write(&file, "enabled = false").unwrap();
    let wait = async {
        while asked(&program, &token).await != (503, json!("disabled")) {
            hang_up(&program, "in force").await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
    let log = program.log.clone();
    assert!(program.terminate());
    let log = read(&log);
    for rule in ["rule=networks", "rule=enabled", "address=127.0.0.1"] {
        assert!(log.contains(rule), "{rule}: {log}");
    }
    assert!(!log.contains(&token), "{log}");
}

#[tokio::test]
async fn denials_are_logged_by_their_rule_and_not_by_what_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latchkey.toml");
    let secret = base64url(&[11; 32]);
    let text = format!(
        "functions = [\"log\", \"grade\"]\n[capabilities]\nstudent = [\"grade\"]\n[[hosts]]\n\
         id = \"school\"\nsecrets = [{{ number = 1, secret = \"{secret}\" }}]\nusers = [\"ada\"]"
    );
    std::fs::write(&file, text).unwrap();
    let path = file.display().to_string();
    let program = Program::start(folder.path(), &[("LATCHKEY_CONFIG", &path)]);
    let sign = |user: &str| {
        let id = latchkey_protocol::token::KeyId([user.len() as u8; 16]);
        let now = latchkey_server::clock::Clock::now(&latchkey_server::clock::SystemClock) / 1000;
        let claims = latchkey_protocol::launch::LaunchClaims::new("school", user, "quiz", id, now);
        claims.sign(1, &Signer::new(&[11; 32])).unwrap()
    };
    let call = async |token: &str, function: &str, body: &'static str| {
        let request = Request::post(format!("http://{}/v1/{function}", program.address))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body))
            .unwrap();
        client().request(request).await.unwrap().status().as_u16()
    };
    let (ada, mallory) = (sign("ada"), sign("mallory-canary"));
    assert_eq!(call(&mallory, "grade", r#"{"score":1,"comment":"canary"}"#).await, 403);
    assert_eq!(call(&ada, "recent", "{}").await, 403);
    let log_twice = r#"{"calls":[{"function":"log","args":{"entries":[{"event":"canary"}]}},
        {"function":"log","args":{"entries":[{"event":"canary"}]}}]}"#;
    assert_eq!(call(&ada, "batch", log_twice).await, 200);
    let log = program.log.clone();
    assert!(program.terminate());
    let log = read(&log);
    for rule in ["rule=hosts[0].users", "rule=functions", "rule=capabilities"] {
        assert_eq!(log.matches(rule).count(), 1, "{rule}: {log}");
    }
    for hidden in ["canary", &ada, &mallory, &secret] {
        assert!(!log.contains(hidden), "{log}");
    }
}
