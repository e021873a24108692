//! T² over L, with the line of least squares.

use super::paint::{Painter, Palette};
use crate::fit::Line;

const LEFT: f64 = 44.0;
const FOOT: f64 = 38.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 14.0;
/// Steps of a scale that people like.
const STEPS: [f64; 6] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// Both scales: pixels of the origin and of a unit.
struct Scales {
    end: (f64, f64),
    unit: (f64, f64),
    foot: f64,
}

impl Scales {
    fn of(painter: &Painter, points: &[(f64, f64)]) -> Self {
        let most = |of: fn(&(f64, f64)) -> f64, least: f64| {
            points.iter().map(of).filter(|value| value.is_finite()).fold(least, f64::max) * 1.08
        };
        let end = (most(|point| point.0, 1.0), most(|point| point.1, 4.0));
        let foot = painter.height - FOOT;
        let unit = ((painter.width - LEFT - RIGHT) / end.0, (foot - TOP) / end.1);
        Self { end, unit, foot }
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (LEFT + x * self.unit.0, self.foot - y * self.unit.1)
    }
}

/// Draws axes, line and points.
pub(super) fn draw(
    painter: &Painter,
    palette: &Palette,
    points: &[(f64, f64)],
    line: Option<Line>,
) {
    let scales = Scales::of(painter, points);
    axes(painter, palette, &scales);
    if let Some(line) = line {
        // From where it enters the picture.
        let from =
            if line.intercept >= 0.0 { 0.0 } else { (-line.intercept / line.slope).max(0.0) };
        let ends = [from, scales.end.0].map(|x| scales.at((x, line.at(x))));
        painter.stroke(&palette.sun, 2.5, &ends);
    }
    for point in points {
        painter.disc(&palette.accent, scales.at(*point), 5.0);
    }
}

fn axes(painter: &Painter, palette: &Palette, scales: &Scales) {
    let step = |end: f64| STEPS.into_iter().find(|step| end / step <= 6.0).unwrap_or(10.0);
    let (along, up) = (step(scales.end.0), step(scales.end.1));
    for n in 0..=6_u8 {
        let (x, y) = (f64::from(n) * along, f64::from(n) * up);
        if x <= scales.end.0 {
            let foot = scales.at((x, 0.0));
            painter.stroke(&palette.line, 1.0, &[foot, (foot.0, TOP)]);
            painter.words(
                &palette.faint,
                (foot.0, foot.1 + 16.0),
                "center",
                &super::dom::points(x),
            );
        }
        if y <= scales.end.1 {
            let side = scales.at((0.0, y));
            painter.stroke(&palette.line, 1.0, &[side, (painter.width - RIGHT, side.1)]);
            painter.words(
                &palette.faint,
                (side.0 - 7.0, side.1 + 4.0),
                "right",
                &super::dom::points(y),
            );
        }
    }
    let origin = scales.at((0.0, 0.0));
    painter.stroke(&palette.faint, 1.5, &[(LEFT, TOP), origin, (painter.width - RIGHT, origin.1)]);
    painter.words(&palette.faint, (painter.width - RIGHT, origin.1 + 32.0), "right", "L / m");
    painter.words(&palette.faint, (LEFT + 6.0, TOP + 2.0), "left", "T² / s²");
}

/// What the drawing says, in a sentence.
pub(super) fn told(points: &[(f64, f64)], line: Option<Line>) -> String {
    let count = points.len();
    match line {
        None => format!("T squared over L: {count} points, no line yet"),
        Some(line) => format!(
            "T squared over L: {count} points and a line of slope {:.3} ± {:.3} seconds squared per metre, which meets the axis at {:.3} seconds squared",
            line.slope, line.slope_error, line.intercept
        ),
    }
}
