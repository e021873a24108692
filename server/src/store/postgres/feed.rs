//! What a host reads back, in the order of the commits of each strand.
//!
//! A page is read at one moment. Where a strand has come is in its counter, so a reader that has seen everything
//! costs one statement and a look at its marks. Else each strand is walked from its mark on, the
//! changes are merged by their times, and what a page holds is then read at once.

mod page;
mod walk;

use super::PostgresStore;
use super::directory::{ACTIVITIES, USERS, known};
use super::numbers::strand_of_seq;
use crate::store::{
    FeedPage, FeedQuery, FeedRefused, Feeds, GradeItem, LogItem, StoreError, SubmissionItem,
};
use async_trait::async_trait;
pub(super) use page::one_grade;
use walk::{GRADES, LOG, SUBMISSIONS};

#[async_trait]
impl Feeds for PostgresStore {
    async fn grade_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<GradeItem>, FeedRefused> {
        let Some(host) = self.shared.known_host(host).await? else { return nowhere(&query) };
        let mut client = self.shared.client().await?;
        let moment = moment(&mut client).await?;
        let found = walk::walk(&moment, host, &query, &GRADES).await?;
        let items = page::grades(&moment, host, &found.changes).await?;
        Ok(FeedPage { items, upto: found.upto, more: found.more })
    }

    async fn submission_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<SubmissionItem>, FeedRefused> {
        let Some(host) = self.shared.known_host(host).await? else { return nowhere(&query) };
        let mut client = self.shared.client().await?;
        let moment = moment(&mut client).await?;
        let found = walk::walk(&moment, host, &query, &SUBMISSIONS).await?;
        let items = page::submissions(&moment, host, &found.changes).await?;
        Ok(FeedPage { items, upto: found.upto, more: found.more })
    }

    async fn log_feed(
        &self,
        host: &str,
        query: FeedQuery,
    ) -> Result<FeedPage<LogItem>, FeedRefused> {
        let Some(host) = self.shared.known_host(host).await? else { return nowhere(&query) };
        let mut client = self.shared.client().await?;
        let moment = moment(&mut client).await?;
        let found = walk::walk(&moment, host, &query, &LOG).await?;
        let items = page::entries(&moment, host, &found.changes).await?;
        Ok(FeedPage { items, upto: found.upto, more: found.more })
    }

    async fn grade(
        &self,
        host: &str,
        activity: &str,
        user: &str,
    ) -> Result<Option<GradeItem>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(None) };
        let client = self.shared.client().await?;
        let (activity, user) = tokio::try_join!(
            known(&client, &ACTIVITIES, host, activity),
            known(&client, &USERS, host, user),
        )?;
        match (activity, user) {
            (Some(activity), Some(user)) => one_grade(&client, host, activity.id, user.id).await,
            _ => Ok(None),
        }
    }

    async fn submission(&self, host: &str, seq: i64) -> Result<Option<SubmissionItem>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(None) };
        let client = self.shared.client().await?;
        let place = [(strand_of_seq(host, seq), seq)];
        Ok(page::submissions_at(&client, host, &place).await?.remove(&seq))
    }

    async fn entry(&self, host: &str, seq: i64) -> Result<Option<LogItem>, StoreError> {
        let Some(host) = self.shared.known_host(host).await? else { return Ok(None) };
        let client = self.shared.client().await?;
        let place = [(strand_of_seq(host, seq), seq)];
        Ok(page::entries_at(&client, host, &place).await?.remove(&seq))
    }
}

/// A transaction that sees the database as it is now, whatever is committed meanwhile.
async fn moment(
    client: &mut deadpool_postgres::Client,
) -> Result<deadpool_postgres::Transaction<'_>, StoreError> {
    let moment = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true);
    Ok(moment.start().await?)
}

/// The feed of a host that has never done anything.
fn nowhere<T>(query: &FeedQuery) -> Result<FeedPage<T>, FeedRefused> {
    if !query.since.marks.is_empty() {
        return Err(FeedRefused::Lost);
    }
    Ok(FeedPage { items: Vec::new(), upto: query.since.clone(), more: false })
}
