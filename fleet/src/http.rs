//! One connection that asks and is answered, or is not.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Where a server is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A port.
    Tcp(SocketAddr),
    /// A socket of the file system.
    Unix(PathBuf),
}

/// What bytes go over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Place {
    /// A connection, without Nagle's delay.
    ///
    /// # Errors
    /// When nobody takes it.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header of that name, in seconds.
    pub retry_after: Option<u32>,
    /// The body; what is not JSON is a text.
    pub body: Value,
}

impl Answer {
    /// The code of a refusal; empty if it is none of Latchkey's.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// No answer came: what was asked may have been done or not.
#[derive(Clone, Copy, Debug)]
pub struct Lost;

/// A connection, made when it is needed.
#[derive(Debug)]
pub struct Http {
    place: Place,
    open: Option<SendRequest<Full<Bytes>>>,
    deadline: Duration,
}

impl Http {
    /// To that place; what has no answer by the deadline is given up.
    pub fn new(place: Place, deadline: Duration) -> Self {
        Self { place, open: None, deadline }
    }

    /// Where it asks.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Asks. `key`: what stands behind `Bearer`.
    ///
    /// # Errors
    /// When no answer came in time. The connection is closed then.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<Answer, Lost> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "latch.example")
            .header(AUTHORIZATION, format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("a request");
        let asked = timeout(self.deadline, self.exchange(request)).await;
        let answer = asked.map_err(|_| Lost).and_then(|answer| answer);
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Lost> {
        let open = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => open(&self.place).await?,
        };
        let open = self.open.insert(open);
        open.ready().await.map_err(|_| Lost)?;
        let response = open.send_request(request).await.map_err(|_| Lost)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|it| it.to_str().ok()?.parse().ok());
        let bytes = response.into_body().collect().await.map_err(|_| Lost)?.to_bytes();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Ok(Answer { status, retry_after, body })
    }
}

async fn open(place: &Place) -> Result<SendRequest<Full<Bytes>>, Lost> {
    let stream = place.connect().await.map_err(|_| Lost)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|_| Lost)?;
    // How it ends shows in the answer that does not come.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
