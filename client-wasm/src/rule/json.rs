//! JSON as far as a client must read and write it. Operations and results pass through as text, so that the
//! module for JavaScript needs no JSON library besides the browser's own.

use super::hex;
use std::str::Chars;

/// Nesting beyond this is damage: the server sends no more than 40 levels.
const MAX_DEPTH: u8 = 64;

/// One value, in a text that has been found to be JSON as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The value that `text` is; `None` if it is not JSON.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (bytes, from) = (text.as_bytes(), space(text.as_bytes(), 0));
        let end = value(bytes, from, 0)?;
        if space(bytes, end) == bytes.len() { Some(Self(text.get(from..end)?)) } else { None }
    }

    /// Its text.
    pub fn raw(self) -> &'a str {
        self.0
    }

    /// The member of that name; of several the last, as browsers have it.
    pub fn member(self, name: &str) -> Option<Self> {
        let mut found = None;
        self.parts(b'{', &mut |key, part| {
            if key.and_then(Json::text).as_deref() == Some(name) {
                found = Some(part);
            }
        })?;
        found
    }

    /// The items of a list.
    pub fn items(self) -> Option<Vec<Self>> {
        let mut items = Vec::new();
        self.parts(b'[', &mut |_, part| items.push(part))?;
        Some(items)
    }

    /// Walks through the parts of an object or a list; `None` if it is no such.
    fn parts(self, open: u8, each: &mut dyn FnMut(Option<Self>, Self)) -> Option<()> {
        let (text, bytes) = (self.0, self.0.as_bytes());
        if bytes.first() != Some(&open) {
            return None;
        }
        let mut at = space(bytes, 1);
        while !matches!(bytes.get(at)?, b'}' | b']') {
            let mut key = None;
            if open == b'{' {
                let end = string(bytes, at)?;
                key = Some(Self(text.get(at..end)?));
                at = space(bytes, space(bytes, end) + 1);
            }
            let end = value(bytes, at, 0)?;
            each(key, Self(text.get(at..end)?));
            at = space(bytes, end);
            if bytes.get(at) == Some(&b',') {
                at = space(bytes, at + 1);
            }
        }
        Some(())
    }

    /// A text, its escapes undone.
    pub fn text(self) -> Option<String> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        let mut text = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(char) = chars.next() {
            if char != '\\' {
                text.push(char);
                continue;
            }
            text.push(match chars.next()? {
                'u' => {
                    let mut unit = four(&mut chars)?;
                    let mut ahead = chars.clone();
                    // The second half of a pair; without it, half a character is none.
                    if unit & 0xfc00 == 0xd800
                        && ahead.next() == Some('\\')
                        && ahead.next() == Some('u')
                        && let Some(low) = four(&mut ahead)
                        && low & 0xfc00 == 0xdc00
                    {
                        unit = 0x1_0000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
                        chars = ahead;
                    }
                    char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                other => other,
            });
        }
        Some(text)
    }

    /// A whole number that is written as one, of at most 15 digits.
    pub fn whole(self) -> Option<i64> {
        let digits = self.0.strip_prefix('-').unwrap_or(self.0);
        if digits.len() > 15 {
            return None;
        }
        let mut number = 0;
        for byte in digits.bytes() {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i64::from(byte - b'0');
        }
        Some(if digits.len() < self.0.len() { -number } else { number })
    }
}

fn four(chars: &mut Chars<'_>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        unit = unit * 16 + chars.next()?.to_digit(16)?;
    }
    Some(unit)
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Where the value at `at` ends; `None` where there is none.
fn value(bytes: &[u8], at: usize, depth: u8) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string(bytes, at),
        open @ (b'{' | b'[') if depth < MAX_DEPTH => {
            let close = open + 2; // in ASCII, of both kinds
            let mut at = space(bytes, at + 1);
            if bytes.get(at) == Some(&close) {
                return Some(at + 1);
            }
            loop {
                if *open == b'{' {
                    at = space(bytes, string(bytes, at)?);
                    if bytes.get(at) != Some(&b':') {
                        return None;
                    }
                    at = space(bytes, at + 1);
                }
                at = space(bytes, value(bytes, at, depth + 1)?);
                match *bytes.get(at)? {
                    b',' => at = space(bytes, at + 1),
                    found => return (found == close).then_some(at + 1),
                }
            }
        }
        b'-' | b'0'..=b'9' => number(bytes, at),
        first => {
            let word: &[u8] = match first {
                b't' => b"true",
                b'f' => b"false",
                b'n' => b"null",
                _ => return None,
            };
            bytes.get(at..)?.starts_with(word).then_some(at + word.len())
        }
    }
}

fn string(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            0..=0x1f => return None,
            _ => at += 1,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |mut at: usize| {
        let from = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > from).then_some(at)
    };
    let mut at = at + usize::from(bytes[at] == b'-');
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at = digits(at + usize::from(matches!(bytes.get(at), Some(b'+' | b'-'))))?;
    }
    Some(at)
}

/// Writes a text with its quotation marks.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            '\0'..='\x1f' => {
                out.push_str("\\u00");
                out.push(hex(char as u8 >> 4));
                out.push(hex(char as u8));
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}
