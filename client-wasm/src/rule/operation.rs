//! Operations: their ids, their order, and how they share requests.

use super::hex;
use super::json::{Json, write_text};
use crate::error::Refusal;
use latchkey_protocol::Millis;

/// The most a browser sends for a page that goes away.
pub(super) const MAX_BODY: usize = 60 * 1024;
/// What a body holds besides operations, a token included.
const ENVELOPE: usize = 2400;
/// The most one operation may take: one document of `state`. What does not fit beside others goes alone.
const MAX_OPERATION: usize = 66 * 1024;
/// Most calls of a batch, most entries of a `log`.
const MAX_CALLS: usize = 100;

/// Something that was asked for, until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// A UUIDv7: the same in each attempt, launch and tab.
    pub id: String,
    /// `log`, `grade`, `recent` or `state`.
    pub function: String,
    /// Its input, a JSON object.
    pub args: String,
    /// Changes nothing: has no id on the wire, is neither stored nor counted.
    pub reads: bool,
    /// It is in storage.
    pub stored: bool,
    /// Sent while the page was going away, the answer not being known (yet).
    pub(super) away: bool,
    /// Suspected of spoiling what it is sent with.
    pub(super) alone: bool,
}

impl Operation {
    pub(super) fn new(id: String, function: &str, args: &str) -> Self {
        // Both SDKs write `op` first.
        let reads = function == "recent" || args.starts_with("{\"op\":\"get\"");
        let (function, args) = (function.to_owned(), args.to_owned());
        Self { id, function, args, reads, stored: false, away: false, alone: false }
    }

    /// Whether it changes something.
    pub(super) fn writes(&self) -> bool {
        !self.reads
    }

    /// What storage holds of it. Both SDKs read and write this.
    pub fn text(&self) -> String {
        let mut text = String::from("{\"function\":");
        write_text(&mut text, &self.function);
        text.push_str(",\"args\":");
        text.push_str(&self.args);
        text.push('}');
        text
    }

    /// Reads what storage holds; `None` for what is not ours.
    pub(super) fn of_text(id: &str, text: &str) -> Option<Self> {
        let stored = Json::parse(text)?;
        let args = stored.member("args").filter(|args| args.raw().starts_with('{'))?;
        let function = stored.member("function")?.text()?;
        Some(Self { stored: true, ..Self::new(id.to_owned(), &function, args.raw()) })
    }

    /// Bytes it takes in a body, at most.
    fn size(&self) -> usize {
        // Ids, names and punctuation, as the JavaScript SDK counts them.
        self.args.len() + self.function.len() + 23 + 64
    }

    /// Why it can never be sent.
    pub(super) fn problem(&self) -> Option<Refusal> {
        let code = if self.args.is_empty() {
            "bad_json"
        } else if self.size() > MAX_OPERATION {
            "body_too_large"
        } else {
            return None;
        };
        Some(Refusal::own(code, "An operation is JSON of up to 66 KiB."))
    }
}

/// Cuts operations into what fits one body: at most 60 KiB and 100; one that is larger or suspected goes
/// alone.
pub(super) fn pieces<'a>(
    operations: impl Iterator<Item = &'a Operation>,
) -> Vec<Vec<&'a Operation>> {
    let mut all: Vec<Vec<&Operation>> = Vec::new();
    let mut size = ENVELOPE;
    for operation in operations {
        size += operation.size();
        match all.last_mut() {
            Some(last)
                if size <= MAX_BODY
                    && last.len() < MAX_CALLS
                    && !operation.alone
                    && !last[0].alone =>
            {
                last.push(operation);
            }
            _ => {
                size = ENVELOPE + operation.size();
                all.push(vec![operation]);
            }
        }
    }
    all
}

/// One call of a batch on its way. All log entries share one; entries carry ids of their own.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Of one that writes, save for a `log`: an answer is found by it, or else by its place.
    pub(super) id: Option<String>,
    pub(super) function: String,
    /// Ids of the operations.
    pub(super) operations: Vec<String>,
    text: String,
}

