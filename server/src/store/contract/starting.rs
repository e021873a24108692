//! First uses, and what forbids them.

use super::*;
use crate::keys::decide::{Death, Decision};

on_each_backend!(
    a_first_use_makes_the_key,
    a_first_use_must_come_in_time,
    an_ended_session_starts_nothing,
    one_web_session_holds_so_many_keys,
    one_user_holds_so_many_keys,
    one_host_holds_so_many_keys,
    idle_and_ended_keys_do_not_count,
    three_thefts_lock_for_ten_minutes,
    an_id_belongs_to_one_launch,
    a_refused_start_leaves_nothing,
    what_the_host_says_is_kept_and_silence_changes_nothing,
);

async fn a_first_use_makes_the_key(backend: impl Backend) {
    assert!(backend.store().key(key_id(1)).await.unwrap().is_none());
    let (decision, _) = with_launch(1, &launch()).accepted(&backend).await;
    assert_eq!(decision, Accepted::Started);
    let key = backend.store().key(key_id(1)).await.unwrap().unwrap();
    assert_eq!((key.row.hi, key.row.branch, key.row.key_exp), (0, LAUNCH_BRANCH, NOW + 8 * HOUR));
    assert_eq!(*key.grant, launch().grant);
    assert_eq!(with_launch(1, &launch()).name(&backend).await, "current");
    assert_eq!(with_token(2, 0, LAUNCH_BRANCH).refused(&backend).await, Refused::Unknown);
}

async fn a_first_use_must_come_in_time(backend: impl Backend) {
    let new = launch();
    let at = |number, now| with_launch(number, &new).at(now);
    assert_eq!(at(1, new.start_until).name(&backend).await, "start");
    assert_eq!(at(2, new.start_until + 1).refused(&backend).await, Refused::LaunchExpired);
    // For a key that is begun it does not matter.
    assert_eq!(at(1, new.start_until + 1).name(&backend).await, "current");
    let over = NewKey { ends_at: NOW, ..new };
    assert_eq!(with_launch(3, &over).refused(&backend).await, Refused::LaunchExpired);
}

async fn an_ended_session_starts_nothing(backend: impl Backend) {
    let new = NewKey { session: Some("login".into()), ..launch() };
    assert_eq!(backend.store().end_session("school", "login", NOW).await.unwrap(), 0);
    assert_eq!(with_launch(1, &new).refused(&backend).await, Refused::SessionEnded);
    let other = NewKey { session: Some("other".into()), ..launch() };
    assert_eq!(with_launch(2, &other).name(&backend).await, "start");
    // The same name at another host is another session.
    let academy = NewKey { host: "academy".into(), ..new };
    assert_eq!(with_launch(3, &academy).name(&backend).await, "start");
}

async fn one_web_session_holds_so_many_keys(backend: impl Backend) {
    let limits = KeyLimits { per_session: 2, per_user: 100, per_host: 0, thefts: 3 };
    let start = |number, session: &str, user: &str| {
        let new = NewKey { session: Some(session.into()), ..launch_for("school", user, "quiz") };
        Request { limits, ..with_launch(number, &new) }
    };
    for number in [1, 2] {
        assert_eq!(start(number, "login", "ada").name(&backend).await, "start");
    }
    assert_eq!(start(3, "login", "ada").refused(&backend).await, Refused::TooManyKeys);
    assert_eq!(start(4, "other", "ada").name(&backend).await, "start");
    assert_eq!(start(1, "login", "ada").name(&backend).await, "current");
}

async fn one_user_holds_so_many_keys(backend: impl Backend) {
    let limits = KeyLimits { per_session: 1, per_user: 2, per_host: 0, thefts: 3 };
    let start = |number, host: &str, user: &str, activity: &str| Request {
        limits,
        ..with_launch(number, &launch_for(host, user, activity))
    };
    assert_eq!(start(1, "school", "ada", "quiz").name(&backend).await, "start");
    assert_eq!(start(2, "school", "ada", "film").name(&backend).await, "start");
    let third = start(3, "school", "ada", "game").refused(&backend).await;
    assert_eq!(third, Refused::TooManyKeys);
    assert_eq!(start(4, "school", "bob", "quiz").name(&backend).await, "start");
    assert_eq!(start(5, "academy", "ada", "quiz").name(&backend).await, "start");
    assert!(backend.store().revoke("school", key_id(1), "closed", NOW).await.unwrap());
    assert_eq!(start(3, "school", "ada", "game").name(&backend).await, "start");
}

async fn one_host_holds_so_many_keys(backend: impl Backend) {
    let limits = KeyLimits { per_session: 64, per_user: 64, per_host: 3, thefts: 3 };
    let start = |number, host: &str, user: &str, now| {
        Request { limits, ..with_launch(number, &launch_for(host, user, "quiz")) }.at(now)
    };
    for (number, user) in [(1, "ada"), (2, "bob"), (3, "eve")] {
        assert_eq!(start(number, "school", user, NOW).name(&backend).await, "start");
    }
    let fourth = start(4, "school", "dan", NOW).refused(&backend).await;
    assert_eq!(fourth, Refused::TooManyKeys);
    assert_eq!(start(5, "academy", "ada", NOW).name(&backend).await, "start");
    // A key that ends makes room, after a while at most.
    assert!(backend.store().revoke("school", key_id(1), "closed", NOW).await.unwrap());
    assert_eq!(start(4, "school", "dan", NOW + MINUTE).name(&backend).await, "start");
    let fifth = start(6, "school", "ada", NOW + MINUTE).refused(&backend).await;
    assert_eq!(fifth, Refused::TooManyKeys);
}

