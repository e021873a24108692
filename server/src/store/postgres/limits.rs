//! What forbids a first use: an ended web session, found thefts, too many live keys.
//!
//! Counted before the key's transaction, over all strands of the host. Keys that start at the same moment on two
//! servers may both find the last place free: a limit holds but for the few that start at once.

use super::Shared;
use super::numbers::strands_of;
use super::sql;
use super::words::count;
use crate::store::{KeyCall, NewKey, Refused, StoreError, THEFT_WINDOW};
use deadpool_postgres::Client;
use latchkey_protocol::Millis;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Why keys end, as their rows tell it.
pub(super) const THEFT: &str = "theft";

/// Whose first use, by the store's numbers; 0 for what is not known yet.
pub(super) struct Asked<'a> {
    pub(super) call: &'a KeyCall,
    pub(super) new: &'a NewKey,
    pub(super) host: i64,
    pub(super) user: i64,
    pub(super) activity: i64,
}

const IN_SESSION: &str = "SELECT
        count(*) FILTER (WHERE activity = $3 AND revoked_for = $4 AND revoked_at > $5),
        count(*) FILTER (WHERE revoked_at IS NULL AND ends_at > $6 AND advanced_at > $7)
    FROM keys WHERE strand = ANY($1) AND session = $2";

const OF_USER: &str = "SELECT count(*) FROM keys WHERE strand = ANY($1) AND user_id = $2
    AND ends_at > $3 AND advanced_at > $4 AND revoked_at IS NULL";

const OF_HOST: &str = "SELECT count(*) FROM keys WHERE strand = ANY($1)
    AND ends_at > $2 AND advanced_at > $3 AND revoked_at IS NULL";

/// Why it must not be. A key counts as live while it may still be in use: not ended, and moved within the
/// idle limit.
pub(super) async fn refusal(
    shared: &Shared,
    client: &Client,
    asked: &Asked<'_>,
) -> Result<Option<Refused>, StoreError> {
    let Asked { call, new, host, user, activity } = *asked;
    let strands: &[i64] = &strands_of(host);
    let (now, idle_since) = (call.now, call.now - call.windows.idle);
    if let Some(session) = &new.session {
        let ended = "SELECT 1 FROM host_sessions
                     WHERE host = $1 AND session = $2 AND ended_at IS NOT NULL";
        if sql::row(client, ended, &[&host, session]).await?.is_some() {
            return Ok(Some(Refused::SessionEnded));
        }
        let since = now - THEFT_WINDOW;
        let values: sql::Values<'_> =
            &[&strands, session, &activity, &THEFT, &since, &now, &idle_since];
        let counted = sql::row(client, IN_SESSION, values).await?;
        let (thefts, live) = match counted {
            Some(row) => (count(row.try_get(0)?)?, count(row.try_get(1)?)?),
            None => (0, 0),
        };
        if thefts >= call.limits.thefts {
            return Ok(Some(Refused::Locked));
        }
        if live >= call.limits.per_session {
            return Ok(Some(Refused::TooManyKeys));
        }
    }
    let live = number(client, OF_USER, &[&strands, &user, &now, &idle_since]).await?;
    if live >= call.limits.per_user {
        return Ok(Some(Refused::TooManyKeys));
    }
    // Last, since it takes the place of the key.
    let limit = call.limits.per_host;
    let room = match shared.live.take(host, limit, now) {
        _ if limit == 0 => true,
        Some(room) => room,
        None => {
            let live = number(client, OF_HOST, &[&strands, &now, &idle_since]).await?;
            shared.live.counted(host, live, limit, now)
        }
    };
    Ok((!room).then_some(Refused::TooManyKeys))
}

async fn number(client: &Client, sql: &str, values: sql::Values<'_>) -> Result<u32, StoreError> {
    match sql::row(client, sql, values).await? {
        Some(row) => count(row.try_get(0)?),
        None => Ok(0),
    }
}

/// The time between two counts of one host.
const RECOUNT: Millis = 10_000;

/// How many live keys each host has, near enough: what was counted last, and every start here since. Other servers'
/// starts are known with the next count.
#[derive(Debug, Default)]
pub(super) struct LiveKeys(Mutex<HashMap<i64, (u32, Millis)>>);

impl LiveKeys {
    /// Takes the place of one more key by the last count, if there is one; `None` if that is too old.
    fn take(&self, host: i64, limit: u32, now: Millis) -> Option<bool> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (live, at) = hosts.get_mut(&host)?;
        if !(*at..*at + RECOUNT).contains(&now) {
            return None;
        }
        let room = *live < limit;
        *live += u32::from(room);
        Some(room)
    }

    /// The same by a new count.
    fn counted(&self, host: i64, live: u32, limit: u32, now: Millis) -> bool {
        let room = live < limit;
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.insert(host, (live + u32::from(room), now));
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_now_and_then() {
        let keys = LiveKeys::default();
        assert_eq!(keys.take(1, 3, 0), None);
        assert!(keys.counted(1, 1, 3, 0));
        assert_eq!(keys.take(1, 3, 1), Some(true));
        assert_eq!(keys.take(1, 3, 2), Some(false));
        assert_eq!(
            keys.take(1, 3, RECOUNT - 1),
            Some(false),
            "not counted for each that is refused"
        );
        assert_eq!(keys.take(1, 3, RECOUNT), None);
        assert!(!keys.counted(1, 3, 3, RECOUNT));
        assert_eq!(keys.take(1, 4, RECOUNT - 1), None, "a clock that was set back");
        assert_eq!(keys.take(2, 3, RECOUNT), None, "another host");
    }
}
