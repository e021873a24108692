//! The server's state: what every request may use.

use crate::clock::{Clock, Entropy, SystemClock};
use crate::config::{Config, ConfigError};
use crate::gate::Denials;
use crate::host::body::BodyRoom;
use crate::in_force::InForce;
use crate::keys::launch::{self, OpenLaunch};
use crate::keys::mint::{self, MintError};
use crate::metrics::Metrics;
use crate::owners::Owners;
use crate::rate::Rates;
use crate::reply::{Reply, Told};
use crate::secrets::{Secrets, SecretsError, make_folder};
use crate::starting::Starting;
use crate::store::{self, Ended, SharedStore, StoreError};
use crate::tls::{self, Tls};
use arc_swap::ArcSwap;
use latchkey_protocol::Millis;
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::token::KeyId;
use std::fs::{File, TryLockError};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Notify;

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
    in_force: ArcSwap<InForce>,
    listen: SocketAddr,
    data: PathBuf,
    pub(crate) tls: Option<Tls>,
    pub(crate) owners: Owners,
    pub(crate) denials: Denials,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) rates: Rates,
    pub(crate) read_deadline: Duration,
    pub(crate) host_bodies: BodyRoom,
    pub(crate) metrics: Metrics,
    /// Where Prometheus asks, until it is served.
    metrics_listener: Mutex<Option<TcpListener>>,
    metrics_address: Option<SocketAddr>,
    /// How long to tell that it stops.
    pub(crate) drain: Duration,
    draining: AtomicBool,
    /// Notified when there may be events for webhooks.
    pub(crate) posted: Arc<Notify>,
    boot: u32,
    requests: AtomicU32,
    ended: Mutex<Option<Ended>>,
    /// Held as long as the store may write.
    _lock: File,
}

