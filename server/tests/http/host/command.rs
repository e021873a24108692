//! `latchkey host call`.

use crate::program::{Program, latchkey, run};
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

fn call(folder: &Path, server: &Program, words: &[&str]) -> Output {
    let mut command = latchkey();
    command.args(["host", "call"]).args(words).arg("--data").arg(folder.join("data"));
    run(command.arg("--server").arg(format!("http://{}", server.address)))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn signs_sends_and_prints() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::start(folder.path(), &[]);
    let body = folder.path().join("users.json");
    std::fs::write(&body, r#"{"users":[{"id":"u1","idnumber":"7"}]}"#).unwrap();
    let file = body.to_str().unwrap();
    let set = call(folder.path(), &server, &["POST", "/host/v1/users", "--body", file]);
    assert!(set.status.success() && text(&set.stdout).contains("created"), "{set:?}");
    let found = call(folder.path(), &server, &["GET", "/host/v1/users?by=idnumber&value=7"]);
    assert!(found.status.success() && text(&found.stdout).contains("\"id\":\"u1\""), "{found:?}");
    // Sent again it is signed again.
    let again = call(folder.path(), &server, &["POST", "/host/v1/users", "--body", file]);
    assert!(again.status.success() && text(&again.stdout).contains("unchanged"), "{again:?}");
    let none = call(folder.path(), &server, &["GET", "/host/v1/users/nobody", "--host", "local"]);
    assert!(!none.status.success(), "{none:?}");
    assert!(text(&none.stdout).contains("not_found") && text(&none.stderr).contains("404"));
}

#[test]
fn reads_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::start(folder.path(), &[]);
    let mut command = latchkey();
    command.args(["host", "call", "POST", "/host/v1/users", "--body", "-"]);
    command.args(["--type", "application/x-ndjson", "--data"]).arg(folder.path().join("data"));
    command.arg("--server").arg(format!("http://{}", server.address));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{\"id\":\"u1\"}\n{\"id\":\"u2\"}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout).matches("created").count(), 2, "{output:?}");
}

#[test]
fn what_cannot_be_sent_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let server = Program::start(folder.path(), &[]);
    for (words, said) in [
        (&["GET", "/host/v1/users", "--host", "nowhere"][..], "no such host"),
        (&["GET", "host/v1/users"], "/host/v1/users"),
        (&["POST", "/host/v1/users", "--body", "/nowhere/at/all"], "/nowhere/at/all"),
        (&["GET EVIL", "/host/v1/users"], "method"),
    ] {
        let output = call(folder.path(), &server, words);
        assert!(!output.status.success() && text(&output.stderr).contains(said), "{output:?}");
    }
    for (server, said) in
        [("nonsense", "https://"), ("ftp://x", "https://"), ("http://127.0.0.1:1", "connection")]
    {
        let mut command = latchkey();
        command.args(["host", "call", "GET", "/host/v1/users", "--server", server, "--data"]);
        let output = run(command.arg(folder.path().join("data")));
        assert!(!output.status.success() && text(&output.stderr).contains(said), "{output:?}");
    }
}
