//! A power cut in the worst moment: the message has arrived, and nobody has written that down.

use super::receiver::{Receiver, Reply, SECRET};
use crate::client::client;
use crate::database::on_postgres;
use crate::program::{Program, database};
use crate::server::base64url;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::KeyId;
use latchkey_server::clock::{Clock, Entropy, SystemClock};
use latchkey_server::keys::mint;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const HOST_SECRET: [u8; 32] = [33; 32];

fn launch(user: &str) -> String {
    let (now, id) = (SystemClock.now(), KeyId(Entropy::System.bytes()));
    let claims = mint::claims("school", user, "quiz", id, Duration::from_secs(900), now);
    claims.sign(1, &Signer::new(&HOST_SECRET)).unwrap()
}

pub(super) async fn grade(program: &Program, user: &str) {
    let request = Request::post(format!("http://{}/v1/grade", program.address))
        .header("authorization", format!("Bearer {}", launch(user)))
        .header("content-type", "application/json")
        .body(Body::from(r#"{"score":5}"#))
        .unwrap();
    let answer = client().request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let object: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(object["status"], "ok", "{object}");
}

/// A folder with settings of one host and one webhook.
pub(super) struct Environment {
    folder: TempDir,
    file: String,
}

impl Environment {
    pub(super) fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latchkey.toml");
        let settings = format!(
            "[webhooks]\nnetworks = [\"127.0.0.1\"]\n\
             [[hosts]]\nid = \"school\"\nsecrets = [{{ number = 1, secret = \"{}\" }}]\n\
             [[hosts.webhooks]]\nid = \"main\"\nurl = \"{url}\"\nevents = [\"grade.changed\"]\n\
             secret = \"{SECRET}\"\n",
            base64url(&HOST_SECRET),
        );
        std::fs::write(&file, settings).unwrap();
        Self { folder, file: file.to_str().unwrap().to_owned() }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn settings(&self) -> [(&str, &str); 2] {
        [("LATCHKEY_CONFIG", &self.file), ("LATCHKEY_PUBLIC_URL", "https://latch.example")]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_delivery_was_not_written_down_comes_again() {
    let receiver = Receiver::answering(|number, _| match number {
        0 => Reply::Silence,
        _ => Reply::Status(200),
    })
    .await;
    let environment = Environment::new(&receiver.url());
    let program = Program::start(environment.folder(), &environment.settings());
    grade(&program, "ada").await;
    let first = receiver.next().await;
    // Acknowledged to the student, under way to the host, and waiting behind it.
    grade(&program, "bob").await;
    program.kill();
    if on_postgres() {
        // As if the time were up for which the killed one had taken it.
        database(environment.folder()).execute("UPDATE lanes SET claimed_until = 0");
    }

    let program = Program::start(environment.folder(), &environment.settings());
    let again = receiver.next().await;
    assert_eq!((again.id(), &again.body), (first.id(), &first.body));
    assert_eq!(again.json()["data"]["user"], "ada");
    assert_eq!(receiver.next().await.json()["data"]["user"], "bob");
    assert!(program.terminate());
}
