//! What a series is worth, and what to do better. Computed in the browser: the gradebook says of every grade
//! that it was reported by the client.

use crate::GRAVITY;
use crate::pendulum::{period, stretch};
use crate::series::{Measurement, Series};

/// Up to this share the estimate is as good as the true value.
const GOOD: f64 = 0.01;
/// From this share on it is worth nothing.
const WORTHLESS: f64 = 0.15;
/// Above these degrees the small-angle formula shows.
const SMALL_ANGLE: f64 = 15.0;
/// Fewer swings than this leave the reaction time large.
const FEW_SWINGS: u32 = 5;
/// Measurements that a good series has.
const ENOUGH: usize = 5;

/// Why a series cannot be handed in yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// So many measurements are missing.
    Missing(usize),
    /// There is no line through one length.
    OneLength,
    /// The longer pendulums swing no slower: no g comes of it.
    NoRise,
}

impl NotYet {
    /// What to do.
    pub fn told(self) -> String {
        match self {
            Self::Missing(1) => "One more measurement is needed for a line.".into(),
            Self::Missing(more) => format!("{more} more measurements are needed for a line."),
            Self::OneLength => "All lengths are alike: a line needs different ones.".into(),
            Self::NoRise => {
                "The line does not rise: look for the measurement that does not fit.".into()
            }
        }
    }
}

/// What a series is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// The estimate, m/s².
    pub g: f64,
    /// Its uncertainty, m/s².
    pub uncertainty: f64,
    /// 0 to the maximum, in tenths.
    pub score: f64,
    /// For the student, the most important first.
    pub remarks: Vec<String>,
}

impl Mark {
    /// Result and remarks as one text.
    pub fn comment(&self) -> String {
        let result = format!("g = ({:.2} ± {:.2}) m/s².", self.g, self.uncertainty);
        [vec![result], self.remarks.clone()].concat().join(" ")
    }
}

/// The estimate of a series and its uncertainty, as far as it says anything of g.
///
/// # Errors
/// Why it does not.
pub fn estimate(series: &Series) -> Result<(f64, f64), NotYet> {
    let missing = 3_usize.saturating_sub(series.rows().len());
    if missing > 0 {
        return Err(NotYet::Missing(missing));
    }
    series.line().ok_or(NotYet::OneLength)?.gravity().ok_or(NotYet::NoRise)
}

/// Marks a series: full marks to within 1 %, none from 15 % on, in proportion between.
///
/// # Errors
/// Why it cannot be handed in.
pub fn mark(series: &Series, max: f64) -> Result<Mark, NotYet> {
    let (g, uncertainty) = estimate(series)?;
    let off = (g / GRAVITY - 1.0).abs();
    let share = ((WORTHLESS - off) / (WORTHLESS - GOOD)).clamp(0.0, 1.0);
    let score = (share * max * 10.0).round() / 10.0;
    Ok(Mark { g, uncertainty, score, remarks: remarks(series.rows(), g) })
}

fn remarks(rows: &[Measurement], g: f64) -> Vec<String> {
    let off = (g / GRAVITY - 1.0) * 100.0;
    let mut remarks = vec![match off.abs() {
        off if off <= 1.0 => "Within 1 % of the true value: very well measured.".into(),
        _ if off < 0.0 => format!("That is {:.1} % too small.", -off),
        _ => format!("That is {off:.1} % too large."),
    }];
    let advice = [miscounted(rows), wide_angle(rows), one_swing(rows), alike(rows), few(rows)];
    remarks.extend(advice.into_iter().flatten());
    remarks
}

/// A count that is off by one shows: the reading fits another number of swings far better.
fn miscounted(rows: &[Measurement]) -> Option<String> {
    rows.iter().enumerate().find_map(|(at, row)| {
        let swings = row.seconds / period(row.length, row.angle);
        let whole = swings.round();
        let other = whole >= 1.0 && whole != f64::from(row.swings);
        (other && (swings - whole).abs() < 0.2).then(|| {
            format!(
                "Look at measurement {}: you counted {} swings, but the time fits {whole}. \"Nought\" is said at the start.",
                at + 1,
                row.swings
            )
        })
    })
}

fn wide_angle(rows: &[Measurement]) -> Option<String> {
    let widest = rows.iter().map(|row| row.angle).fold(0.0, f64::max);
    let longer = stretch(widest);
    (widest > SMALL_ANGLE).then(|| {
        format!(
            "You let go at up to {widest:.0}°: there a swing takes {:.1} % longer than the small-angle formula says, \
             which alone makes g up to {:.0} % too small. Stay below 10°.",
            (longer - 1.0) * 100.0,
            (1.0 - longer.powi(-2)) * 100.0
        )
    })
}

