//! The pendulum: `θ″ = -(g/L)·sin θ - 2γ·θ′`, integrated by the classical Runge-Kutta method at a fixed step.

use crate::GRAVITY;
use std::f64::consts::PI;

/// Length of a step. At this one the energy of an undamped pendulum drifts by less than a ten-thousandth in an hour.
pub const STEP: f64 = 1.0 / 240.0;
/// Damping γ: after three minutes half of the angle is left, and the period is the undamped one to a millionth.
pub const DAMPING: f64 = 0.004;
/// A pendulum that nobody has looked at for longer has come to rest.
const LONGEST: f64 = 3600.0;

/// A pendulum that has been let go.
#[derive(Clone, Debug, PartialEq)]
pub struct Pendulum {
    length: f64,
    damping: f64,
    /// Radians from the vertical, to the right.
    angle: f64,
    /// Radians a second.
    velocity: f64,
    /// Steps done.
    steps: u64,
    passes: u32,
}

impl Pendulum {
    /// Let go at `angle` degrees, at rest, at time zero.
    pub fn release(length: f64, angle: f64) -> Self {
        Self::damped(length, angle, DAMPING)
    }

    /// The same with a damping of one's own.
    pub fn damped(length: f64, angle: f64, damping: f64) -> Self {
        let angle = angle.to_radians();
        Self { length, damping, angle, velocity: 0.0, steps: 0, passes: 0 }
    }

    /// Radians from the vertical.
    pub fn angle(&self) -> f64 {
        self.angle
    }

    /// How often it has passed its lowest point: twice in each swing.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Energy for each kilogram, J: falls by damping alone.
    pub fn energy(&self) -> f64 {
        let speed = self.length * self.velocity;
        speed * speed / 2.0 + GRAVITY * self.length * (1.0 - self.angle.cos())
    }

    /// Moves on to a time since its release. What has been is not undone: an earlier time changes nothing.
    pub fn advance(&mut self, to: f64) {
        let until = (to.clamp(0.0, LONGEST) / STEP).floor();
        while (self.steps as f64) < until {
            self.step();
        }
    }

    fn step(&mut self) {
        let before = self.angle;
        let at = (self.angle, self.velocity);
        let (a1, v1) = self.change(at);
        let (a2, v2) = self.change(moved(at, (a1, v1), STEP / 2.0));
        let (a3, v3) = self.change(moved(at, (a2, v2), STEP / 2.0));
        let (a4, v4) = self.change(moved(at, (a3, v3), STEP));
        self.angle += STEP / 6.0 * (a1 + 2.0 * a2 + 2.0 * a3 + a4);
        self.velocity += STEP / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4);
        self.steps += 1;
        if (before < 0.0) != (self.angle < 0.0) {
            self.passes += 1;
        }
    }

    fn change(&self, (angle, velocity): (f64, f64)) -> (f64, f64) {
        (velocity, -GRAVITY / self.length * angle.sin() - 2.0 * self.damping * velocity)
    }
}

fn moved(at: (f64, f64), change: (f64, f64), by: f64) -> (f64, f64) {
    (at.0 + by * change.0, at.1 + by * change.1)
}

/// The period of small swings, seconds: `2π·√(L/g)`.
pub fn small_period(length: f64) -> f64 {
    2.0 * PI * (length / GRAVITY).sqrt()
}

/// How much longer the period is at `angle` degrees than that of small swings, as a factor: `(2/π)·K(sin θ/2)`, by
/// the arithmetic-geometric mean.
pub fn stretch(angle: f64) -> f64 {
    let (mut a, mut b) = (1.0, (angle.to_radians() / 2.0).cos());
    // Each turn doubles the digits that are right.
    for _ in 0..8 {
        (a, b) = ((a + b) / 2.0, (a * b).sqrt());
    }
    1.0 / a
}

