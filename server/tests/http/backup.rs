//! A copy taken while a server writes, and what becomes of pages when an old one is restored.

use crate::client::{HttpClient, client};
use crate::database::{Database, on_postgres};
use crate::program::{Program, database, latchkey, launch, read, run, secrets};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use latchkey_server::clock::{Clock, SystemClock};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

/// Generations move with nearly every call.
const SETTINGS: &[(&str, &str)] = &[
    ("LATCHKEY_LIMITS__BURST", "0"),
    ("LATCHKEY_KEYS__ROTATE_AFTER", "20ms"),
    ("LATCHKEY_KEYS__CLIENT_DEADLINE", "19ms"),
];

/// A page of a program.
struct Page {
    http: HttpClient,
    token: String,
}

impl Page {
    fn new(folder: &Path, user: &str) -> Self {
        let token = launch(folder, |claims| claims.sub = user.into());
        Self { http: client(), token }
    }

    async fn log(&mut self, address: SocketAddr) -> Value {
        let request = Request::post(format!("http://{address}/v1/log"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Body::from(r#"{"entries":[{"event":"step"}]}"#))
            .unwrap();
        let answer = self.http.request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let object: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(object["status"], "ok", "an honest page is never refused: {object}");
        object["token"].as_str().unwrap().clone_into(&mut self.token);
        object
    }

    /// Works until its key has moved on by that many generations.
    async fn moves_on(&mut self, folder: &Path, address: SocketAddr, by: u32) {
        let (_, secrets) = secrets(folder);
        let now = SystemClock.now();
        let generation =
            |token: &str| secrets.keyring.open(token, now).map_or(0, |token| token.generation);
        let from = generation(&self.token);
        while generation(&self.token) < from + by {
            self.log(address).await;
        }
    }
}

fn told(output: Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn refusal(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn backup(data: &Path, to: &Path) -> Output {
    run(latchkey().args(["backup", "--data"]).arg(data).arg("--to").arg(to))
}

fn restore(from: &Path, data: &Path) -> Output {
    run(latchkey().args(["restore", "--data"]).arg(data).arg("--from").arg(from))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_whole_while_the_server_writes() {
    if on_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), SETTINGS);
    let (data, address) = (folder.path().join("data"), program.address);
    let mut page = Page::new(folder.path(), "ada");
    for _ in 0..50 {
        page.log(address).await;
    }
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut written = 50;
        while stopped.try_recv().is_err() {
            page.log(address).await;
            written += 1;
        }
        written
    });
    for n in 0..5 {
        let to = folder.path().join(format!("copy-{n}.db"));
        let said = told(tokio::task::block_in_place(|| backup(&data, &to)));
        assert!(said.contains("checked"), "{said}");
        let copy = Database::file(&to);
        assert_eq!(copy.rows("PRAGMA integrity_check"), [["ok"]]);
        // Of one moment: what was acknowledged, and no gap in the chain.
        let (entries, last) = (
            copy.number("SELECT count(*) FROM entries"),
            copy.number("SELECT max(seq) FROM entries"),
        );
        assert!(entries > 50 && entries == last, "{entries} {last}");
        assert!(
            refusal(tokio::task::block_in_place(|| backup(&data, &to)))
                .contains("is there already")
        );
    }
    stop.send(()).unwrap();
    let written = writing.await.unwrap();
    assert!(program.terminate());
    let entries = database(folder.path()).number("SELECT count(*) FROM entries");
    assert_eq!(entries, written + 1, "nothing was kept from being written");
}

#[test]
fn a_backup_that_cannot_be_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("copy.db"));
    assert!(refusal(backup(&data, &to)).contains("is no Latchkey database"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(
        data.join("latchkey.db"),
        "no database at all, but long enough to be read as one",
    )
    .unwrap();
    refusal(backup(&data, &to));
    assert!(refusal(restore(&data.join("latchkey.db"), &data)).contains("is there already"));
    let nowhere = folder.path().join("no/such/folder/copy.db");
    refusal(backup(&data, &nowhere));
    let mut postgres = latchkey();
    postgres.args(["backup", "--to"]).arg(&to).env("LATCHKEY_STORE__URL", "postgres://a@b/c");
    assert!(refusal(run(&mut postgres)).contains("pg_dump"));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["data"]);
}

/// The database as it was, with the secrets as they are.
fn restored_folder(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::copy(from.join("data/secrets.toml"), data.join("secrets.toml")).unwrap();
    folder
}

/// A page that worked on after the backup: its key is ahead of the restored row, and taken up again.
async fn is_taken_up_again(
    folder: &Path,
    settings: &[(&str, &str)],
    mut page: Page,
    mut idle: Page,
) {
    let program = Program::start(folder, settings);
    page.log(program.address).await;
    page.moves_on(folder, program.address, 2).await;
    idle.log(program.address).await;
    let log = read(&program.log);
    let alarms = log.lines().filter(|line| line.contains("ahead of the database")).count();
    assert_eq!(alarms, 1, "one for the one key, and none for the one that stood still: {log}");
    assert!(log.contains("ERROR"), "{log}");
    assert!(program.terminate());
}

#[tokio::test]
async fn after_a_restore_honest_pages_go_on_with_an_alarm() {
    if on_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), SETTINGS);
    let mut page = Page::new(folder.path(), "ada");
    page.moves_on(folder.path(), program.address, 2).await;
    let mut idle = Page::new(folder.path(), "bob");
    idle.log(program.address).await;
    let copy = folder.path().join("copy.db");
    told(backup(&folder.path().join("data"), &copy));
    page.moves_on(folder.path(), program.address, 5).await;
    program.kill();

    let again = restored_folder(folder.path());
    told(restore(&copy, &again.path().join("data")));
    is_taken_up_again(again.path(), SETTINGS, page, idle).await;
}

/// A tool of PostgreSQL.
fn tool(name: &str) -> Command {
    let newest = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let newest = newest.map(|it| it.unwrap().path()).max().unwrap();
    Command::new(newest.join("bin").join(name))
}

#[tokio::test]
async fn a_dump_of_postgres_is_restored_the_same_way() {
    let (source, target) = (Database::postgres(), Database::postgres());
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (source.url(), target.url());
    let mut settings = SETTINGS.to_vec();
    settings.push(("LATCHKEY_STORE__URL", &from));
    let program = Program::start(folder.path(), &settings);
    let mut page = Page::new(folder.path(), "ada");
    page.moves_on(folder.path(), program.address, 2).await;
    let mut idle = Page::new(folder.path(), "bob");
    idle.log(program.address).await;
    // As docs/operations.md has it, while the server runs.
    let dump = folder.path().join("latchkey.dump");
    told(run(tool("pg_dump").args(["--format=custom", "--dbname", &from, "--file"]).arg(&dump)));
    page.moves_on(folder.path(), program.address, 5).await;
    program.kill();

    let mut restore = tool("pg_restore");
    restore.args(["--exit-on-error", "--single-transaction", "--no-owner", "--dbname", &to]);
    told(run(restore.arg(&dump)));
    let again = restored_folder(folder.path());
    let mut settings = SETTINGS.to_vec();
    settings.push(("LATCHKEY_STORE__URL", &to));
    is_taken_up_again(again.path(), &settings, page, idle).await;
}
