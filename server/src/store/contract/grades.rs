//! Submissions and what they come to.

use super::*;
use latchkey_protocol::payload::Progress;

on_each_backend!(
    each_method_picks_its_own,
    late_sequences_do_not_turn_the_latest_back,
    comments_absent_null_and_empty_differ,
    progress_follows_the_newest_that_says_so,
    what_is_not_fully_graded_is_kept_and_does_not_count,
    attempts_run_out,
    scores_keep_to_their_limits,
    another_maximum_rescales_what_stands,
    a_teachers_grade_stands,
    every_submission_is_kept,
    standings_are_of_one_activity_at_one_host,
);

async fn standing(backend: &impl Backend, activity: &str) -> StandingRow {
    let mut rows = backend.store().standings("school", activity).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

async fn each_method_picks_its_own(backend: impl Backend) {
    for (number, method, expected) in [
        (1, GradeMethod::Highest, 9.0),
        (2, GradeMethod::Latest, 5.0),
        (3, GradeMethod::First, 4.0),
        (4, GradeMethod::Average, 6.0),
    ] {
        let activity = format!("activity {number}");
        let placement = Some(out_of_ten(method));
        let new = NewKey { about_activity: placement, activity: activity.clone(), ..launch() };
        let mut last = None;
        for (at, value) in [(1, 4.0), (2, 9.0), (3, 5.0)] {
            let work = submit(NewSubmission { sequence: NOW + at, ..score(value) });
            last = Some(with_launch(number, &new).to(work).submitted(&backend).await);
        }
        let last = last.unwrap();
        assert_eq!((last.standing, last.standing_max, last.method), (Some(expected), 10.0, method));
        let row = standing(&backend, &activity).await;
        assert_eq!(row.tally.standing(row.method), Some(expected), "{method:?}");
    }
}

async fn late_sequences_do_not_turn_the_latest_back(backend: impl Backend) {
    let new = placed(out_of_ten(GradeMethod::Latest));
    let submitted = async |value, sequence| {
        let work = submit(NewSubmission { sequence, ..score(value) });
        with_launch(1, &new).to(work).submitted(&backend).await
    };
    assert_eq!(submitted(8.0, NOW - 10).await.standing, Some(8.0));
    let late = submitted(3.0, NOW - 20).await;
    assert_eq!((late.score, late.standing), (3.0, Some(8.0)));
    // Of two of the same moment the one that arrives later is the later.
    assert_eq!(submitted(5.0, NOW - 10).await.standing, Some(5.0));
}

async fn comments_absent_null_and_empty_differ(backend: impl Backend) {
    let text = |text: &str| Some(text.to_owned());
    let comment = async |comment: Given<String>, sequence| {
        let work = submit(NewSubmission { comment, sequence, ..score(5.0) });
        with_launch(1, &launch()).to(work).submitted(&backend).await;
        let own = backend.store().submissions("school", "quiz", "ada", 1).await.unwrap();
        (standing(&backend, "quiz").await.tally.comment, own[0].comment.clone())
    };
    assert_eq!(comment(Given::Absent, NOW).await, (None, None));
    let good = Given::Value("Good".to_owned());
    assert_eq!(comment(good, NOW + 1).await, (text("Good"), text("Good")));
    assert_eq!(comment(Given::Absent, NOW + 2).await, (text("Good"), None));
    let empty = Given::Value(String::new());
    assert_eq!(comment(empty, NOW + 3).await, (text(""), text("")));
    // One that arrives late is kept with its submission and changes nothing that stands.
    let late = Given::Value("Late".to_owned());
    assert_eq!(comment(late, NOW - 1).await, (text(""), text("Late")));
    assert_eq!(comment(Given::Null, NOW + 4).await, (None, None));
}

async fn progress_follows_the_newest_that_says_so(backend: impl Backend) {
    let progress = async |progress, sequence| {
        let work = submit(NewSubmission { progress, sequence, ..score(5.0) });
        with_launch(1, &launch()).to(work).submitted(&backend).await;
        standing(&backend, "quiz").await.tally.progress
    };
    assert_eq!(progress(None, NOW).await, None);
    assert_eq!(progress(Some(Progress::Completed), NOW + 2).await, Some(Progress::Completed));
    assert_eq!(progress(Some(Progress::Started), NOW + 1).await, Some(Progress::Completed));
    assert_eq!(progress(None, NOW + 3).await, Some(Progress::Completed));
    assert_eq!(progress(Some(Progress::Submitted), NOW + 4).await, Some(Progress::Submitted));
}

async fn what_is_not_fully_graded_is_kept_and_does_not_count(backend: impl Backend) {
    let gradings = [Grading::Pending, Grading::PendingManual, Grading::Failed, Grading::NotReady];
    for grading in gradings {
        let work = submit(NewSubmission { grading, ..score(90.0) });
        let submitted = with_launch(1, &launch()).to(work).submitted(&backend).await;
        assert_eq!((submitted.score, submitted.standing), (90.0, None), "{grading:?}");
    }
    assert_eq!(standing(&backend, "quiz").await.tally.count, 0);
    let counted = with_launch(1, &launch()).to(submit(score(40.0))).submitted(&backend).await;
    assert_eq!(counted.standing, Some(40.0));
    let kept = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    let kept: Vec<_> = kept.iter().rev().map(|row| row.grading).collect();
    assert_eq!(kept[..4], gradings);
    assert_eq!(kept[4], Grading::FullyGraded);
}

async fn attempts_run_out(backend: impl Backend) {
    let placement = Placement { attempts: Some(2), ..Placement::default() };
    let attempt = |number: u8| NewKey { attempt: number.into(), ..placed(placement.clone()) };
    for number in [1, 2] {
        let request = with_launch(number, &attempt(number)).to(submit(score(5.0)));
        let submitted = request.submitted(&backend).await;
        assert_eq!((submitted.attempt, submitted.attempts), (number.into(), Some(2)));
    }
    // One attempt may be submitted more than once: how often is the activity's affair.
    with_launch(2, &attempt(2)).to(submit(score(6.0))).submitted(&backend).await;
    let third = with_launch(3, &attempt(3)).to(submit(score(5.0))).outcome(&backend).await;
    assert!(matches!(third, Err(Rejected::NoAttemptsLeft)));
    assert_eq!(standing(&backend, "quiz").await.tally.count, 3);
}

async fn scores_keep_to_their_limits(backend: impl Backend) {
    let new = placed(out_of_ten(GradeMethod::Latest));
    let outcome = async |value, max| {
        let work = submit(NewSubmission { max, ..score(value) });
        with_launch(1, &new).to(work).outcome(&backend).await
    };
    for (value, max) in [(0.0, None), (10.0, None), (8.25, None), (55.5, Some(100.0))] {
        let Ok(Replayable { done: Done::Submitted(submitted), .. }) = outcome(value, max).await
        else {
            panic!("{value} {max:?}")
        };
        assert_eq!((submitted.score, submitted.max), (value, max.unwrap_or(10.0)));
    }
    assert!(matches!(outcome(-0.001, None).await, Err(Rejected::ScoreNegative)));
    for (value, max) in
        [(10.001, None), (5.001, Some(5.0)), (f64::NAN, None), (f64::INFINITY, None)]
    {
        assert!(matches!(outcome(value, max).await, Err(Rejected::ScoreAboveMax)), "{value}");
    }
    for max in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(outcome(0.0, Some(max)).await, Err(Rejected::BadMax)), "{max}");
    }
    assert_eq!(standing(&backend, "quiz").await.tally.count, 4);
    let kept = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    assert_eq!(kept.len(), 4, "a refused score leaves no submission");
    assert_eq!(log_of(&backend, "school", "quiz").await.len(), 5, "and no entry");
}

