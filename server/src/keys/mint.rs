//! Launch tokens for hosts that let this server mint them. Nothing is stored: a page that is rendered
//! and never used leaves no trace.

use super::launch::{Hosts, LaunchRefusal, Lifetimes, open};
use latchkey_protocol::Millis;
use latchkey_protocol::launch::{LaunchClaims, LaunchError};
use latchkey_protocol::token::KeyId;
use std::time::Duration;
use thiserror::Error;

/// Why a launch token cannot be minted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MintError {
    /// No such host in the settings.
    #[error("no host of this id is configured")]
    UnknownHost,
    /// Claims that no server would accept.
    #[error("{0}")]
    Claims(#[from] LaunchError),
}

/// Claims with a fresh id, good for a first use within `wait`, to be narrowed and described.
pub fn claims(
    host: &str,
    user: &str,
    activity: &str,
    id: KeyId,
    wait: Duration,
    now: Millis,
) -> LaunchClaims {
    let mut claims = LaunchClaims::new(host, user, activity, id, now / 1000);
    let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).max(1);
    claims.exp = claims.iat.saturating_add(wait);
    claims
}

/// Signs a launch token with the newest secret of the host it names.
///
/// # Errors
/// [`MintError`], if the host is unknown or the claims would be refused when presented.
pub fn sign(
    hosts: &Hosts,
    lifetimes: &Lifetimes,
    claims: &LaunchClaims,
    now: Millis,
) -> Result<String, MintError> {
    let host = hosts.get(&claims.iss).ok_or(MintError::UnknownHost)?;
    let newest = host.secrets.iter().max_by_key(|(number, _)| *number);
    let (number, secret) = newest.ok_or(MintError::UnknownHost)?;
    let text = claims.sign(*number, secret)?;
    match open(&text, hosts, lifetimes, now) {
        Ok(_) => Ok(text),
        Err(LaunchRefusal::Token(error)) => Err(error.into()),
        Err(_) => Err(LaunchError::Claims.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::launch::Host;
    use latchkey_protocol::mac::Signer;

    const LIFETIMES: Lifetimes = Lifetimes { default: 1_000_000, max: 2_000_000, fixed: 500_000 };

    fn hosts() -> Hosts {
        let secrets = vec![(1, Signer::new(&[1; 32])), (2, Signer::new(&[2; 32]))];
        Hosts::from([(
            "school".to_owned(),
            Host { secrets, origins: Vec::new(), opaque_origins: false, bearer: false },
        )])
    }

    fn asked(host: &str) -> LaunchClaims {
        claims(host, "u1", "quiz", KeyId([1; 16]), Duration::from_secs(900), 5_000)
    }

    #[test]
    fn signed_with_the_newest_secret() {
        let text = sign(&hosts(), &LIFETIMES, &asked("school"), 5_000).unwrap();
        let signed = latchkey_protocol::launch::SignedLaunch::parse(&text).unwrap();
        assert_eq!(signed.signer(), ("school", 2));
        assert_eq!(open(&text, &hosts(), &LIFETIMES, 5_000).unwrap().new.start_until, 905_000);
    }

    #[test]
    fn what_would_be_refused_is_not_signed() {
        let signed = |claims: &LaunchClaims| sign(&hosts(), &LIFETIMES, claims, 5_000);
        assert_eq!(signed(&asked("other")), Err(MintError::UnknownHost));
        let nobody = LaunchClaims { sub: String::new(), ..asked("school") };
        assert_eq!(signed(&nobody), Err(LaunchError::Value("sub").into()));
        let nowhere = LaunchClaims { networks: Some(vec!["x".into()]), ..asked("school") };
        assert_eq!(signed(&nowhere), Err(LaunchError::Value("networks").into()));
    }
}
