//! Cursors of feeds: opaque, for one host and one feed of one deployment, and good for ever.

use crate::store::{Mark, Position};
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
/// Version and origin.
const HEAD: usize = 1 + 8;
/// Number and time of a mark.
const MARK: usize = 8 + 8;
/// More marks than any backend has strands.
const MAX_MARKS: usize = 64;

/// Where a cursor is from: a fingerprint, so that one from elsewhere is told from one of here. It is no
/// secret and guards nothing; what a host may read is decided by who the host is.
fn origin(deployment: &str, host: &str, feed: Feed) -> [u8; 8] {
    let digest = Sha256::digest(format!("{:?}", (deployment, host, feed)).as_bytes());
    let mut origin = [0; 8];
    origin.copy_from_slice(&digest[..8]);
    origin
}

/// The text of a cursor.
pub fn write(deployment: &str, host: &str, feed: Feed, position: &Position) -> String {
    let mut bytes = Vec::with_capacity(HEAD + MARK * position.marks.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&origin(deployment, host, feed));
    for mark in &position.marks {
        bytes.extend_from_slice(&mark.seq.to_be_bytes());
        bytes.extend_from_slice(&mark.at.to_be_bytes());
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position of a cursor; `None` if it is none of this feed, host and deployment.
pub fn read(deployment: &str, host: &str, feed: Feed, text: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (head, places) = bytes.split_at_checked(HEAD)?;
    if head[0] != VERSION || head[1..] != origin(deployment, host, feed) {
        return None;
    }
    let (places, rest) = places.as_chunks::<MARK>();
    if !rest.is_empty() || places.len() > MAX_MARKS {
        return None;
    }
    let mut marks = Vec::with_capacity(places.len());
    for place in places {
        let (seq, at) = place.split_at(8);
        let number = |bytes: &[u8]| Some(i64::from_be_bytes(bytes.try_into().ok()?));
        match (number(seq)?, number(at)?) {
            // How the beginning was written once.
            (0, 0) if places.len() == 1 => {}
            (seq, at) if seq > 0 => marks.push(Mark { seq, at }),
            _ => return None,
        }
    }
    Some(Position { marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK_HERE: Mark = Mark { seq: 7_000_000_001, at: 1_795_000_000_123 };

    fn here() -> Position {
        Position { marks: vec![MARK_HERE] }
    }

    #[test]
    fn reads_what_it_writes() {
        let many = (1..=16).map(|seq| Mark { seq, at: -seq }).collect();
        let last = Position { marks: vec![Mark { seq: i64::MAX, at: 0 }] };
        for position in [here(), Position::default(), last, Position { marks: many }] {
            let text = write("d", "school", Feed::Log, &position);
            assert_eq!(read("d", "school", Feed::Log, &text), Some(position));
        }
    }

    #[test]
    fn cursors_of_old_are_good() {
        let text = "AVn_fcIkbtTtAAAAAaE7hgEAAAGh7lZeew";
        assert_eq!(write("d", "school", Feed::Log, &here()), text);
        let beginning = Position { marks: vec![Mark { seq: 0, at: 0 }] };
        let text = write("d", "school", Feed::Log, &beginning);
        assert_eq!(read("d", "school", Feed::Log, &text), Some(Position::default()));
    }

    #[test]
    fn one_from_elsewhere_is_told() {
        let text = write("d", "school", Feed::Grades, &here());
        assert_eq!(read("e", "school", Feed::Grades, &text), None);
        assert_eq!(read("d", "academy", Feed::Grades, &text), None);
        assert_eq!(read("d", "school", Feed::Submissions, &text), None);
        // Deployment and host do not run into each other.
        assert_ne!(origin("ab", "c", Feed::Log), origin("a", "bc", Feed::Log));
    }

    #[test]
    fn nonsense_is_no_cursor() {
        let text = write("d", "school", Feed::Grades, &here());
        let longer = format!("{text}A");
        let of = |marks: &[(i64, i64)]| {
            let marks = marks.iter().map(|&(seq, at)| Mark { seq, at }).collect();
            write("d", "school", Feed::Grades, &Position { marks })
        };
        let (below, nothing, late) = (of(&[(-1, 0)]), of(&[(5, 5), (0, 0)]), of(&[(0, 1)]));
        let (many, below_many) = (of(&[(5, 5); 65]), of(&[(5, 5), (i64::MIN, 5)]));
        for text in [
            "",
            "0",
            "42",
            "é",
            "????",
            &text[1..],
            &text[..text.len() - 1],
            &longer,
            &below,
            &nothing,
            &late,
            &many,
            &below_many,
        ] {
            assert_eq!(read("d", "school", Feed::Grades, text), None, "{text}");
        }
    }
}
