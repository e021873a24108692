//! Cursors of feeds: opaque, for one host and one feed of one deployment, and good for ever.

use crate::store::Position;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Which feed a cursor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Changed standings.
    Grades,
    /// Submissions made and made void.
    Submissions,
    /// Entries of the log.
    Log,
}

const VERSION: u8 = 1;
/// Version, origin, number, time.
const LEN: usize = 1 + 8 + 8 + 8;

/// Where a cursor is from: a fingerprint, so that one from elsewhere is told from one of here. It is no
/// secret and guards nothing; what a host may read is decided by who the host is.
fn origin(deployment: &str, host: &str, feed: Feed) -> [u8; 8] {
    let digest = Sha256::digest(format!("{:?}", (deployment, host, feed)).as_bytes());
    let mut origin = [0; 8];
    origin.copy_from_slice(&digest[..8]);
    origin
}

/// The text of a cursor.
pub fn write(deployment: &str, host: &str, feed: Feed, position: Position) -> String {
    let mut bytes = Vec::with_capacity(LEN);
    bytes.push(VERSION);
    bytes.extend_from_slice(&origin(deployment, host, feed));
    bytes.extend_from_slice(&position.seq.to_be_bytes());
    bytes.extend_from_slice(&position.at.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor; `None` if it is none of this feed, host and deployment.
pub fn read(deployment: &str, host: &str, feed: Feed, text: &str) -> Option<Position> {
    let bytes: [u8; LEN] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (head, place) = bytes.split_at(9);
    if head[0] != VERSION || head[1..] != origin(deployment, host, feed) {
        return None;
    }
    let number = |at: usize| -> Option<i64> {
        Some(i64::from_be_bytes(place.get(at..at + 8)?.try_into().ok()?))
    };
    let position = Position { seq: number(0)?, at: number(8)? };
    (position.seq >= 0).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Position = Position { seq: 7_000_000_001, at: 1_795_000_000_123 };

    #[test]
    fn reads_what_it_writes() {
        for position in [HERE, Position::default(), Position { seq: i64::MAX, at: 0 }] {
            let text = write("d", "school", Feed::Log, position);
            assert_eq!(read("d", "school", Feed::Log, &text), Some(position));
        }
    }

    #[test]
    fn one_from_elsewhere_is_told() {
        let text = write("d", "school", Feed::Grades, HERE);
        assert_eq!(read("e", "school", Feed::Grades, &text), None);
        assert_eq!(read("d", "academy", Feed::Grades, &text), None);
        assert_eq!(read("d", "school", Feed::Submissions, &text), None);
        // Deployment and host do not run into each other.
        assert_ne!(origin("ab", "c", Feed::Log), origin("a", "bc", Feed::Log));
    }

    #[test]
    fn nonsense_is_no_cursor() {
        let text = write("d", "school", Feed::Grades, HERE);
        let longer = format!("{text}A");
        let below = write("d", "school", Feed::Grades, Position { seq: -1, at: 0 });
        for text in
            ["", "0", "42", "é", "????", &text[1..], &text[..text.len() - 1], &longer, &below]
        {
            assert_eq!(read("d", "school", Feed::Grades, text), None, "{text}");
        }
    }
}
