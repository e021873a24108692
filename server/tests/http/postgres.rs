//! The program and its PostgreSQL: what is wrong is said at the start, and what goes wrong later passes.

use crate::program::{latchkey, run};
use crate::server::{PATIENCE, Server};
use latchkey_cluster::{Cluster, Order};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

/// Settings under which nobody waits for a disk.
const HASTY: [&str; 2] = ["fsync=off", "full_page_writes=off"];

/// What `latchkey serve` says as it ends on that database.
fn refused(url: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = latchkey();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
    let output = run(command.env("LATCHKEY_STORE__URL", url));
    assert_eq!(output.status.code(), Some(1), "{url}: {output:?}");
    assert!(output.stdout.is_empty(), "it never said that it listens: {output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("geheim"), "{said}");
    said
}

/// SQL by another connection than the server's.
fn execute(url: &str, sql: &str) {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let work = async move {
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&sql).await.unwrap();
    };
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(work);
    });
    thread.join().unwrap();
}

/// A server with TLS and passwords, on a port of its own.
struct Guarded {
    cluster: Cluster,
    port: u16,
}

impl Guarded {
    fn start() -> Self {
        // PostgreSQL takes no port 0: one that was free a moment ago is asked for by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (listen, port_setting) = ("listen_addresses='127.0.0.1'", format!("port={port}"));
        let hba = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256";
        let cluster = Cluster::start(&[HASTY[0], listen, &port_setting], hba);
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        for (name, text) in [("ca.pem", cert.pem()), ("key.pem", signing_key.serialize_pem())] {
            let file = cluster.folder().join(name);
            std::fs::write(&file, text).unwrap();
            let owner = std::fs::metadata(cluster.folder()).unwrap();
            chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let guarded = Self { cluster, port };
        let folder = guarded.cluster.folder().display().to_string();
        for sql in [
            "CREATE ROLE ada LOGIN PASSWORD 'geheim'".to_owned(),
            "CREATE DATABASE latchkey OWNER ada".to_owned(),
            format!("ALTER SYSTEM SET ssl_cert_file = '{folder}/ca.pem'"),
            format!("ALTER SYSTEM SET ssl_key_file = '{folder}/key.pem'"),
            "ALTER SYSTEM SET ssl = on".to_owned(),
            "SELECT pg_reload_conf()".to_owned(),
        ] {
            execute(&guarded.admin(), &sql);
        }
        guarded
    }

    fn admin(&self) -> String {
        format!("{}&port={}", self.cluster.url, self.port)
    }

    fn url(&self, who: &str, place: &str, options: &str) -> String {
        let authority = self.cluster.folder().join("ca.pem").display().to_string();
        let options = options.replace("CA", &authority);
        format!("postgres://{who}@{}?{options}", place.replace("PORT", &self.port.to_string()))
    }
}

#[test]
fn a_database_that_cannot_be_had_is_named_at_the_start() {
    let guarded = Guarded::start();
    let (ada, place) = ("ada:geheim", "localhost:PORT/latchkey");
    for (url, words) in [
        (guarded.url(ada, "localhost:x/latchkey", ""), "store.url: write it as in postgres://"),
        (guarded.url(ada, "localhost:1/latchkey", ""), "error connecting to server"),
        (guarded.url(ada, "nowhere.invalid/latchkey", ""), "error connecting to server"),
        (
            guarded.url("ada:geheimer", place, "sslmode=require&sslrootcert=CA"),
            "password authentication failed",
        ),
        (
            guarded.url(ada, "localhost:PORT/missing", "sslmode=require&sslrootcert=CA"),
            "database \"missing\" does not exist",
        ),
        (guarded.url(ada, place, "sslmode=disable"), "no encryption"),
        (guarded.url(ada, place, "sslmode=require"), "invalid peer certificate"),
        (
            guarded.url(ada, "127.0.0.1:PORT/latchkey", "sslmode=verify-full&sslrootcert=CA"),
            "certificate not valid for name",
        ),
        (
            guarded.url(ada, place, "sslmode=verify-full&sslrootcert=/nowhere.pem"),
            "sslrootcert: /nowhere.pem",
        ),
    ] {
        let said = refused(&url);
        let last = said.lines().last().unwrap_or_default();
        assert!(last.contains(words) && last.starts_with("latchkey: store: "), "{words}: {said}");
    }
}

/// With TLS whose certificate and name are checked, everything works.
#[tokio::test]
async fn over_tls_it_is_a_store_like_any() {
    let guarded = Guarded::start();
    let options = "sslmode=verify-full&sslrootcert=CA";
    let url = guarded.url("ada:geheim", "localhost:PORT/latchkey", options);
    let server = Server::start_with(|config| config.store.url = url).await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    assert_eq!(page.events().await, ["begun"]);
    let connected = "DO $$ BEGIN IF (SELECT count(*) FROM pg_stat_ssl s
        JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'ada' AND s.ssl) < 1
        OR (SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
            WHERE a.usename = 'ada' AND NOT s.ssl) > 0
        THEN RAISE 'not encrypted'; END IF; END $$";
    execute(&guarded.admin(), connected);
}

