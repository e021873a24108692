//! The service around the calls: health, an orderly end, and work that outlives its connection.

use crate::server::{PATIENCE, Server};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn health_and_readiness() {
    let server = Server::start().await;
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", r#"{"status":"ready"}"#)] {
        let answer = server.ask("GET", path).send().await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, text.as_bytes()), "{path}");
    }
}

/// Waits until `done` says so; the deadline is only there so that a fault does not hang the suite.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

/// A request whose body the server is waiting for: it has asked for it.
async fn under_way(server: &Server, body: &str) -> TcpStream {
    let launch = server.launch();
    let head = format!(
        "POST /v1/grade HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {launch}\r\n\
         Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection
}

#[tokio::test]
async fn an_orderly_end_finishes_what_is_under_way() {
    let server = Server::start().await;
    let body = r#"{"score":77}"#;
    let mut connection = under_way(&server, body).await;
    let stopping = server.stop();
    // No new connection is taken from now on.
    until(async || TcpStream::connect(stopping.address).await.is_err()).await;
    assert!(!stopping.served.is_finished());
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    tokio::time::timeout(PATIENCE, stopping.served).await.unwrap().unwrap().unwrap();
    assert_eq!(stopping.database.rows("SELECT score FROM submissions"), [["77"]]);
}

/// Whoever copies the database of a stopped server copies one file.
#[tokio::test]
async fn an_orderly_end_leaves_one_file() {
    let server = Server::start().await;
    server.page().log("kept").await.is_done();
    let stopping = server.stop();
    tokio::time::timeout(PATIENCE, stopping.served).await.unwrap().unwrap().unwrap();
    assert!(!stopping.folder.path().join("data/latchkey.db-wal").exists());
}

/// A round trip: the server has had its turn meanwhile.
async fn turn(server: &Server) {
    assert_eq!(server.ask("GET", "/healthz").send().await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_page_that_leaves_before_its_answer_has_saved_its_work() {
    let server = Server::start().await;
    let body = r#"{"score":55}"#;
    let mut connection = under_way(&server, body).await;
    // Somebody else holds the database for a moment, so that the write cannot be over before
    // the page is gone.
    let held = server.database().hold();
    connection.write_all(body.as_bytes()).await.unwrap();
    turn(&server).await;
    drop(connection);
    turn(&server).await;
    drop(held);
    until(async || server.count("SELECT count(*) FROM submissions") == 1).await;
}

/// The last bytes of the request and the end of its connection arrive together: a page that unloads.
#[tokio::test]
async fn a_page_that_leaves_with_its_last_bytes_has_saved_its_work() {
    let server = Server::start().await;
    let body = r#"{"score":55}"#;
    let mut connection = under_way(&server, body).await;
    connection.write_all(body.as_bytes()).await.unwrap();
    drop(connection);
    assert_eq!(submissions_at_the_end(server).await, 1);
}

/// Stops the server, which finishes what it has taken, and counts.
async fn submissions_at_the_end(server: Server) -> i64 {
    // Once the server has taken these, it has seen what came before.
    for _ in 0..10 {
        turn(&server).await;
    }
    let stopping = server.stop();
    tokio::time::timeout(PATIENCE, stopping.served).await.unwrap().unwrap().unwrap();
    stopping.database.number("SELECT count(*) FROM submissions")
}

/// The same with all of the request.
#[tokio::test]
async fn a_page_that_sends_and_leaves_has_saved_its_work() {
    let server = Server::start().await;
    let body = r#"{"score":55}"#;
    let request = format!(
        "POST /v1/grade HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        server.launch(),
        body.len()
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    drop(connection);
    assert_eq!(submissions_at_the_end(server).await, 1);
}

#[tokio::test]
async fn a_damaged_database_is_not_ready_and_nothing_is_lost() {
    let server = Server::start().await;
    let mut page = server.page();
    page.log("begun").await.is_done();
    server.database().execute("ALTER TABLE entries RENAME TO gone");
    let args = json!({"calls": [
        {"id": "1", "function": "log", "args": {"entries": [{"event": "a"}]}},
        {"id": "2", "function": "grade", "args": {"score": 5}},
    ]});
    let refused = page.call("batch", args.clone()).await;
    assert_eq!(refused.refusal(), "503 store_unavailable");
    assert_eq!(refused.header("retry-after"), Some("2"));
    assert!(!refused.json().to_string().contains("entries"), "the cause is for the log alone");
    // It is alive all the same, and refuses forgeries as ever.
    assert_eq!(server.ask("GET", "/healthz").send().await.status.as_u16(), 200);
    assert_eq!(server.call("ey", "recent", json!({})).await.refusal(), "401 key_invalid");
    server.database().execute("ALTER TABLE gone RENAME TO entries");
    let done = page.call("batch", args).await.result();
    assert!(done["calls"].as_array().unwrap().iter().all(|call| call["status"] == "ok"));
    assert_eq!(page.events().await, ["a", "begun"]);
}
