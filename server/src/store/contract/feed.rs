//! Feeds: everything in the order of the commits, nothing missed, nothing of others.

use super::rulings::{hand_in, ruled, set, voided};
use super::*;
use futures_util::future::join_all;
use std::collections::BTreeSet;

on_each_backend!(
    a_feed_tells_everything_once_and_goes_on_from_there,
    a_grade_is_told_again_whenever_it_changes,
    a_submission_is_told_again_when_it_is_void,
    a_reset_is_told,
    nothing_is_missed_under_concurrent_commits,
    many_activities_are_told_once_and_each_in_its_order,
    a_position_of_nowhere_is_lost,
    a_feed_is_of_one_host,
    filters_keep_what_is_asked_for,
    pages_hold_no_more_than_the_limit_and_each_grade_once,
    a_position_survives_a_crash,
    a_position_of_a_lost_state_is_told,
);

fn since(since: Position) -> FeedQuery {
    FeedQuery { since, limit: 100, ..FeedQuery::default() }
}

fn all() -> FeedQuery {
    since(Position::default())
}

async fn log(backend: &impl Backend, query: FeedQuery) -> (Vec<String>, FeedPage<LogItem>) {
    let page = backend.store().log_feed("school", query).await.unwrap();
    let word = |item: &LogItem| match item.kind {
        EntryKind::Log => item.event.clone().unwrap(),
        EntryKind::Grade => format!("grade {}", item.score.unwrap().0),
        EntryKind::Join => format!("join {}", item.about.user),
    };
    (page.items.iter().map(word).collect(), page)
}

async fn grades(backend: &impl Backend, query: FeedQuery) -> (Vec<Option<f64>>, Position) {
    let page = backend.store().grade_feed("school", query).await.unwrap();
    let score = |item: &GradeItem| item.standing.tally.standing(item.standing.method);
    (page.items.iter().map(score).collect(), page.upto)
}

async fn a_feed_tells_everything_once_and_goes_on_from_there(backend: impl Backend) {
    let (words, start) = log(&backend, all()).await;
    assert!(words.is_empty() && !start.more && start.upto == Position::default());
    with_launch(1, &launch()).to(event("one")).to(submit(score(5.0))).accepted(&backend).await;
    let (words, first) = log(&backend, since(start.upto)).await;
    assert_eq!(words, ["join ada", "one", "grade 5"]);
    assert!(log(&backend, since(first.upto.clone())).await.0.is_empty());
    with_launch(1, &launch()).to(event("two")).accepted(&backend).await;
    let (words, second) = log(&backend, since(first.upto)).await;
    assert_eq!(words, ["two"]);
    assert_eq!(second.upto.marks, [Mark { seq: second.items[0].seq, at: NOW }]);
    let item = &first.items[1];
    assert_eq!((item.about.user.as_str(), item.about.activity.as_str()), ("ada", "quiz"));
    assert_eq!((item.attempt, item.at), (1, NOW));
}

async fn a_grade_is_told_again_whenever_it_changes(backend: impl Backend) {
    let first = hand_in(&backend, 4.0).await;
    let (told, upto) = grades(&backend, all()).await;
    assert_eq!(told, [Some(4.0)]);
    hand_in(&backend, 9.0).await;
    ruled(&backend, set(7.5)).await;
    let (told, after) = grades(&backend, since(upto)).await;
    assert_eq!(told, [Some(7.5)], "as it now is, and once");
    // A ruling is no line of the log, but a place in the sequence.
    assert!(log(&backend, since(after.clone())).await.0.is_empty());
    assert_eq!(grades(&backend, since(after.clone())).await, (Vec::new(), after.clone()));
    voided(&backend, first).await;
    assert_eq!(grades(&backend, since(after)).await.0, [Some(7.5)]);
}

async fn a_submission_is_told_again_when_it_is_void(backend: impl Backend) {
    let (first, second) = (hand_in(&backend, 4.0).await, hand_in(&backend, 9.0).await);
    let told = async |query| {
        let page = backend.store().submission_feed("school", query).await.unwrap();
        let rows = page.items.iter().map(|item| (item.row.seq, item.row.voided.is_some()));
        (rows.collect::<Vec<_>>(), page.upto)
    };
    let (rows, upto) = told(all()).await;
    assert_eq!(rows, [(first, false), (second, false)]);
    ruled(&backend, set(1.0)).await;
    voided(&backend, first).await;
    assert_eq!(told(since(upto)).await.0, [(first, true)]);
    assert_eq!(told(all()).await.0, [(first, true), (second, false)]);
}

