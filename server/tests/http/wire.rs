//! What is no proper HTTP, or far too much of it, or never comes to an end.

use crate::server::{PATIENCE, Server};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Writes bytes on a connection of their own and reads until the server closes it.
async fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    // The server may close before it has read all.
    let _ = connection.write_all(bytes).await;
    read_out(&mut connection).await
}

async fn read_out(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end too.
    let _ = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

/// The server goes on as if nothing had been.
async fn is_well(server: &Server) {
    server.page().log("after").await.is_done();
}

async fn impatient() -> Server {
    Server::start_with(|config| config.limits.read_deadline = Duration::from_millis(100)).await
}

#[tokio::test]
async fn garbage() {
    let server = Server::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\r\n\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET  /healthz  HTTP/1.1\r\n\r\n",
        b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nNo colon here\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    ] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(bytes).await.unwrap();
        connection.shutdown().await.unwrap();
        let answer = read_out(&mut connection).await;
        let said = first_line(&answer);
        assert!(said.is_empty() || said == "HTTP/1.1 400 Bad Request", "{bytes:?}: {said}");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_length_and_chunks_at_once_are_not_two_requests() {
    let server = Server::start().await;
    let smuggled = b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\
        Connection: close\r\n\r\n";
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(smuggled).await.unwrap();
    connection.shutdown().await.unwrap();
    let answer = read_out(&mut connection).await;
    assert!(!answer.contains("ok\n"), "{answer}");
    is_well(&server).await;
}

#[tokio::test]
async fn long_heads() {
    let server = Server::start().await;
    let header = |bytes: usize| format!("X-Long: {}\r\n", "x".repeat(bytes));
    let many = "X-Many: 1\r\n".repeat(5_000);
    let path = "x".repeat(64 * 1024);
    for (what, head) in [
        ("one of 64 KiB", format!("GET /v1/recent HTTP/1.1\r\nHost: x\r\n{}", header(64 * 1024))),
        ("one of 1 MiB", format!("GET /v1/recent HTTP/1.1\r\nHost: x\r\n{}", header(1 << 20))),
        ("five thousand", format!("GET /v1/recent HTTP/1.1\r\nHost: x\r\n{many}")),
        ("a long address", format!("GET /v1/recent?before={path} HTTP/1.1\r\nHost: x\r\n")),
    ] {
        let answer = raw(&server, format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
        let said = first_line(&answer);
        // Refused as too long, or read in full and refused for having no key; never more than that.
        let told = ["HTTP/1.1 431 ", "HTTP/1.1 414 ", "HTTP/1.1 401 ", "HTTP/1.1 422 "];
        assert!(
            said.is_empty() || told.iter().any(|told| said.starts_with(told)),
            "{what}: {said}"
        );
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let server = impatient().await;
    let answer = raw(&server, b"POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Ty").await;
    assert!(answer.is_empty() || first_line(&answer).contains(" 408 "), "{answer}");
    is_well(&server).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = impatient().await;
    assert_eq!(raw(&server, b"").await, "");
}

#[tokio::test]
async fn a_connection_that_was_useful_once_is_not_kept_for_ever() {
    let server = impatient().await;
    let answer = raw(&server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let server = impatient().await;
    let launch = server.launch();
    let half = format!(
        "POST /v1/grade HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {launch}\r\n\
         Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{{\"score\""
    );
    let answer = raw(&server, half.as_bytes()).await;
    assert_eq!(first_line(&answer), "HTTP/1.1 408 Request Timeout");
    assert!(answer.contains(r#""code":"slow_sender""#), "{answer}");
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
    is_well(&server).await;
}

/// A directory that halts, or whose sender hangs up in the middle: nothing of it is done, and its room is free again.
#[tokio::test]
async fn a_hosts_body_that_does_not_come_whole_is_not_begun() {
    let server = impatient().await;
    let school = crate::host::school(&server);
    let body = br#"{"users":[{"id":"u1"},{"id":"u2"}]}"#;
    let half = || {
        let signed = school.sign("POST", "/host/v1/users", body);
        let head = format!(
            "POST /host/v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: {signed}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body[..20]].concat()
    };
    let answer = raw(&server, &half()).await;
    assert_eq!(first_line(&answer), "HTTP/1.1 408 Request Timeout");
    assert!(answer.contains(r#""code":"slow_sender""#), "{answer}");
    for _ in 0..20 {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(&half()).await.unwrap();
        drop(connection);
    }
    assert_eq!(school.get("/host/v1/users").await.result()["items"].as_array().unwrap().len(), 0);
    assert_eq!(school.set("users", serde_json::json!([{"id": "u1"}])).await, ["created"]);
    is_well(&server).await;
}

#[tokio::test]
async fn a_huge_declared_body_is_refused_unread() {
    let server = Server::start().await;
    let head = "POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 10737418240\r\n\r\n{";
    let answer = raw(&server, head.as_bytes()).await;
    assert_eq!(first_line(&answer), "HTTP/1.1 413 Payload Too Large");
    assert!(answer.contains(r#""code":"body_too_large""#), "{answer}");
    is_well(&server).await;
}

#[tokio::test]
async fn a_huge_chunked_body_is_refused_where_it_passes_the_limit() {
    let server = Server::start().await;
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /v1/log HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    // Endless: it is the server that ends it.
    while connection.write_all(chunk.as_bytes()).await.is_ok() {
        let mut peeked = [0; 1];
        let peek = std::pin::pin!(connection.peek(&mut peeked));
        if futures_util::FutureExt::now_or_never(peek).is_some() {
            break;
        }
    }
    let mut answer = [0; 1024];
    let read = connection.read(&mut answer).await.unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..read]);
    // Whoever is still sending when the connection closes may lose the answer to a reset.
    assert!(answer.is_empty() || answer.contains(r#""code":"body_too_large""#), "{answer}");
    is_well(&server).await;
}

#[tokio::test]
async fn a_chunked_body_just_over_the_limit_is_told_so() {
    let server = Server::start().await;
    let chunks = [" ".repeat(70_000), " ".repeat(70_000)].map(Ok::<_, std::io::Error>);
    let body = axum::body::Body::from_stream(futures_util::stream::iter(chunks));
    let ask = server.ask("POST", "/v1/log").header("content-type", "application/json");
    assert_eq!(ask.stream(body).send().await.refusal(), "413 body_too_large");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_call() {
    let server = Server::start().await;
    let launch = server.launch();
    let half = format!(
        "POST /v1/grade HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {launch}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"score\":1}}"
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(half.as_bytes()).await.unwrap();
    connection.shutdown().await.unwrap();
    let answer = read_out(&mut connection).await;
    assert!(answer.is_empty() || first_line(&answer).contains(" 408 "), "{answer}");
    assert_eq!(server.count("SELECT count(*) FROM keys"), 0);
    is_well(&server).await;
}
