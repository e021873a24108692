//! Everything of one journey, put together.

use super::browser::{Browser, Person};
use super::database::Database;
use super::host::{HOST, Host, Sdk, router as site_router};
use super::program::Program;
use super::proxy::Proxy;
use super::tab::Tab;
use super::thief::Thief;
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use latchkey_server::clock::{Clock, Entropy, SystemClock};
use latchkey_server::config::{Config, HostConfig, Protocol};
use latchkey_server::router::router as api_router;
use latchkey_server::{Latchkey, serve_opened, serve_router};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// 32 bytes in base64url.
const SECRET: &str = "c2Nob29sIHNjaG9vbCBzY2hvb2wgc2Nob29sIHNjaG8";

/// The machine's clock, set forward by as much as a journey likes.
#[derive(Default)]
pub(crate) struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> i64 {
        SystemClock.now() + self.0.load(Ordering::SeqCst)
    }
}

/// Where the API is, as pages see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the origin of the pages.
    Same,
    /// At an origin, and a site, of its own.
    Other,
}

/// A school, its server, a browser, and the network between them.
pub(crate) struct World {
    pub(crate) browser: Browser,
    pub(crate) host: Arc<Host>,
    pub(crate) proxy: Proxy,
    pub(crate) database: Database,
    /// The server itself, behind the proxy.
    pub(crate) server: SocketAddr,
    clock: Arc<Ahead>,
    settings: PathBuf,
    folder: TempDir,
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn configured(data: PathBuf, database: &Database, site: &str, api: &str) -> Config {
    let mut config = Config::load(None).unwrap();
    config.data = data;
    config.store.url = database.url();
    config.public_url = api.to_owned();
    config.limits.burst = 0;
    config.protocols.push(Protocol::Form);
    config.protocols.push(Protocol::Hacp);
    config.protocols.push(Protocol::Scorm);
    let mut host = HostConfig::new(HOST, SECRET);
    host.origins = vec![site.to_owned()];
    host.opaque_origins = true;
    config.hosts = vec![host];
    config
}

/// The same settings as a file.
fn written(config: &Config, file: &PathBuf) {
    let text = format!(
        "public_url = {:?}\ndata = {:?}\n[store]\nurl = {:?}\n[limits]\nburst = 0\n[[hosts]]\nid = {HOST:?}\n\
         secrets = [{{ number = 1, secret = {SECRET:?} }}]\norigins = {:?}\nopaque_origins = true\n",
        config.public_url,
        config.data.display().to_string(),
        config.store.url,
        config.hosts[0].origins,
    );
    std::fs::write(file, text).unwrap();
}

impl World {
    /// A world in which the server runs here, and time can be moved.
    pub(crate) async fn start(sdk: Sdk, place: Place) -> Self {
        let world = Self::without_server(sdk, place).await;
        let latchkey = Arc::clone(&world.host.latchkey);
        let (listener, address) = listener();
        world.proxy.leads_to(address);
        match place {
            Place::Same => {
                let both =
                    site_router(Arc::clone(&world.host)).fallback_service(api_router(latchkey));
                tokio::spawn(serve_router(listener, both, HEAD, std::future::pending()));
            }
            Place::Other => {
                tokio::spawn(serve_opened(listener, latchkey, std::future::pending()));
            }
        }
        Self { server: address, ..world }
    }

    /// A world in which the server is a program of its own, at another origin.
    pub(crate) async fn with_program(sdk: Sdk) -> (Self, Program) {
        let mut world = Self::without_server(sdk, Place::Other).await;
        let data = world.folder.path().join("program");
        world.database = Database::fresh(&data);
        let (site, api) = (&world.host.site, world.host.latchkey.public_url());
        written(&configured(data, &world.database, site, &api), &world.settings);
        let program = Program::start(&world.settings, "127.0.0.1:0").await;
        world.proxy.leads_to(program.address);
        world.server = program.address;
        (world, program)
    }

    /// Starts the program again where it was.
    pub(crate) async fn program_again(&self) -> Program {
        Program::start(&self.settings, &self.server.to_string()).await
    }

    async fn without_server(sdk: Sdk, place: Place) -> Self {
        let browser = Browser::start().await;
        let folder = tempfile::tempdir().unwrap();
        let proxy = Proxy::start().await;
        let (pages, pages_at) = listener();
        let (site, api) = match place {
            Place::Same => (format!("http://{}", proxy.address), None),
            Place::Other => {
                let api = format!("http://localhost:{}", proxy.address.port());
                (format!("http://{pages_at}"), Some(api))
            }
        };
        let public = api.clone().unwrap_or_else(|| site.clone());
        let data = folder.path().join("data");
        let database = Database::fresh(&data);
        let config = configured(data, &database, &site, &public);
        let settings = folder.path().join("settings.toml");
        let clock = Arc::new(Ahead::default());
        let latchkey =
            Latchkey::open_with(&config, Arc::clone(&clock) as _, Entropy::System).unwrap();
        let host = Arc::new(Host::new(latchkey, sdk, site, api));
        if place == Place::Other {
            let router = site_router(Arc::clone(&host));
            tokio::spawn(serve_router(pages, router, HEAD, std::future::pending()));
        }
        let server = proxy.address;
        Self { browser, host, proxy, database, server, clock, settings, folder }
    }

    /// The server's clock moves on; pages keep theirs.
    pub(crate) fn later(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// An address of the school.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.host.site)
    }

    /// Logs a person in, in the browser's own window.
    pub(crate) async fn login(&self, user: &str) -> Tab {
        let tab = self.browser.tab().await;
        self.login_in(&tab, user).await;
        tab
    }

    /// Logs a person in by that tab.
    pub(crate) async fn login_in(&self, tab: &Tab, user: &str) {
        tab.go(&self.url(&format!("/login/{user}"))).await;
        tab.until("document.getElementById('in')").await;
    }

    /// Logs a person in and opens an activity.
    pub(crate) async fn play(&self, user: &str, activity: &str) -> Tab {
        let tab = self.login(user).await;
        tab.open(&self.url(&format!("/play/{activity}"))).await;
        tab
    }

    /// Another tab of the same browser, with the activity.
    pub(crate) async fn also(&self, activity: &str) -> Tab {
        let tab = self.browser.tab().await;
        tab.open(&self.url(&format!("/play/{activity}"))).await;
        tab
    }

    /// The same in a browser of another person's.
    pub(crate) async fn play_as(&self, person: &Person<'_>, user: &str, activity: &str) -> Tab {
        let tab = person.tab().await;
        self.login_in(&tab, user).await;
        tab.open(&self.url(&format!("/play/{activity}"))).await;
        tab
    }

    /// A thief with a token.
    pub(crate) fn thief(&self, token: &str) -> Thief {
        Thief::with(self.server, &self.host.site, token)
    }

    /// The newest token that the network has seen on its way to a page.
    pub(crate) fn newest_token(&self) -> String {
        self.proxy.history().iter().rev().find_map(|call| call.offered()).unwrap()
    }

    /// The port of another site on this machine, with an empty page.
    pub(crate) async fn elsewhere(&self) -> u16 {
        let (listener, address) = listener();
        let page = Router::new().route("/", get(async || Html("<!doctype html><p id=here>Hello")));
        tokio::spawn(serve_router(listener, page, HEAD, std::future::pending()));
        address.port()
    }

    /// Ends it in order.
    pub(crate) async fn end(self) {
        self.browser.close().await;
    }
}
