//! RFC 3339 texts and milliseconds since the Unix epoch.

use latchkey_protocol::Millis;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The milliseconds of an RFC 3339 text with an offset; `None` for any other text.
pub fn parse(text: &str) -> Option<Millis> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Millis::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// The RFC 3339 text in UTC, to the millisecond: `2026-11-22T09:30:00.250Z`.
pub fn format(at: Millis) -> String {
    let nanos = i128::from(at) * 1_000_000;
    // Times come from our own clock or were parsed above: outside the years 0–9999 there are none.
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = at.to_hms_milli();
    let (year, month, day) = at.to_calendar_date();
    let mut text = String::with_capacity(24);
    // Digit by digit: every answer has two times, and `format!` took longer than the key's MAC.
    let mut put = |number: u16, digits: u32, after: char| {
        text.extend(
            (0..digits).rev().map(|at| (b'0' + (number / 10_u16.pow(at) % 10) as u8) as char),
        );
        text.push(after);
    };
    put(year.unsigned_abs() as u16, 4, '-');
    put(u8::from(month).into(), 2, '-');
    put(day.into(), 2, 'T');
    put(hour.into(), 2, ':');
    put(minute.into(), 2, ':');
    put(second.into(), 2, '.');
    put(milli, 3, 'Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for at in [0, 1, 999, 1_000, 1_795_000_000_123] {
            assert_eq!(parse(&format(at)), Some(at));
        }
        assert_eq!(format(1_795_000_000_123), "2026-11-18T11:06:40.123Z");
    }

    #[test]
    fn offsets_count_and_other_texts_do_not() {
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        for text in ["", "1970-01-01", "1970-01-01T00:00:00", "0", "yesterday"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
