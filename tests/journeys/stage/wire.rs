//! HTTP/1.1 as bytes: one request or one reply, whole.

use axum::http::Uri;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The head of a message and what follows it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line, without its end.
    pub(crate) first: String,
    /// The other lines of the head.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, no longer in chunks.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A request that a client of ours makes.
    pub(crate) fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let uri: Uri = url.parse().unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut headers: Vec<_> = headers.iter().map(own).collect();
        headers.push(("Host".into(), uri.authority().unwrap().to_string()));
        let first = format!("{method} {} HTTP/1.1", uri.path());
        Self { first, headers, body: body.into() }
    }

    /// A reply that comes from nobody but us.
    pub(crate) fn reply(status: u16, kind: &str, body: &str) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            first: format!("HTTP/1.1 {status} Whatever"),
            headers: vec![
                header("Content-Type", kind),
                // As readable for the page as the server's own.
                header("Access-Control-Allow-Origin", "*"),
            ],
            body: body.into(),
        }
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The n-th word of the first line.
    pub(crate) fn word(&self, n: usize) -> &str {
        self.first.split(' ').nth(n).unwrap_or_default()
    }

    /// The status of a reply.
    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or_default()
    }

    /// The bytes of it, on a connection that carries no other.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.first).into_bytes();
        for (name, value) in &self.headers {
            let ours = ["connection", "content-length", "transfer-encoding"];
            if !ours.contains(&name.to_ascii_lowercase().as_str()) {
                bytes.extend(format!("{name}: {value}\r\n").bytes());
            }
        }
        let length = self.body.len();
        let bodiless = self.first.starts_with("HTTP/1.1 304") || self.first.starts_with("GET");
        if !bodiless {
            bytes.extend(format!("Content-Length: {length}\r\n").bytes());
        }
        bytes.extend(b"Connection: close\r\n\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// Reads a message; `None` if the connection ends before it has begun.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return if bytes.is_empty() { Ok(None) } else { Err(cut()) };
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut lines = text.split("\r\n").map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        let pair = |line: String| {
            line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(pair).collect();
        let mut message = Self { first, headers, body: bytes[head + 4..].to_vec() };
        message.read_body(stream).await?;
        Ok(Some(message))
    }

    async fn read_body(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        let length = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        let chunked = self.header("transfer-encoding").is_some();
        let reply = self.first.starts_with("HTTP/");
        let until_end = reply && length.is_none() && ![204, 304].contains(&self.status());
        loop {
            let whole = match length {
                Some(length) => self.body.len() >= length,
                None if chunked => self.body.ends_with(b"0\r\n\r\n"),
                None => !until_end,
            };
            if whole {
                break;
            }
            if stream.read_buf(&mut self.body).await? == 0 {
                if until_end && !chunked {
                    break;
                }
                return Err(cut());
            }
        }
        if chunked {
            self.body = joined(&self.body).ok_or_else(cut)?;
        }
        Ok(())
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the message was cut")
}

/// A body without the marks between its chunks.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(length.split(';').next()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        rest = rest.get(end + 2..)?;
        body.extend(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

/// Sends a request to `authority` on a connection of its own; the reply.
pub(crate) async fn exchange(authority: &str, request: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(authority).await?;
    stream.write_all(&request.bytes()).await?;
    Message::read(&mut stream).await?.ok_or_else(cut)
}