async fn another_maximum_rescales_what_stands(backend: impl Backend) {
    let of = |max| placed(Placement { max: Some(max), ..out_of_ten(GradeMethod::Highest) });
    with_launch(1, &of(10.0)).to(submit(score(7.5))).submitted(&backend).await;
    // A score out of another maximum counts in the activity's terms.
    let work = submit(NewSubmission { max: Some(100.0), ..score(80.0) });
    let submitted = with_launch(1, &of(10.0)).to(work).submitted(&backend).await;
    assert_eq!((submitted.score, submitted.max, submitted.standing), (80.0, 100.0, Some(8.0)));
    // The host changes the activity's maximum.
    with_launch(2, &of(20.0)).accepted(&backend).await;
    let row = standing(&backend, "quiz").await;
    assert_eq!((row.tally.max, row.tally.standing(row.method)), (20.0, Some(16.0)));
    let next = with_launch(2, &of(20.0)).to(submit(score(17.0))).submitted(&backend).await;
    assert_eq!((next.standing, next.standing_max), (Some(17.0), 20.0));
}

async fn a_teachers_grade_stands(backend: impl Backend) {
    with_launch(1, &launch()).to(submit(score(40.0))).submitted(&backend).await;
    backend.execute("UPDATE standings SET override = 65.5");
    let next = with_launch(1, &launch()).to(submit(score(99.0))).submitted(&backend).await;
    assert_eq!((next.standing, next.overridden), (Some(65.5), true));
    let row = standing(&backend, "quiz").await;
    assert_eq!((row.tally.standing(row.method), row.tally.highest), (Some(65.5), 99.0));
}

