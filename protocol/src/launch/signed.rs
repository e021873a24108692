//! Reading a launch token: the header, then the signature, then the claims.

use super::{LaunchClaims, LaunchError, MAX_LEN, TYPE};
use crate::mac::Signer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::fmt;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// A launch token whose signature nobody has looked at yet.
pub struct SignedLaunch<'a> {
    signed: &'a str,
    payload: &'a str,
    mac: Vec<u8>,
    host: String,
    secret: u32,
}

impl<'a> SignedLaunch<'a> {
    /// Reads the header and nothing else.
    ///
    /// # Errors
    /// [`LaunchError::TooLong`], [`LaunchError::Shape`] or [`LaunchError::Header`].
    pub fn parse(text: &'a str) -> Result<Self, LaunchError> {
        if text.len() > MAX_LEN {
            return Err(LaunchError::TooLong);
        }
        let (signed, mac) = text.rsplit_once('.').ok_or(LaunchError::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(LaunchError::Shape)?;
        let header: OwnedHeader =
            serde_json::from_slice(&decode(header)?).map_err(|_| LaunchError::Header)?;
        if header.alg != "HS256" || header.typ != TYPE {
            return Err(LaunchError::Header);
        }
        let (host, secret) = header.kid.rsplit_once('.').ok_or(LaunchError::Header)?;
        let secret = secret.parse().map_err(|_| LaunchError::Header)?;
        Ok(Self { signed, payload, mac: decode(mac)?, host: host.to_owned(), secret })
    }

    /// The host that is said to have signed it, and the number of the secret.
    pub fn signer(&self) -> (&str, u32) {
        (&self.host, self.secret)
    }

    /// Checks the signature with that secret, then reads the claims. Ages are the caller's matter.
    ///
    /// # Errors
    /// [`LaunchError::Signature`], [`LaunchError::Claims`], [`LaunchError::Issuer`] or
    /// [`LaunchError::Value`].
    pub fn open(&self, secret: &Signer) -> Result<LaunchClaims, LaunchError> {
        // A JWT carries the whole MAC; the shorter one is for session tokens only.
        if self.mac.len() != 32 || !secret.verifies(self.signed.as_bytes(), &self.mac) {
            return Err(LaunchError::Signature);
        }
        let claims: LaunchClaims =
            serde_json::from_slice(&decode(self.payload)?).map_err(|_| LaunchError::Claims)?;
        if claims.iss != self.host {
            return Err(LaunchError::Issuer);
        }
        claims.check_values()?;
        Ok(claims)
    }
}

/// Shows whose it claims to be, nothing of its content.
impl fmt::Debug for SignedLaunch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedLaunch({}.{} …)", self.host, self.secret)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, LaunchError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| LaunchError::Shape)
}