async fn a_reset_is_told(backend: impl Backend) {
    let first = hand_in(&backend, 4.0).await;
    let (_, upto) = grades(&backend, all()).await;
    backend.store().reset("school", "quiz", None, NOW).await.unwrap().unwrap();
    assert_eq!(grades(&backend, since(upto)).await.0, [None]);
    // What was before a reset does not come back by another's removal.
    with_launch(2, &launch()).to(submit(score(3.0))).submitted(&backend).await;
    voided(&backend, first).await;
    assert_eq!(grades(&backend, all()).await.0, [Some(3.0)]);
}

async fn nothing_is_missed_under_concurrent_commits(backend: impl Backend) {
    let names: Vec<_> = (0..200).map(|call| format!("call.{call}")).collect();
    let calls = join_all(names.iter().enumerate().map(|(at, name)| {
        let number = u8::try_from(at % 16).unwrap() + 1;
        let (user, activity) = (format!("user {number}"), format!("quiz {}", number % 5));
        let user = launch_for("school", &user, &activity);
        with_launch(number, &user).to(event(name)).appended(&backend)
    }));
    let mut calls = std::pin::pin!(calls);
    let (mut seen, mut upto, mut done) = (Vec::new(), Position::default(), false);
    // Reads on while the writers are at work, and once more after the last of them.
    while !done {
        done = futures_util::FutureExt::now_or_never(calls.as_mut()).is_some();
        let (words, page) = log(&backend, since(upto)).await;
        seen.extend(words);
        upto = page.upto;
        done &= !page.more;
    }
    let (words, _) = log(&backend, since(upto)).await;
    seen.extend(words);
    seen.retain(|word| !word.starts_with("join"));
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct), (200, names.iter().collect()));
}

async fn many_activities_are_told_once_and_each_in_its_order(backend: impl Backend) {
    for round in 0..4 {
        for number in 1..=30_u8 {
            let new = launch_for("school", "ada", &format!("quiz {number}"));
            let now = NOW + i64::from(round) * SECOND;
            let work = submit(score(f64::from(round)));
            with_launch(number, &new).at(now).to(work).submitted(&backend).await;
        }
    }
    for limit in [1, 7, 50, 1_000] {
        let (mut query, mut pages) = (FeedQuery { limit, ..all() }, 0);
        let mut seen = std::collections::BTreeMap::<String, Vec<f64>>::new();
        loop {
            let page = backend.store().submission_feed("school", query.clone()).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            for item in page.items {
                seen.entry(item.about.activity).or_default().push(item.row.score);
            }
            (query.since, pages) = (page.upto, pages + 1);
            if !page.more {
                break;
            }
        }
        assert_eq!((seen.len(), pages), (30, 120_usize.div_ceil(limit as usize)));
        assert!(seen.values().all(|scores| scores == &[0.0, 1.0, 2.0, 3.0]), "{seen:?}");
        // Nothing is told again, nor passed again.
        let page = backend.store().submission_feed("school", query.clone()).await.unwrap();
        assert!(page.items.is_empty() && !page.more && page.upto == query.since);
    }
    // A page of grades tells each once, however often it changed.
    let page = backend.store().grade_feed("school", FeedQuery { limit: 1_000, ..all() });
    assert_eq!(page.await.unwrap().items.len(), 30);
}

async fn a_position_of_nowhere_is_lost(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    let page = log(&backend, all()).await.1;
    let mark = page.upto.marks[0];
    for marks in [
        vec![Mark { seq: mark.seq + 16, ..mark }],
        vec![Mark { at: mark.at + 1, ..mark }],
        vec![Mark { seq: 1, at: 0 }],
        vec![Mark { seq: i64::MAX, at: i64::MAX }],
        vec![mark, mark],
        vec![mark; 64],
    ] {
        let lost = backend.store().log_feed("school", since(Position { marks: marks.clone() }));
        assert!(matches!(lost.await, Err(FeedRefused::Lost)), "{marks:?}");
    }
}

async fn a_feed_is_of_one_host(backend: impl Backend) {
    with_launch(1, &launch()).to(event("ours")).accepted(&backend).await;
    let theirs = launch_for("academy", "ada", "quiz");
    with_launch(2, &theirs).to(event("theirs")).to(submit(score(9.0))).accepted(&backend).await;
    let (words, page) = log(&backend, all()).await;
    assert_eq!(words, ["join ada", "ours"]);
    assert!(log(&backend, since(page.upto)).await.0.is_empty());
    assert!(grades(&backend, all()).await.0.is_empty());
    let nobody = backend.store().log_feed("nowhere", all()).await.unwrap();
    assert!(nobody.items.is_empty());
}

