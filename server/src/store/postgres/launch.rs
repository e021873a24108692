//! What comes before a first use: what forbids it, and what the launch says of user, course and activity.
//!
//! It is committed before the key is written: that touches rows of the whole host, and the key's transaction
//! only its strand. If the server dies in between, what the launch says is known and its key is not.

use super::Shared;
use super::directory::{ACTIVITIES, COURSES, Row, Table, USERS, held, known};
use super::known::Facts;
use super::limits;
use super::numbers::strand_of;
use super::sql::{self, transact};
use super::words::word;
use crate::store::{KeyCall, NewKey, Refused, StoreError, Subject};
use deadpool_postgres::{GenericClient, Transaction};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio_postgres::types::ToSql;

/// The numbers of what a launch names.
struct Named {
    user: i64,
    activity: i64,
    course: Option<Row>,
}

impl Shared {
    /// Makes everything ready for the first use of a key, but for the key.
    pub(super) async fn prepare(
        &self,
        call: &KeyCall,
        new: &NewKey,
    ) -> Result<Result<Arc<Facts>, Refused>, StoreError> {
        let host = self.host(&new.host).await?;
        let client = self.client().await?;
        let user = known(&client, &USERS, host, &new.user).await?;
        let activity = known(&client, &ACTIVITIES, host, &new.activity).await?;
        if [user, activity].into_iter().flatten().any(|row| row.deleted) {
            return Ok(Err(Refused::Deleted));
        }
        // One that is not known yet has no keys: no row has the number 0.
        let [user_id, activity_id] = [user, activity].map(|row| row.map_or(0, |row| row.id));
        let asked = limits::Asked { call, new, host, user: user_id, activity: activity_id };
        if let Some(refused) = limits::refusal(self, &client, &asked).await? {
            return Ok(Err(refused));
        }
        let course = match &new.about_course {
            Some(about) => Some(known(&client, &COURSES, host, &about.id).await?),
            None => None,
        };
        // Given back before others are asked for.
        drop(client);
        let course = match (course, &new.about_course) {
            (Some(None), Some(about)) => {
                Some(Row { id: self.number(host, &about.id).await?, deleted: false })
            }
            (found, _) => found.flatten(),
        };
        let named = Named {
            user: self.or_new(host, user, &new.user).await?,
            activity: self.or_new(host, activity, &new.activity).await?,
            course,
        };
        let (grant_id, text) = fingerprint(new)?;
        let fresh = self.known.grant(grant_id, || None).is_none();
        let subject = transact!(on self, |tx| {
            if fresh {
                let insert = "INSERT INTO grants VALUES ($1, $2) ON CONFLICT DO NOTHING";
                sql::run(&tx, insert, &[&&grant_id[..], &text]).await?;
            }
            describe_all(&tx, host, new, &named).await
        })?;
        let grant = self.known.grant(grant_id, || Some(new.grant.clone()));
        Ok(Ok(Arc::new(Facts {
            host: self.hosts.name(&self.pool, host).await?,
            subject,
            user: new.user.as_str().into(),
            activity: new.activity.as_str().into(),
            grant: grant.unwrap_or_else(|| Arc::new(new.grant.clone())),
            grant_id,
        })))
    }

    async fn or_new(&self, host: i64, found: Option<Row>, key: &str) -> Result<i64, StoreError> {
        match found {
            Some(found) => Ok(found.id),
            None => self.number(host, key).await,
        }
    }
}

/// The id of a grant and its text.
pub(super) fn fingerprint(new: &NewKey) -> Result<([u8; 16], String), StoreError> {
    let text = serde_json::to_string(&new.grant)
        .map_err(|_| StoreError::Unreadable("a grant cannot be written".into()))?;
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    Ok((id, text))
}

