//! The signature by which a host's request is known: who, when, and over what.
//!
//! `Authorization: Latchkey-HMAC host=school, time=1795000000, nonce=…, signature=…`, where the signature is
//! the unpadded base64url of HMAC-SHA-256 under a secret of the host over five lines:
//!
//! ```text
//! METHOD
//! path and query, as they stand in the request line
//! time, Unix seconds
//! nonce
//! SHA-256 of the body in lower-case hexadecimal
//! ```
//!
//! Pure: time comes in, and whether a nonce is new is the store's to say.

use crate::keys::launch::Host;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::Millis;
use latchkey_protocol::mac::Signer;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The scheme of the header `Authorization`.
pub const SCHEME: &str = "Latchkey-HMAC";
/// How far the host's clock may be from ours, before or behind.
pub const WINDOW: Millis = 300_000;
/// Lengths of a nonce, in characters.
pub const NONCE_LEN: std::ops::RangeInclusive<usize> = 16..=64;
/// Secrets that are tried for every request, known host or not, so that the time tells nothing.
const TRIES: usize = 2;

/// What a signed request says of itself. Nobody has looked at the signature yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// Host id.
    pub host: &'a str,
    /// When it was signed, Unix seconds.
    pub time: i64,
    /// What makes it good once.
    pub nonce: &'a str,
    signature: [u8; 32],
}

impl<'a> Credential<'a> {
    /// Reads the header's value; `None` if it is no signature in the one form there is.
    pub fn parse(value: &'a str) -> Option<Self> {
        let (scheme, parameters) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return None;
        }
        let names = ["host", "time", "nonce", "signature"];
        let mut found = [None; 4];
        for parameter in parameters.split(',') {
            let (name, value) = parameter.trim().split_once('=')?;
            let place = &mut found[names.iter().position(|known| *known == name)?];
            if place.replace(value).is_some() {
                return None;
            }
        }
        let [host, time, nonce, signature] = found;
        let (host, nonce) = (host?, nonce?);
        let fits = NONCE_LEN.contains(&nonce.len())
            && nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let signature = URL_SAFE_NO_PAD.decode(signature?).ok()?.try_into().ok()?;
        (fits && !host.is_empty()).then_some(())?;
        Some(Self { host, time: seconds(time?)?, nonce, signature })
    }

    /// Whether it was signed close enough to `now`.
    pub fn is_timely(&self, now: Millis) -> bool {
        (now - self.time.saturating_mul(1000)).abs() <= WINDOW
    }

    /// Whether one of the host's secrets made the signature over that request. A host that is not
    /// known costs as much as one that is.
    pub fn verifies(&self, host: Option<&Host>, message: &str) -> bool {
        let secrets = host.map(|host| host.secrets.as_slice()).unwrap_or_default();
        let nobody = Signer::new(&[0; 32]);
        let mut good = false;
        for at in 0..secrets.len().max(TRIES) {
            match secrets.get(at) {
                Some((_, secret)) => good |= secret.verifies(message.as_bytes(), &self.signature),
                // Never good, whatever it says: the secret of nobody is known to everybody.
                None => {
                    std::hint::black_box(nobody.verifies(message.as_bytes(), &self.signature));
                }
            }
        }
        good
    }
}

