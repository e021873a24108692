//! The secrets that seal session tokens.

use latchkey_protocol::Millis;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::{Branch, KeyId, Sealed, Token, TokenError};
use std::fmt;
use thiserror::Error;

/// One secret of the keyring.
#[derive(Clone)]
pub struct Secret {
    /// Its number, which every token sealed with it carries.
    pub number: u8,
    /// 256 random bits.
    pub bytes: [u8; 32],
    /// From when it seals. Put a new secret on every node before this moment.
    pub sign_from: Millis,
    /// Until when tokens sealed with it are good; `None` for ever.
    pub verify_until: Option<Millis>,
}

/// Shows the number only.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(number {} …)", self.number)
    }
}

/// Why secrets make no keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// Two of one number.
    #[error("two secrets of the keyring have the number {0}")]
    Twice(u8),
    /// None that seals yet, or none at all.
    #[error("no secret of the keyring may sign yet: one needs a sign_from in the past")]
    NoneSigns,
}

#[derive(Debug)]
struct Slot {
    number: u8,
    signer: Signer,
    sign_from: Millis,
    verify_until: Option<Millis>,
}

/// Seals and opens session tokens. A secret is found by its number, never by trying. A change of
/// secrets breaks no live key, since every use re-stamps its token with the newest.
#[derive(Debug)]
pub struct Keyring {
    /// The newest first.
    slots: Vec<Slot>,
}

impl Keyring {
    /// The keyring of a deployment.
    ///
    /// # Errors
    /// [`KeyringError`], if two secrets share a number or none may sign at `now`.
    pub fn new(
        deployment: &str,
        secrets: impl IntoIterator<Item = Secret>,
        now: Millis,
    ) -> Result<Self, KeyringError> {
        let mut slots: Vec<Slot> = Vec::new();
        for secret in secrets {
            if slots.iter().any(|slot| slot.number == secret.number) {
                return Err(KeyringError::Twice(secret.number));
            }
            slots.push(Slot {
                number: secret.number,
                signer: Signer::for_tokens(&secret.bytes, deployment),
                sign_from: secret.sign_from,
                verify_until: secret.verify_until,
            });
        }
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.sign_from));
        let ring = Self { slots };
        ring.signing(now).ok_or(KeyringError::NoneSigns)?;
        Ok(ring)
    }

    /// Reads a token. Costs under a microsecond and no memory, whatever `text` is.
    ///
    /// # Errors
    /// Why it is none; the caller tells its client nothing but that.
    pub fn open(&self, text: &str, now: Millis) -> Result<Token, TokenError> {
        let sealed = Sealed::parse(text)?;
        let mut slots = self.slots.iter();
        match slots.find(|slot| slot.number == sealed.mac_key()) {
            Some(slot) if slot.verify_until.is_none_or(|until| now <= until) => {
                sealed.open(&slot.signer)
            }
            _ => Err(TokenError::Mac),
        }
    }

    /// Seals a token with the newest secret that may sign.
    pub fn seal(&self, key_id: KeyId, generation: u32, branch: Branch, now: Millis) -> String {
        // `new` saw one that may sign. Should all have run out since, the newest is the least wrong:
        // what it seals is refused, and the page renews.
        let slot = match self.signing(now).or(self.slots.first()) {
            Some(slot) => slot,
            None => unreachable!("a keyring is never empty"),
        };
        let issued_at = u32::try_from(now / 1000).unwrap_or(u32::MAX);
        Token { mac_key: slot.number, key_id, generation, branch, issued_at }.seal(&slot.signer)
    }

    fn signing(&self, now: Millis) -> Option<&Slot> {
        self.slots
            .iter()
            .filter(|slot| slot.sign_from <= now)
            .find(|slot| slot.verify_until.is_none_or(|until| now < until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(number: u8, sign_from: Millis, verify_until: Option<Millis>) -> Secret {
        Secret { number, bytes: [number; 32], sign_from, verify_until }
    }

    const ID: KeyId = KeyId([5; 16]);

    #[test]
    fn the_newest_secret_that_may_sign_does() {
        let secrets = || [secret(1, 0, Some(10_000)), secret(2, 5_000, None)];
        let ring = Keyring::new("d", secrets(), 0).unwrap();
        for (now, number) in [(4_999, 1), (5_000, 2), (20_000, 2)] {
            let text = ring.seal(ID, 3, [1; 8], now);
            assert_eq!(ring.open(&text, now).unwrap().mac_key, number, "{now}");
        }
    }

    #[test]
    fn a_retired_secret_opens_until_its_end() {
        let ring =
            Keyring::new("d", [secret(1, 0, Some(10_000)), secret(2, 5_000, None)], 0).unwrap();
        let text = ring.seal(ID, 0, [0; 8], 0);
        assert!(ring.open(&text, 10_000).is_ok());
        assert_eq!(ring.open(&text, 10_001), Err(TokenError::Mac));
    }

    #[test]
    fn unknown_numbers_and_other_deployments_are_refused() {
        let ring = Keyring::new("d", [secret(1, 0, None)], 0).unwrap();
        let other = Keyring::new("d", [secret(2, 0, None)], 0).unwrap();
        let elsewhere = Keyring::new("e", [secret(1, 0, None)], 0).unwrap();
        let text = ring.seal(ID, 0, [0; 8], 0);
        assert_eq!(other.open(&text, 0), Err(TokenError::Mac));
        assert_eq!(elsewhere.open(&text, 0), Err(TokenError::Mac));
    }

    #[test]
    fn what_makes_no_keyring() {
        let none: [Secret; 0] = [];
        assert_eq!(Keyring::new("d", none, 0).err(), Some(KeyringError::NoneSigns));
        let later = Keyring::new("d", [secret(1, 1, None)], 0);
        assert_eq!(later.err(), Some(KeyringError::NoneSigns));
        let twice = Keyring::new("d", [secret(1, 0, None), secret(1, 0, None)], 0);
        assert_eq!(twice.err(), Some(KeyringError::Twice(1)));
    }
}