/// The calls that a piece is sent as, the log first.
pub(super) fn calls(piece: &[&Operation]) -> Vec<Call> {
    let (logs, others): (Vec<&Operation>, Vec<&Operation>) =
        piece.iter().partition(|operation| operation.function == "log");
    let mut calls = Vec::with_capacity(others.len() + 1);
    if !logs.is_empty() {
        calls.push(log(&logs));
    }
    calls.extend(others.into_iter().map(single));
    calls
}

fn log(entries: &[&Operation]) -> Call {
    let mut text = String::from("{\"function\":\"log\",\"args\":{\"entries\":[");
    for (at, entry) in entries.iter().enumerate() {
        text.push_str(if at == 0 { "{\"id\":" } else { ",{\"id\":" });
        write_text(&mut text, &entry.id);
        let members = entry.args.strip_prefix('{').unwrap_or_default().trim_ascii_start();
        text.push_str(if members.starts_with('}') { "" } else { "," });
        text.push_str(members);
    }
    text.push_str("]}}");
    let operations = entries.iter().map(|entry| entry.id.clone()).collect();
    Call { id: None, function: "log".into(), operations, text }
}

fn single(operation: &Operation) -> Call {
    let id = operation.writes().then(|| operation.id.clone());
    let mut text = String::from("{");
    if let Some(id) = &id {
        text.push_str("\"id\":");
        write_text(&mut text, id);
        text.push(',');
    }
    // The rest is as storage has it.
    text.push_str(operation.text().strip_prefix('{').unwrap_or_default());
    Call { id, function: operation.function.clone(), operations: vec![operation.id.clone()], text }
}

/// The body of a batch. `token` only where there can be no header; `sent` is the time by our clock.
pub(super) fn body(calls: &[Call], token: Option<&str>, sent: &str) -> String {
    let mut text = String::from("{");
    if let Some(token) = token {
        text.push_str("\"token\":");
        write_text(&mut text, token);
        text.push(',');
    }
    text.push_str("\"sent\":");
    write_text(&mut text, sent);
    text.push_str(",\"calls\":[");
    for (at, call) in calls.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "," });
        text.push_str(&call.text);
    }
    text.push_str("]}");
    text
}

/// A hybrid logical clock, milliseconds, kept near the server's: always rises. Orders ids, and grades.
#[derive(Clone, Debug)]
pub(super) struct Order {
    offset: Millis,
    last: Millis,
}

impl Order {
    /// The page is not older than its token: a first hint at a slow clock.
    pub(super) fn new(issued: Millis, now: Millis) -> Self {
        Self { offset: (issued - now).max(0), last: 0 }
    }

    /// Learns from the server's clock; the request left at `sent`, by our clock.
    pub(super) fn measure(&mut self, server: Millis, sent: Millis, now: Millis) {
        self.offset = server - (sent + now) / 2;
    }

    /// Learns that `sequence` was given away by an earlier launch.
    pub(super) fn given(&mut self, sequence: Millis) {
        self.last = self.last.max(sequence);
    }

    pub(super) fn tick(&mut self, now: Millis) -> Millis {
        self.last = (self.last + 1).max(now + self.offset);
        self.last
    }

    /// A UUIDv7 of the next tick.
    pub(super) fn id(&mut self, now: Millis, mut tail: [u8; 10]) -> String {
        tail[0] = 0x70 | (tail[0] & 15);
        tail[2] = 0x80 | (tail[2] & 63);
        let time = self.tick(now).to_be_bytes();
        let mut id = String::with_capacity(36);
        for (at, byte) in time[2..].iter().chain(&tail).enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                id.push('-');
            }
            for half in [byte >> 4, byte & 15] {
                id.push(hex(half));
            }
        }
        id
    }
}
