//! `latchkey mint`, `latchkey check-config`, `latchkey serve`.

use crate::client::client;
use crate::program::{Program, latchkey, launch, read, run, secrets};
use axum::body::Body;
use latchkey_protocol::launch::RecentScope;
use latchkey_server::clock::{Clock, SystemClock};
use latchkey_server::keys::launch::{OpenLaunch, open};
use std::path::Path;

/// What `latchkey mint` prints, read as the server will read it.
fn minted(folder: &Path, options: &[&str]) -> OpenLaunch {
    let mut command = latchkey();
    command.args(["mint", "--host", "local", "--user", "u1", "--activity", "a1", "--data"]);
    command.arg(folder.join("data")).args(options);
    let output = run(&mut command);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (config, secrets) = secrets(folder);
    open(text.trim_end(), &secrets.hosts, &config.lifetimes(), SystemClock.now()).unwrap()
}

#[test]
fn mint_with_each_option() {
    let folder = tempfile::tempdir().unwrap();
    let plain = minted(folder.path(), &[]);
    assert_eq!((&*plain.new.host, &*plain.new.user, &*plain.new.activity), ("local", "u1", "a1"));
    assert_eq!(plain.new.grant.functions, ["log", "grade", "recent"]);
    assert_eq!(plain.new.grant.recent, RecentScope::Own);
    assert!(plain.new.rotating && plain.new.session.is_none());
    assert_eq!(plain.new.start_until - plain.presented.stamped_at, 15 * 60_000);
    let full = minted(
        folder.path(),
        &[
            "--functions",
            "log,recent",
            "--recent",
            "activity",
            "--origin",
            "https://a.example",
            "--origin",
            "https://b.example",
            "--network",
            "127.0.0.0/8",
            "--network",
            "10.",
            "--session",
            "login",
            "--rotation",
            "off",
            "--max",
            "12.5",
            "--expires",
            "5m",
        ],
    );
    assert_eq!(full.new.grant.functions, ["log", "recent"]);
    assert_eq!(full.new.grant.recent, RecentScope::Activity);
    assert_eq!(full.new.grant.origins, ["https://a.example", "https://b.example"]);
    assert_eq!(full.new.grant.networks, ["127.0.0.0/8", "10."]);
    assert_eq!(full.new.session.as_deref(), Some("login"));
    assert!(!full.new.rotating);
    assert_eq!(full.new.about_activity.unwrap().max, Some(12.5));
    assert_eq!(full.new.start_until - full.presented.stamped_at, 5 * 60_000);
    assert_ne!(plain.id, full.id);
    // It made the secrets that the server will use, and no database.
    assert!(folder.path().join("data/secrets.toml").exists());
    assert!(!folder.path().join("data/latchkey.db").exists());
}

#[test]
fn what_cannot_be_minted_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (options, word) in [
        (&["--host", "nowhere"][..], "host"),
        (&["--host", "local", "--rotation", "off"], "rotation"),
        (&["--host", "local", "--network", "home"], "networks"),
        (&["--host", "local", "--origin", "https://a.example/x"], "origins"),
        (&["--host", "local", "--max", "0"], "placement.max"),
        (&["--host", "local", "--expires", "2h"], "exp"),
        (&["--host", "local", "--expires", "soon"], "--expires"),
        (&["--host", "local", "--recent", "all"], "own or activity"),
        (&["--host", "local", "--config", "missing.toml"], "missing.toml"),
    ] {
        let mut command = latchkey();
        command.args(["mint", "--user", "u1", "--activity", "a1", "--data"]);
        let output = run(command.arg(folder.path().join("data")).args(options));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{options:?}");
        assert!(said.contains(word), "{options:?}: {said}");
    }
}

#[test]
fn check_config_says_what_is_wrong_or_what_it_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latchkey.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = run(latchkey().args(["check-config", "--config"]).arg(&file));
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let secret = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
    let host =
        format!("[[hosts]]\nid = \"school\"\nsecrets = [{{ number = 1, secret = \"{secret}\" }}]");
    let (good, said) = check(&format!("[keys]\nidle_limit = \"7m\"\n{host}"));
    assert!(good && said.contains("idle_limit = \"7m\"") && said.contains("school"), "{said}");
    assert!(!said.contains(secret), "{said}");
    for (text, name) in [
        ("lisen = \"127.0.0.1:0\"", "lisen"),
        ("[keys]\nidle_limt = \"7m\"", "idle_limt"),
        ("[keys]\nclient_deadline = \"40s\"", "client_deadline"),
        ("[store]\nurl = \"mysql:x\"", "store.url"),
        ("listen = ", "latchkey.toml"),
        ("[tls]\ncertificate = \"none.pem\"\nkey = \"none.pem\"", "tls.certificate"),
    ] {
        let (good, said) = check(text);
        assert!(!good && said.contains(name), "{text}: {said}");
    }
    let output = run(latchkey().arg("check-config").env("LATCHKEY_KEYS__IDLE_LIMT", "7m"));
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().to_lowercase().contains("idle_limt"));
}

#[test]
fn settings_come_from_the_environment_too() {
    let command = &mut latchkey();
    let output = run(command.arg("check-config").env("LATCHKEY_KEYS__IDLE_LIMIT", "7m"));
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("idle_limit = \"7m\""), "{said}");
}

#[tokio::test]
async fn serve_says_where_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let token = launch(folder.path(), |_| ());
    let request = axum::http::Request::post(format!("http://{}/v1/grade", program.address))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(r#"{"score":5}"#))
        .unwrap();
    let answer = client().request(request).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    drop(answer);
    let log = program.log.clone();
    assert!(program.terminate(), "{}", read(&log));
    assert!(read(&log).contains("stopping"));
}

#[test]
fn a_second_server_on_the_same_address_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let other = tempfile::tempdir().unwrap();
    let mut command = latchkey();
    command.args(["serve", "--listen", &program.address.to_string(), "--data"]);
    let output = run(command.arg(other.path()));
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains(&program.address.to_string()));
}

#[test]
fn a_second_server_on_the_same_data_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &[]);
    let data = folder.path().join("data");
    let serve = || {
        let mut command = latchkey();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command
    };
    let output = run(&mut serve());
    assert!(!output.status.success());
    assert!(!output.stderr.is_empty(), "{output:?}");
    // A crash leaves nothing behind that would keep the next one out.
    program.kill();
    assert!(Program::start(folder.path(), &[]).terminate());
}
