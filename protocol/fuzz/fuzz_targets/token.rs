//! Any text, and any change to a valid token: a text that opens must be the very text that its
//! content seals to, so that there is one text for each token and no other.
#![no_main]

use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::{KeyId, Sealed, Token, TokenError};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::for_tokens(&[7; 32], "fuzz"));

fn open(text: &str) -> Result<Token, TokenError> {
    Sealed::parse(text)?.open(&SIGNER)
}

fn check(text: &str) {
    if let Ok(token) = open(text) {
        assert_eq!(token.seal(&SIGNER), text, "a second text for one token");
    }
}

/// The token that the first 33 bytes describe; the rest is what is done to its text.
fn described(data: &[u8]) -> Option<(Token, &[u8])> {
    let (mac_key, data) = data.split_first()?;
    let (key_id, data) = data.split_first_chunk()?;
    let (generation, data) = data.split_first_chunk()?;
    let (branch, data) = data.split_first_chunk()?;
    let (issued_at, changes) = data.split_first_chunk()?;
    let token = Token {
        mac_key: *mac_key,
        key_id: KeyId(*key_id),
        generation: u32::from_be_bytes(*generation),
        branch: *branch,
        issued_at: u32::from_be_bytes(*issued_at),
    };
    Some((token, changes))
}

/// Writes the second byte of each pair at the place that the first one names.
fn changed(text: &str, changes: &[u8]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for pair in changes.chunks_exact(2) {
        let at = usize::from(pair[0]) % bytes.len();
        bytes[at] = pair[1];
    }
    bytes
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    let Some((token, changes)) = described(data) else {
        return;
    };
    let text = token.seal(&SIGNER);
    assert!(open(&text) == Ok(token), "a sealed token does not open");
    let changed = changed(&text, changes);
    if let Ok(other) = std::str::from_utf8(&changed) {
        check(other);
        assert_eq!(open(other).is_ok(), other == text, "a changed token opens");
    }
});
