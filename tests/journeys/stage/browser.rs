//! Chromium, one for each journey, with nothing remembered from another.

use super::PATIENCE;
use super::tab::Tab;
use chromiumoxide::browser::BrowserConfig;
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use chromiumoxide::{Browser as Driver, Command};
use futures_util::StreamExt;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

/// More at once only take the machine from each other.
static PLACES: Semaphore = Semaphore::const_new(2);

/// A browser that is running.
pub(crate) struct Browser {
    driver: Driver,
    // Its folder and its place are free only once it is gone.
    _folder: TempDir,
    _place: SemaphorePermit<'static>,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let place = PLACES.acquire().await.unwrap();
        // A browser that is dropped may still write as its folder goes: what is left lies among build files.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .new_headless_mode()
            .user_data_dir(folder.path())
            .no_sandbox()
            .viewport(None)
            .window_size(1000, 800)
            .launch_timeout(Duration::from_secs(60))
            .request_timeout(Duration::from_secs(60))
            // The name has two addresses; no page of ours is on the second.
            .arg("host-resolver-rules=MAP localhost 127.0.0.1")
            .arg("disable-gpu")
            .arg("disable-dev-shm-usage")
            .arg("disable-component-update")
            .build()
            .unwrap();
        let (driver, mut handler) = Driver::launch(config).await.unwrap();
        tokio::spawn(async move { while handler.next().await.is_some() {} });
        Self { driver, _folder: folder, _place: place }
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn run<C: Command>(&self, command: C) -> C::Response {
        tokio::time::timeout(PATIENCE, self.driver.execute(command)).await.unwrap().unwrap().result
    }

    /// A new tab, in front of the others.
    pub(crate) async fn tab(&self) -> Tab {
        let page = self.driver.new_page("about:blank").await.unwrap();
        Tab::new(page).await
    }

    /// Another person's browser: nothing is shared with the other tabs.
    pub(crate) async fn person(&self) -> Person<'_> {
        let params = CreateBrowserContextParams::default();
        let context = self.driver.create_browser_context(params).await.unwrap();
        Person { browser: self, context }
    }

    /// Ends it. A journey that fails leaves that to the end of its runtime.
    pub(crate) async fn close(mut self) {
        self.driver.close().await.unwrap();
        self.driver.wait().await.unwrap();
    }
}

/// A browser of its own as far as pages can tell.
pub(crate) struct Person<'a> {
    browser: &'a Browser,
    context: BrowserContextId,
}

impl Person<'_> {
    pub(crate) async fn tab(&self) -> Tab {
        let params = CreateTargetParams::builder()
            .url("about:blank")
            .browser_context_id(self.context.clone())
            .build()
            .unwrap();
        Tab::new(self.browser.driver.new_page(params).await.unwrap()).await
    }
}
