//! The settings as they are in effect, for an operator to read.

use super::{Config, ConfigError, environment, layers};
use crate::store::without_password;
use std::path::Path;
use toml::{Table, Value};

/// What stands where a secret would.
const HIDDEN: &str = "(hidden)";

impl Config {
    /// These settings, read from `file`, as a file of settings: every one of them, secrets hidden.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn shown(&self, file: Option<&Path>) -> Result<String, ConfigError> {
        let mut settings: Table = layers(file, environment())?
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        // The command line may have said another.
        settings.insert("data".into(), Value::String(self.data.display().to_string()));
        hide(&mut settings);
        toml::to_string_pretty(&settings)
            .map_err(|error| ConfigError::value("settings", format!("cannot be shown: {error}")))
    }
}

/// Whatever is called a secret is hidden, at any depth; and passwords of URLs.
fn hide(table: &mut Table) {
    for (name, value) in table.iter_mut() {
        match value {
            _ if name == "secret" || name == "former_secret" => {
                *value = Value::String(HIDDEN.into());
            }
            Value::String(url) if name == "url" => *url = without_password(url),
            value => hide_in(value),
        }
    }
}

fn hide_in(value: &mut Value) {
    match value {
        Value::Table(table) => hide(table),
        Value::Array(values) => values.iter_mut().for_each(hide_in),
        _ => {}
    }
}
