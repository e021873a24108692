//! A small school site whose activities keep their grades with Latchkey, which it uses as a library.
//!
//! Three servers in one process, each at an origin of its own, as it is where a site and Latchkey
//! stand apart: pages and logins here, the API for the activities in those pages there. What teachers bring is played
//! at the third.
//!
//! * [`accounts`](mod@accounts) — who there is, and the host's secret. `course` — what there is to do.
//! * `site` — every address of the site; `guard` — what each request must show, and what each answer bears.
//! * `login` — logging in and out; `launch` — keys for pages, and their renewal.
//! * `pages` — what people see; `chart` — the drawing on one of them; `built` — what two of them load.
//! * `ruling` — what teachers decide about grades. `neighbour` — a second site, in PHP.
//! * `shelf` — packages that are brought; `content` — the origin at which they are played.

pub mod accounts;
mod built;
mod chart;
mod content;
mod course;
mod guard;
mod launch;
mod login;
mod neighbour;
mod pages;
mod ruling;
mod shelf;
mod site;
mod throttle;

use crate::accounts::{Accounts, AccountsError};
use crate::built::Built;
use crate::neighbour::Neighbour;
use crate::shelf::Shelf;
use crate::site::Site;
use crate::throttle::Throttle;
use latchkey_server::clock::Entropy;
use latchkey_server::config::{Config, HostConfig, Protocol};
use latchkey_server::{Latchkey, StartError, serve_opened, serve_router};
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;

/// Id of the site as a host of Latchkey.
pub const HOST: &str = "demo";
/// How long the head of a request to the site may take to arrive.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder for users, grades and secrets; made if it is not there.
    pub data: PathBuf,
    /// File of Latchkey settings.
    pub config: Option<PathBuf>,
    /// Origin by which browsers reach the site; its address without.
    pub site_url: Option<String>,
    /// Origin by which browsers reach the API; its address without.
    pub api_url: Option<String>,
    /// Address of what teachers bring; any free port beside the site's without.
    pub content_listen: Option<SocketAddr>,
    /// Origin by which browsers reach what teachers bring; its address without.
    pub content_url: Option<String>,
    /// Folder with `target/web` and `demo/node_modules`; the repository's without.
    pub built: Option<PathBuf>,
    /// Address of the second site, which is there where PHP is; none without.
    pub neighbour: Option<SocketAddr>,
}

impl Options {
    /// The Latchkey settings, before the demo's own are laid over them.
    ///
    /// # Errors
    /// Names the setting that is at fault.
    pub fn settings(&self) -> Result<Config, DemoError> {
        Config::load(self.config.as_deref()).map_err(|error| DemoError::Latchkey(error.into()))
    }
}