impl Latchkey {
    /// Opens the store and the secrets that the settings name. Waits for a database that is brought up to date.
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
        Self::open_from(config, clock, entropy, &Starting::on(None)?)
    }

    /// The same, telling meanwhile how far it is.
    ///
    /// # Errors
    /// As [`Latchkey::open`].
    pub fn open_from(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
        starting: &Starting,
    ) -> Result<Arc<Self>, StartError> {
        let place = config.store_place()?;
        let certificate = tls::read(&config.tls)?;
        make_folder(&config.data)?;
        let lock = lock(&config.data)?;
        let secrets = Secrets::open(config, &entropy, clock.now())?;
        let server = i64::from_be_bytes(entropy.bytes());
        starting.migrates();
        let (store, ended) = store::open(&place, config.store.share(), server, clock.now())?;
        let in_force = InForce::new(config, secrets)?;
        let metrics_listener = config.metrics_address()?.map(TcpListener::bind).transpose()?;
        let metrics_address = metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        store.subscribe(in_force.webhooks.subscriptions());
        Ok(Arc::new(Self {
            posted: store.posted(),
            metrics: Metrics::new(&store.meter(), metrics_address.is_some()),
            metrics_listener: Mutex::new(metrics_listener),
            metrics_address,
            drain: config.drain,
            draining: AtomicBool::new(false),
            store,
            in_force: ArcSwap::from_pointee(in_force),
            listen: config.listen,
            data: config.data.clone(),
            tls: certificate.map(Tls::new),
            owners: Owners::default(),
            denials: Denials::default(),
            rates: Rates::new(&config.limits),
            read_deadline: config.limits.read_deadline,
            host_bodies: BodyRoom::new(config.limits.host_body),
            boot: u32::from_be_bytes(entropy.bytes()),
            requests: AtomicU32::new(0),
            ended: Mutex::new(Some(ended)),
            _lock: lock,
            clock,
            entropy,
        }))
    }

    /// Puts other settings in force, all at once and without a pause: rules, keys, limits, hosts with
    /// their secrets and origins, the keyring, the files of `[tls]`. Requests under way are finished by the
    /// settings they came in under. What [`Config::needs_restart`] names stays as it is.
    ///
    /// # Errors
    /// When one of them cannot be. Nothing has changed then.
    pub fn reload(&self, config: &Config) -> Result<(), StartError> {
        // All that may fail comes first. Where the server listens and stores does not change under it.
        let mut config = config.clone();
        config.listen = self.listen;
        config.data.clone_from(&self.data);
        let config = &config;
        let certificate = tls::read(&config.tls)?;
        let secrets = Secrets::read(config, self.now())?;
        let new = InForce::new(config, secrets)?;
        if let (Some(tls), Some(certificate)) = (&self.tls, certificate) {
            tls.replace(certificate);
        }
        self.rates.change(&config.limits);
        self.store.subscribe(new.webhooks.subscriptions());
        self.in_force.store(Arc::new(new));
        self.look_for_events();
        Ok(())
    }

    /// Delivers now what is due for webhooks, as when the clock was set.
    pub fn look_for_events(&self) {
        self.posted.notify_one();
    }

    /// The settings in force.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The time by the server's clock.
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// How browsers reach this server, without a slash at the end.
    pub fn public_url(&self) -> Arc<str> {
        Arc::clone(&self.in_force.load().public_url)
    }

    /// What is stored.
    pub fn store(&self) -> &SharedStore {
        &self.store
    }

    /// The secrets in use.
    pub fn secrets(&self) -> Arc<Secrets> {
        Arc::clone(&self.in_force.load().secrets)
    }

    /// Claims with a fresh id and this server's limits, to be narrowed and described by the host.
    pub fn claims(&self, host: &str, user: &str, activity: &str) -> LaunchClaims {
        let id = KeyId(self.entropy.bytes());
        mint::claims(host, user, activity, id, self.in_force.load().start_limit, self.now())
    }

    /// Signs a launch token with the newest secret of the host it names. Stores nothing.
    ///
    /// # Errors
    /// [`MintError`], if the host is unknown or the claims would be refused when presented.
    pub fn mint(&self, claims: &LaunchClaims) -> Result<String, MintError> {
        let in_force = self.in_force.load();
        mint::sign(&in_force.secrets.hosts, &in_force.lifetimes, claims, self.now())
    }

    /// Reads a launch token without using it; `None` if it is none of ours.
    pub fn read_launch(&self, text: &str) -> Option<OpenLaunch> {
        let in_force = self.in_force.load();
        launch::open(text, &in_force.secrets.hosts, &in_force.lifetimes, self.now()).ok()
    }

    /// The key that a token, launch or session, belongs to, however old it is; `None` if it is none
    /// of ours. For ending the key that a renewal replaces.
    pub fn key_of(&self, text: &str) -> Option<KeyId> {
        match self.secrets().keyring.open(text, self.now()) {
            Ok(token) => Some(token.key_id),
            Err(_) => self.read_launch(text).map(|launch| launch.id),
        }
    }

    /// A name for a request, unique in this run of the server.
    pub(crate) fn request_id(&self) -> String {
        format!("{:08x}{:08x}", self.boot, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// Where Prometheus asks, if it may: with the port that was free if the setting says 0.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The listener of [`Latchkey::metrics_address`]. Only the first caller is given it.
    pub(crate) fn take_metrics_listener(&self) -> Option<TcpListener> {
        self.metrics_listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Says from now on at `/readyz` that the server stops.
    pub fn begin_to_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What is told, with its name and time; a refusal is counted.
    pub(crate) fn tell(&self, reply: Reply) -> Told {
        if let Some(code) = reply.refusal_code() {
            self.metrics.refused(code);
        }
        reply.told(self.now(), self.request_id())
    }

    /// Resolves when everything accepted is on disk and the store is closed, which happens after
    /// the last share of this state is gone. Only the first caller is told.
    pub(crate) fn take_ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The writer trusts its memory, so no other process may write beside it. The lock is the operating
/// system's and goes with the process, however that ends.
pub(crate) fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("latchkey.lock");
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
