//! The file of secrets: made on first start, readable by its owner only, never shown.

use crate::clock::Entropy;
use crate::config::{Config, ConfigError, HostConfig, HostSecret, secret_bytes};
use crate::keys::keyring::{Keyring, KeyringError, Secret};
use crate::keys::launch::{Host, Hosts};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::Millis;
use latchkey_protocol::mac::Signer;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Name of the file in the data folder.
pub const FILE: &str = "secrets.toml";
/// The host that is made when the settings name none.
pub const LOCAL_HOST: &str = "local";

const HEAD: &str = "# Secrets of this deployment. Whoever reads them can forge every key: keep this file\n\
# to its owner and out of backups that others read. Several machines share one copy.\n\n";

/// Why the secrets cannot be had.
#[derive(Debug, Error)]
pub enum SecretsError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path}: {problem}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong, without any of the content.
        problem: String,
    },
    /// The secrets make no keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Sealed into every token: one of another deployment is refused even under the same secret.
    deployment: String,
    keyring: Vec<RingEntry>,
    /// Secret of the host `local`.
    local: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingEntry {
    number: u8,
    secret: String,
    /// RFC 3339.
    sign_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verify_until: Option<String>,
}

/// The secrets in use.
#[derive(Debug)]
pub struct Secrets {
    /// Name of the deployment: what one gives out is of no use to another.
    pub deployment: String,
    /// Seals session tokens.
    pub keyring: Keyring,
    /// Open launch tokens.
    pub hosts: Hosts,
    /// Where they are.
    pub path: PathBuf,
    /// Whether this start made them.
    pub made: bool,
}

impl Secrets {
    /// Reads the file, or makes it.
    ///
    /// # Errors
    /// When it cannot be read, written or understood. What is there is never overwritten.
    pub fn open(config: &Config, entropy: &Entropy, now: Millis) -> Result<Self, SecretsError> {
        let path = config.data.join(FILE);
        let made = match fs::exists(&path) {
            Ok(true) => false,
            Ok(false) => {
                write_new(&config.data, &path, &fresh(entropy))
                    .map_err(|error| SecretsError::File { path, error })?;
                true
            }
            Err(error) => return Err(SecretsError::File { path, error }),
        };
        Ok(Self { made, ..Self::read(config, now)? })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(config: &Config, now: Millis) -> Result<Self, SecretsError> {
        let path = config.data.join(FILE);
        let text = fs::read_to_string(&path)
            .map_err(|error| SecretsError::File { path: path.clone(), error })?;
        let wrong = |problem: &str| SecretsError::Content {
            path: path.clone(),
            problem: problem.to_owned(),
        };
        // The parser's own message would quote the line, and with it a secret.
        let file: File = toml::from_str(&text).map_err(|_| wrong("not a file of secrets"))?;
        let ring = file
            .keyring
            .iter()
            .map(|entry| ring_secret(entry).ok_or_else(|| wrong("a keyring entry cannot be read")))
            .collect::<Result<Vec<_>, _>>()?;
        let local = secret_bytes(&file.local).ok_or_else(|| wrong("local: not a secret"))?;
        Ok(Self {
            keyring: Keyring::new(&file.deployment, ring, now)?,
            deployment: file.deployment,
            hosts: hosts(&config.hosts, &local).map_err(|error| wrong(&error.to_string()))?,
            path,
            made: false,
        })
    }
}

fn fresh(entropy: &Entropy) -> String {
    let secret = || URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
    let deployment = URL_SAFE_NO_PAD.encode(entropy.bytes::<16>());
    format!(
        "{HEAD}deployment = \"{deployment}\"\n\
         # Secret of the host \"{LOCAL_HOST}\", there while the settings name no other.\n\
         local = \"{}\"\n\n\
         [[keyring]]\nnumber = 1\nsecret = \"{}\"\nsign_from = \"1970-01-01T00:00:00Z\"\n",
        secret(),
        secret(),
    )
}

fn write_new(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    make_folder(folder)?;
    // `create_new`: of two that start at once, one makes the file and the other fails loudly.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::File::open(folder)?.sync_all()
}

/// Makes the data folder, for its owner only: it holds secrets and grades.
pub(crate) fn make_folder(folder: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn ring_secret(entry: &RingEntry) -> Option<Secret> {
    let bytes = URL_SAFE_NO_PAD.decode(&entry.secret).ok()?.try_into().ok()?;
    let verify_until = match &entry.verify_until {
        Some(text) => Some(crate::instant::parse(text)?),
        None => None,
    };
    let sign_from = crate::instant::parse(&entry.sign_from)?;
    Some(Secret { number: entry.number, bytes, sign_from, verify_until })
}

fn hosts(configured: &[HostConfig], local: &[u8]) -> Result<Hosts, ConfigError> {
    if configured.is_empty() {
        let secrets = vec![(1, Signer::new(local))];
        let host = Host { secrets, origins: Vec::new(), opaque_origins: false, bearer: false };
        return Ok(Hosts::from([(LOCAL_HOST.to_owned(), host)]));
    }
    configured
        .iter()
        .map(|host| {
            let secrets = host.secrets.iter().map(signer).collect::<Option<_>>();
            let secrets = secrets.ok_or_else(|| ConfigError::value("hosts", "not a secret"))?;
            let HostConfig { opaque_origins, bearer, .. } = *host;
            let origins = host.origins.clone();
            Ok((host.id.clone(), Host { secrets, origins, opaque_origins, bearer }))
        })
        .collect()
}

fn signer(secret: &HostSecret) -> Option<(u32, Signer)> {
    Some((secret.number, Signer::new(&secret_bytes(&secret.secret)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn config(folder: &Path) -> Config {
        let mut config = Config::load(None).unwrap();
        config.data = folder.join("data");
        config
    }

    fn open(config: &Config) -> Result<Secrets, SecretsError> {
        Secrets::open(config, &Entropy::System, 0)
    }

    #[test]
    fn made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let first = open(&config).unwrap();
        assert!(first.made);
        let mode = fs::metadata(&first.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&first.path).unwrap();
        assert!(!open(&config).unwrap().made);
        assert_eq!(fs::read_to_string(&first.path).unwrap(), text);
    }

    #[test]
    fn two_deployments_share_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (config(&folder.path().join("1")), config(&folder.path().join("2")));
        let (one, two) = (open(&one).unwrap(), open(&two).unwrap());
        let text = one.keyring.seal(latchkey_protocol::token::KeyId([1; 16]), 0, [0; 8], 0);
        assert!(one.keyring.open(&text, 0).is_ok());
        assert!(two.keyring.open(&text, 0).is_err());
    }

    #[test]
    fn a_damaged_file_is_left_alone_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let path = open(&config).unwrap().path;
        let text = fs::read_to_string(&path).unwrap().replace("deployment =", "deploment =");
        fs::write(&path, &text).unwrap();
        let error = open(&config).unwrap_err().to_string();
        assert!(error.contains(FILE) && error.len() < 200, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