/// Why the demo cannot run.
#[derive(Debug, Error)]
pub enum DemoError {
    /// Latchkey cannot.
    #[error(transparent)]
    Latchkey(#[from] StartError),
    /// The users cannot be had.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// What teachers brought cannot be had, or not be served.
    #[error("packages: {0}")]
    Packages(#[from] std::io::Error),
    /// An address that is none.
    #[error("{0}: not an origin, write it as in https://school.example")]
    Origin(String),
    /// The second site cannot start.
    #[error("{0}; choose another --neighbour-listen, or leave the site out by --no-neighbour")]
    Neighbour(String),
}

/// The site, opened and not serving yet.
pub struct Demo {
    site: Arc<Site>,
    content: TcpListener,
}

impl Demo {
    /// Opens users, grades and secrets; makes on first start what is not there. The addresses are
    /// those that are listened on.
    ///
    /// # Errors
    /// When something stored cannot be had, or a setting cannot be.
    pub fn open(
        site_address: SocketAddr,
        api_address: SocketAddr,
        options: &Options,
    ) -> Result<Self, DemoError> {
        let accounts = Accounts::open(&options.data, &Entropy::System)?;
        let origins = origins(site_address, options.site_url.as_deref())?;
        let api = origin(api_address, options.api_url.as_deref())?;
        let beside = SocketAddr::new(site_address.ip(), 0);
        let listener = TcpListener::bind(options.content_listen.unwrap_or(beside))?;
        let content = origin(listener.local_addr()?, options.content_url.as_deref())?;
        let shelf = Shelf::open(options.data.join("packages"))?;
        let mut config = options.settings()?;
        config.listen = api_address;
        config.public_url.clone_from(&api);
        config.data.clone_from(&options.data);
        config.hosts.retain(|host| host.id != HOST);
        let mut host = HostConfig::new(HOST, accounts.host_secret());
        host.origins.clone_from(&origins);
        // For the activity that stands in a sandboxed frame.
        host.opaque_origins = true;
        config.hosts.push(host);
        let built = Built::below(options.built.clone());
        let neighbour = match options.neighbour {
            Some(listen) => Neighbour::start(listen, &built.0, &api, &Entropy::System),
            None => Ok(None),
        };
        let neighbour = neighbour.map_err(DemoError::Neighbour)?;
        config.hosts.extend(neighbour.as_ref().map(Neighbour::host));
        // One of the movies posts its forms itself, and one of the lessons knows AICC.
        for protocol in [Protocol::Form, Protocol::Hacp] {
            if !config.protocols.contains(&protocol) {
                config.protocols.push(protocol);
            }
        }
        let latchkey = Latchkey::open(&config)?;
        tracing::info!(users = accounts.all().len(), "open");
        let entropy = Entropy::System;
        let (throttle, verifying) = (Throttle::new(entropy.bytes()), site::verifying());
        let site = Site {
            latchkey,
            accounts,
            origins,
            api,
            content,
            entropy,
            throttle,
            verifying,
            built,
            shelf,
            neighbour,
        };
        Ok(Self { site: Arc::new(site), content: listener })
    }

    /// Where the second site is, if there is one.
    pub fn neighbour(&self) -> Option<&str> {
        self.site.neighbour.as_ref().map(|neighbour| neighbour.url.as_str())
    }

    /// Where what teachers bring is played.
    pub fn content(&self) -> &str {
        &self.site.content
    }

    /// Who can log in and how, a line each. The passwords are no secret: the login page shows them.
    pub fn logins(&self) -> impl Iterator<Item = String> {
        self.site.accounts.all().iter().map(|account| {
            format!(
                "log in as {:<8} ({}) with {}",
                account.username,
                account.role.word(),
                accounts::PASSWORD
            )
        })
    }

    /// Serves all three until `shutdown` resolves; then requests under way are finished and the store is
    /// closed.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn serve(
        self,
        site: TcpListener,
        api: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), DemoError> {
        // The API closes the store, so it ends after the site; if it fails, the site must not go on alone.
        let (site_over, after_site) = oneshot::channel::<()>();
        let (content_over, after_content) = oneshot::channel::<()>();
        let (no_more, until_site) = oneshot::channel::<()>();
        let (api_over, after_api) = oneshot::channel::<()>();
        let latchkey = Arc::clone(&self.site.latchkey);
        let played = content::router(Arc::clone(&self.site));
        let router = site::router(self.site);
        let pages = async move {
            let until = async move {
                tokio::select! {
                    () = shutdown => {}
                    _ = after_api => {}
                    _ = after_content => {}
                }
            };
            let served = serve_router(site, router, HEAD_DEADLINE, until).await;
            drop((site_over, no_more));
            served
        };
        let content = async move {
            let until = async move {
                let _ = until_site.await;
            };
            let served = serve_router(self.content, played, HEAD_DEADLINE, until).await;
            drop(content_over);
            served
        };
        let keys = async move {
            let until = async move {
                let _ = after_site.await;
            };
            let served = serve_opened(api, latchkey, until).await;
            drop(api_over);
            served
        };
        let (pages, content, keys) = tokio::join!(pages, content, keys);
        Ok(pages.and(content).and(keys)?)
    }
}

/// Opens and serves in one step.
///
/// # Errors
/// As [`Demo::open`] and [`Demo::serve`].
pub async fn run(
    site: TcpListener,
    api: TcpListener,
    options: &Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    let address = |listener: &TcpListener| listener.local_addr().map_err(StartError::from);
    let demo = Demo::open(address(&site)?, address(&api)?, options)?;
    demo.serve(site, api, shutdown).await
}

/// Origins of the site's pages, the one to show first. On the machine itself people type either name.
fn origins(address: SocketAddr, given: Option<&str>) -> Result<Vec<String>, DemoError> {
    let mut origins = vec![origin(address, given)?];
    if given.is_none() && address.ip().is_loopback() {
        origins.push(format!("http://localhost:{}", address.port()));
    }
    Ok(origins)
}

fn origin(address: SocketAddr, given: Option<&str>) -> Result<String, DemoError> {
    match given {
        None => Ok(format!("http://{address}")),
        Some(url) if latchkey_server::policy::is_origin(url) => Ok(url.to_owned()),
        Some(url) => Err(DemoError::Origin(url.to_owned())),
    }
}