/// The true period at `angle` degrees, seconds.
pub fn period(length: f64, angle: f64) -> f64 {
    small_period(length) * stretch(angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time of the pass with that number, by the straight line between the two steps around it.
    fn pass_at(pendulum: &mut Pendulum, number: u32) -> f64 {
        loop {
            let (before, passes) = (pendulum.angle, pendulum.passes);
            pendulum.step();
            if pendulum.passes == number && passes < number {
                let share = before / (before - pendulum.angle);
                return (pendulum.steps as f64 - 1.0 + share) * STEP;
            }
        }
    }

    fn measured(length: f64, angle: f64, damping: f64, swings: u32) -> f64 {
        let mut pendulum = Pendulum::damped(length, angle, damping);
        let first = pass_at(&mut pendulum, 1);
        (pass_at(&mut pendulum, 1 + 2 * swings) - first) / f64::from(swings)
    }

    #[test]
    fn energy_does_not_drift() {
        for (length, angle) in [(0.1, 5.0), (0.1, 90.0), (1.0, 60.0), (2.0, 90.0)] {
            let mut pendulum = Pendulum::damped(length, angle, 0.0);
            let before = pendulum.energy();
            pendulum.advance(LONGEST);
            let drift = (pendulum.energy() / before - 1.0).abs();
            assert!(drift < 1e-4, "{length} m, {angle}°: {drift:e}");
        }
    }

    #[test]
    fn the_period_is_that_of_the_elliptic_integral() {
        for length in [0.1, 0.5, 1.0, 2.0] {
            for angle in [1.0, 10.0, 30.0, 60.0, 90.0, 150.0] {
                let (found, true_one) = (measured(length, angle, 0.0, 20), period(length, angle));
                assert!(
                    (found / true_one - 1.0).abs() < 2e-5,
                    "{length} m, {angle}°: {found} {true_one}"
                );
            }
        }
    }

    #[test]
    fn the_stretch_has_its_known_values() {
        // K(sin θ/2)·2/π, from tables.
        for (angle, factor) in [
            (0.0, 1.0),
            (10.0, 1.001_907),
            (60.0, 1.073_182),
            (90.0, 1.180_341),
            (120.0, 1.372_881),
        ] {
            assert!((stretch(angle) - factor).abs() < 1e-6, "{angle}°: {}", stretch(angle));
        }
    }

    #[test]
    fn damping_takes_angle_and_leaves_the_period() {
        let mut pendulum = Pendulum::release(1.0, 10.0);
        pendulum.advance(180.0);
        let left = (2.0 * pendulum.energy() / GRAVITY).sqrt().to_degrees();
        assert!((left / 10.0 - (-DAMPING * 180.0_f64).exp()).abs() < 0.01, "{left}");
        let found = measured(1.0, 3.0, DAMPING, 10);
        assert!((found / small_period(1.0) - 1.0).abs() < 3e-4, "{found}");
    }

    #[test]
    fn it_passes_the_gate_twice_in_a_swing() {
        let mut pendulum = Pendulum::release(1.0, 10.0);
        assert_eq!(pendulum.passes(), 0);
        pendulum.advance(10.0 * period(1.0, 10.0));
        assert_eq!(pendulum.passes(), 20);
    }

    #[test]
    fn times_that_make_no_sense_do_no_harm() {
        let mut pendulum = Pendulum::release(1.0, 10.0);
        for time in [-1.0, f64::NAN, f64::NEG_INFINITY, 0.0] {
            pendulum.advance(time);
            assert_eq!(pendulum, Pendulum::release(1.0, 10.0), "{time}");
        }
        pendulum.advance(f64::INFINITY);
        assert!(pendulum.angle().is_finite() && pendulum.angle().abs() < 0.01);
        let rest = pendulum.clone();
        pendulum.advance(5.0);
        assert_eq!(pendulum, rest);
    }

    #[test]
    fn a_pendulum_let_go_at_the_bottom_stays_there() {
        let mut pendulum = Pendulum::release(1.0, 0.0);
        pendulum.advance(60.0);
        assert_eq!((pendulum.angle(), pendulum.passes()), (0.0, 0));
    }
}
