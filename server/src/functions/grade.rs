//! `grade`: a score for the user's work in the activity.

use super::{Function, decode, mismatch, write};
use crate::call::Call;
use crate::error::Refusal;
use crate::reply::Json;
use crate::store::{Action, Done, NewSubmission};
use latchkey_protocol::error::ErrorCode;
use latchkey_protocol::payload::{Given, GradeInput, MAX_COMMENT_LEN, Receipt, Standing};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// Submits a grade.
pub(super) struct Grade;

impl Function for Grade {
    fn name(&self) -> &'static str {
        "grade"
    }

    fn writes(&self, _: &Map<String, Value>) -> bool {
        true
    }

    fn about(&self) -> &'static str {
        "Submits a score. Every submission is kept; which of them counts is the activity's method."
    }

    fn example(&self) -> (&'static str, &'static str) {
        (
            r#"{"score":8.5,"comment":"Well done.","progress":"completed"}"#,
            r#"{"submission":"14","url":"https://latch.example/v1/entries/14","score":8.5,"max":10.0,"attempt":1,"standing":{"score":9.0,"max":10.0,"method":"highest"},"attempts_left":null}"#,
        )
    }

    fn shapes(&self, schemas: &mut SchemaGenerator) -> (Schema, Schema) {
        (GradeInput::json_schema(schemas), schemas.subschema_for::<Receipt>())
    }

    fn plan(&self, call: &Call, args: &Map<String, Value>) -> Result<Action, Refusal> {
        let input: GradeInput = decode(args)?;
        if input.attempt.is_some_and(|attempt| attempt != call.attempt) {
            return Err(Refusal::field(ErrorCode::ForeignSubject, "attempt"));
        }
        if let Given::Value(comment) = &input.comment
            && comment.len() > MAX_COMMENT_LEN
        {
            return Err(Refusal::field(ErrorCode::OutOfRange, "comment"));
        }
        let client_at =
            call.client_time(input.at.as_deref()).map_err(|code| Refusal::field(code, "at"))?;
        // A clock that runs ahead may not put its grades behind everybody else's for years.
        let sequence = input
            .sequence
            .map_or(call.now, |sequence| i64::try_from(sequence).unwrap_or(i64::MAX).min(call.now));
        Ok(Action::Submit(NewSubmission {
            score: input.score,
            max: input.max,
            comment: input.comment,
            progress: input.progress,
            grading: input.grading.unwrap_or_default(),
            sequence,
            client_at,
        }))
    }

    fn render(&self, call: &Call, done: Done) -> Result<Json, Refusal> {
        let Done::Submitted(done) = done else { return Err(mismatch()) };
        write(&Receipt {
            submission: done.seq.to_string(),
            url: call.entry_url(done.seq),
            score: done.score,
            max: done.max,
            attempt: done.attempt,
            standing: Standing {
                score: done.standing,
                max: done.standing_max,
                method: done.method,
                overridden: done.overridden,
            },
            attempts_left: done.attempts.map(|attempts| attempts.saturating_sub(done.attempt)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(args: Value) -> Result<NewSubmission, (ErrorCode, String)> {
        match Grade.plan(&Call::sample(), args.as_object().unwrap()) {
            Ok(Action::Submit(submission)) => Ok(submission),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err((refusal.code, refusal.field.unwrap().into_owned())),
        }
    }

    #[test]
    fn zero_is_a_score() {
        assert_eq!(plan(json!({"score": 0})).unwrap().score, 0.0);
    }

    #[test]
    fn a_sequence_is_never_ahead_of_the_server() {
        let now = Call::sample().now;
        assert_eq!(plan(json!({"score": 1})).unwrap().sequence, now);
        assert_eq!(plan(json!({"score": 1, "sequence": 5})).unwrap().sequence, 5);
        assert_eq!(plan(json!({"score": 1, "sequence": u64::MAX})).unwrap().sequence, now);
        assert_eq!(plan(json!({"score": 1, "sequence": -1})).unwrap_err().1, "sequence");
    }

    #[test]
    fn only_the_keys_own_attempt() {
        assert!(plan(json!({"score": 1, "attempt": 1})).is_ok());
        let other = plan(json!({"score": 1, "attempt": 2})).unwrap_err();
        assert_eq!(other, (ErrorCode::ForeignSubject, "attempt".into()));
    }

    #[test]
    fn long_comments_are_refused_whole() {
        assert!(plan(json!({"score": 1, "comment": "x".repeat(4096)})).is_ok());
        let long = plan(json!({"score": 1, "comment": "x".repeat(4097)})).unwrap_err();
        assert_eq!(long, (ErrorCode::OutOfRange, "comment".into()));
    }
}
