//! HMAC-SHA-256 as the tokens use it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// Bytes of MAC that a session token carries.
pub const TOKEN_MAC_LEN: usize = 16;

/// A secret made ready for use: the key schedule and whatever prefix all messages share are
/// absorbed once, so that a token costs two compressions and no allocation.
#[derive(Clone)]
pub struct Signer {
    primed: Hmac<Sha256>,
}

impl Signer {
    /// A signer for raw messages, as launch tokens need it. HMAC takes a secret of any length; the
    /// caller holds secrets to 32 bytes or more.
    pub fn new(secret: &[u8]) -> Self {
        Self::with_prefix(secret, &[])
    }

    /// A signer whose every message begins with `prefix`.
    pub fn with_prefix(secret: &[u8], prefix: &[u8]) -> Self {
        let mut primed = match Hmac::<Sha256>::new_from_slice(secret) {
            Ok(primed) => primed,
            // HMAC hashes over-long keys and pads short ones: no length is an error.
            Err(_) => unreachable!("HMAC accepts keys of any length"),
        };
        primed.update(prefix);
        Self { primed }
    }

    /// A signer for session tokens of one deployment: a token of another deployment that happens to
    /// share a secret is still refused.
    pub fn for_tokens(secret: &[u8; 32], deployment: &str) -> Self {
        let mut prefix = b"lk1\0".to_vec();
        prefix.extend_from_slice(deployment.as_bytes());
        Self::with_prefix(secret, &prefix)
    }

    /// The full 32-byte MAC of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.primed.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// The MAC cut to the length that a token carries.
    pub fn sign_token(&self, body: &[u8]) -> [u8; TOKEN_MAC_LEN] {
        let full = self.sign(body);
        let mut short = [0; TOKEN_MAC_LEN];
        short.copy_from_slice(&full[..TOKEN_MAC_LEN]);
        short
    }

    /// Whether `mac` is this signer's for `message`, in constant time; a MAC of another length than
    /// the full or the token's never fits.
    pub fn verifies(&self, message: &[u8], mac: &[u8]) -> bool {
        let full = self.sign(message);
        (mac.len() == full.len() || mac.len() == TOKEN_MAC_LEN)
            && bool::from(full[..mac.len()].ct_eq(mac))
    }
}

/// Shows nothing: the primed state is as good as the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_part_of_the_message() {
        let split = Signer::with_prefix(b"secret", b"ab").sign(b"cd");
        assert_eq!(split, Signer::new(b"secret").sign(b"abcd"));
    }

    #[test]
    fn deployments_do_not_share_tokens() {
        let (one, two) = (Signer::for_tokens(&[7; 32], "one"), Signer::for_tokens(&[7; 32], "two"));
        let mac = one.sign_token(b"body");
        assert!(one.verifies(b"body", &mac));
        assert!(!two.verifies(b"body", &mac));
    }

    #[test]
    fn only_whole_macs_fit() {
        let signer = Signer::new(&[1; 32]);
        let full = signer.sign(b"m");
        for len in 0..=32 {
            assert_eq!(signer.verifies(b"m", &full[..len]), len == 16 || len == 32, "{len}");
        }
    }

    #[test]
    fn rfc_4231_case_2() {
        let mac = Signer::new(b"Jefe").sign(b"what do ya want for nothing?");
        let hex: String = mac.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
