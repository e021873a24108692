//! Session tokens as a client sees them: read without the secret, and forged.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::token::{PREFIX, TEXT_LEN};

const RAW_LEN: usize = 54;
const MAC_END: usize = 50;

/// The text of a session token, in place.
pub(crate) type Text = [u8; TEXT_LEN];

/// The bytes of a well-formed session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    raw: [u8; RAW_LEN],
}

impl Seen {
    /// Reads `text` if its shape and checksum fit.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX.as_bytes())?;
        let mut raw = [0; RAW_LEN];
        let len = URL_SAFE_NO_PAD.decode_slice(encoded, &mut raw).ok()?;
        (len == RAW_LEN && raw[MAC_END..] == checksum(&raw)).then_some(Self { raw })
    }

    /// The key that it belongs to.
    pub(crate) fn key_id(&self) -> &[u8] {
        &self.raw[2..18]
    }

    /// How often the family has moved on.
    pub(crate) fn generation(&self) -> u32 {
        self.number(18)
    }

    /// When the text was made, Unix seconds.
    pub(crate) fn stamp(&self) -> u32 {
        self.number(30)
    }

    fn number(&self, at: usize) -> u32 {
        let raw = &self.raw;
        u32::from_be_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]])
    }

    /// A forgery: another key and another MAC, the same secret's number and a checksum that fits,
    /// so that only the MAC gives it away. Each `number` makes another.
    pub(crate) fn forge(&self, number: u64) -> Text {
        let mut raw = self.raw;
        raw[2..10].copy_from_slice(&number.to_be_bytes());
        raw[34..42].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let crc = checksum(&raw);
        raw[MAC_END..].copy_from_slice(&crc);
        text_of(&raw)
    }
}

fn text_of(raw: &[u8; RAW_LEN]) -> Text {
    let mut text = [b'A'; TEXT_LEN];
    text[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
    // 54 bytes are always 72 characters: the slice cannot be too short.
    let written = URL_SAFE_NO_PAD.encode_slice(raw, &mut text[PREFIX.len()..]);
    debug_assert_eq!(written.ok(), Some(TEXT_LEN - PREFIX.len()));
    text
}

fn checksum(raw: &[u8; RAW_LEN]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(PREFIX.as_bytes());
    hasher.update(&raw[..MAC_END]);
    hasher.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_protocol::mac::Signer;
    use latchkey_protocol::token::{KeyId, Sealed, Token, TokenError};

    fn signer() -> Signer {
        Signer::for_tokens(&[7; 32], "bench")
    }

    fn sealed() -> String {
        Token {
            mac_key: 3,
            key_id: KeyId([9; 16]),
            generation: 5,
            branch: [8; 8],
            issued_at: 1_700_000_000,
        }
        .seal(&signer())
    }

    #[test]
    fn reads_what_the_protocol_seals() {
        let seen = Seen::read(sealed().as_bytes()).unwrap();
        assert_eq!(seen.key_id(), [9; 16]);
        assert_eq!((seen.generation(), seen.stamp()), (5, 1_700_000_000));
        assert_eq!(text_of(&seen.raw), *sealed().as_bytes());
    }

    #[test]
    fn a_damaged_text_is_not_read() {
        for at in 0..TEXT_LEN {
            let mut text = sealed().into_bytes();
            text[at] ^= 1;
            assert_eq!(Seen::read(&text), None, "{at}");
        }
        assert_eq!(Seen::read(&sealed().as_bytes()[..75]), None);
    }

    #[test]
    fn a_forgery_fails_by_its_mac_alone() {
        let seen = Seen::read(sealed().as_bytes()).unwrap();
        for number in [0, 1, u64::MAX] {
            let text = seen.forge(number);
            let parsed = Sealed::parse(std::str::from_utf8(&text).unwrap()).unwrap();
            assert_eq!(parsed.mac_key(), 3);
            assert_eq!(parsed.open(&signer()), Err(TokenError::Mac));
        }
        assert_ne!(seen.forge(1), seen.forge(2));
    }
}
