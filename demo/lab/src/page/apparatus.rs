//! The pendulum as one sees it: a beam, a string, a bob, a protractor, and a light gate at the lowest point.

use super::paint::{Painter, Palette};
use crate::series::LENGTHS;
use std::f64::consts::FRAC_PI_2;

/// Of the beam's lower edge, pixels from the top.
const BEAM: f64 = 26.0;
/// Below the longest pendulum, for bob and gate.
const FLOOR: f64 = 44.0;

/// What is to be seen.
pub(super) struct View {
    /// Metres.
    pub(super) length: f64,
    /// Radians from the vertical, where the bob is.
    pub(super) at: f64,
    /// Radians, where it was or will be let go.
    pub(super) from: f64,
    /// Whether the gate's light is interrupted.
    pub(super) lit: bool,
}

/// Draws it all.
pub(super) fn draw(painter: &Painter, palette: &Palette, view: &View) {
    let pivot = (painter.width / 2.0, BEAM);
    let scale = scale(painter, view);
    let radius = view.length * scale;
    let on =
        |angle: f64, radius: f64| (pivot.0 + radius * angle.sin(), pivot.1 + radius * angle.cos());

    painter.block(&palette.far, (pivot.0 - 90.0, BEAM - 10.0), (180.0, 10.0));
    ruler(painter, palette, scale);
    painter.dashes(&palette.line, &[pivot, on(0.0, radius + FLOOR / 2.0)]);
    let (left, right) = (FRAC_PI_2 - view.from, FRAC_PI_2 + view.from);
    painter.arc(&palette.line, pivot, radius, left, right);
    painter.stroke(&palette.line, 1.0, &[pivot, on(view.from, radius)]);
    let label = on(view.from / 2.0, (radius * 0.42).max(34.0));
    painter.words(
        &palette.faint,
        (label.0 + 8.0, label.1),
        "left",
        &format!("{:.0}°", view.from.to_degrees()),
    );

    gate(painter, palette, on(0.0, radius), view.lit);
    painter.stroke(&palette.ink, 1.5, &[pivot, on(view.at, radius)]);
    painter.disc(&palette.ink, pivot, 3.0);
    painter.disc(&palette.accent, on(view.at, radius), 12.0);
}

/// Pixels of a metre: one scale for all lengths, unless a wide swing would not fit.
fn scale(painter: &Painter, view: &View) -> f64 {
    let high = (painter.height - BEAM - FLOOR) / LENGTHS.1;
    let wide = (painter.width / 2.0 - 20.0) / (view.length * view.from.sin()).max(0.2);
    high.min(wide).max(10.0)
}

fn ruler(painter: &Painter, palette: &Palette, scale: f64) {
    let foot = BEAM + LENGTHS.1 * scale;
    painter.stroke(&palette.line, 1.0, &[(12.0, BEAM), (12.0, foot)]);
    for tenth in 0..=20_u8 {
        let metres = f64::from(tenth) / 10.0;
        let y = BEAM + metres * scale;
        let long = tenth % 5 == 0;
        painter.stroke(&palette.line, 1.0, &[(12.0, y), (if long { 22.0 } else { 17.0 }, y)]);
        if long && tenth > 0 {
            painter.words(&palette.faint, (26.0, y + 4.0), "left", &format!("{metres:.1} m"));
        }
    }
}

fn gate(painter: &Painter, palette: &Palette, lowest: (f64, f64), lit: bool) {
    let colour = if lit { &palette.bad } else { &palette.faint };
    let y = lowest.1 + 18.0;
    painter.stroke(
        colour,
        2.0,
        &[(lowest.0 - 9.0, y + 8.0), (lowest.0 - 9.0, y), (lowest.0 - 4.0, y)],
    );
    painter.stroke(
        colour,
        2.0,
        &[(lowest.0 + 9.0, y + 8.0), (lowest.0 + 9.0, y), (lowest.0 + 4.0, y)],
    );
    painter.disc(colour, (lowest.0, y + 5.0), if lit { 4.0 } else { 2.0 });
}
