//! Fills a store through the front door: every entry is a call that the server answered, so the
//! store holds what use leaves behind, keys and joins included.

use crate::case;
use crate::clock;
use crate::flood::{Right, Shown, flood, thousands};
use crate::host::{self, Host, Setup};
use crate::ids::Ids;
use crate::process::Place;
use crate::rows::Rows;
use anyhow::{Result, ensure};
use clap::Args;
use latchkey_protocol::payload::MAX_ENTRIES;
use serde::Serialize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How much is in a filled store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Args)]
pub(crate) struct Size {
    /// Entries, divided evenly among the users.
    #[arg(long = "entries", default_value_t = Self::FULL.entries)]
    pub(crate) entries: usize,
    /// Users, each with a key.
    #[arg(long = "users", default_value_t = Self::FULL.users)]
    pub(crate) users: usize,
    /// Activities, the users divided evenly among them.
    #[arg(long = "activities", default_value_t = Self::FULL.activities)]
    pub(crate) activities: usize,
}

impl Size {
    /// A school's year.
    pub(crate) const FULL: Self = Self { entries: 2_000_000, users: 100_000, activities: 10_000 };
    /// What PostgreSQL is filled with: so many entries in one activity, or so many activities.
    pub(crate) const LARGE: Self =
        Self { entries: 10_000_000, users: 100_000, activities: 1_000_000 };

    /// The user and activity of client `number`.
    pub(crate) fn place(self, number: usize) -> (usize, usize) {
        let user = number % self.users;
        (user, user % self.activities)
    }

    fn each(self) -> usize {
        self.entries / self.users.max(1)
    }

    /// Whether a store of that size can be filled.
    pub(crate) fn check(self) -> Result<()> {
        let fits = self.users > 0
            && (1..=self.users).contains(&self.activities)
            && (1..=MAX_ENTRIES).contains(&self.each())
            && self.entries.is_multiple_of(self.users);
        ensure!(
            fits,
            "entries must be a multiple of users, 1 to {MAX_ENTRIES} each, and activities at most users"
        );
        Ok(())
    }
}

/// Fills the store in `data`.
pub(crate) async fn fill(place: &Place, data: &Path, size: Size) -> Result<()> {
    size.check()?;
    println!(
        "filling a store with {} entries of {} users in {} activities",
        thousands(size.entries as u64),
        thousands(size.users as u64),
        thousands(size.activities as u64)
    );
    let before = Rows::count(&place.store, data).await?;
    let server = place.latchkey(data, Setup::USUAL).await?;
    let (host, start) = (Host::new(), clock::now());
    let ids = Mutex::new(Ids::new()?);
    let at = clock::rfc3339(clock::wall_millis())?;
    let make = move |number: u64, request: &mut Vec<u8>| {
        let (user, activity) = size.place(usize::try_from(number)?);
        let millis = clock::wall_millis();
        let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
        let launch = host.launch(&host::user(user), &host::activity(activity), ids.key())?;
        let entries: Vec<_> = (0..size.each()).map(|_| ids.uuid_text(millis)).collect();
        let body = case::log_body(&entries, &at);
        request.extend_from_slice(case::post("/v1/log", &launch, None, &body).as_bytes());
        Ok(())
    };
    let right = Right { status: 200, mark: r#""accepted":"# };
    let shown = Shown { what: "entries", each: size.each() as u64 };
    flood(server.address, 0..size.users as u64, make, right, shown).await?;
    server.stop()?;
    let due = Rows { logs: size.entries as u64, submissions: 0 };
    before.grew_by(due, Rows::count(&place.store, data).await?)?;
    println!("filled in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { entries: 200, users: 10, activities: 5 };

    #[test]
    fn users_and_activities_wrap_around() {
        assert_eq!(SIZE.place(0), (0, 0));
        assert_eq!(SIZE.place(7), (7, 2));
        assert_eq!(SIZE.place(12), (2, 2));
        assert_eq!(SIZE.each(), 20);
    }

    #[test]
    fn uneven_sizes_are_refused() {
        assert!(SIZE.check().is_ok());
        let sizes = [(201, 10, 5), (0, 10, 5), (200, 0, 5), (200, 1, 1), (200, 10, 11)];
        for (entries, users, activities) in sizes {
            let size = Size { entries, users, activities };
            assert!(size.check().is_err(), "{size:?}");
        }
    }
}