/// Writes what the launch says; whom and what its key is for.
async fn describe_all(
    tx: &Transaction<'_>,
    host: i64,
    new: &NewKey,
    named: &Named,
) -> Result<Subject, StoreError> {
    // First and held: whoever deletes a course changes its row before looking for its activities.
    let mut course = None;
    if let (Some(about), Some(found)) = (&new.about_course, named.course) {
        let row = match held(tx, &COURSES, host, &about.id).await? {
            Some(row) => row,
            None => identify(tx, &COURSES, host, &about.id, found.id).await?,
        };
        let set: [Said<'_>; 4] = [&about.title, &about.shortname, &about.idnumber, &about.url];
        if !row.deleted {
            describe(tx, &COURSES, host, row.id, &set).await?;
            course = Some(row.id);
        }
    }
    let user = identify(tx, &USERS, host, &new.user, named.user).await?.id;
    if let Some(about) = &new.about_user {
        // A login name that somebody else has must not keep the student from working: it is left out.
        let username = match &about.username {
            Some(name) if username_taken(tx, host, name, &new.user).await? => &None,
            username => username,
        };
        let set: [Said<'_>; 4] = [&about.name, username, &about.email, &about.idnumber];
        describe(tx, &USERS, host, user, &set).await?;
    }
    let strand = strand_of(named.activity);
    let activity = identify(tx, &ACTIVITIES, host, &new.activity, named.activity).await?.id;
    if new.about_course.is_some() || new.about_activity.is_some() {
        let about = new.about_activity.clone().unwrap_or_default();
        let method = about.method.map(word).transpose()?;
        let attempts = about.attempts.map(i64::from);
        let set: [Said<'_>; 6] =
            [&course, &about.title, &about.url, &about.max, &method, &attempts];
        describe(tx, &ACTIVITIES, strand, activity, &set).await?;
    }
    Ok(Subject { activity, user, attempt: new.attempt })
}

type Said<'a> = &'a (dyn ToSql + Sync);

/// What the host calls `key`; made under the number `id` if it is new.
async fn identify(
    tx: &Transaction<'_>,
    table: &Table,
    host: i64,
    key: &str,
    id: i64,
) -> Result<Row, StoreError> {
    if let Some(found) = known(tx, table, host, key).await? {
        return Ok(found);
    }
    let sql = format!("INSERT INTO {} ({}, id, key) VALUES ($1, $2, $3)", table.name, table.place);
    // If somebody else was faster, all is done again, and theirs is found.
    sql::run(tx, &sql, &[&table.place_of(host, key), &id, &key]).await?;
    Ok(Row { id, deleted: false })
}

/// Whether another user of the host has that login name.
async fn username_taken(
    tx: &Transaction<'_>,
    host: i64,
    username: &str,
    except: &str,
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM users WHERE host = $1 AND username = $2 AND key <> $3";
    Ok(sql::row(tx, sql, &[&host, &username, &except]).await?.is_some())
}

/// Writes what a launch says, where it differs and the directory has said nothing. A value that is null says
/// nothing.
async fn describe(
    tx: &Transaction<'_>,
    table: &Table,
    place: i64,
    id: i64,
    set: &[Said<'_>],
) -> Result<(), StoreError> {
    let (mut assign, mut differs) = (Vec::new(), Vec::new());
    // A launch speaks of the first columns only.
    for (at, (name, kind)) in table.told().take(set.len()).enumerate() {
        let (bit, value) = (1_i64 << at, format!("${}::{kind}", at + 3));
        assign.push(format!(
            "{name} = CASE WHEN said & {bit} <> 0 THEN {name} ELSE coalesce({value}, {name}) END"
        ));
        differs.push(format!(
            "({value} IS NOT NULL AND said & {bit} = 0 AND {name} IS DISTINCT FROM {value})"
        ));
    }
    let sql = format!(
        "UPDATE {} SET {} WHERE {} = $1 AND id = $2 AND ({})",
        table.name,
        assign.join(", "),
        table.place,
        differs.join(" OR ")
    );
    let mut values: Vec<Said<'_>> = vec![&place, &id];
    values.extend(set);
    sql::run(tx, &sql, &values).await.map(drop)
}
