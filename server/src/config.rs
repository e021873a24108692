//! Settings: the embedded `server.toml`, then a file, then the environment.

use crate::keys::decide::Windows;
use crate::keys::launch::Lifetimes;
use crate::policy::is_origin;
use crate::store::KeyLimits;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use latchkey_protocol::Millis;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// The defaults, and the manual.
pub const DEFAULTS: &str = include_str!("../server.toml");

/// Why settings cannot be used. Says which, and what to write instead.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error("there is no configuration file {0}")]
    NoFile(PathBuf),
    /// An unknown name or a value of another kind.
    #[error("{0}")]
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

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// How browsers reach the server; empty for its address.
    pub public_url: String,
    /// Folder for the database and the secrets.
    pub data: PathBuf,
    /// `[store]`
    pub store: StoreConfig,
    /// `[keys]`
    pub keys: KeysConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[[hosts]]`
    #[serde(default)]
    pub hosts: Vec<HostConfig>,
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Which database, and where.
    pub url: String,
    /// Most calls that share one commit.
    pub group: usize,
}

/// `[keys]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// How long a superseded token works.
    #[serde(deserialize_with = "duration")]
    pub late_window: Duration,
    /// Age at which a generation is offered its successor.
    #[serde(deserialize_with = "duration")]
    pub rotate_after: Duration,
    /// When a client gives a request up.
    #[serde(deserialize_with = "duration")]
    pub client_deadline: Duration,
    /// When an unused key dies.
    #[serde(deserialize_with = "duration")]
    pub idle_limit: Duration,
    /// How long a launch token minted here waits.
    #[serde(deserialize_with = "duration")]
    pub start_limit: Duration,
    /// Life of a key whose launch does not say.
    #[serde(deserialize_with = "duration")]
    pub lifetime: Duration,
    /// The most a launch may say.
    #[serde(deserialize_with = "duration")]
    pub max_lifetime: Duration,
    /// The most for a key whose token never changes.
    #[serde(deserialize_with = "duration")]
    pub fixed_lifetime: Duration,
    /// Live keys of one web session.
    pub per_session: u32,
    /// Live keys of one user.
    pub per_user: u32,
    /// Thefts that lock a web session and activity.
    pub thefts: u32,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Largest body, bytes.
    pub body: usize,
    /// How long head and body may take.
    #[serde(deserialize_with = "duration")]
    pub read_deadline: Duration,
    /// Calls of one key at once; 0 for no limit.
    pub burst: u32,
    /// Calls of one key a second.
    pub per_second: u32,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// From which level on.
    pub level: String,
    /// In which form.
    pub format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[[hosts]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostConfig {
    /// `iss` of its launch tokens.
    pub id: String,
    /// Its secrets.
    pub secrets: Vec<HostSecret>,
    /// Origins of its pages.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Whether its launches may name `null`, the origin of sandboxed frames.
    #[serde(default)]
    pub opaque_origins: bool,
}

/// A secret of a host.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSecret {
    /// Its number, in the `kid` of launch tokens.
    pub number: u32,
    /// 32 bytes or more in base64url.
    pub secret: String,
}

/// Shows the number only.
impl fmt::Debug for HostSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostSecret(number {} …)", self.number)
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| serde::de::Error::custom("expected a duration as in \"30s\", \"15m\", \"8h\""))
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

impl Config {
    /// The layers together, checked.
    ///
    /// # Errors
    /// Names the setting that is at fault.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        // LATCHKEY_CONFIG names the file itself.
        Self::layered(file, Env::prefixed("LATCHKEY_").ignore(&["config"]).split("__"))
    }

    fn layered(file: Option<&Path>, environment: Env) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::NoFile(file.to_owned()));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        figment
            .merge(environment)
            .extract::<Self>()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?
            .checked()
    }

    fn checked(self) -> Result<Self, ConfigError> {
        self.windows().validate().map_err(|error| {
            let setting = match error.setting() {
                "late" => "late_window",
                "idle" => "idle_limit",
                other => other,
            };
            ConfigError::value(format!("keys.{setting}"), error.to_string())
        })?;
        let lifetimes = [
            ("keys.start_limit", self.keys.start_limit),
            ("keys.lifetime", self.keys.lifetime),
            ("keys.max_lifetime", self.keys.max_lifetime),
            ("keys.fixed_lifetime", self.keys.fixed_lifetime),
            ("limits.read_deadline", self.limits.read_deadline),
        ];
        if let Some((setting, _)) = lifetimes.iter().find(|(_, length)| length.is_zero()) {
            return Err(ConfigError::value(*setting, "must be longer than nothing"));
        }
        if self.keys.start_limit > Duration::from_secs(3600) {
            return Err(ConfigError::value("keys.start_limit", "must not be above an hour"));
        }
        if self.limits.burst > 0 && self.limits.per_second == 0 {
            let problem = "must be above 0 where limits.burst is; a burst of 0 sets no limit";
            return Err(ConfigError::value("limits.per_second", problem));
        }
        if !self.public_url.is_empty() && !is_origin(&self.public_url) {
            let problem = "write it as in https://latch.example, with nothing behind the host";
            return Err(ConfigError::value("public_url", problem));
        }
        for (at, host) in self.hosts.iter().enumerate() {
            check_host(host).map_err(|(name, problem)| {
                ConfigError::value(format!("hosts[{at}].{name}"), problem)
            })?;
            if self.hosts[..at].iter().any(|other| other.id == host.id) {
                let problem = "two hosts have this id";
                return Err(ConfigError::value(format!("hosts[{at}].id"), problem));
            }
        }
        Ok(self)
    }

    /// The windows of the rotation rule.
    pub fn windows(&self) -> Windows {
        Windows {
            late: millis(self.keys.late_window),
            rotate_after: millis(self.keys.rotate_after),
            idle: millis(self.keys.idle_limit),
            client_deadline: millis(self.keys.client_deadline),
        }
    }

    /// How long keys live.
    pub fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            default: millis(self.keys.lifetime),
            max: millis(self.keys.max_lifetime),
            fixed: millis(self.keys.fixed_lifetime),
        }
    }

    /// How many keys there may be.
    pub fn key_limits(&self) -> KeyLimits {
        KeyLimits {
            per_session: self.keys.per_session,
            per_user: self.keys.per_user,
            thefts: self.keys.thefts,
        }
    }

    /// The SQLite file of `store.url`.
    ///
    /// # Errors
    /// When the URL names another database.
    pub fn sqlite_file(&self) -> Result<PathBuf, ConfigError> {
        match self.store.url.strip_prefix("sqlite:") {
            Some(file) if !file.is_empty() => Ok(self.data.join(file)),
            _ => Err(ConfigError::value("store.url", "write it as in \"sqlite:latchkey.db\"")),
        }
    }
}

