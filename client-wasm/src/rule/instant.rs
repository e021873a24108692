//! RFC 3339, as far as two machines must tell each other the time.

use latchkey_protocol::Millis;

/// `2026-01-05T08:00:00.000Z`.
pub fn write(now: Millis) -> String {
    let (days, rest) = (now.div_euclid(86_400_000), now.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let mut text = String::with_capacity(24);
    let rest = rest as u32;
    let parts = [
        (year as u32, 1000, '-'),
        (month as u32, 10, '-'),
        (day as u32, 10, 'T'),
        (rest / 3_600_000, 10, ':'),
        (rest / 60_000 % 60, 10, ':'),
        (rest / 1000 % 60, 10, '.'),
        (rest % 1000, 100, 'Z'),
    ];
    for (number, mut place, after) in parts {
        while place > 0 {
            text.push(char::from(b'0' + (number / place % 10) as u8));
            place /= 10;
        }
        text.push(after);
    }
    text
}

/// Reads a time in UTC, milliseconds kept; `None` for anything else.
pub fn read(text: &str) -> Option<Millis> {
    let bytes = text.strip_suffix('Z')?.as_bytes();
    let number = |from: usize, width: usize| {
        let digits = bytes.get(from..from + width)?;
        digits.iter().try_fold(0_i64, |sum, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
        })
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
        return None;
    }
    let millis = match bytes.get(19) {
        None => 0,
        Some(b'.') => number(20, 3)?,
        Some(_) => return None,
    };
    let days = days(number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let seconds = number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
    Some((days * 86_400 + seconds) * 1000 + millis)
}

/// Days since 1970 of a date of the Gregorian calendar, whose years are taken to begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + of_year - 719_468
}

/// The date of a day since 1970.
fn civil(since_1970: i64) -> (i64, i64, i64) {
    let day = since_1970 + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, of_year - (153 * march + 2) / 5 + 1)
}
