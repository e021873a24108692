//! Tokens as a client reads them: it can tell which of two is newer, and nothing about whether they are
//! genuine. Small on purpose: the crates that the server uses would outweigh the rest of the module.

use super::json::Json;

/// A token and what it says of its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// As it is presented.
    pub text: String,
    /// Id of its session key (family).
    pub key: [u8; 16],
    /// How often the family has moved on; 0 for a launch token.
    pub generation: u32,
    /// Tells two offers of one generation apart; zero for a launch token.
    pub branch: [u8; 8],
    /// When it was made, Unix seconds.
    pub stamp: i64,
}

/// The claims of a launch token that a client looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Host id.
    pub iss: String,
    /// The user, by the host's own key.
    pub sub: String,
    /// The activity, by the host's own key.
    pub activity: String,
    /// When it was issued, Unix seconds.
    pub iat: i64,
    /// What it may call.
    pub functions: Option<Vec<String>>,
    /// `normal`, `browse` or `review`.
    pub mode: Option<String>,
}

impl Claims {
    /// Whether the key may write by `function`. An operation sent by one that may not would be refused, and lost.
    pub fn may(&self, function: &str) -> bool {
        let looks_on = matches!(self.mode.as_deref(), Some("browse" | "review"));
        !looks_on
            && match &self.functions {
                Some(named) => named.iter().any(|name| name == function),
                None => matches!(function, "log" | "grade"),
            }
    }

    /// Whether the other launch is of the same host, user and activity.
    pub fn same_place(&self, other: &Self) -> bool {
        (&self.iss, &self.sub, &self.activity) == (&other.iss, &other.sub, &other.activity)
    }
}

/// Reads a session token.
pub fn session(text: &str) -> Option<Token> {
    let raw = decode(text.strip_prefix("lk1_").filter(|rest| rest.len() == 72)?)?;
    let raw: &[u8; 54] = raw.as_slice().try_into().ok()?;
    let [1, _, key @ .., _, _, _, _] = raw else { return None };
    if checksum(&raw[..50]).to_be_bytes() != raw[50..] {
        return None;
    }
    Some(Token {
        text: text.to_owned(),
        key: key[..16].try_into().ok()?,
        generation: u32::from_be_bytes(raw[18..22].try_into().ok()?),
        branch: raw[22..30].try_into().ok()?,
        stamp: u32::from_be_bytes(raw[30..34].try_into().ok()?).into(),
    })
}

/// Reads a launch token: generation 0 of its family.
pub fn launch(text: &str) -> Option<(Token, Claims)> {
    let (header, rest) = at_dot(text)?;
    let (payload, mac) = at_dot(rest)?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| sextet(byte).is_some());
    if ![header, payload, mac].into_iter().all(plain) {
        return None;
    }
    let payload = String::from_utf8(decode(payload)?).ok()?;
    let claims = Json::parse(&payload)?;
    let id = |name| claims.member(name)?.text().filter(|id| !id.is_empty());
    let key = decode(&id("jti")?)?.try_into().ok()?;
    let read = Claims {
        iss: id("iss")?,
        sub: id("sub")?,
        activity: id("activity")?,
        iat: claims.member("iat")?.whole()?,
        functions: claims
            .member("functions")
            .and_then(Json::items)
            .map(|names| names.into_iter().filter_map(Json::text).collect()),
        mode: claims.member("mode").and_then(Json::text),
    };
    let token =
        Token { text: text.to_owned(), key, generation: 0, branch: [0; 8], stamp: read.iat };
    Some((token, read))
}

/// Whether `next` takes the place of `held`: the same family, and a higher generation, or a later stamp of the
/// same generation *and branch*. Two requests at the same time may be offered two successors, of which only one can be
/// confirmed.
pub fn supersedes(next: &Token, held: &Token) -> bool {
    next.key == held.key
        && (next.generation > held.generation
            || (next.generation == held.generation
                && next.branch == held.branch
                && next.stamp > held.stamp))
}

fn at_dot(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == b'.')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

/// base64url without padding; spare bits are the server's to judge.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::with_capacity(text.len()), 0, 0);
    if text.len() % 4 == 1 {
        return None;
    }
    for byte in text.bytes() {
        held = (held << 6) | sextet(byte)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    Some(bytes)
}

/// CRC-32 over `lk1_` and the bytes.
fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in b"lk1_".iter().chain(bytes) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}