async fn every_submission_is_kept(backend: impl Backend) {
    let mut seqs = Vec::new();
    for (at, value) in [(1, 4.0), (2, 4.0), (3, 9.0)] {
        let sent = NOW + at - 5;
        let work = submit(NewSubmission { client_at: Some(sent), ..score(value) });
        let request = with_launch(1, &launch()).at(NOW + at).to(work);
        seqs.push(request.submitted(&backend).await.seq);
    }
    // Another user's do not stand among them.
    let bob = launch_for("school", "bob", "quiz");
    with_launch(2, &bob).to(submit(score(1.0))).submitted(&backend).await;
    let rows = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.seq, row.score, row.at, row.client_at)).collect();
    let expected = [(seqs[2], 9.0, 3), (seqs[1], 4.0, 2), (seqs[0], 4.0, 1)]
        .map(|(seq, value, at)| (seq, value, NOW + at, Some(NOW + at - 5)));
    assert_eq!(told, expected);
    let newest = backend.store().submissions("school", "quiz", "ada", 2).await.unwrap();
    assert_eq!(newest.iter().map(|row| row.seq).collect::<Vec<_>>(), [seqs[2], seqs[1]]);
}

async fn standings_are_of_one_activity_at_one_host(backend: impl Backend) {
    for (number, host, user, activity, value) in [
        (1, "school", "ada", "quiz", 10.0),
        (2, "school", "bob", "quiz", 20.0),
        (3, "school", "ada", "film", 30.0),
        (4, "academy", "ada", "quiz", 40.0),
    ] {
        let new = launch_for(host, user, activity);
        with_launch(number, &new).to(submit(score(value))).submitted(&backend).await;
    }
    let rows = backend.store().standings("school", "quiz").await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (&*row.user, row.tally.highest)).collect();
    assert_eq!(told, [("ada", 10.0), ("bob", 20.0)]);
    assert!(backend.store().standings("academy", "film").await.unwrap().is_empty());
    assert!(backend.store().standings("nowhere", "quiz").await.unwrap().is_empty());
    for (host, activity, user) in
        [("academy", "quiz", "bob"), ("school", "film", "bob"), ("nowhere", "quiz", "ada")]
    {
        let rows = backend.store().submissions(host, activity, user, 10).await.unwrap();
        assert!(rows.is_empty(), "{host} {activity} {user}");
    }
}
