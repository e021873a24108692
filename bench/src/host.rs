//! The bench as a host: its settings for the server, and the launch tokens it signs.

use crate::clock;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::launch::LaunchClaims;
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::KeyId;

const HOST: &str = "bench";
const SECRET_NUMBER: u32 = 1;
const SECRET: [u8; 32] = *b"the bench is nobody's real host.";

/// A host that the measured server knows.
pub(crate) struct Host {
    signer: Signer,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self { signer: Signer::new(&SECRET) }
    }

    /// A launch token of `user` in `activity`.
    pub(crate) fn launch(&self, user: &str, activity: &str, key: [u8; 16]) -> Result<String> {
        let now = i64::try_from(clock::wall_seconds())?;
        let claims = LaunchClaims::new(HOST, user, activity, KeyId(key), now);
        Ok(claims.sign(SECRET_NUMBER, &self.signer)?)
    }
}

/// What differs between measured servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Most calls of one commit.
    pub(crate) group: usize,
    /// Whether it counts for Prometheus.
    pub(crate) metrics: bool,
}

impl Setup {
    /// As the server is by default.
    pub(crate) const USUAL: Self = Self { group: 512, metrics: false };
    /// A commit for each call.
    pub(crate) const ONE_BY_ONE: Self = Self { group: 1, ..Self::USUAL };
    /// With metrics.
    pub(crate) const METERED: Self = Self { metrics: true, ..Self::USUAL };
}

/// The settings of the measured server, on the database of that URL.
pub(crate) fn settings(url: &str, setup: Setup) -> String {
    let group = setup.group;
    let metrics = if setup.metrics { "\n[metrics]\nlisten = \"127.0.0.1:0\"\n" } else { "" };
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    format!(
        "[limits]\nburst = 0\n\n\
         [[hosts]]\nid = \"{HOST}\"\nsecrets = [{{ number = {SECRET_NUMBER}, secret = \"{secret}\" }}]\norigins = []\n\n\
         [store]\nurl = {url:?}\ngroup = {group}\n{metrics}"
    )
}

/// The name of user number `number`.
pub(crate) fn user(number: usize) -> String {
    format!("u{number}")
}

/// The name of activity number `number`.
pub(crate) fn activity(number: usize) -> String {
    format!("quiz-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_protocol::launch::SignedLaunch;

    #[test]
    fn launch_tokens_open_with_the_secret_of_the_settings() {
        let text = Host::new().launch("u1", "quiz-1", [5; 16]).unwrap();
        let launch = SignedLaunch::parse(&text).unwrap();
        assert_eq!(launch.signer(), ("bench", 1));
        let claims = launch.open(&Signer::new(&SECRET)).unwrap();
        assert_eq!(claims.key_id(), Some(KeyId([5; 16])));
        assert!(
            settings("sqlite:latchkey.db", Setup::USUAL).contains(&URL_SAFE_NO_PAD.encode(SECRET))
        );
    }
}