async fn idle_and_ended_keys_do_not_count(backend: impl Backend) {
    let limits = KeyLimits { per_session: 64, per_user: 1, per_host: 0, thefts: 3 };
    let start = |number, ends_at, now| {
        let new = NewKey { ends_at, start_until: now, ..launch() };
        Request { limits, ..with_launch(number, &new) }.at(now)
    };
    assert_eq!(start(1, NOW + HOUR, NOW).name(&backend).await, "start");
    let soon = start(2, NOW + HOUR, NOW + 30 * MINUTE - 1);
    assert_eq!(soon.refused(&backend).await, Refused::TooManyKeys);
    let idle = start(2, NOW + 31 * MINUTE, NOW + 30 * MINUTE);
    assert_eq!(idle.name(&backend).await, "start");
    let full = start(3, NOW + HOUR, NOW + 31 * MINUTE - 1);
    assert_eq!(full.refused(&backend).await, Refused::TooManyKeys);
    assert_eq!(start(3, NOW + HOUR, NOW + 31 * MINUTE).name(&backend).await, "start");
}

async fn three_thefts_lock_for_ten_minutes(backend: impl Backend) {
    let new = |session: &str, activity: &str| NewKey {
        session: Some(session.into()),
        start_until: NOW + HOUR,
        ..launch_for("school", "ada", activity)
    };
    for number in 1..=3 {
        let now = NOW + Millis::from(number) * MINUTE;
        with_launch(number, &new("login", "quiz")).at(now).accepted(&backend).await;
        assert_eq!(with_token(number, 0, [9; 8]).at(now).name(&backend).await, "fork");
    }
    let start = |number, session, activity, now| {
        with_launch(number, &new(session, activity)).at(now).name(&backend)
    };
    // Other sessions and activities are not concerned.
    assert_eq!(start(4, "login", "film", NOW + 3 * MINUTE).await, "start");
    assert_eq!(start(5, "other", "quiz", NOW + 3 * MINUTE).await, "start");
    assert_eq!(start(6, "login", "quiz", NOW + 11 * MINUTE - 1).await, "Locked");
    // The first of the three is ten minutes old.
    assert_eq!(start(6, "login", "quiz", NOW + 11 * MINUTE).await, "start");
    // Keys that the host ends are no thefts.
    backend.store().revoke("school", key_id(6), "renewed", NOW + 11 * MINUTE).await.unwrap();
    assert_eq!(start(7, "login", "quiz", NOW + 11 * MINUTE).await, "start");
}

async fn an_id_belongs_to_one_launch(backend: impl Backend) {
    with_launch(1, &launch()).to(event("begun")).accepted(&backend).await;
    let narrow = Grant { functions: vec!["log".into()], ..launch().grant };
    for (what, new) in [
        ("host", launch_for("academy", "ada", "quiz")),
        ("user", launch_for("school", "bob", "quiz")),
        ("activity", launch_for("school", "ada", "film")),
        ("attempt", NewKey { attempt: 2, ..launch() }),
        ("grant", NewKey { grant: narrow, ..launch() }),
    ] {
        let request = with_launch(1, &new).to(event("foreign"));
        assert_eq!(request.refused(&backend).await, Refused::ForeignLaunch, "{what}");
    }
    // And the key is none the worse for it.
    assert_eq!(with_launch(1, &launch()).name(&backend).await, "current");
    assert_eq!(log_of(&backend, "school", "quiz").await, ["begun", "join ada"]);
}

async fn a_refused_start_leaves_nothing(backend: impl Backend) {
    let new = NewKey { session: Some("login".into()), ..placed(out_of_ten(GradeMethod::First)) };
    backend.store().end_session("school", "login", NOW).await.unwrap();
    let refused = with_launch(1, &new).to(event("never")).to(submit(score(5.0)));
    refused.refused(&backend).await;
    assert!(backend.store().key(key_id(1)).await.unwrap().is_none());
    assert!(log_of(&backend, "school", "quiz").await.is_empty());
    // What the refused launch said of the activity was not taken over either.
    let submitted = with_launch(2, &launch()).to(submit(score(99.0))).submitted(&backend).await;
    assert_eq!((submitted.max, submitted.method), (100.0, GradeMethod::Highest));
}

async fn what_the_host_says_is_kept_and_silence_changes_nothing(backend: impl Backend) {
    with_launch(1, &placed(out_of_ten(GradeMethod::Average))).accepted(&backend).await;
    let submitted = with_launch(2, &launch()).to(submit(score(5.0))).submitted(&backend).await;
    assert_eq!((submitted.max, submitted.method), (10.0, GradeMethod::Average));
    let only_attempts = Placement { attempts: Some(4), ..Placement::default() };
    let request = with_launch(3, &placed(only_attempts)).to(submit(score(5.0)));
    let submitted = request.submitted(&backend).await;
    assert_eq!((submitted.max, submitted.attempts), (10.0, Some(4)));
    let dead = with_launch(3, &launch()).at(NOW + 8 * HOUR).refused(&backend).await;
    assert_eq!(dead, Refused::Decided(Decision::Dead(Death::Expired)));
}
