//! What forbids a first use: an ended web session, found thefts, too many live keys.
//!
//! Counted before the key's transaction, over all strands of the host, so that what is refused leaves nothing; and
//! the keys of one web session and user again within it, under their rows, since two servers may have found
//! the same last place free. The limit of a host is counted now and then, and holds but for the few that start at once.

use super::Shared;
use super::group::Job;
use super::numbers::{host_of, strands_of};
use super::sql;
use super::words::count;
use crate::store::{KeyCall, KeyLimits, NewKey, Refused, StoreError, THEFT_WINDOW};
use deadpool_postgres::{Client, GenericClient};
use latchkey_protocol::Millis;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

const LIVE_IN_SESSIONS: &str = "SELECT session, count(*) FROM keys
    WHERE strand = ANY($1) AND session = ANY($2)
      AND ends_at > $3 AND advanced_at > $4 AND revoked_at IS NULL GROUP BY session";

const LIVE_OF_USERS: &str = "SELECT user_id, count(*) FROM keys
    WHERE strand = ANY($1) AND user_id = ANY($2)
      AND ends_at > $3 AND advanced_at > $4 AND revoked_at IS NULL GROUP BY user_id";

/// Live keys of the web sessions and users whose rows a transaction holds.
#[derive(Debug, Default)]
pub(super) struct LiveCounts {
    sessions: HashMap<(i64, String), u32>,
    users: HashMap<i64, u32>,
}

/// What is counted of one host.
#[derive(Default)]
struct Counted<'a> {
    sessions: BTreeSet<&'a str>,
    users: BTreeSet<i64>,
    now: Millis,
    idle_since: Millis,
}

impl LiveCounts {
    /// Counts for these first uses.
    pub(super) async fn read(
        tx: &impl GenericClient,
        starting: &[&Job],
    ) -> Result<Self, StoreError> {
        let mut hosts = BTreeMap::<i64, Counted<'_>>::new();
        for job in starting {
            let counted = hosts.entry(host_of(job.facts.subject.activity)).or_default();
            counted.sessions.extend(job.start().and_then(|new| new.session.as_deref()));
            counted.users.insert(job.facts.subject.user);
            counted.now = counted.now.max(job.call.now);
            counted.idle_since = counted.now - job.call.windows.idle;
        }
        let mut live = Self::default();
        for (host, Counted { sessions, users, now, idle_since }) in hosts {
            let strands: &[i64] = &strands_of(host);
            let sessions: Vec<&str> = sessions.into_iter().collect();
            let users: Vec<i64> = users.into_iter().collect();
            let in_sessions: sql::Values<'_> = &[&strands, &sessions, &now, &idle_since];
            let of_users: sql::Values<'_> = &[&strands, &users, &now, &idle_since];
            let (in_sessions, of_users) = tokio::try_join!(
                async {
                    match sessions.is_empty() {
                        true => Ok(Vec::new()),
                        false => sql::rows(tx, LIVE_IN_SESSIONS, in_sessions).await,
                    }
                },
                sql::rows(tx, LIVE_OF_USERS, of_users),
            )?;
            for row in in_sessions {
                live.sessions.insert((host, row.try_get(0)?), count(row.try_get(1)?)?);
            }
            for row in of_users {
                live.users.insert(row.try_get(0)?, count(row.try_get(1)?)?);
            }
        }
        Ok(live)
    }

    /// Takes the place of one more key, if there is room.
    pub(super) fn take(
        &mut self,
        host: i64,
        session: Option<&str>,
        user: i64,
        limits: &KeyLimits,
    ) -> bool {
        let key = session.map(|session| (host, session.to_owned()));
        let in_session = key.as_ref().and_then(|key| self.sessions.get(key)).copied();
        let of_user = self.users.get(&user).copied().unwrap_or_default();
        if (key.is_some() && in_session.unwrap_or_default() >= limits.per_session)
            || of_user >= limits.per_user
        {
            return false;
        }
        if let Some(key) = key {
            *self.sessions.entry(key).or_default() += 1;
        }
        *self.users.entry(user).or_default() += 1;
        true
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
