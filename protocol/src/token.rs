//! The text of a session token.
//!
//! ```text
//! text = "lk1_" + base64url_nopad( body ‖ mac ‖ crc )
//! body : 0 version=1 | 1 MAC key number | 2..18 key id | 18..22 generation | 22..30 branch | 30..34 issued at
//! mac  : HMAC-SHA-256(K[number], "lk1\0" ‖ deployment ‖ body), first 16 bytes
//! crc  : CRC-32 over "lk1_" ‖ body ‖ mac
//! ```
//!
//! 54 bytes make exactly 72 characters, so there is one text for each token and no other: no padding,
//! no spare bits. The checksum turns typing errors and scans away before any cryptography, and lets
//! scanners for leaked secrets recognise a token without knowing a key.

use crate::mac::{Signer, TOKEN_MAC_LEN};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use thiserror::Error;

/// How every session token begins.
pub const PREFIX: &str = "lk1_";
/// Characters of a session token, prefix included.
pub const TEXT_LEN: usize = 76;
/// Branch of generation 0: a launch token has no room for a random one and needs none, since its
/// key id is already unguessable.
pub const LAUNCH_BRANCH: Branch = [0; 8];

const BODY_LEN: usize = 34;
const MAC_END: usize = BODY_LEN + TOKEN_MAC_LEN;
const RAW_LEN: usize = MAC_END + 4;
const VERSION: u8 = 1;

/// The 64 random bits that tell the successors of one generation apart.
pub type Branch = [u8; 8];

/// The 128 random bits that name a session key: the `jti` of the launch token that started it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Reads the 22 characters of base64url that [`fmt::Display`] writes; any other text is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 22 {
            return None;
        }
        let mut id = [0; 16];
        // A buffer of the exact size is refused by the estimate of the decoder, hence one spare byte.
        let mut buffer = [0; 18];
        let len = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).ok()?;
        (len == 16).then(|| {
            id.copy_from_slice(&buffer[..16]);
            Self(id)
        })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A key id alone opens nothing, so it may stand in logs.
impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a session token says, once its MAC has been found valid or before it is sealed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Which secret of the keyring seals it.
    pub mac_key: u8,
    /// The session key (family) it belongs to.
    pub key_id: KeyId,
    /// How often the family has moved on; 0 is the launch token's.
    pub generation: u32,
    /// Tells this successor from another of the same generation.
    pub branch: Branch,
    /// When this text was made, Unix seconds: every reply renews it, so it measures idleness.
    pub issued_at: u32,
}

/// Shows which key and generation, never the branch.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} generation {} …)", self.key_id, self.generation)
    }
}

/// Why a text is no token. For logs and counters only: a client is told `key_invalid` for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not 76 characters.
    #[error("length")]
    Length,
    /// Does not begin with `lk1_`.
    #[error("prefix")]
    Prefix,
    /// Not base64url.
    #[error("base64")]
    Base64,
    /// The checksum does not fit: damaged in transit or typed.
    #[error("checksum")]
    Checksum,
    /// A version this code does not know.
    #[error("version")]
    Version,
    /// Not sealed with the secret it names.
    #[error("mac")]
    Mac,
}

/// A well-formed text whose MAC nobody has looked at yet: it cannot be read, only checked.
pub struct Sealed {
    raw: [u8; RAW_LEN],
}

impl Sealed {
    /// Checks everything that needs no secret. Costs tens of nanoseconds, touches no memory but the
    /// stack, whatever `text` is.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() != TEXT_LEN {
            return Err(TokenError::Length);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let mut raw = [0; RAW_LEN];
        match URL_SAFE_NO_PAD.decode_slice(encoded, &mut raw) {
            Ok(RAW_LEN) => {}
            _ => return Err(TokenError::Base64),
        }
        if raw[MAC_END..] != checksum(&raw[..MAC_END]) {
            return Err(TokenError::Checksum);
        }
        if raw[0] != VERSION {
            return Err(TokenError::Version);
        }
        Ok(Self { raw })
    }

    /// Number of the secret that is said to have sealed it.
    pub fn mac_key(&self) -> u8 {
        self.raw[1]
    }

    /// Opens the token with the secret of that number, compared in constant time.
    pub fn open(&self, signer: &Signer) -> Result<Token, TokenError> {
        let (body, mac) = (&self.raw[..BODY_LEN], &self.raw[BODY_LEN..MAC_END]);
        if !signer.verifies(body, mac) {
            return Err(TokenError::Mac);
        }
        Ok(Token {
            mac_key: body[1],
            key_id: KeyId(array(&body[2..18])),
            generation: u32::from_be_bytes(array(&body[18..22])),
            branch: array(&body[22..30]),
            issued_at: u32::from_be_bytes(array(&body[30..34])),
        })
    }
}

