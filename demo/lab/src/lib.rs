//! A pendulum laboratory. The student chooses lengths and angles, takes periods with a stopwatch, and finds the
//! acceleration of free fall from the slope of a line.
//!
//! * [`pendulum`] — what swings: the full equation of motion, not the small-angle formula.
//! * [`stopwatch`] — what measures; [`series`] — what was measured; [`fit`] — the line through it.
//! * [`marking`] — what the result is worth, and what to do better.
//! * `page` — all of it in a page, for WebAssembly only, on `latchkey-client`.
//!
//! Lengths are in metres, times in seconds, angles in degrees at the border and in radians inside.

pub mod fit;
pub mod marking;
#[cfg(target_arch = "wasm32")]
mod page;
pub mod pendulum;
pub mod series;
pub mod stopwatch;

/// The acceleration of free fall in this laboratory, m/s².
pub const GRAVITY: f64 = 9.81;