/// Digits only: no sign, no space, not beyond the year 33658.
fn seconds(text: &str) -> Option<i64> {
    let fits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

/// What is signed. `target` is path and query as in the request line.
pub fn message(method: &str, target: &str, time: i64, nonce: &str, body: &[u8; 32]) -> String {
    let mut text = format!("{method}\n{target}\n{time}\n{nonce}\n");
    for byte in body {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The header's value for a request, as a host makes it.
pub fn sign(
    host: &str,
    secret: &Signer,
    method: &str,
    target: &str,
    body: &[u8],
    time: i64,
    nonce: &str,
) -> String {
    let text = message(method, target, time, nonce, &Sha256::digest(body).into());
    let signature = URL_SAFE_NO_PAD.encode(secret.sign(text.as_bytes()));
    format!("{SCHEME} host={host}, time={time}, nonce={nonce}, signature={signature}")
}

/// The host of those whose secret this is, among those that may send it as it is.
pub fn bearer<'a>(
    hosts: impl Iterator<Item = (&'a String, &'a Host)>,
    secret: &str,
) -> Option<&'a str> {
    const PROOF: &[u8] = b"latchkey bearer";
    let presented = Signer::new(&crate::config::secret_bytes(secret)?).sign(PROOF);
    let mut found = None;
    for (id, host) in hosts.filter(|(_, host)| host.bearer) {
        for (_, known) in &host.secrets {
            if known.verifies(PROOF, &presented) {
                found = Some(id.as_str());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef";

    fn host(bytes: &[u8]) -> Host {
        let secrets = bytes
            .iter()
            .enumerate()
            .map(|(at, byte)| (u32::try_from(at).unwrap() + 1, Signer::new(&[*byte; 32])));
        Host {
            secrets: secrets.collect(),
            origins: Vec::new(),
            opaque_origins: false,
            bearer: true,
        }
    }

    fn signed(byte: u8) -> String {
        sign("school", &Signer::new(&[byte; 32]), "POST", "/host/v1/users?a=1", b"{}", 100, NONCE)
    }

    fn over(method: &str, target: &str, time: i64, nonce: &str, body: &[u8]) -> String {
        message(method, target, time, nonce, &Sha256::digest(body).into())
    }

    #[test]
    fn reads_what_it_writes() {
        let text = signed(1);
        let credential = Credential::parse(&text).unwrap();
        assert_eq!((credential.host, credential.time, credential.nonce), ("school", 100, NONCE));
        let lower = text.replacen(SCHEME, "latchkey-hmac", 1).replace(", ", ",");
        assert_eq!(Credential::parse(&lower), Some(credential));
    }

    #[test]
    fn any_of_the_secrets_is_good_and_no_other() {
        let message = over("POST", "/host/v1/users?a=1", 100, NONCE, b"{}");
        let good = |byte, host: Option<&Host>| {
            let text = signed(byte);
            Credential::parse(&text).unwrap().verifies(host, &message)
        };
        let three = host(&[1, 2, 3]);
        for (byte, expected) in [(1, true), (2, true), (3, true), (4, false), (0, false)] {
            assert_eq!(good(byte, Some(&three)), expected, "{byte}");
        }
        // The stand-in for a host that is not there lets nobody in, though its secret is no secret.
        assert!(!good(0, None) && !good(1, None) && !good(0, Some(&host(&[]))));
    }

    #[test]
    fn each_part_is_signed() {
        let (text, school) = (signed(1), host(&[1]));
        let credential = Credential::parse(&text).unwrap();
        let good = ("POST", "/host/v1/users?a=1", 100, NONCE, &b"{}"[..]);
        let check = |(method, target, time, nonce, body): (&str, &str, i64, &str, &[u8])| {
            credential.verifies(Some(&school), &over(method, target, time, nonce, body))
        };
        assert!(check(good));
        assert!(!check(("PUT", good.1, 100, NONCE, b"{}")));
        assert!(!check(("POST", "/host/v1/users?a=2", 100, NONCE, b"{}")));
        assert!(!check(("POST", good.1, 101, NONCE, b"{}")));
        assert!(!check(("POST", good.1, 100, "0123456789abcdeg", b"{}")));
        assert!(!check(("POST", good.1, 100, NONCE, b"{ }")));
    }

    #[test]
    fn other_forms_are_refused() {
        let good = signed(1);
        for (part, other) in [
            ("Latchkey-HMAC ", "Bearer "),
            ("time=100", "time=+100"),
            ("time=100", "time=1e2"),
            ("time=100", "time="),
            ("time=100", "time=1000000000000"),
            ("time=100, ", ""),
            ("host=school", "host="),
            ("host=school", "host=school, host=school"),
            ("host=school", "host=school, realm=x"),
            ("nonce=0123456789abcdef", "nonce=0123456789abcde"),
            ("nonce=0123456789abcdef", "nonce=0123456789abcde/"),
            ("signature=", "signature=A"),
            ("signature=", "signature=\""),
        ] {
            assert!(good.contains(part), "{part}");
            assert_eq!(Credential::parse(&good.replace(part, other)), None, "{other}");
        }
        assert_eq!(Credential::parse(""), None);
        assert_eq!(Credential::parse(&format!("{good}=")), None);
    }

    #[test]
    fn both_sides_of_the_window() {
        let text = signed(1);
        let credential = Credential::parse(&text).unwrap();
        for (now, timely) in [
            (100_000, true),
            (100_000 + WINDOW, true),
            (100_001 + WINDOW, false),
            (100_000 - WINDOW, true),
            (99_999 - WINDOW, false),
        ] {
            assert_eq!(credential.is_timely(now), timely, "{now}");
        }
    }

    #[test]
    fn a_secret_by_itself_names_its_host_where_that_is_allowed() {
        let text = |byte: u8| URL_SAFE_NO_PAD.encode([byte; 32]);
        let closed = Host { bearer: false, ..host(&[3]) };
        let hosts = [("a".to_owned(), host(&[1, 2])), ("b".to_owned(), closed)];
        let whose = |secret: &str| bearer(hosts.iter().map(|(id, host)| (id, host)), secret);
        assert_eq!(whose(&text(1)), Some("a"));
        assert_eq!(whose(&text(2)), Some("a"));
        assert_eq!(whose(&text(3)), None);
        assert_eq!(whose(&text(4)), None);
        assert_eq!(whose(""), None);
    }
}
