//! `latchkey webhooks`.

use super::killed::{Environment, grade};
use super::receiver::Receiver;
use crate::program::{Program, latchkey, run};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_lists_and_replays() {
    let receiver = Receiver::start().await;
    let environment = Environment::new(&receiver.url());
    let program = Program::start(environment.folder(), &environment.settings());
    grade(&program, "ada").await;
    let first = receiver.next().await;
    let webhooks = |words: &[&str]| {
        let mut command = latchkey();
        command.arg("webhooks").args(words).arg("--data").arg(environment.folder().join("data"));
        command.args(["--server", &format!("http://{}", program.address)]);
        command.envs(environment.settings());
        let output = run(&mut command);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    };
    let (done, said) = webhooks(&["replay", "main", "--since", "2026-01-01T00:00:00+01:00"]);
    assert!(done, "{said}");
    assert_eq!(receiver.next().await.id(), first.id());
    let (done, said) = webhooks(&["list"]);
    assert!(done, "{said}");
    let listed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(listed["result"]["items"][0]["id"], "main");
    assert!(!said.contains("whsec_"));
    for (words, told) in [
        (["replay", "other", "--since", "2026-01-01T00:00:00Z"], "not_found"),
        (["replay", "main", "--since", "yesterday"], "wrong_type"),
    ] {
        let (done, said) = webhooks(&words);
        assert!(!done && said.contains(told), "{said}");
    }
}
