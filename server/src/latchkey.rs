//! The server's state: what every request may use.

use crate::clock::{Clock, Entropy, SystemClock};
use crate::config::{Config, ConfigError};
use crate::keys::decide::Windows;
use crate::keys::launch::{self, Lifetimes, OpenLaunch};
use crate::keys::mint::{self, MintError};
use crate::rate::RateLimit;
use crate::secrets::{Secrets, SecretsError, make_folder};
use crate::store::sqlite::{Ended, SqliteStore};
use crate::store::{KeyLimits, SharedStore, StoreError};
use latchkey_protocol::Millis;
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::token::KeyId;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// Why the server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The secrets.
    #[error("secrets: {0}")]
    Secrets(#[from] SecretsError),
    /// The database.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// Another server runs on the data folder.
    #[error("{0} is in use by another latchkey: stop that one, or choose another data folder")]
    InUse(PathBuf),
    /// The data folder or the network.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The server's state. Share it in an [`Arc`].
pub struct Latchkey {
    pub(crate) store: SharedStore,
    pub(crate) secrets: Secrets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) rate: RateLimit,
    pub(crate) windows: Windows,
    pub(crate) key_limits: KeyLimits,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) body_limit: usize,
    pub(crate) read_deadline: Duration,
    start_limit: Duration,
    public_url: Arc<str>,
    boot: u32,
    requests: AtomicU32,
    ended: Mutex<Option<Ended>>,
    /// Held as long as the store may write.
    _lock: File,
}

impl Latchkey {
    /// Opens the store and the secrets that the settings name.
    ///
    /// # Errors
    /// When either cannot be had.
    pub fn open(config: &Config) -> Result<Arc<Self>, StartError> {
        Self::open_with(config, Arc::new(SystemClock), Entropy::System)
    }

    /// The same with a clock and a source of randomness of one's own.
    ///
    /// # Errors
    /// As [`Latchkey::open`].
    pub fn open_with(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Result<Arc<Self>, StartError> {
        let file = config.sqlite_file()?;
        make_folder(&config.data)?;
        let lock = lock(&config.data)?;
        let secrets = Secrets::open(config, &entropy, clock.now())?;
        let (store, ended) = SqliteStore::open(&file, config.store.group)?;
        let public_url = match config.public_url.as_str() {
            "" => format!("http://{}", config.listen).into(),
            url => url.into(),
        };
        Ok(Arc::new(Self {
            store: Arc::new(store),
            secrets,
            rate: RateLimit::new(config.limits.burst, config.limits.per_second),
            windows: config.windows(),
            key_limits: config.key_limits(),
            lifetimes: config.lifetimes(),
            body_limit: config.limits.body,
            read_deadline: config.limits.read_deadline,
            start_limit: config.keys.start_limit,
            public_url,
            boot: u32::from_be_bytes(entropy.bytes()),
            requests: AtomicU32::new(0),
            ended: Mutex::new(Some(ended)),
            _lock: lock,
            clock,
            entropy,
        }))
    }

    /// The time by the server's clock.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// How browsers reach this server, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// What is stored.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The secrets in use.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Claims with a fresh id and this server's limits, to be narrowed and described by the host.
    pub fn claims(&self, host: &str, user: &str, activity: &str) -> LaunchClaims {
        let id = KeyId(self.entropy.bytes());
        mint::claims(host, user, activity, id, self.start_limit, self.now())
    }

    /// Signs a launch token with the newest secret of the host it names. Stores nothing.
    ///
    /// # Errors
    /// [`MintError`], if the host is unknown or the claims would be refused when presented.
    pub fn mint(&self, claims: &LaunchClaims) -> Result<String, MintError> {
        mint::sign(&self.secrets.hosts, &self.lifetimes, claims, self.now())
    }

    /// Reads a launch token without using it; `None` if it is none of ours.
    pub fn read_launch(&self, text: &str) -> Option<OpenLaunch> {
        launch::open(text, &self.secrets.hosts, &self.lifetimes, self.now()).ok()
    }

    /// The key that a token, launch or session, belongs to, however old it is; `None` if it is none
    /// of ours. For ending the key that a renewal replaces.
    pub fn key_of(&self, text: &str) -> Option<KeyId> {
        match self.secrets.keyring.open(text, self.now()) {
            Ok(token) => Some(token.key_id),
            Err(_) => self.read_launch(text).map(|launch| launch.id),
        }
    }

    pub(crate) fn base(&self) -> Arc<str> {
        Arc::clone(&self.public_url)
    }

    /// A name for a request, unique in this run of the server.
    pub(crate) fn request_id(&self) -> String {
        format!("{:08x}{:08x}", self.boot, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Resolves when everything accepted is on disk and the store is closed, which happens after
    /// the last share of this state is gone. Only the first caller is told.
    pub(crate) fn take_ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The writer trusts its memory, so no other process may write beside it. The lock is the operating
/// system's and goes with the process, however that ends.
fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("latchkey.lock");
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
