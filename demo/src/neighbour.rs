//! A second site, by other people in another language: the one that `docs/hosts.md` shows, served by PHP where that is
//! installed. It shares nothing with the first but the API, as a host of its own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_server::clock::Entropy;
use latchkey_server::config::HostConfig;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Its id as a host of Latchkey; `docs/examples/latchkey.php` names it too.
const NEIGHBOUR: &str = "school";
const SITE: &str = "docs/examples/site.php";

/// The site, running until this goes.
pub(crate) struct Neighbour {
    php: Child,
    /// Its origin.
    pub(crate) url: String,
    secret: String,
}

impl Neighbour {
    /// Starts it; `None` where there is no PHP, or not the repository.
    ///
    /// # Errors
    /// When PHP is there but does not serve at that address.
    pub(crate) fn start(
        listen: SocketAddr,
        repository: &Path,
        api: &str,
        entropy: &Entropy,
    ) -> Result<Option<Self>, String> {
        let site = repository.join(SITE);
        if !site.exists() || !there_is_php() {
            return Ok(None);
        }
        // Good for as long as this runs: what pages hold by then is renewed with the next one's.
        let secret = URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
        let failed = |why: String| format!("php at {listen}: {why}");
        let listen = free(listen).map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new("php");
        command.arg("-S").arg(listen.to_string()).arg(&site).env_clear();
        command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.env("HOST_SECRET", &secret).env("LATCH_URL", api);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut php = command.spawn().map_err(|error| failed(error.to_string()))?;
        let log = php.stderr.take();
        let neighbour = Self { php, url: format!("http://{listen}"), secret };
        let mut lines = log.map(BufReader::new).ok_or_else(|| failed("no log".into()))?.lines();
        match lines.next() {
            Some(Ok(line)) if line.ends_with("started") => {}
            Some(Ok(line)) => return Err(failed(line)),
            Some(Err(error)) => return Err(failed(error.to_string())),
            None => return Err(failed("it ended at once".into())),
        }
        // Its log must go on being read, or it would stop at a full pipe.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| tracing::debug!(line, "php"));
        });
        Ok(Some(neighbour))
    }

    /// What the API is told of it.
    pub(crate) fn host(&self) -> HostConfig {
        let mut host = HostConfig::new(NEIGHBOUR, &self.secret);
        host.origins = vec![self.url.clone()];
        host
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.php.kill();
        let _ = self.php.wait();
    }
}

fn there_is_php() -> bool {
    let mut command = Command::new("php");
    command.arg("-v").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// PHP does not tell which port it was given: in place of any, one that is free now is asked for by its number.
fn free(listen: SocketAddr) -> std::io::Result<SocketAddr> {
    if listen.port() == 0 { TcpListener::bind(listen)?.local_addr() } else { Ok(listen) }
}