impl Token {
    /// Seals the token into its 76 characters. `signer` must be that of [`Token::mac_key`].
    pub fn seal(&self, signer: &Signer) -> String {
        let mut raw = [0; RAW_LEN];
        raw[0] = VERSION;
        raw[1] = self.mac_key;
        raw[2..18].copy_from_slice(&self.key_id.0);
        raw[18..22].copy_from_slice(&self.generation.to_be_bytes());
        raw[22..30].copy_from_slice(&self.branch);
        raw[30..34].copy_from_slice(&self.issued_at.to_be_bytes());
        let mac = signer.sign_token(&raw[..BODY_LEN]);
        raw[BODY_LEN..MAC_END].copy_from_slice(&mac);
        let crc = checksum(&raw[..MAC_END]);
        raw[MAC_END..].copy_from_slice(&crc);
        let mut text = String::with_capacity(TEXT_LEN);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(raw, &mut text);
        text
    }
}

fn checksum(body_and_mac: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(PREFIX.as_bytes());
    hasher.update(body_and_mac);
    hasher.finalize().to_be_bytes()
}

/// `bytes` is always cut to `N` by the caller; a shorter cut would be a fault in this file.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signer() -> Signer {
        Signer::for_tokens(&[7; 32], "test")
    }

    fn tokens() -> impl Strategy<Value = Token> {
        (any::<u8>(), any::<[u8; 16]>(), any::<u32>(), any::<[u8; 8]>(), any::<u32>()).prop_map(
            |(mac_key, id, generation, branch, issued_at)| Token {
                mac_key,
                key_id: KeyId(id),
                generation,
                branch,
                issued_at,
            },
        )
    }

    fn open(text: &str) -> Result<Token, TokenError> {
        Sealed::parse(text)?.open(&signer())
    }

    proptest! {
        #[test]
        fn seals_and_opens(token in tokens()) {
            let text = token.seal(&signer());
            prop_assert_eq!(text.len(), TEXT_LEN);
            prop_assert_eq!(open(&text), Ok(token));
        }

        #[test]
        fn every_flipped_bit_is_refused(token in tokens()) {
            let text = token.seal(&signer());
            for at in 0..text.len() {
                for bit in 0..7 {
                    let mut bytes = text.clone().into_bytes();
                    bytes[at] ^= 1 << bit;
                    let flipped = String::from_utf8(bytes).unwrap();
                    prop_assert!(open(&flipped).is_err(), "{} {}", at, bit);
                }
            }
        }

        #[test]
        fn a_flip_with_a_mended_checksum_is_still_refused(token in tokens(), bit in 0usize..(MAC_END * 8)) {
            let text = token.seal(&signer());
            let mut raw = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
            raw[bit / 8] ^= 1 << (bit % 8);
            let crc = checksum(&raw[..MAC_END]);
            raw[MAC_END..].copy_from_slice(&crc);
            let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(raw));
            prop_assert!(matches!(open(&text), Err(TokenError::Mac | TokenError::Version)));
        }

        #[test]
        fn every_other_length_is_refused(token in tokens(), extra in "[A-Za-z0-9_=-]{1,8}") {
            let text = token.seal(&signer());
            for cut in 0..text.len() {
                prop_assert_eq!(open(&text[..cut]), Err(TokenError::Length));
            }
            prop_assert_eq!(open(&(text + &extra)), Err(TokenError::Length));
        }

        #[test]
        fn any_text_is_read_without_panic(text in any::<String>()) {
            prop_assert!(open(&text).is_err());
        }

        #[test]
        fn key_ids_read_as_written(id in any::<[u8; 16]>()) {
            prop_assert_eq!(KeyId::parse(&KeyId(id).to_string()), Some(KeyId(id)));
        }
    }

    #[test]
    fn spare_bits_of_a_key_id_are_refused() {
        let text = KeyId([0; 16]).to_string();
        assert_eq!(text, "A".repeat(22));
        assert_eq!(KeyId::parse(&("A".repeat(21) + "B")), None);
        assert_eq!(KeyId::parse(&"A".repeat(23)), None);
    }

    #[test]
    fn standard_alphabet_and_padding_are_refused() {
        let token = Token {
            mac_key: 1,
            key_id: KeyId([255; 16]),
            generation: 1,
            branch: [255; 8],
            issued_at: 9,
        };
        let text = token.seal(&signer());
        assert!(text.contains('_') || text.contains('-'));
        let standard = text[4..].replace('_', "/").replace('-', "+");
        assert!(open(&format!("{PREFIX}{standard}")).is_err());
        assert!(open(&format!("{}=", &text[..75])).is_err());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let token = Token {
            mac_key: 1,
            key_id: KeyId([1; 16]),
            generation: 5,
            branch: [171; 8],
            issued_at: 9,
        };
        let shown = format!("{token:?}");
        assert!(shown.contains("generation 5") && !shown.contains("171"), "{shown}");
    }
}
