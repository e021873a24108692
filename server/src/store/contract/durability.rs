//! What is acknowledged stays, whatever happens next; and each call stands or falls alone.

use super::*;
use futures_util::FutureExt;
use futures_util::future::join_all;

on_each_backend!(
    a_crash_loses_nothing_that_was_answered,
    after_a_crash_the_log_goes_on_without_gap,
    the_store_is_ready_again_after_a_crash,
    two_hundred_calls_at_once_are_all_stored_once,
    the_same_call_at_once_is_done_once,
    a_failing_call_does_not_harm_the_others,
    a_call_nobody_waits_for_is_done,
    readiness_says_whether_it_can_write,
);

/// The key of user number `user`, whose key has the same number.
fn user(user: u8) -> NewKey {
    launch_for("school", &format!("user {user}"), "quiz")
}

async fn a_crash_loses_nothing_that_was_answered(backend: impl Backend) {
    for number in 1..=20 {
        let request = with_launch(number, &user(number))
            .to(event("logged"))
            .to(submit(score(f64::from(number))).once("grade", "op-1", "g"));
        request.accepted(&backend).await;
    }
    with_token(1, 1, [1; 8]).accepted(&backend).await;
    backend.store().revoke("school", key_id(2), "test", NOW).await.unwrap();
    let reopened = backend.crashed();
    assert_eq!(reopened.store().standings("school", "quiz").await.unwrap().len(), 20);
    assert_eq!(with_token(1, 1, [1; 8]).name(&reopened).await, "current");
    assert_eq!(with_token(2, 0, LAUNCH_BRANCH).name(&reopened).await, "dead");
    let again = submit(score(3.0)).once("grade", "op-1", "g");
    assert!(with_launch(3, &user(3)).to(again).outcome(&reopened).await.unwrap().replayed);
    let all = with_launch(4, &user(4)).to(read(newest(RecentScope::Activity)));
    let page = all.page(&reopened).await;
    assert_eq!(page.entries.len(), 60, "join, event and grade of each");
    let own = with_launch(5, &user(5)).to(read(newest(RecentScope::Own))).page(&reopened).await;
    assert_eq!(words(&own), ["grade 5", "logged", "join user 5"]);
}

async fn after_a_crash_the_log_goes_on_without_gap(backend: impl Backend) {
    let before = with_launch(1, &user(1)).to(event("before")).appended(&backend).await[0];
    let reopened = backend.crashed();
    let after = with_launch(1, &user(1)).to(event("after")).appended(&reopened).await[0];
    assert!(after > before);
    with_launch(2, &user(2)).to(event("other")).appended(&reopened).await;
    let twice = reopened.crashed();
    let log = log_of(&twice, "school", "quiz").await;
    assert_eq!(log, ["other", "join user 2", "after", "before", "join user 1"]);
    let own = with_launch(1, &user(1)).to(read(newest(RecentScope::Own))).page(&twice).await;
    assert_eq!(words(&own), ["after", "before", "join user 1"]);
}

async fn the_store_is_ready_again_after_a_crash(backend: impl Backend) {
    backend.store().create_web_session("id", "record", NOW + 1).await.unwrap();
    let reopened = backend.crashed();
    reopened.store().ping().await.unwrap();
    let record = reopened.store().load_web_session("id", NOW).await.unwrap();
    assert_eq!(record.as_deref(), Some("record"));
}

async fn two_hundred_calls_at_once_are_all_stored_once(backend: impl Backend) {
    let names: Vec<_> = (0..200).map(|call| format!("call.{call}")).collect();
    let calls = names.iter().enumerate().map(|(at, name)| {
        let number = u8::try_from(at % 16).unwrap() + 1;
        let work = event(name).once("log", name, name);
        with_launch(number, &user(number)).to(work).appended(&backend)
    });
    let mut seqs: Vec<_> = join_all(calls).await.concat();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 200);
    let mut stored = everything(&backend).await;
    stored.retain(|word| !word.starts_with("join"));
    stored.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(stored, names);
}

/// The whole log, page by page.
async fn everything(backend: &impl Backend) -> Vec<String> {
    let mut all = Vec::new();
    let mut query = newest(RecentScope::Activity);
    loop {
        let page = with_launch(1, &user(1)).to(read(query.clone())).page(backend).await;
        all.extend(words(&page));
        match page.next {
            Some(next) => query.before = Some(next),
            None => return all,
        }
    }
}

async fn the_same_call_at_once_is_done_once(backend: impl Backend) {
    let call = |number| {
        let work = submit(score(5.0)).once("grade", "op-1", "5");
        // Two tabs of one user, of which each tries it again and again.
        with_launch(number % 2 + 1, &launch()).to(work).outcome(&backend)
    };
    let outcomes = join_all((0..40u8).map(call)).await;
    let replayed = outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().replayed).count();
    assert_eq!(replayed, 39);
    let kept = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    assert_eq!(kept.len(), 1);
}

async fn a_failing_call_does_not_harm_the_others(backend: impl Backend) {
    let damaged = || event("damaged").once("log", "op-1", "d");
    with_launch(99, &user(99)).to(damaged()).appended(&backend).await;
    backend.execute("UPDATE operations SET outcome = 'damaged'");
    for number in 1..=40 {
        with_launch(number, &user(number)).accepted(&backend).await;
    }
    // All of them wait together, and so share a transaction.
    let held = backend.hold();
    let calls = (1..=40).map(|number| {
        let bad = number == 20;
        let request = match bad {
            true => with_launch(99, &user(99)).to(event("lost")).to(damaged()),
            false => with_token(number, 1, [number; 8]).to(event("kept")),
        };
        request.verdict(&backend)
    });
    let mut calls = Box::pin(join_all(calls));
    assert!(calls.as_mut().now_or_never().is_none());
    drop(held);
    let verdicts = calls.await;
    for (at, verdict) in verdicts.iter().enumerate() {
        match verdict {
            Err(StoreError::Unreadable(_)) => assert_eq!(at, 19),
            Ok(Verdict::Accepted { outcomes, .. }) => assert!(outcomes[0].is_ok() && at != 19),
            other => panic!("{at}: {other:?}"),
        }
    }
    let all = everything(&backend).await;
    assert_eq!(all.iter().filter(|word| *word == "kept").count(), 39);
    assert!(!all.contains(&"lost".to_owned()));
    // What a call that was rolled back and done again confirmed is confirmed once.
    for number in (1..=40).filter(|number| *number != 20) {
        let row = backend.store().key(key_id(number)).await.unwrap().unwrap().row;
        assert_eq!((row.hi, row.branch, row.prev_branch), (1, [number; 8], Some(LAUNCH_BRANCH)));
    }
}

async fn a_call_nobody_waits_for_is_done(backend: impl Backend) {
    let held = backend.hold();
    let call = with_launch(1, &launch()).to(event("done")).verdict(&backend);
    assert!(Box::pin(call).as_mut().now_or_never().is_none());
    drop(held);
    // Nobody is told when: a store with several writers may do others' calls before.
    for _ in 0..1_000 {
        if log_of(&backend, "school", "quiz").await == ["done", "join ada"] {
            return;
        }
    }
    panic!("the call was not done");
}

async fn readiness_says_whether_it_can_write(backend: impl Backend) {
    backend.store().ping().await.unwrap();
    let held = backend.hold();
    let ping = backend.store().ping();
    let mut ping = Box::pin(ping);
    assert!(ping.as_mut().now_or_never().is_none(), "it waits for the database like any call");
    drop(held);
    ping.await.unwrap();
}
