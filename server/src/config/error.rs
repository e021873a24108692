//! Why settings cannot be used.

use figment::error::{Actual, Kind};
use std::path::PathBuf;
use thiserror::Error;

/// Why settings cannot be used. Says which, and what to write instead.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("there is no configuration file {0}")]
    NoFile(PathBuf),
    /// An unknown name or a value of another kind.
    #[error("{}", told(.0))]
    Unreadable(Box<figment::Error>),
    /// A value that cannot be.
    #[error("{setting}: {problem}")]
    Value {
        /// The setting by name.
        setting: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl ConfigError {
    /// A value that cannot be.
    pub fn value(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Value { setting: setting.into(), problem: problem.into() }
    }
}

/// The reader's own words, but for what may be a secret: this goes to logs. The value of whatever is named
/// a secret is left out, and so is the line of the file that a syntax error would quote.
fn told(error: &figment::Error) -> String {
    let told = error.clone().into_iter().map(|mut error| {
        let secret = error.path.iter().any(|name| name.contains("secret"));
        match &mut error.kind {
            Kind::InvalidType(found, _) | Kind::InvalidValue(found, _) if secret => {
                *found = Actual::Other("what it is".into());
            }
            Kind::Message(text) if text.contains(" | ") => {
                let lines = text.lines().filter(|line| !line.contains('|'));
                *text = lines.collect::<Vec<_>>().join(": ");
            }
            _ => {}
        }
        error.to_string()
    });
    told.collect::<Vec<_>>().join("\n")
}
