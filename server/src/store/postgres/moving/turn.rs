//! One copy at a time fills a target: the last that has begun. One before it finds out at its next transaction, of
//! which nothing is kept. So nothing has to be let go of by a copy that was killed.

use crate::store::StoreError;
use crate::store::moving::MoveError;
use deadpool_postgres::{Client, Transaction};
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;

/// Takes the turn from whoever has it.
pub(super) async fn take(client: &Client) -> Result<i64, StoreError> {
    let take = "INSERT INTO moving_turn VALUES (1, 1)
                ON CONFLICT (one) DO UPDATE SET turn = moving_turn.turn + 1 RETURNING turn";
    Ok(client.query_one(take, &[]).await?.try_get(0)?)
}

/// Does something in a transaction of that turn.
///
/// # Errors
/// [`MoveError::Overtaken`], if it is another's turn.
pub(super) fn within(
    runtime: &Runtime,
    client: &mut Client,
    turn: i64,
    work: impl AsyncFnOnce(&Transaction<'_>) -> Result<(), StoreError>,
) -> Result<(), MoveError> {
    let held = runtime.block_on(async {
        let transaction = client.transaction().await?;
        // Held until the commit: who takes the turn sees all that was done in this one.
        let hold = "UPDATE moving_turn SET turn = turn WHERE turn = $1";
        match transaction.execute(hold, &[&turn]).await {
            Ok(0) => return Ok(false),
            // Another copy has even ended.
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(false),
            held => held?,
        };
        work(&transaction).await?;
        transaction.commit().await?;
        Ok::<_, StoreError>(true)
    })?;
    if held { Ok(()) } else { Err(MoveError::Overtaken) }
}
