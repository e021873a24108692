//! From a launch token's claims to the key they start.

use crate::keys::decide::{LAUNCH_BRANCH, Presented};
use crate::policy::{Network, OPAQUE_ORIGIN, is_origin};
use crate::store::{Grant, NewKey};
use latchkey_protocol::Millis;
use latchkey_protocol::launch::{LaunchClaims, LaunchError, Rotation, SignedLaunch};
use latchkey_protocol::mac::Signer;
use latchkey_protocol::token::KeyId;
use std::collections::HashMap;
use thiserror::Error;

/// A host as the keys see it.
#[derive(Debug)]
pub struct Host {
    /// Its secrets by number. Two live at a time while one is being replaced.
    pub secrets: Vec<(u32, Signer)>,
    /// Origins of its pages, for launches that name none; empty for any.
    pub origins: Vec<String>,
    /// Whether a launch may name [`OPAQUE_ORIGIN`].
    pub opaque_origins: bool,
    /// Whether it may send a secret itself instead of a signature.
    pub bearer: bool,
}

/// All hosts, by id.
pub type Hosts = HashMap<String, Host>;

/// Lengths of life that a launch cannot exceed, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of a key whose launch does not say.
    pub default: Millis,
    /// Of any key.
    pub max: Millis,
    /// Of a key whose token does not change.
    pub fixed: Millis,
}

/// Why a launch token is refused. For logs only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LaunchRefusal {
    /// It is none of ours.
    #[error("launch token: {0}")]
    Token(#[from] LaunchError),
    /// A host, or a secret of it, that is not known here.
    #[error("launch token: unknown host or secret")]
    UnknownHost,
    /// Issued in the future.
    #[error("launch token: not yet valid")]
    NotYet,
}

/// A launch token that is in order.
#[derive(Debug)]
pub struct OpenLaunch {
    /// The key it starts or has started.
    pub id: KeyId,
    /// What presenting it presents: generation 0.
    pub presented: Presented,
    /// The key to make on first use.
    pub new: NewKey,
}

/// Reads a launch token: signature, claims, and whether it has begun. Whether it may still be used
/// for the first time is decided with the key's row.
///
/// # Errors
/// Why not; the caller tells its client nothing but that.
pub fn open(
    text: &str,
    hosts: &Hosts,
    lifetimes: &Lifetimes,
    now: Millis,
) -> Result<OpenLaunch, LaunchRefusal> {
    let signed = SignedLaunch::parse(text)?;
    let (host, number) = signed.signer();
    let host = hosts.get(host).ok_or(LaunchRefusal::UnknownHost)?;
    let (_, secret) = host
        .secrets
        .iter()
        .find(|(known, _)| *known == number)
        .ok_or(LaunchRefusal::UnknownHost)?;
    let claims = signed.open(secret)?;
    if !claims.has_begun(now / 1000) {
        return Err(LaunchRefusal::NotYet);
    }
    let id = claims.key_id().ok_or(LaunchError::Value("jti"))?;
    let presented = Presented {
        generation: 0,
        branch: LAUNCH_BRANCH,
        stamped_at: claims.iat.saturating_mul(1000),
    };
    Ok(OpenLaunch { id, presented, new: new_key(claims, host, lifetimes)? })
}

