//! Ids that never repeat: operations, entries and keys.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;

/// A stream of ids, each different from every other stream's: the high half is the machine's
/// randomness, drawn once, so that making an id costs nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    /// A stream of its own.
    pub(crate) fn new() -> Result<Self> {
        let mut seed = [0; 8];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut seed))
            .context("reading /dev/urandom")?;
        Ok(Self { state: u64::from_ne_bytes(seed) })
    }

    /// The next 64 bits of SplitMix64, which visits each value once.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// 128 bits for a key.
    pub(crate) fn key(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next().to_be_bytes());
        id[8..].copy_from_slice(&self.next().to_be_bytes());
        id
    }

    /// The 36 characters of a UUID of version 7: a time in front, randomness behind.
    pub(crate) fn uuid(&mut self, millis: u64) -> [u8; 36] {
        let (first, second) = (self.next(), self.next());
        let high = (millis << 16) | 0x7000 | (first & 0x0fff);
        let low = 0x8000_0000_0000_0000 | (second >> 2);
        let mut text = [b'-'; 36];
        let mut at = 0;
        for shift in (0..16).rev() {
            if matches!(at, 8 | 13) {
                at += 1;
            }
            text[at] = digit(high >> (shift * 4));
            at += 1;
        }
        for shift in (0..16).rev() {
            if matches!(at, 18 | 23) {
                at += 1;
            }
            text[at] = digit(low >> (shift * 4));
            at += 1;
        }
        text
    }

    /// The same as a text.
    pub(crate) fn uuid_text(&mut self, millis: u64) -> String {
        self.uuid(millis).iter().map(|byte| *byte as char).collect()
    }
}

fn digit(word: u64) -> u8 {
    b"0123456789abcdef"[(word & 15) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_of_version_7() {
        let text = Ids { state: 1 }.uuid_text(0x0123_4567_89ab);
        assert_eq!(text.len(), 36);
        assert!(text.starts_with("01234567-89ab-7"), "{text}");
        assert!(matches!(text.as_bytes()[19], b'8'..=b'b'), "{text}");
        for at in [8, 13, 18, 23] {
            assert_eq!(text.as_bytes()[at], b'-');
        }
    }

    #[test]
    fn ids_do_not_repeat() {
        let mut ids = Ids::new().unwrap();
        let mut seen: Vec<_> = (0..10_000).map(|_| ids.uuid(5)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
