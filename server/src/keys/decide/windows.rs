//! The four lengths of time of the acceptance table, and what must hold between them.

use std::fmt;

use super::Millis;

/// The lengths of time the rule works with; [`Windows::validate`] must have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// `W`: how long after its successor was confirmed a token still runs calls (inclusive).
    pub late: Millis,
    /// `R`: how old a generation is when its successor is first offered.
    pub rotate_after: Millis,
    /// How long a rotating key lives without being used (inclusive).
    pub idle: Millis,
    /// `D`: after this long a client has given a request up, and the network has lost it.
    pub client_deadline: Millis,
}

impl Windows {
    /// Checks what the rule's proof rests on: all positive, `D ≤ W` and `D < R`.
    ///
    /// Where nodes' clocks differ, `W - D` and `R - D` are the difference that honest clients survive.
    pub fn validate(&self) -> Result<(), WindowsError> {
        let settings = [
            ("late", self.late),
            ("rotate_after", self.rotate_after),
            ("idle", self.idle),
            ("client_deadline", self.client_deadline),
        ];
        for (setting, value) in settings {
            if value <= 0 {
                return Err(WindowsError::NotPositive { setting, value });
            }
        }
        let client_deadline = self.client_deadline;
        if client_deadline > self.late {
            return Err(WindowsError::LateTooShort { late: self.late, client_deadline });
        }
        if client_deadline >= self.rotate_after {
            let rotate_after = self.rotate_after;
            return Err(WindowsError::RotatesTooSoon { rotate_after, client_deadline });
        }
        Ok(())
    }
}

/// Why a set of [`Windows`] cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowsError {
    /// A length of time is zero or negative.
    NotPositive {
        /// The field of [`Windows`].
        setting: &'static str,
        /// Its value.
        value: Millis,
    },
    /// `D > W`: a request could arrive after its token stopped being accepted.
    LateTooShort {
        /// `W`.
        late: Millis,
        /// `D`.
        client_deadline: Millis,
    },
    /// `D ≥ R`: a token could be superseded twice while a request that carries it travels.
    RotatesTooSoon {
        /// `R`.
        rotate_after: Millis,
        /// `D`.
        client_deadline: Millis,
    },
}

impl WindowsError {
    /// The field of [`Windows`] to change.
    pub fn setting(&self) -> &'static str {
        match self {
            Self::NotPositive { setting, .. } => setting,
            Self::LateTooShort { .. } => "late",
            Self::RotatesTooSoon { .. } => "rotate_after",
        }
    }
}

impl fmt::Display for WindowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPositive { setting, value } => {
                write!(f, "{setting} must be positive, but is {value} ms")
            }
            Self::LateTooShort { late, client_deadline } => write!(
                f,
                "late ({late} ms) must not be shorter than client_deadline ({client_deadline} ms)"
            ),
            Self::RotatesTooSoon { rotate_after, client_deadline } => write!(
                f,
                "rotate_after ({rotate_after} ms) must be longer than client_deadline \
                 ({client_deadline} ms)"
            ),
        }
    }
}

impl std::error::Error for WindowsError {}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Windows =
        Windows { late: 30_000, rotate_after: 30_000, idle: 1_800_000, client_deadline: 20_000 };

    #[test]
    fn the_deadline_may_equal_the_late_window_but_not_pass_it() {
        assert_eq!(GOOD.validate(), Ok(()));
        let equal = Windows { rotate_after: 30_001, client_deadline: 30_000, ..GOOD };
        assert_eq!(equal.validate(), Ok(()));
        let error = Windows { client_deadline: 30_001, ..equal }.validate().unwrap_err();
        assert_eq!(error, WindowsError::LateTooShort { late: 30_000, client_deadline: 30_001 });
        assert_eq!(error.setting(), "late");
    }

    #[test]
    fn rotation_must_be_slower_than_the_deadline() {
        let just = Windows { rotate_after: 20_001, ..GOOD };
        assert_eq!(just.validate(), Ok(()));
        let error = Windows { rotate_after: 20_000, ..GOOD }.validate().unwrap_err();
        let expected =
            WindowsError::RotatesTooSoon { rotate_after: 20_000, client_deadline: 20_000 };
        assert_eq!(error, expected);
        assert_eq!(error.setting(), "rotate_after");
        assert!(error.to_string().contains("20000 ms"));
    }

    #[test]
    fn every_setting_must_be_positive() {
        for value in [0, -1, Millis::MIN] {
            let broken = [
                ("late", Windows { late: value, ..GOOD }),
                ("rotate_after", Windows { rotate_after: value, ..GOOD }),
                ("idle", Windows { idle: value, ..GOOD }),
                ("client_deadline", Windows { client_deadline: value, ..GOOD }),
            ];
            for (setting, windows) in broken {
                let error = windows.validate().unwrap_err();
                assert_eq!(error, WindowsError::NotPositive { setting, value });
                assert_eq!(error.setting(), setting);
            }
        }
        let least = Windows { late: 1, rotate_after: 2, idle: 1, client_deadline: 1 };
        assert_eq!(least.validate(), Ok(()));
    }
}
