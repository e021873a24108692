//! Reading HTTP/1.1 answers: heads by httparse, bodies by length or in chunks.

use anyhow::{Context, Result, bail};
use std::ops::Range;
use tokio::io::{AsyncRead, AsyncReadExt};

const MAX_HEADERS: usize = 48;
const READ_SIZE: usize = 16 * 1024;
/// An answer above this is no answer of the servers measured here.
const MAX_REPLY: usize = 4 * 1024 * 1024;

/// Where the body stands.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// In place, by `Content-Length`.
    Plain(Range<usize>),
    /// Put together from chunks.
    Chunked(Vec<u8>),
}

/// One whole answer found at the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    status: u16,
    body: Body,
    /// Bytes that the answer takes, head included.
    used: usize,
    /// The server will close the connection.
    close: bool,
}

/// One whole answer.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Bytes on the wire, head included.
    pub(crate) size: usize,
    /// The server will close the connection.
    pub(crate) close: bool,
}

impl Reply<'_> {
    /// The beginning of the body, for messages.
    pub(crate) fn excerpt(&self) -> String {
        let end = self.body.len().min(300);
        String::from_utf8_lossy(&self.body[..end]).into_owned()
    }
}

/// The bytes of one connection that have come and were not used yet.
pub(crate) struct Reader {
    buffer: Vec<u8>,
    start: usize,
    chunked: Vec<u8>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { buffer: Vec::with_capacity(READ_SIZE), start: 0, chunked: Vec::new() }
    }

    /// The next answer of `stream`. Answers that came together are given one by one.
    pub(crate) async fn next<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<Reply<'_>> {
        let found = loop {
            if self.start < self.buffer.len()
                && let Some(found) = find(&self.buffer[self.start..])?
            {
                break found;
            }
            self.make_room()?;
            if stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection before it answered");
            }
        };
        let from = self.start;
        self.start += found.used;
        let body = match found.body {
            Body::Plain(range) => &self.buffer[from + range.start..from + range.end],
            Body::Chunked(bytes) => {
                self.chunked = bytes;
                self.chunked.as_slice()
            }
        };
        Ok(Reply { status: found.status, body, size: found.used, close: found.close })
    }

    /// Drops what was used. The buffer is larger than an answer, so that a read rarely fills it and
    /// the runtime knows without asking again that the socket is empty.
    fn make_room(&mut self) -> Result<()> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
        if self.buffer.len() > MAX_REPLY {
            bail!("an answer of more than {MAX_REPLY} bytes");
        }
        if self.buffer.capacity() - self.buffer.len() < READ_SIZE / 2 {
            self.buffer.reserve(READ_SIZE);
        }
        Ok(())
    }
}

/// What the headers say of the body.
#[derive(Default)]
struct Framing {
    length: Option<usize>,
    chunked: bool,
    close: bool,
}

fn framing(headers: &[httparse::Header<'_>]) -> Result<Framing> {
    let mut framing = Framing::default();
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).context("content-length")?;
            framing.length = Some(text.trim().parse().context("content-length")?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing.chunked = header.value.eq_ignore_ascii_case(b"chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            framing.close = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(framing)
}

/// The answer at the beginning of `bytes`, or `None` while it is not whole.
fn find(bytes: &[u8]) -> Result<Option<Found>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes).context("not an HTTP answer")? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.context("an answer without a status")?;
    let framing = framing(response.headers)?;
    let (body, used) = if framing.chunked {
        match unchunk(&bytes[head..])? {
            Some((body, used)) => (Body::Chunked(body), head + used),
            None => return Ok(None),
        }
    } else {
        let length = match (framing.length, status) {
            (Some(length), _) => length,
            (None, 204 | 304) => 0,
            (None, _) => bail!("an answer ({status}) whose length is not given"),
        };
        if bytes.len() - head < length {
            return Ok(None);
        }
        (Body::Plain(head..head + length), head + length)
    };
    Ok(Some(Found { status, body, used, close: framing.close }))
}

/// The body in chunks at the beginning of `bytes` and the bytes it takes, or `None` while it is
/// not whole. Trailers are not expected.
fn unchunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let (line, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => bail!("a chunk without a size"),
        };
        let from = at + line;
        let size = usize::try_from(size).ok().filter(|size| *size <= MAX_REPLY);
        let end = from + size.context("a chunk of absurd size")?;
        let Some(chunk) = bytes.get(from..end + 2) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            bail!("a chunk without an end, or trailers");
        }
        body.extend_from_slice(&bytes[from..end]);
        at = end + 2;
        if from == end {
            return Ok(Some((body, at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context as Poller, Poll};
    use tokio::io::ReadBuf;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 13\r\n\r\n{\"a\":\"value\"}";
    const CHUNKED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nWiki\r\nB;x=y\r\npedia in...\r\n0\r\n\r\n";

    /// Gives `bytes` in reads of `step`.
    struct Split {
        bytes: Vec<u8>,
        at: usize,
        step: usize,
    }

    impl AsyncRead for Split {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Poller<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            let end = self.bytes.len().min(self.at + self.step);
            buffer.put_slice(&self.bytes[self.at..end]);
            self.at = end;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn reads_split_at_every_place() {
        let both = [PLAIN, CHUNKED, PLAIN].concat();
        for step in 1..=both.len() {
            let mut stream = Split { bytes: both.clone(), at: 0, step };
            let mut reader = Reader::new();
            for round in 0..3 {
                let reply = reader.next(&mut stream).await.unwrap();
                if round == 1 {
                    assert_eq!((reply.status, reply.close), (401, true));
                    assert_eq!(reply.body, b"Wikipedia in...");
                    assert_eq!(reply.size, CHUNKED.len());
                } else {
                    assert_eq!((reply.status, reply.close), (200, false));
                    assert_eq!(reply.body, b"{\"a\":\"value\"}");
                    assert_eq!(reply.size, PLAIN.len());
                }
            }
            assert!(reader.next(&mut stream).await.is_err());
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_not_whole() {
        for answer in [PLAIN, CHUNKED] {
            for cut in 0..answer.len() {
                assert_eq!(find(&answer[..cut]).unwrap(), None, "{cut}");
            }
            assert_eq!(find(answer).unwrap().unwrap().used, answer.len());
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nabc",
        ] {
            assert!(find(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_may_be_empty() {
        let found = find(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
        assert_eq!((found.status, found.body), (204, Body::Plain(27..27)));
    }
}
