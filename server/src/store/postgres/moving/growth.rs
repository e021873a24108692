//! What only grows, by the numbers of its strands; and numbers that one run of a copy keeps for the next.

use crate::store::StoreError;
use crate::store::moving::{Given, Kept, Marks, Span, Table};
use crate::store::postgres::sql;
use deadpool_postgres::{Client, Transaction};

/// Numbers read at once: there may be very many, and each is small.
const NUMBERS: i64 = 50_000;

/// The greatest number of each strand that has any: from one strand to the next, each by a look at an index.
pub(super) async fn upto(client: &Client) -> Result<Marks, StoreError> {
    let next = "SELECT least((SELECT min(strand) FROM entries WHERE strand > $1),
                             (SELECT min(strand) FROM submissions WHERE strand > $1),
                             (SELECT min(strand) FROM rulings WHERE strand > $1))";
    let last = "SELECT greatest((SELECT max(seq) FROM entries WHERE strand = $1),
                                (SELECT max(seq) FROM submissions WHERE strand = $1),
                                (SELECT max(seq) FROM rulings WHERE strand = $1))";
    let (mut marks, mut strand) = (Marks::new(), -1_i64);
    while let Some(next) = number(client, next, strand).await? {
        strand = next;
        if let Some(last) = number(client, last, strand).await? {
            marks.insert(strand, last);
        }
    }
    Ok(marks)
}

async fn number(client: &Client, sql: &str, strand: i64) -> Result<Option<i64>, StoreError> {
    let row = sql::row(client, sql, &[&strand]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.flatten())
}

/// How many rows there are in each of those spans that has any.
pub(super) async fn counts(
    client: &Client,
    table: &Table,
    spans: &[Span],
) -> Result<Marks, StoreError> {
    let sql = format!(
        "SELECT t.strand, count(*) FROM {} t
         JOIN unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[]) AS s (strand, past, upto)
           ON t.strand = s.strand AND t.seq > s.past AND t.seq <= s.upto
         GROUP BY t.strand",
        table.name
    );
    let of = |number: fn(&Span) -> i64| spans.iter().map(number).collect::<Vec<_>>();
    let (strands, past, upto) = (of(|it| it.strand), of(|it| it.past), of(|it| it.upto));
    let rows = sql::rows(client, &sql, &[&strands, &past, &upto]).await?;
    let counts = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(counts.collect::<Result<_, tokio_postgres::Error>>()?)
}

/// The first numbers of a span, in their order.
pub(super) async fn given(client: &Client, span: Span) -> Result<Vec<Given>, StoreError> {
    let parts = ["entries", "submissions", "rulings"].map(|table| {
        format!("SELECT seq, at FROM {table} WHERE strand = $1 AND seq > $2 AND seq <= $3")
    });
    let sql = format!("{} ORDER BY 1 LIMIT $4", parts.join(" UNION ALL "));
    let Span { strand, past, upto } = span;
    let rows = sql::rows(client, &sql, &[&strand, &past, &upto, &NUMBERS]).await?;
    let given =
        |row: &tokio_postgres::Row| Ok(Given { strand, seq: row.try_get(0)?, at: row.try_get(1)? });
    Ok(rows.iter().map(given).collect::<Result<_, tokio_postgres::Error>>()?)
}

pub(super) async fn keep(tx: &Transaction<'_>, numbers: &[Kept]) -> Result<(), StoreError> {
    let insert = "INSERT INTO moving_numbers
                  SELECT * FROM unnest($1::TEXT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[])
                  ON CONFLICT (of, strand, old) DO UPDATE SET new = excluded.new";
    let of: Vec<_> = numbers.iter().map(|it| it.of).collect();
    let all = |number: fn(&Kept) -> i64| numbers.iter().map(number).collect::<Vec<_>>();
    let (strand, old, new) = (all(|it| it.strand), all(|it| it.old), all(|it| it.new));
    sql::run(tx, insert, &[&of, &strand, &old, &new]).await?;
    Ok(())
}

pub(super) async fn kept(client: &Client, of: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = "SELECT old, new FROM moving_numbers WHERE of = $1";
    let rows = sql::rows(client, sql, &[&of]).await?;
    let kept = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(kept.collect::<Result<_, tokio_postgres::Error>>()?)
}
