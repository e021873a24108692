//! What teachers rule about grades, and what becomes of the standing.

use super::*;
use crate::grades::ScoreError;

on_each_backend!(
    an_override_stands_whatever_is_submitted,
    the_score_may_be_out_of_another_maximum,
    taking_it_back_lets_the_submissions_count,
    the_same_again_changes_nothing,
    an_override_needs_no_submission,
    a_void_submission_stays_and_does_not_count,
    what_a_void_submission_said_is_taken_back,
    a_void_submission_leaves_an_override_alone,
    rulings_are_of_one_host,
    a_score_that_is_none_is_refused,
    rulings_survive_a_crash,
);

/// Ada's grade in the quiz.
pub(super) fn set(score: f64) -> NewOverride {
    NewOverride {
        user: "ada".into(),
        activity: "quiz".into(),
        score: Some(score),
        feedback: Some("Well argued".into()),
        scale: Some("B+".into()),
        reason: Some("oral exam".into()),
        by: Some("teacher".into()),
        ..NewOverride::default()
    }
}

/// Takes it back.
fn release() -> NewOverride {
    NewOverride { user: "ada".into(), activity: "quiz".into(), ..NewOverride::default() }
}

pub(super) async fn ruled(backend: &impl Backend, new: NewOverride) -> (GradeItem, bool) {
    backend.store().rule("school", new, NOW).await.unwrap()
}

pub(super) async fn voided(backend: &impl Backend, submission: i64) -> (GradeItem, bool) {
    backend.store().void("school", submission, "cheated", Some("teacher"), NOW).await.unwrap()
}

/// Hands in as ada, out of ten; the number.
pub(super) async fn hand_in(backend: &impl Backend, value: f64) -> i64 {
    let new = placed(out_of_ten(GradeMethod::Highest));
    with_launch(1, &new).to(submit(score(value))).submitted(backend).await.seq
}

async fn counts(backend: &impl Backend) -> (Option<f64>, Option<f64>) {
    let item = backend.store().grade("school", "quiz", "ada").await.unwrap().unwrap();
    let GradeItem { standing: StandingRow { tally, method, .. }, .. } = item;
    (tally.standing(method), tally.reported(method))
}

async fn an_override_stands_whatever_is_submitted(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    let (item, changed) = ruled(&backend, set(7.5)).await;
    assert!(changed);
    let ruling = item.standing.ruling.unwrap();
    assert_eq!(ruling.score, Some((7.5, 10.0)));
    assert_eq!((ruling.by.as_deref(), ruling.at), (Some("teacher"), NOW));
    assert_eq!(ruling.reason.as_deref(), Some("oral exam"));
    assert_eq!(ruling.feedback.as_deref(), Some("Well argued"));
    assert_eq!(ruling.scale.as_deref(), Some("B+"));
    assert_eq!(counts(&backend).await, (Some(7.5), Some(4.0)));
    hand_in(&backend, 10.0).await;
    assert_eq!(counts(&backend).await, (Some(7.5), Some(10.0)));
    let rows = backend.store().standings("school", "quiz").await.unwrap();
    assert_eq!(rows[0].ruling.as_ref(), Some(&ruling), "kept through the submission");
}

async fn the_score_may_be_out_of_another_maximum(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    let (item, _) = ruled(&backend, NewOverride { max: Some(20.0), ..set(15.0) }).await;
    assert_eq!(item.standing.ruling.unwrap().score, Some((15.0, 20.0)));
    assert_eq!(counts(&backend).await, (Some(7.5), Some(4.0)));
    // The activity's own maximum changes: the override keeps its share.
    let twenty = Placement { max: Some(20.0), ..Placement::default() };
    with_launch(2, &placed(twenty)).accepted(&backend).await;
    assert_eq!(counts(&backend).await, (Some(15.0), Some(8.0)));
}

async fn taking_it_back_lets_the_submissions_count(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    assert!(!ruled(&backend, release()).await.1, "there is none yet");
    ruled(&backend, set(0.0)).await;
    assert_eq!(counts(&backend).await, (Some(0.0), Some(4.0)), "zero is a grade");
    let (item, changed) = ruled(&backend, release()).await;
    assert!(changed && item.standing.ruling.is_none());
    assert_eq!(counts(&backend).await, (Some(4.0), Some(4.0)));
}

async fn the_same_again_changes_nothing(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    let first = ruled(&backend, set(7.5)).await.0.standing.ruling.unwrap();
    let (again, changed) = ruled(&backend, set(7.5)).await;
    assert!(!changed);
    assert_eq!(again.standing.ruling, Some(first));
    let other = NewOverride { reason: Some("second thoughts".into()), ..set(7.5) };
    assert!(ruled(&backend, other).await.1);
}

async fn an_override_needs_no_submission(backend: impl Backend) {
    with_launch(1, &placed(out_of_ten(GradeMethod::Latest))).accepted(&backend).await;
    assert!(backend.store().grade("school", "quiz", "ada").await.unwrap().is_none());
    ruled(&backend, set(7.5)).await;
    assert_eq!(counts(&backend).await, (Some(7.5), None));
    ruled(&backend, release()).await;
    assert_eq!(counts(&backend).await, (None, None));
    hand_in(&backend, 4.0).await;
    let rows = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    assert_eq!(rows.len(), 1);
}