#[test]
fn a_database_of_another_version_is_left_alone() {
    let database = latchkey_cluster::Database::new();
    // Not ours at all: what is there stays as it is.
    database.execute("CREATE TABLE hosts (name TEXT)");
    assert!(refused(database.url()).contains("relation \"hosts\" already exists"));
    assert_eq!(database.rows("SELECT count(*) FROM pg_tables WHERE tablename = 'keys'")[0], ["0"]);
    database.execute(
        "DROP TABLE hosts; CREATE TABLE schema_version
         (one BIGINT PRIMARY KEY, version BIGINT NOT NULL, swept_at BIGINT NOT NULL DEFAULT 0);
         INSERT INTO schema_version VALUES (1, 99)",
    );
    let said = refused(database.url());
    assert!(said.contains("the database is at version 99") && said.contains("newer"), "{said}");
}

#[test]
fn a_database_that_takes_no_writes_is_refused_at_the_start() {
    let database = latchkey_cluster::Database::new();
    let name = database.rows("SELECT current_database()").remove(0).remove(0);
    database.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let said = refused(database.url());
    assert!(said.contains("does not allow writes"), "{said}");
}

/// Sends the same call again until it is done.
async fn until_done(server: &Server, token: &str, id: &str) {
    let call = json!({"score": 5});
    let done = async {
        loop {
            let ask = server.ask("POST", "/v1/grade").bearer(token).header("idempotency-key", id);
            if ask.json(&call).send().await.status == 200 {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(4 * PATIENCE, done).await.is_ok(), "never");
}

/// Hands in until that is refused, since connections hear of a new setting a little later; how often it was done.
async fn until_refused(server: &Server, token: &str) -> usize {
    let refused = async {
        let mut done = 0;
        loop {
            let ask = server.ask("POST", "/v1/grade").bearer(token);
            let ask = ask.header("idempotency-key", &format!("turning-{done}"));
            if ask.json(&json!({"score": 5})).send().await.status != 200 {
                return done;
            }
            done += 1;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap()
}

async fn is_unavailable(server: &Server, token: &str, id: &str) {
    let ask = server.ask("POST", "/v1/grade").bearer(token).header("idempotency-key", id);
    let answer = ask.json(&json!({"score": 5})).send().await;
    assert_eq!(answer.refusal(), "503 store_unavailable");
    assert_eq!(answer.header("retry-after"), Some("2"));
    let ready = server.ask("GET", "/readyz").send().await;
    assert_eq!(ready.status, 503);
}

#[tokio::test]
async fn a_database_that_goes_and_comes_back_is_waited_for() {
    let mut cluster = Cluster::start(&["full_page_writes=on"], "");
    let url = cluster.url.clone();
    let server = Server::start_with(|config| config.store.url = url.clone()).await;
    let token = server.launch();
    until_done(&server, &token, "before").await;
    for (round, order) in [Order::Stop, Order::Kill].into_iter().enumerate() {
        cluster.order(order);
        let id = format!("while-{round}");
        is_unavailable(&server, &token, &id).await;
        cluster.order(Order::Start);
        until_done(&server, &token, &id).await;
        until_done(&server, &token, "before").await;
    }
    // What takes no writes for a while is as good as away, and nothing that was answered is lost.
    execute(&url, "ALTER SYSTEM SET default_transaction_read_only = on");
    execute(&url, "SELECT pg_reload_conf()");
    let more = until_refused(&server, &token).await;
    is_unavailable(&server, &token, "while-2").await;
    execute(&url, "ALTER SYSTEM RESET default_transaction_read_only");
    execute(&url, "SELECT pg_reload_conf()");
    until_done(&server, &token, "while-2").await;
    let answer = server.call(&token, "recent", json!({"kinds": ["grade"]})).await;
    assert_eq!(answer.result()["items"].as_array().unwrap().len(), 4 + more);
}