fn one_swing(rows: &[Measurement]) -> Option<String> {
    let fewest = rows.iter().map(|row| row.swings).min()?;
    (fewest < FEW_SWINGS).then(|| {
        let words = if fewest == 1 { "one swing".to_owned() } else { format!("{fewest} swings") };
        format!("Measure ten swings instead of {words}: your reaction time is then divided by ten.")
    })
}

fn alike(rows: &[Measurement]) -> Option<String> {
    let lengths = || rows.iter().map(|row| row.length);
    let (short, long) = (lengths().fold(f64::MAX, f64::min), lengths().fold(0.0, f64::max));
    (long - short < 0.5).then(|| {
        format!("Your lengths are nearly alike ({short:.2} to {long:.2} m): short and long ones hold the slope.")
    })
}

fn few(rows: &[Measurement]) -> Option<String> {
    (rows.len() < ENOUGH)
        .then(|| format!("{} measurements make a line, five or more make it reliable.", rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody measures, and is so many seconds late at the stop.
    fn series(lengths: &[f64], angle: f64, swings: u32, late: f64) -> Series {
        let mut series = Series::default();
        for length in lengths {
            let seconds = f64::from(swings) * period(*length, angle) + late;
            assert!(series.add(Measurement { length: *length, angle, swings, seconds }));
        }
        series
    }

    const SPREAD: [f64; 5] = [0.3, 0.6, 0.9, 1.4, 2.0];

    fn said(series: &Series) -> String {
        mark(series, 10.0).unwrap().comment()
    }

    #[test]
    fn a_careful_series_has_full_marks_and_no_advice() {
        let mark = mark(&series(&SPREAD, 8.0, 10, 0.05), 10.0).unwrap();
        assert_eq!(mark.score, 10.0);
        assert_eq!(mark.remarks, ["Within 1 % of the true value: very well measured."]);
        assert!((mark.g - GRAVITY).abs() < 0.1 && mark.uncertainty < 0.1, "{mark:?}");
    }

    #[test]
    fn marks_fall_with_the_error() {
        let score = |late| mark(&series(&SPREAD, 5.0, 1, late), 10.0).unwrap().score;
        let scores = [0.0, 0.05, 0.1, 0.2, 0.4].map(score);
        assert!(
            scores.is_sorted_by(|a, b| a >= b) && scores[0] == 10.0 && scores[4] < 5.0,
            "{scores:?}"
        );
        assert_eq!(score(5.0), 0.0, "and never below zero");
    }

    #[test]
    fn large_angles_make_g_too_small_and_are_named() {
        let wide = series(&SPREAD, 60.0, 10, 0.0);
        let mark = mark(&wide, 10.0).unwrap();
        assert!((mark.g / GRAVITY - stretch(60.0).powi(-2)).abs() < 1e-9);
        let comment = mark.comment();
        assert!(comment.contains("13.2 % too small") && comment.contains("up to 60°"), "{comment}");
        assert!(
            comment.contains("7.3 % longer") && comment.contains("up to 13 % too small"),
            "{comment}"
        );
    }

    #[test]
    fn each_fault_has_its_advice() {
        assert!(said(&series(&SPREAD, 8.0, 1, 0.1)).contains("instead of one swing"));
        assert!(said(&series(&SPREAD, 8.0, 3, 0.1)).contains("instead of 3 swings"));
        assert!(
            said(&series(&[1.0, 1.1, 1.2, 1.3, 1.4], 8.0, 10, 0.0))
                .contains("nearly alike (1.00 to 1.40 m)")
        );
        assert!(
            said(&series(&[0.3, 1.0, 2.0], 8.0, 10, 0.0)).contains("3 measurements make a line")
        );
        let mut miscounted = series(&SPREAD, 8.0, 10, 0.1);
        let row = miscounted.remove(4).unwrap();
        miscounted.add(Measurement { swings: 11, ..row });
        assert!(
            said(&miscounted)
                .contains("measurement 5: you counted 11 swings, but the time fits 10")
        );
    }

    #[test]
    fn what_gives_no_line_is_not_marked() {
        assert_eq!(mark(&Series::default(), 10.0), Err(NotYet::Missing(3)));
        assert_eq!(mark(&series(&[0.5, 1.0], 8.0, 10, 0.0), 10.0), Err(NotYet::Missing(1)));
        assert_eq!(mark(&series(&[1.0; 4], 8.0, 10, 0.0), 10.0), Err(NotYet::OneLength));
        let mut falling = Series::default();
        for (length, seconds) in [(0.5, 20.0), (1.0, 15.0), (2.0, 10.0)] {
            falling.add(Measurement { length, angle: 8.0, swings: 10, seconds });
        }
        assert_eq!(mark(&falling, 10.0), Err(NotYet::NoRise));
        for why in [NotYet::Missing(1), NotYet::Missing(2), NotYet::OneLength, NotYet::NoRise] {
            assert!(why.told().len() > 20);
        }
    }
}
