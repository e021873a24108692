//! A straight line through points, by least squares, and what it says of g.

use std::f64::consts::PI;

/// `y = intercept + slope·x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Rise.
    pub slope: f64,
    /// At `x = 0`.
    pub intercept: f64,
    /// Standard error of the slope.
    pub slope_error: f64,
}

impl Line {
    /// The line of least squares; `None` for fewer than three points, or points above one another.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 3 {
            return None;
        }
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        // Less than a millimetre apart is no spread.
        if spread < 1e-6 {
            return None;
        }
        let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
        let intercept = y - slope * x;
        let left: f64 =
            points.iter().map(|point| (point.1 - intercept - slope * point.0).powi(2)).sum();
        let slope_error = (left / (n - 2.0) / spread).sqrt();
        let line = Self { slope, intercept, slope_error };
        line.is_sound().then_some(line)
    }

    fn is_sound(&self) -> bool {
        [self.slope, self.intercept, self.slope_error].into_iter().all(f64::is_finite)
    }

    /// The line's height at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    /// g and its uncertainty (one standard error), where the points are T² over L: `g = 4π²/slope`. `None` for a
    /// line that does not rise.
    pub fn gravity(&self) -> Option<(f64, f64)> {
        let g = 4.0 * PI * PI / self.slope;
        (self.slope > 0.0 && g.is_finite()).then(|| (g, g * self.slope_error / self.slope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GRAVITY;
    use crate::pendulum::small_period;

    #[test]
    fn points_on_a_line_give_that_line() {
        let line = Line::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
        assert!((line.slope - 2.0).abs() < 1e-12 && (line.intercept - 1.0).abs() < 1e-12);
        assert!(line.slope_error < 1e-9);
    }

    #[test]
    fn the_standard_error_is_the_textbooks() {
        // Worked by hand: residuals -1/3, 2/3, -1/3; spread 2.
        let line = Line::through(&[(0.0, 0.0), (1.0, 2.0), (2.0, 2.0)]).unwrap();
        assert!((line.slope - 1.0).abs() < 1e-12);
        assert!((line.slope_error - (1.0_f64 / 3.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_line_needs_three_points_that_are_not_above_one_another() {
        assert_eq!(Line::through(&[]), None);
        assert_eq!(Line::through(&[(0.0, 0.0), (1.0, 1.0)]), None);
        assert_eq!(Line::through(&[(1.0, 0.0), (1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Line::through(&[(0.0, f64::NAN), (1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(Line::through(&[(0.0, f64::INFINITY), (1.0, 1.0), (2.0, 2.0)]), None);
    }

    #[test]
    fn exact_periods_give_exact_gravity() {
        let points: Vec<_> = [0.3, 0.6, 1.0, 1.7].map(|l| (l, small_period(l).powi(2))).to_vec();
        let (g, error) = Line::through(&points).unwrap().gravity().unwrap();
        assert!((g - GRAVITY).abs() < 1e-9 && error < 1e-9);
    }

    #[test]
    fn a_line_that_falls_says_nothing_of_gravity() {
        for end in [0.0, -5.0] {
            let line = Line::through(&[(0.0, 0.0), (1.0, end / 2.0), (2.0, end)]).unwrap();
            assert_eq!(line.gravity(), None);
        }
    }
}