async fn filters_keep_what_is_asked_for(backend: impl Backend) {
    for (number, user, activity) in [(1, "ada", "quiz"), (2, "bob", "quiz"), (3, "ada", "film")] {
        let course = CourseDescription { id: format!("course of {activity}"), ..course() };
        let new = NewKey { about_course: Some(course), ..launch_for("school", user, activity) };
        let name = format!("{user}.{activity}");
        with_launch(number, &new).to(event(&name)).accepted(&backend).await;
    }
    let words = async |query| {
        let mut words = log(&backend, query).await.0;
        words.retain(|word| !word.starts_with("join"));
        // Between activities there is no order.
        words.sort();
        words
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(words(FeedQuery { user: text("ada"), ..all() }).await, ["ada.film", "ada.quiz"]);
    assert_eq!(
        words(FeedQuery { activity: text("quiz"), ..all() }).await,
        ["ada.quiz", "bob.quiz"]
    );
    let course = FeedQuery { course: text("course of film"), ..all() };
    assert_eq!(words(course.clone()).await, ["ada.film"]);
    assert!(words(FeedQuery { user: text("bob"), ..course }).await.is_empty());
    for query in [
        FeedQuery { user: text("nobody"), ..all() },
        FeedQuery { activity: text("nothing"), ..all() },
        FeedQuery { course: text("quiz"), ..all() },
    ] {
        assert!(words(query).await.is_empty());
    }
}

fn course() -> CourseDescription {
    CourseDescription {
        id: "course".into(),
        title: None,
        shortname: None,
        idnumber: None,
        url: None,
    }
}

async fn pages_hold_no_more_than_the_limit_and_each_grade_once(backend: impl Backend) {
    for value in [1.0, 2.0, 3.0, 4.0] {
        hand_in(&backend, value).await;
        let bob = launch_for("school", "bob", "quiz");
        with_launch(2, &bob).to(submit(score(value + 4.0))).accepted(&backend).await;
    }
    let (mut query, mut seen) = (FeedQuery { limit: 3, ..all() }, Vec::new());
    loop {
        let page = backend.store().submission_feed("school", query.clone()).await.unwrap();
        assert!((1..=3).contains(&page.items.len()));
        seen.extend(page.items.iter().map(|item| item.row.score));
        query.since = page.upto;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [1.0, 5.0, 2.0, 6.0, 3.0, 7.0, 4.0, 8.0]);
    let one = FeedQuery { limit: 1, ..all() };
    let page = backend.store().grade_feed("school", one).await.unwrap();
    assert_eq!((page.items.len(), page.more), (1, true));
    let (both, upto) = grades(&backend, FeedQuery { limit: 2, ..all() }).await;
    assert_eq!(both, [Some(4.0), Some(8.0)]);
    assert!(grades(&backend, since(upto)).await.0.iter().all(|score| *score >= Some(4.0)));
}

async fn a_position_survives_a_crash(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    ruled(&backend, set(7.5)).await;
    let (_, upto) = grades(&backend, all()).await;
    let reopened = backend.crashed();
    assert_eq!(grades(&reopened, since(upto.clone())).await, (Vec::new(), upto.clone()));
    hand_in(&reopened, 9.0).await;
    assert_eq!(grades(&reopened, since(upto)).await.0, [Some(7.5)]);
}

async fn a_position_of_a_lost_state_is_told(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    let (_, before) = grades(&backend, all()).await;
    let copy = backend.crashed();
    hand_in(&backend, 9.0).await;
    let (_, after) = grades(&backend, all()).await;
    // The copy is put in place, and gives the same numbers anew.
    let lost = copy.store().grade_feed("school", since(after.clone())).await;
    assert!(matches!(lost, Err(FeedRefused::Lost)));
    with_launch(1, &launch()).at(NOW + HOUR / 4).to(submit(score(2.0))).submitted(&copy).await;
    let lost = copy.store().log_feed("school", since(after)).await;
    assert!(matches!(lost, Err(FeedRefused::Lost)));
    assert_eq!(grades(&copy, since(before)).await.0.len(), 1, "what both know still holds");
}
