//! Which backend, by the URL. Nothing else in the program asks.

use super::postgres::{PostgresStore, Share};
use super::sqlite::SqliteStore;
use super::{Ended, SharedStore, StoreError};
use latchkey_protocol::Millis;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A database, by its whole URL.
    Postgres(String),
}

impl Place {
    /// The place of a URL; a file is sought in the folder `data`. `None` if it is of neither kind.
    pub fn of(url: &str, data: &Path) -> Option<Self> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            return (!file.is_empty()).then(|| Self::Sqlite(data.join(file)));
        }
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|it| url.starts_with(it));
        is_postgres.then(|| Self::Postgres(url.to_owned()))
    }
}

/// Opens the store of that place and brings it up to date. `server` is a random number, which tells this server
/// from others on the same database.
///
/// # Errors
/// When it cannot be had, or was written by a newer version.
pub fn open(
    place: &Place,
    share: Share,
    server: i64,
    now: Millis,
) -> Result<(SharedStore, Ended), StoreError> {
    Ok(match place {
        Place::Sqlite(file) => {
            let (store, ended) = SqliteStore::open(file, share.group)?;
            (Arc::new(store), ended)
        }
        Place::Postgres(url) => {
            let (store, ended) = PostgresStore::open(url, share, server, now)?;
            (Arc::new(store), ended)
        }
    })
}

/// The URL as it may be told to people: without a password.
pub fn without_password(url: &str) -> String {
    let (rest, query) = url.split_once('?').unwrap_or((url, ""));
    let mut shown = match rest.split_once("://") {
        Some((kind, place)) => match place.rsplit_once('@') {
            Some((who, place)) => {
                let user =
                    who.split_once(':').map_or(who.to_owned(), |(user, _)| format!("{user}:***"));
                format!("{kind}://{user}@{place}")
            }
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    for (at, part) in query.split('&').filter(|part| !part.is_empty()).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        shown.push_str(if part.starts_with("password=") { "password=***" } else { part });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_the_backend() {
        let of = |url| Place::of(url, Path::new("/data"));
        assert_eq!(of("sqlite:a.db"), Some(Place::Sqlite("/data/a.db".into())));
        assert_eq!(of("sqlite:/b.db"), Some(Place::Sqlite("/b.db".into())));
        for url in ["postgres://a@b/c", "postgresql:///c?host=/run"] {
            assert_eq!(of(url), Some(Place::Postgres(url.into())));
        }
        for url in ["", "sqlite:", "sqlite", "mysql://a@b/c", "postgres:a", "Postgres://a"] {
            assert_eq!(of(url), None, "{url}");
        }
    }

    #[test]
    fn no_password_is_told() {
        for (url, shown) in [
            ("postgres://ada:secret@db/latchkey", "postgres://ada:***@db/latchkey"),
            (
                "postgres://ada:se@cret@db/l?sslmode=require",
                "postgres://ada:***@db/l?sslmode=require",
            ),
            (
                "postgres:///l?host=/run&password=secret&user=a",
                "postgres:///l?host=/run&password=***&user=a",
            ),
            ("postgres://ada@db/latchkey", "postgres://ada@db/latchkey"),
            ("sqlite:latchkey.db", "sqlite:latchkey.db"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
