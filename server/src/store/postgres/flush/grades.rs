//! What a batch has gathered of grades.

use super::{column, many};
use crate::store::StoreError;
use crate::store::postgres::batch::Batch;
use crate::store::postgres::numbers::strand_of;
use crate::store::postgres::sql::Values;
use crate::store::postgres::words::word;
use deadpool_postgres::GenericClient;
use latchkey_protocol::payload::Given;

pub(super) const SUBMISSIONS: &str =
    "INSERT INTO submissions (strand, seq, activity, user_id, attempt, score, max,
        sequence, at, client_at, clears, key, grading, progress, comment)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[],
        $6::DOUBLE PRECISION[], $7::DOUBLE PRECISION[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[],
        $11::BOOLEAN[], $12::BYTEA[], $13::TEXT[], $14::TEXT[], $15::TEXT[])";

pub(super) const STANDINGS: &str =
    "INSERT INTO standings (strand, activity, user_id, max, count, sum, highest,
        first, first_sequence, latest, latest_sequence, override, ruling, last, updated_at,
        progress, comment)
    SELECT * FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BIGINT[], $4::DOUBLE PRECISION[],
        $5::BIGINT[], $6::DOUBLE PRECISION[], $7::DOUBLE PRECISION[], $8::DOUBLE PRECISION[],
        $9::BIGINT[], $10::DOUBLE PRECISION[], $11::BIGINT[], $12::DOUBLE PRECISION[],
        $13::BIGINT[], $14::BIGINT[], $15::BIGINT[], $16::TEXT[], $17::TEXT[])
    ON CONFLICT (strand, activity, user_id) DO UPDATE SET
        max = excluded.max, count = excluded.count, sum = excluded.sum,
        highest = excluded.highest, first = excluded.first,
        first_sequence = excluded.first_sequence, latest = excluded.latest,
        latest_sequence = excluded.latest_sequence, override = excluded.override,
        ruling = excluded.ruling, last = excluded.last, updated_at = excluded.updated_at,
        progress = excluded.progress, comment = excluded.comment";

impl Batch {
    pub(super) async fn flush_submissions(
        &self,
        transaction: &impl GenericClient,
    ) -> Result<(), StoreError> {
        let kept = &self.submissions;
        let grading =
            kept.iter().map(|kept| word(kept.new.grading)).collect::<Result<Vec<_>, _>>()?;
        let progress = kept.iter().map(|kept| kept.new.progress.map(word).transpose());
        let progress = progress.collect::<Result<Vec<_>, _>>()?;
        let values: Values<'_> = &[
            &column(kept, |kept| strand_of(kept.subject.activity)),
            &column(kept, |kept| kept.seq),
            &column(kept, |kept| kept.subject.activity),
            &column(kept, |kept| kept.subject.user),
            &column(kept, |kept| i64::from(kept.subject.attempt)),
            &column(kept, |kept| kept.score),
            &column(kept, |kept| kept.max),
            &column(kept, |kept| kept.new.sequence),
            &column(kept, |kept| kept.at),
            &column(kept, |kept| kept.new.client_at),
            &column(kept, |kept| kept.new.comment == Given::Null),
            &column(kept, |kept| &kept.key.0[..]),
            &grading,
            &progress,
            &column(kept, |kept| match &kept.new.comment {
                Given::Value(text) => Some(text.as_str()),
                _ => None,
            }),
        ];
        many(transaction, SUBMISSIONS, kept.len(), values).await.map(drop)
    }

    pub(super) async fn flush_standings(
        &self,
        transaction: &impl GenericClient,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = self.standings.iter().collect();
        let progress = rows.iter().map(|(_, (it, _))| it.tally.progress.map(word).transpose());
        let progress = progress.collect::<Result<Vec<_>, _>>()?;
        let values: Values<'_> = &[
            &column(&rows, |((activity, _), _)| strand_of(*activity)),
            &column(&rows, |((activity, _), _)| *activity),
            &column(&rows, |((_, user), _)| *user),
            &column(&rows, |(_, (it, _))| it.tally.max),
            &column(&rows, |(_, (it, _))| i64::from(it.tally.count)),
            &column(&rows, |(_, (it, _))| it.tally.sum),
            &column(&rows, |(_, (it, _))| it.tally.highest),
            &column(&rows, |(_, (it, _))| it.tally.first.0),
            &column(&rows, |(_, (it, _))| it.tally.first.1),
            &column(&rows, |(_, (it, _))| it.tally.latest.0),
            &column(&rows, |(_, (it, _))| it.tally.latest.1),
            &column(&rows, |(_, (it, _))| it.tally.overridden),
            &column(&rows, |(_, (it, _))| it.ruling),
            &column(&rows, |(_, (it, _))| it.last),
            &column(&rows, |(_, (_, at))| *at),
            &progress,
            &column(&rows, |(_, (it, _))| it.tally.comment.as_deref()),
        ];
        many(transaction, STANDINGS, rows.len(), values).await.map(drop)
    }
}