fn check_host(host: &HostConfig) -> Result<(), (&'static str, &'static str)> {
    let id_fits = (1..=64).contains(&host.id.len())
        && host.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !id_fits {
        return Err(("id", "must be 1 to 64 letters, digits, '-', '_' or '.'"));
    }
    if host.secrets.is_empty() {
        return Err(("secrets", "needs one at least: [{ number = 1, secret = \"…\" }]"));
    }
    for (at, secret) in host.secrets.iter().enumerate() {
        if secret_bytes(&secret.secret).is_none() {
            return Err(("secrets", "a secret is 32 bytes or more in base64url without padding"));
        }
        if host.secrets[..at].iter().any(|other| other.number == secret.number) {
            return Err(("secrets", "two secrets have the same number"));
        }
    }
    if !host.origins.iter().all(|origin| is_origin(origin)) {
        return Err(("origins", "write them as browsers do: https://school.example"));
    }
    Ok(())
}

/// The bytes of a secret in base64url; `None` if there are fewer than 32.
pub fn secret_bytes(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() >= 32).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::layered(Some(file.path()), Env::prefixed("LATCHKEY_TEST_NOTHING_"))
    }

    fn refusal(text: &str) -> String {
        load(text).unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_good() {
        let config = load("").unwrap();
        assert_eq!(config.windows().late, 30_000);
        assert_eq!(config.lifetimes().default, 8 * 3_600_000);
        assert_eq!(config.sqlite_file().unwrap(), Path::new("latchkey-data/latchkey.db"));
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        assert!(refusal("lisen = 1").contains("lisen"));
        assert!(refusal("[keys]\nidle_limt = \"1m\"").contains("idle_limt"));
    }

    #[test]
    fn deadlines_that_would_refuse_honest_clients_are_refused() {
        assert!(refusal("[keys]\nclient_deadline = \"31s\"").contains("keys.late_window"));
        assert!(refusal("[keys]\nrotate_after = \"20s\"").contains("keys.rotate_after"));
        assert!(refusal("[keys]\nidle_limit = \"0s\"").contains("keys.idle_limit"));
        assert!(load("[keys]\nrotate_after = \"20001ms\"").is_ok());
    }

    #[test]
    fn each_bad_value_is_named() {
        for (text, name) in [
            ("[keys]\nlate_window = 30", "late_window"),
            ("[keys]\nstart_limit = \"2h\"", "start_limit"),
            ("[keys]\nlifetime = \"0s\"", "lifetime"),
            ("[limits]\nper_second = 0", "per_second"),
            ("public_url = \"https://a.example/x\"", "public_url"),
            ("listen = \"nowhere\"", "listen"),
            ("[[hosts]]\nid = \"a\"\nsecrets = []\nopaque_origins = \"yes\"", "opaque_origins"),
            ("[[hosts]]\nid = \"a b\"\nsecrets = []", "hosts[0].id"),
            ("[[hosts]]\nid = \"a\"\nsecrets = []", "hosts[0].secrets"),
            (
                "[[hosts]]\nid = \"a\"\nsecrets = [{ number = 1, secret = \"c2hvcnQ\" }]",
                "hosts[0].secrets",
            ),
        ] {
            assert!(refusal(text).contains(name), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
        let text =
            format!("[[hosts]]\nid = \"a\"\nsecrets = [{{ number = 1, secret = \"{secret}\" }}]");
        assert!(!format!("{:?}", load(&text).unwrap()).contains(secret));
    }

    #[test]
    fn other_databases_are_named() {
        let config = load("[store]\nurl = \"mysql://x\"").unwrap();
        assert!(config.sqlite_file().unwrap_err().to_string().contains("store.url"));
    }
}
