//! Keys and what is done with them.

use super::calls::first_row;
use super::group::{Failure, Writers, verdict};
use super::numbers::strands_of;
use super::sql::{self, Tries, transact};
use super::{PostgresStore, Shared};
use crate::store::{
    Action, Done, KeyCall, KeyRecord, Keys, Owner, Read, Refused, Rejected, StoreError, Subject,
    Verdict,
};
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::token::KeyId;
use std::sync::Arc;

#[async_trait]
impl Keys for PostgresStore {
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        // Whoever believes anything hears what is said against it.
        self.writers();
        sql::in_time(self.shared.key(id)).await
    }

    async fn call(&self, call: KeyCall) -> Result<Verdict, StoreError> {
        let (shared, writers) = (Arc::clone(&self.shared), self.writers().clone());
        // What has begun is finished, whether or not somebody still waits for it.
        let done = tokio::spawn(async move { do_call(&shared, &writers, Arc::new(call)).await });
        done.await.map_err(|_| StoreError::Closed)?
    }

    async fn read(&self, subject: Subject, read: Read) -> Result<Done, Rejected> {
        sql::in_time(self.shared.read(subject, &read, i64::MAX)).await
    }

    async fn revoke(
        &self,
        host: &str,
        id: KeyId,
        why: &str,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let Some(facts) = self.shared.facts(id).await? else { return Ok(false) };
        if *facts.host != *host {
            return Ok(false);
        }
        let end = "UPDATE keys SET revoked_at = $3, revoked_for = $4
                   WHERE strand = $1 AND id = $2 AND revoked_at IS NULL";
        let values: sql::Values<'_> = &[&facts.strand(), &&id.0[..], &now, &why];
        let ended = transact!(self, |tx| sql::run(&tx, end, values).await)?;
        self.shared.doubt_one(id);
        Ok(ended == 1)
    }

    async fn owner(&self, id: KeyId) -> Result<Option<Owner>, StoreError> {
        let facts = self.shared.facts(id).await?;
        Ok(facts.map(|facts| Owner {
            host: facts.host.to_string(),
            user: facts.user.to_string(),
            activity: facts.activity.to_string(),
            attempt: facts.subject.attempt,
        }))
    }

    async fn end_session(&self, host: &str, session: &str, now: Millis) -> Result<u64, StoreError> {
        let host = self.shared.host(host).await?;
        let strands: &[i64] = &strands_of(host);
        let ended = transact!(self, |tx| {
            let end = "INSERT INTO host_sessions (host, session, seen_at, ended_at)
                       VALUES ($1, $2, $3, $3) ON CONFLICT (host, session) DO UPDATE
                       SET seen_at = $3, ended_at = coalesce(host_sessions.ended_at, $3)";
            sql::run(&tx, end, &[&host, &session, &now]).await?;
            // After the session's row: a first use that held it has written its key by now.
            let end = "WITH live AS (
                           SELECT strand, id FROM keys
                           WHERE strand = ANY($1) AND session = $2 AND revoked_at IS NULL
                             AND ends_at > $3 ORDER BY strand, id FOR UPDATE)
                       UPDATE keys k SET revoked_at = $3, revoked_for = 'session ended'
                       FROM live WHERE k.strand = live.strand AND k.id = live.id";
            sql::run(&tx, end, &[&strands, &session, &now]).await
        })?;
        self.shared.doubt();
        Ok(ended)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let client = self.shared.writers.get().await?;
        // To hold a row is refused where nothing can be written.
        let hold = "SELECT version FROM schema_version FOR SHARE";
        match sql::in_time(sql::row(&client, hold, &[])).await? {
            Some(_) => Ok(()),
            None => Err(StoreError::Unreadable("the database has no version".into())),
        }
    }
}

/// Does a call, and again if it failed for no fault of its own.
async fn do_call(
    shared: &Shared,
    writers: &Writers,
    call: Arc<KeyCall>,
) -> Result<Verdict, StoreError> {
    let mut tries = Tries::default();
    loop {
        match try_call(shared, writers, &call).await {
            Ok(verdict) => return Ok(verdict),
            Err(failure) => {
                let Failure { error, unknown } = failure;
                if (unknown && !is_repeatable(&call)) || !tries.again(&error).await {
                    return Err(error);
                }
            }
        }
    }
}

/// Whether all that a call does is done once however often it is asked.
fn is_repeatable(call: &KeyCall) -> bool {
    call.work.iter().all(|work| match &work.action {
        _ if work.operation.is_some() => true,
        Action::Append(entries) => entries.iter().all(|entry| entry.id.is_some()),
        Action::Read(_) => true,
        Action::Submit(_) | Action::State(_) => false,
    })
}

async fn try_call(
    shared: &Shared,
    writers: &Writers,
    call: &Arc<KeyCall>,
) -> Result<Verdict, Failure> {
    let (facts, starts) = match (shared.facts(call.id).await?, &call.start) {
        (Some(facts), _) => (facts, false),
        (None, None) => return Ok(Verdict::Refused(Refused::Unknown)),
        (None, Some(new)) => {
            if let Err(refused) = first_row(new, call.now) {
                return Ok(Verdict::Refused(refused));
            }
            match shared.prepare(call, new).await? {
                Ok(facts) => (facts, true),
                Err(refused) => return Ok(Verdict::Refused(refused)),
            }
        }
    };
    let decided = writers.run(Arc::clone(call), Arc::clone(&facts), starts).await?;
    Ok(verdict(shared, &facts, decided).await)
}