fn new_key(
    claims: LaunchClaims,
    host: &Host,
    lifetimes: &Lifetimes,
) -> Result<NewKey, LaunchRefusal> {
    let issued = claims.iat.saturating_mul(1000);
    let rotating = claims.rotation == Rotation::On;
    let longest = if rotating { lifetimes.max } else { lifetimes.fixed };
    let asked = match claims.key_exp {
        Some(end) => end.saturating_mul(1000),
        None => issued.saturating_add(lifetimes.default),
    };
    let defaults = || LaunchClaims::DEFAULT_FUNCTIONS.map(str::to_owned).to_vec();
    let grant = Grant {
        functions: claims.functions.unwrap_or_else(defaults),
        recent: claims.recent,
        mode: claims.mode,
        roles: claims.roles,
        origins: claims.origins.unwrap_or_else(|| host.origins.clone()),
        networks: claims.networks.unwrap_or_default(),
    };
    if grant.networks.iter().any(|text| text.parse::<Network>().is_err()) {
        return Err(LaunchError::Value("networks").into());
    }
    let opaque = |origin: &str| host.opaque_origins && origin == OPAQUE_ORIGIN;
    if !grant.origins.iter().all(|origin| is_origin(origin) || opaque(origin)) {
        return Err(LaunchError::Value("origins").into());
    }
    // Such a key is as good as a password: it must at least be tied to a place, and "null" is none.
    let placeless = grant.origins.is_empty() || grant.origins.iter().any(|origin| opaque(origin));
    if !rotating && placeless && grant.networks.is_empty() {
        return Err(LaunchError::Value("rotation").into());
    }
    Ok(NewKey {
        host: claims.iss,
        user: claims.sub,
        activity: claims.activity,
        attempt: claims.attempt,
        grant,
        session: claims.session,
        rotating,
        ends_at: asked.min(issued.saturating_add(longest)),
        start_until: claims.exp.saturating_mul(1000),
        about_user: claims.user,
        about_course: claims.course,
        about_activity: claims.placement,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000_000;
    const LIFETIMES: Lifetimes =
        Lifetimes { default: 8 * 3_600_000, max: 12 * 3_600_000, fixed: 3_600_000 };

    fn hosts() -> Hosts {
        let host = Host {
            secrets: vec![(1, Signer::new(&[1; 32])), (2, Signer::new(&[2; 32]))],
            origins: vec!["https://school.example".into()],
            opaque_origins: false,
            bearer: false,
        };
        HashMap::from([("school".to_owned(), host)])
    }

    fn claims() -> LaunchClaims {
        LaunchClaims::new("school", "u1", "quiz", KeyId([4; 16]), NOW / 1000)
    }

    fn signed(claims: &LaunchClaims) -> Result<OpenLaunch, LaunchRefusal> {
        let text = claims.sign(1, &Signer::new(&[1; 32])).unwrap();
        open(&text, &hosts(), &LIFETIMES, NOW)
    }

    #[test]
    fn defaults_are_the_narrow_ones() {
        let launch = signed(&claims()).unwrap();
        assert_eq!(launch.new.grant.functions, ["log", "grade", "recent"]);
        assert_eq!(launch.new.grant.origins, ["https://school.example"]);
        assert_eq!(launch.new.ends_at, NOW + LIFETIMES.default);
        assert_eq!((launch.presented.generation, launch.presented.branch), (0, [0; 8]));
    }

    #[test]
    fn no_key_lives_longer_than_the_limit() {
        let long = LaunchClaims { key_exp: Some(NOW / 1000 + 13 * 3600), ..claims() };
        assert_eq!(signed(&long).unwrap().new.ends_at, NOW + LIFETIMES.max);
        let fixed = LaunchClaims { rotation: Rotation::Off, ..long };
        assert_eq!(signed(&fixed).unwrap().new.ends_at, NOW + LIFETIMES.fixed);
    }

    #[test]
    fn a_token_that_stays_must_be_tied_to_a_place() {
        let loose = LaunchClaims { rotation: Rotation::Off, origins: Some(Vec::new()), ..claims() };
        assert_eq!(signed(&loose).unwrap_err(), LaunchError::Value("rotation").into());
        let tied = LaunchClaims { networks: Some(vec!["10.".into()]), ..loose };
        assert!(signed(&tied).is_ok());
    }

    #[test]
    fn both_secrets_of_a_host_are_good_and_no_other() {
        for (number, byte, good) in [(1, 1, true), (2, 2, true), (2, 1, false), (3, 1, false)] {
            let text = claims().sign(number, &Signer::new(&[byte; 32])).unwrap();
            assert_eq!(open(&text, &hosts(), &LIFETIMES, NOW).is_ok(), good, "{number} {byte}");
        }
        let stranger = LaunchClaims { iss: "other".into(), ..claims() };
        assert_eq!(signed(&stranger).unwrap_err(), LaunchRefusal::UnknownHost);
    }

    #[test]
    fn nonsense_in_a_restriction_restricts() {
        let networks = LaunchClaims { networks: Some(vec!["everywhere".into()]), ..claims() };
        assert_eq!(signed(&networks).unwrap_err(), LaunchError::Value("networks").into());
        let origins = LaunchClaims { origins: Some(vec!["*".into()]), ..claims() };
        assert_eq!(signed(&origins).unwrap_err(), LaunchError::Value("origins").into());
    }

    #[test]
    fn only_a_host_that_asked_for_it_launches_into_sandboxed_frames() {
        let framed = LaunchClaims { origins: Some(vec!["null".into()]), ..claims() };
        assert_eq!(signed(&framed).unwrap_err(), LaunchError::Value("origins").into());
        let text = framed.sign(1, &Signer::new(&[1; 32])).unwrap();
        let mut hosts = hosts();
        hosts.get_mut("school").unwrap().opaque_origins = true;
        let launch = open(&text, &hosts, &LIFETIMES, NOW).unwrap();
        assert_eq!(launch.new.grant.origins, ["null"]);
        let fixed = LaunchClaims { rotation: Rotation::Off, ..framed };
        let text = fixed.sign(1, &Signer::new(&[1; 32])).unwrap();
        let refusal = open(&text, &hosts, &LIFETIMES, NOW).unwrap_err();
        assert_eq!(refusal, LaunchError::Value("rotation").into(), "it names no place");
        // And a launch that names none is for the host's pages, as before.
        let plain = claims().sign(1, &Signer::new(&[1; 32])).unwrap();
        let launch = open(&plain, &hosts, &LIFETIMES, NOW).unwrap();
        assert_eq!(launch.new.grant.origins, ["https://school.example"]);
    }

    #[test]
    fn a_launch_from_the_future_waits() {
        let ahead =
            |seconds| LaunchClaims::new("school", "u", "a", KeyId([0; 16]), NOW / 1000 + seconds);
        assert!(signed(&ahead(60)).is_ok());
        assert_eq!(signed(&ahead(61)).unwrap_err(), LaunchRefusal::NotYet);
    }
}
