//! The arithmetic of numbers: which strand something is in, and which host.
//!
//! A host's changes are divided into [`STRANDS`] strands. The number of an activity tells its host and its
//! strand; that of an entry, submission or ruling tells its strand within the host, and its month.

use latchkey_protocol::Millis;
use sha2::{Digest, Sha256};

/// Strands of a host. Fixed for ever: numbers hold it.
pub(super) const STRANDS: i64 = 16;
/// Bits of a number below the host's.
const HOST_SHIFT: u32 = 36;
/// Bits of a month's count.
const COUNT_BITS: u32 = 32;
/// The year from which months are counted.
const FIRST_YEAR: i64 = 2020;

/// The strand of an activity.
pub(in crate::store) fn strand_of(activity: i64) -> i64 {
    (activity >> HOST_SHIFT) * STRANDS + activity % STRANDS
}

/// The host of an activity, user, course or webhook.
pub(in crate::store) fn host_of(number: i64) -> i64 {
    number >> HOST_SHIFT
}

/// The strand of an entry, submission or ruling of that host.
pub(super) fn strand_of_seq(host: i64, seq: i64) -> i64 {
    host * STRANDS + seq % STRANDS
}

/// The strand in which a host's activity of that key is, now or once it is made.
pub(super) fn strand_of_key(host: i64, key: &str) -> i64 {
    host * STRANDS + spread(key)
}

/// All strands of a host.
pub(super) fn strands_of(host: i64) -> [i64; STRANDS as usize] {
    std::array::from_fn(|n| host * STRANDS + n as i64)
}

/// The number of the `count`th thing of a host that it calls `key`.
pub(in crate::store) fn number(host: i64, count: i64, key: &str) -> i64 {
    (host << HOST_SHIFT) | (count * STRANDS) | spread(key)
}

/// The number of what a host calls by name in its settings. By the name alone, so that it need not be asked for.
pub(in crate::store) fn named(host: i64, name: &str) -> i64 {
    let digest = Sha256::digest(name.as_bytes());
    let low = digest.iter().take(5).fold(0_i64, |low, byte| (low << 8) | i64::from(*byte));
    (host << HOST_SHIFT) | (low & ((1 << HOST_SHIFT) - 1))
}

/// The number of the `count`th change of a strand.
pub(in crate::store) fn seq(strand: i64, count: i64) -> i64 {
    count * STRANDS + strand % STRANDS
}

/// The least count of the month of `now`: counts begin anew, higher, with each month.
pub(super) fn first_count(now: Millis) -> i64 {
    first_of(month(now))
}

/// The least count of a month, by its number.
pub(in crate::store) fn first_of(month: i64) -> i64 {
    month << COUNT_BITS
}

/// The month of a number of the log.
pub(super) fn month_of(seq: i64) -> i64 {
    (seq / STRANDS) >> COUNT_BITS
}

/// The count of an activity, user or course.
pub(super) fn count_of(number: i64) -> i64 {
    (number & ((1 << HOST_SHIFT) - 1)) / STRANDS
}

/// The least `seq` of a month, by its number.
pub(super) fn first_seq(month: i64) -> i64 {
    (month << COUNT_BITS) * STRANDS
}

/// The month of that time (UTC), counted from January 2020; 0 before that.
pub(in crate::store) fn month(now: Millis) -> i64 {
    let seconds = now.div_euclid(1_000);
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp(seconds) else { return 0 };
    ((i64::from(time.year()) - FIRST_YEAR) * 12 + i64::from(u8::from(time.month())) - 1).max(0)
}

/// When that month begins.
pub(super) fn beginning_of(number: i64) -> Millis {
    let of = |month: u8| time::Month::try_from(month).ok();
    let year = i32::try_from(FIRST_YEAR + number / 12).ok();
    let begin = year.zip(of((number % 12 + 1) as u8)).and_then(|(year, month)| {
        Some(time::Date::from_calendar_date(year, month, 1).ok()?.midnight().assume_utc())
    });
    begin.map_or(0, |begin| begin.unix_timestamp() * 1_000)
}

/// The calendar's name of a month, as in `2026_11`.
pub(super) fn month_name(month: i64) -> String {
    format!("{}_{:02}", FIRST_YEAR + month / 12, month % 12 + 1)
}

fn spread(key: &str) -> i64 {
    i64::from(Sha256::digest(key.as_bytes())[0]) % STRANDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_host_and_strand() {
        for (host, count, key) in [(1, 0, "quiz"), (7, 1, ""), (1 << 26, (1 << 32) - 1, "é")] {
            let activity = number(host, count, key);
            assert!(activity > 0);
            assert_eq!(host_of(activity), host);
            assert_eq!(strand_of(activity), strand_of_key(host, key));
            assert!(strands_of(host).contains(&strand_of(activity)));
            let seq = seq(strand_of(activity), first_count(1_795_000_000_000) + 1);
            assert_eq!(strand_of_seq(host, seq), strand_of(activity));
            // A number on the wire may be read as a double.
            assert!(seq < 1 << 53);
        }
    }

    #[test]
    fn keys_are_spread_evenly() {
        let mut strands = [0; STRANDS as usize];
        for key in 0..16_000 {
            strands[usize::try_from(spread(&format!("quiz-{key}"))).unwrap()] += 1;
        }
        assert!(strands.iter().all(|count| (800..1200).contains(count)), "{strands:?}");
    }

    #[test]
    fn months_follow_one_another() {
        let (last, first) = (1_798_761_599_999, 1_798_761_600_000);
        assert_eq!(
            (month_name(month(last)), month_name(month(first))),
            ("2026_12".into(), "2027_01".into())
        );
        assert_eq!(month(last) + 1, month(first));
        assert_eq!(first_seq(month(first)), seq(16, first_count(first)));
        assert_eq!(
            (beginning_of(month(last)), beginning_of(month(first))),
            (1_796_083_200_000, first)
        );
        assert_eq!((month(0), month(-1), month(i64::MAX)), (0, 0, 0));
    }
}
