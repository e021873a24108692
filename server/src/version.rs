//! Which version of the wire a caller speaks, by the header `Latchkey-Version`.
//!
//! A version is the day on which something changed that a caller could notice. Whoever says none
//! speaks the one that its host is pinned to, and else the newest.

use axum::http::{HeaderMap, HeaderName};
use latchkey_protocol::error::ErrorCode;

/// The header, in requests and in every reply to them.
pub const HEADER: HeaderName = HeaderName::from_static("latchkey-version");

/// A version that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(&'static str);

/// All that are spoken, the oldest first. One that is taken out is gone.
pub const VERSIONS: &[Version] = &[Version("2026-11-22")];

impl Version {
    /// The newest, which whoever says nothing speaks.
    pub const NEWEST: Self = VERSIONS[VERSIONS.len() - 1];

    /// As it is written: a day.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The version of that day; `None` if it is not spoken, or not any more.
    pub fn of(day: &str) -> Option<Self> {
        VERSIONS.iter().copied().find(|version| version.0 == day)
    }

    /// The version that a request asks for, if it does.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownVersion`], if it is not spoken here, or asked for two are.
    pub fn asked(headers: &HeaderMap) -> Result<Option<Self>, ErrorCode> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let version = value.to_str().ok().and_then(Self::of);
        match (version, values.next()) {
            (Some(version), None) => Ok(Some(version)),
            _ => Err(ErrorCode::UnknownVersion),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn asked(values: &[&'static str]) -> Result<Option<Version>, ErrorCode> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        Version::asked(&headers)
    }

    #[test]
    fn one_that_is_spoken_or_none() {
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&["2026-11-22"]), Ok(Some(VERSIONS[0])));
        for others in [&["2026-11-21"][..], &[""], &["newest"], &["2026-11-22", "2026-11-22"]] {
            assert_eq!(asked(others), Err(ErrorCode::UnknownVersion), "{others:?}");
        }
    }

    #[test]
    fn versions_are_days_in_order() {
        assert!(VERSIONS.is_sorted() && VERSIONS.iter().all(|version| version.0.len() == 10));
        assert_eq!(Version::of(Version::NEWEST.as_str()), Some(Version::NEWEST));
    }
}