async fn a_void_submission_stays_and_does_not_count(backend: impl Backend) {
    let (first, best) = (hand_in(&backend, 4.0).await, hand_in(&backend, 9.0).await);
    let (item, changed) = voided(&backend, best).await;
    assert!(changed);
    assert_eq!((item.standing.tally.count, item.standing.tally.highest), (1, 4.0));
    assert_eq!(counts(&backend).await, (Some(4.0), Some(4.0)));
    assert!(!voided(&backend, best).await.1, "once is enough");
    let rows = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [best, first]);
    let why = rows[0].voided.as_ref().unwrap();
    assert_eq!((why.reason.as_deref(), why.by.as_deref()), (Some("cheated"), Some("teacher")));
    assert!(rows[1].voided.is_none());
    // What comes later counts on top of what is left.
    hand_in(&backend, 6.0).await;
    assert_eq!(counts(&backend).await.0, Some(6.0));
    voided(&backend, first).await;
    assert_eq!(counts(&backend).await.0, Some(6.0));
}

async fn what_a_void_submission_said_is_taken_back(backend: impl Backend) {
    let say = async |comment: Given<String>, sequence| {
        let work = submit(NewSubmission { comment, sequence, ..score(5.0) });
        with_launch(1, &launch()).to(work).submitted(&backend).await.seq
    };
    let comment = async || {
        let item = backend.store().grade("school", "quiz", "ada").await.unwrap().unwrap();
        item.standing.tally.comment
    };
    say(Given::Value("kept".into()), NOW).await;
    let cleared = say(Given::Null, NOW + 1).await;
    let quiet = say(Given::Absent, NOW + 2).await;
    let wrong = say(Given::Value("wrong".into()), NOW + 3).await;
    assert_eq!(comment().await.as_deref(), Some("wrong"));
    voided(&backend, wrong).await;
    assert_eq!(comment().await, None, "null had taken the first back");
    voided(&backend, quiet).await;
    assert_eq!(comment().await, None);
    voided(&backend, cleared).await;
    assert_eq!(comment().await.as_deref(), Some("kept"));
}

async fn a_void_submission_leaves_an_override_alone(backend: impl Backend) {
    let only = hand_in(&backend, 4.0).await;
    let ruling = ruled(&backend, set(7.5)).await.0.standing.ruling;
    let (item, _) = voided(&backend, only).await;
    assert_eq!(item.standing.ruling, ruling);
    assert_eq!(counts(&backend).await, (Some(7.5), None));
}

async fn rulings_are_of_one_host(backend: impl Backend) {
    let seq = hand_in(&backend, 4.0).await;
    with_launch(2, &launch_for("academy", "ada", "exam")).accepted(&backend).await;
    let store = backend.store();
    for (host, new) in [
        ("academy", set(7.5)),
        ("nowhere", set(7.5)),
        ("school", NewOverride { activity: "exam".into(), ..set(7.5) }),
    ] {
        let refused = store.rule(host, new, NOW).await.unwrap_err();
        assert!(matches!(refused, RulingRefused::UnknownActivity), "{host}: {refused}");
    }
    let nobody = NewOverride { user: "nobody".into(), ..set(7.5) };
    let refused = store.rule("school", nobody, NOW).await.unwrap_err();
    assert!(matches!(refused, RulingRefused::UnknownUser));
    for (host, number) in [("academy", seq), ("school", seq + 1_000), ("school", 0), ("school", -1)]
    {
        let refused = store.void(host, number, "why", None, NOW).await.unwrap_err();
        assert!(matches!(refused, RulingRefused::UnknownSubmission), "{host} {number}");
    }
    assert!(store.submission("academy", seq).await.unwrap().is_none());
    assert!(store.entry("academy", seq).await.unwrap().is_none());
    assert!(store.submission("school", seq).await.unwrap().is_some());
    assert_eq!(counts(&backend).await, (Some(4.0), Some(4.0)));
}

async fn a_score_that_is_none_is_refused(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    for (value, max, error) in [
        (-0.5, None, ScoreError::Negative),
        (10.5, None, ScoreError::AboveMax),
        (f64::NAN, None, ScoreError::AboveMax),
        (5.0, Some(0.0), ScoreError::BadMax),
        (5.0, Some(f64::INFINITY), ScoreError::BadMax),
    ] {
        let new = NewOverride { max, ..set(value) };
        let refused = backend.store().rule("school", new, NOW).await.unwrap_err();
        assert!(matches!(refused, RulingRefused::Score(found) if found == error), "{value}");
    }
    assert_eq!(counts(&backend).await, (Some(4.0), Some(4.0)));
}

async fn rulings_survive_a_crash(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    let best = hand_in(&backend, 9.0).await;
    voided(&backend, best).await;
    let ruling = ruled(&backend, set(7.5)).await.0.standing.ruling.unwrap();
    let reopened = backend.crashed();
    assert_eq!(counts(&reopened).await, (Some(7.5), Some(4.0)));
    // The last number that was given was a ruling's: it is not given again.
    assert!(hand_in(&reopened, 5.0).await > ruling.seq);
}
