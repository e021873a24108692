//! A stopwatch with one button. What time it is, is told by who presses.

/// The watch. Moments are in milliseconds of any one clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Stopwatch {
    /// At zero.
    #[default]
    Ready,
    /// Running since that moment.
    Running(f64),
    /// Stopped with a reading in seconds.
    Stopped(f64),
}

impl Stopwatch {
    /// Presses the button: starts, stops, or starts anew.
    #[must_use]
    pub fn press(self, now: f64) -> Self {
        match self {
            Self::Ready | Self::Stopped(_) => Self::Running(now),
            // A clock that was set back gives no negative time.
            Self::Running(since) => Self::Stopped(((now - since) / 1000.0).max(0.0)),
        }
    }

    /// What it shows, seconds.
    pub fn reading(self, now: f64) -> f64 {
        match self {
            Self::Ready => 0.0,
            Self::Running(since) => ((now - since) / 1000.0).max(0.0),
            Self::Stopped(seconds) => seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_button_starts_stops_and_starts_anew() {
        let watch = Stopwatch::default();
        assert_eq!(watch.reading(5000.0), 0.0);
        let watch = watch.press(1000.0);
        assert_eq!(watch.reading(1500.0), 0.5);
        let watch = watch.press(21_060.0);
        assert_eq!((watch, watch.reading(99_000.0)), (Stopwatch::Stopped(20.06), 20.06));
        assert_eq!(watch.press(30_000.0), Stopwatch::Running(30_000.0));
    }

    #[test]
    fn a_clock_that_was_set_back_gives_zero() {
        assert_eq!(Stopwatch::Running(5000.0).press(4000.0), Stopwatch::Stopped(0.0));
        assert_eq!(Stopwatch::Running(5000.0).reading(4000.0), 0.0);
    }
}
