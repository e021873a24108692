//! What was measured.

use crate::fit::Line;

/// Lengths that the laboratory has, metres.
pub const LENGTHS: (f64, f64) = (0.1, 2.0);
/// Angles at which one may let go, degrees.
pub const ANGLES: (f64, f64) = (2.0, 80.0);
/// Swings that one may have counted.
pub const SWINGS: (u32, u32) = (1, 50);
/// The most that a table holds.
pub const MOST: usize = 40;

/// One measurement: a stopwatch's reading over some swings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Of the pendulum, metres.
    pub length: f64,
    /// At which it was let go, degrees.
    pub angle: f64,
    /// Counted by the student.
    pub swings: u32,
    /// On the stopwatch.
    pub seconds: f64,
}

impl Measurement {
    /// Time of one swing.
    pub fn period(&self) -> f64 {
        self.seconds / f64::from(self.swings)
    }

    /// Whether the laboratory could have produced it.
    fn is_possible(&self) -> bool {
        (LENGTHS.0..=LENGTHS.1).contains(&self.length)
            && (ANGLES.0..=ANGLES.1).contains(&self.angle)
            && (SWINGS.0..=SWINGS.1).contains(&self.swings)
            && self.seconds.is_finite()
            && self.seconds > 0.0
    }
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series(Vec<Measurement>);

impl Series {
    /// All rows, in the order of measuring.
    pub fn rows(&self) -> &[Measurement] {
        &self.0
    }

    /// Adds a row; says whether there was room, and sense in it.
    pub fn add(&mut self, row: Measurement) -> bool {
        let fits = self.0.len() < MOST && row.is_possible();
        if fits {
            self.0.push(row);
        }
        fits
    }

    /// Takes a row out; `None` if there is no such row.
    pub fn remove(&mut self, row: usize) -> Option<Measurement> {
        (row < self.0.len()).then(|| self.0.remove(row))
    }

    /// T² over L.
    pub fn points(&self) -> Vec<(f64, f64)> {
        self.0.iter().map(|row| (row.length, row.period().powi(2))).collect()
    }

    /// The line through the points.
    pub fn line(&self) -> Option<Line> {
        Line::through(&self.points())
    }

    /// As text, a row a line: what a page keeps for itself.
    pub fn text(&self) -> String {
        let line = |row: &Measurement| {
            format!("{} {} {} {}", row.length, row.angle, row.swings, row.seconds)
        };
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Reads such a text. A line that is none of ours is left out.
    pub fn read(text: &str) -> Self {
        let mut series = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let mut next = || words.next()?.parse::<f64>().ok();
            if let (Some(length), Some(angle), Some(swings), Some(seconds)) =
                (next(), next(), next(), next())
                && swings.fract() == 0.0
            {
                series.add(Measurement { length, angle, swings: swings as u32, seconds });
            }
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Measurement = Measurement { length: 1.0, angle: 8.0, swings: 10, seconds: 20.06 };

    #[test]
    fn rows_come_and_go() {
        let mut series = Series::default();
        assert!(series.add(ROW) && series.add(Measurement { length: 0.5, ..ROW }));
        assert_eq!(series.points()[0], (1.0, 2.006_f64.powi(2)));
        assert_eq!(series.remove(2), None);
        assert_eq!(series.remove(0), Some(ROW));
        assert_eq!(series.rows().len(), 1);
    }

    #[test]
    fn what_cannot_have_been_measured_is_not_taken() {
        let mut series = Series::default();
        for row in [
            Measurement { length: 0.0, ..ROW },
            Measurement { length: f64::NAN, ..ROW },
            Measurement { angle: 90.0, ..ROW },
            Measurement { swings: 0, ..ROW },
            Measurement { swings: 51, ..ROW },
            Measurement { seconds: 0.0, ..ROW },
            Measurement { seconds: -1.0, ..ROW },
            Measurement { seconds: f64::INFINITY, ..ROW },
        ] {
            assert!(!series.add(row), "{row:?}");
        }
        for _ in 0..MOST {
            assert!(series.add(ROW));
        }
        assert!(!series.add(ROW), "the table is full");
    }

    #[test]
    fn a_text_is_read_back_and_nonsense_is_left_out() {
        let mut series = Series::default();
        series.add(ROW);
        series.add(Measurement { length: 0.45, seconds: 13.5, ..ROW });
        assert_eq!(Series::read(&series.text()), series);
        for text in
            ["", "x", "1 8 10", "1 8 10 x", "1 8 -10 20", "1 8 1.5 20", "9 8 10 20", "NaN 8 10 20"]
        {
            assert_eq!(Series::read(text), Series::default(), "{text}");
        }
        assert_eq!(Series::read(&format!("x\n{}\n\n", series.text())), series);
    }
}
