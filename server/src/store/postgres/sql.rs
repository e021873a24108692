//! Running statements, and what their failures mean.

use crate::store::StoreError;
use deadpool_postgres::{GenericClient, PoolError};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

/// Values of a statement, in their order.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// All rows.
pub(super) async fn rows(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<Vec<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

/// The one row, if there is one.
pub(super) async fn row(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<Option<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, values).await?)
}

/// How many rows were changed.
pub(super) async fn run(
    client: &impl GenericClient,
    sql: &str,
    values: Values<'_>,
) -> Result<u64, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}

/// How often something is done again.
const TRIES: u32 = 5;
/// The pause before the second try after a lost connection; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(50);
/// After this long nothing is begun again: the client has to hear something before it gives up.
const ENOUGH: Duration = Duration::from_secs(5);
/// What the database has not answered after this long is taken for unanswered.
const ANSWER: Duration = Duration::from_secs(8);

/// Whether to do something again of which nothing was committed.
#[derive(Debug)]
pub(super) struct Tries {
    made: u32,
    begun: Instant,
}

impl Default for Tries {
    fn default() -> Self {
        Self { made: 0, begun: Instant::now() }
    }
}

impl Tries {
    /// Whether that failure is worth another try, and now. A database that is not there is waited for.
    pub(super) async fn again(&mut self, error: &StoreError) -> bool {
        self.made += 1;
        match error {
            _ if self.made >= TRIES || self.begun.elapsed() > ENOUGH => false,
            StoreError::Contended(_) => true,
            StoreError::Unreachable(_) => {
                tokio::time::sleep(PAUSE * (1 << self.made)).await;
                true
            }
            _ => false,
        }
    }
}

/// Waits for the database no longer than a call may take. It has its own limits, which a machine that is gone, a
/// standby that does not confirm and a process that stands still do not know of. What comes later is not waited for:
/// a connection on which that may be must not be used again.
pub(super) async fn in_time<T, E: From<StoreError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let late = || StoreError::Unreachable("no answer in time".into());
    timeout(ANSWER, work).await.unwrap_or_else(|_| Err(late().into()))
}

/// Before a commit. One that waits for standbys must never be cut short by `statement_timeout`: the server would
/// report success for what no standby has.
pub(super) async fn unhurried(transaction: &impl GenericClient) -> Result<(), StoreError> {
    Ok(transaction.batch_execute("SET LOCAL statement_timeout = 0").await?)
}

/// Does `$work`, an expression that may await and end early by `?`, in a transaction called `$tx`. If another
/// transaction was in the way or the connection was lost, all of it is done again: it must be such that
/// doing it twice does no harm.
macro_rules! transact {
    (on $shared:expr, |$tx:ident| $work:expr) => {{
        let mut tries = $crate::store::postgres::sql::Tries::default();
        loop {
            let done: Result<_, $crate::store::StoreError> = async {
                let mut client = $shared.client().await?;
                #[allow(unused_mut)]
                let mut $tx = client.transaction().await?;
                let done = $work?;
                $crate::store::postgres::sql::unhurried(&$tx).await?;
                $tx.commit().await?;
                Ok(done)
            }
            .await;
            match done {
                Err(error) => {
                    if !tries.again(&error).await {
                        break Err(error);
                    }
                    tracing::info!(%error, "a transaction is done again");
                }
                done => break done,
            }
        }
    }};
    ($store:expr, |$tx:ident| $work:expr) => {
        $crate::store::postgres::sql::transact!(on $store.shared, |$tx| $work)
    };
}
pub(super) use transact;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let Some(told) = error.as_db_error() else {
            // The texts of the driver itself hold no values.
            let text = with_causes(&error);
            return if error.is_closed() || is_io(&error) {
                Self::Unreachable(text)
            } else {
                Self::Database(text)
            };
        };
        // Never the detail, which holds values: an error text may end in a log.
        let text = format!("{} ({})", told.message(), told.code().code());
        let code = told.code();
        if is_contention(code) {
            Self::Contended(text)
        } else if is_unreachable(code) {
            Self::Unreachable(text)
        } else if is_beyond(code) {
            Self::Unable(text)
        } else {
            Self::Database(text)
        }
    }
}

/// The texts of the driver and of what is below it, which hold no values.
fn with_causes(error: &Error) -> String {
    let (mut text, mut source) = (error.to_string(), std::error::Error::source(error));
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        source = cause.source();
    }
    text
}

fn is_io(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}

fn is_contention(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
    ]
    .contains(code)
}

/// The server goes down, comes up, or has become a standby.
fn is_unreachable(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(code)
}

/// Time, memory or disk that it takes is not to be had.
fn is_beyond(code: &SqlState) -> bool {
    code.code().starts_with("53")
        || [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED, SqlState::IO_ERROR]
            .contains(code)
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Closed => Self::Closed,
            other => Self::Unreachable(other.to_string()),
        }
    }
}
