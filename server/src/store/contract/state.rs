//! Documents that attempts keep.

use super::*;
use crate::state::{Change, Document};
use latchkey_protocol::payload::MAX_STATES;
use serde_json::json;

on_each_backend!(
    a_document_is_written_and_read,
    each_write_makes_the_version_one_higher,
    a_write_at_another_version_changes_nothing,
    of_two_writers_one_is_told,
    a_write_is_done_once_and_a_day_later_too,
    attempts_users_activities_and_hosts_keep_their_own,
    names_of_an_attempt_run_out,
    a_full_document_takes_no_more,
    a_crash_loses_no_document,
    a_reset_forgets,
    deleting_forgets,
    a_refused_call_of_a_request_leaves_the_others,
    calls_in_turn_end_with_the_first_that_is_refused,
);

fn write(name: &str, change: Change, if_version: Option<u64>) -> Work {
    let name = name.to_owned();
    Work { operation: None, action: Action::State(StateWrite { name, change, if_version }) }
}

fn put(name: &str, value: &str) -> Work {
    write(name, Change::Put(value.to_owned()), None)
}

fn get(name: &str) -> Work {
    Work { operation: None, action: Action::Read(Read::State(name.to_owned())) }
}

/// How a document stands for a launch, as key `number`.
async fn kept_by(backend: &impl Backend, number: u8, new: &NewKey, name: &str) -> StateRow {
    match with_launch(number, new).to(get(name)).done(backend).await {
        Done::State(row) => row,
        other => panic!("{other:?}"),
    }
}

async fn value(backend: &impl Backend, name: &str) -> Option<String> {
    kept_by(backend, 1, &launch(), name).await.document.value
}

async fn version(backend: &impl Backend, work: Work) -> u32 {
    match with_launch(1, &launch()).to(work).done(backend).await {
        Done::StateChanged(changed) => changed.version,
        other => panic!("{other:?}"),
    }
}

async fn rejected(backend: &impl Backend, work: Work) -> Rejected {
    with_launch(1, &launch()).to(work).outcome(backend).await.unwrap_err()
}

async fn a_document_is_written_and_read(backend: impl Backend) {
    let never = StateRow { name: "a".into(), document: Document::default(), at: None };
    assert_eq!(kept_by(&backend, 1, &launch(), "a").await, never);
    let done = with_launch(1, &launch()).at(NOW + 7).to(put("a", r#"{"page":3}"#)).done(&backend);
    match done.await {
        Done::StateChanged(changed) => {
            assert_eq!((&*changed.name, changed.version, changed.at), ("a", 1, NOW + 7));
        }
        other => panic!("{other:?}"),
    }
    let row = kept_by(&backend, 1, &launch(), "a").await;
    let document = Document { version: 1, value: Some(r#"{"page":3}"#.into()) };
    assert_eq!((row.document, row.at), (document, Some(NOW + 7)));
    // Names are told apart by case, and nothing is at one that begins like another.
    assert_eq!(value(&backend, "A").await, None);
    assert_eq!(value(&backend, "").await, None);
    // The same by a read outside a transaction.
    let key = backend.store().key(key_id(1)).await.unwrap().unwrap();
    match backend.store().read(key.subject, Read::State("a".into())).await.unwrap() {
        Done::State(row) => assert_eq!(row.document.version, 1),
        other => panic!("{other:?}"),
    }
}

async fn each_write_makes_the_version_one_higher(backend: impl Backend) {
    assert_eq!(version(&backend, write("a", Change::Delete, None)).await, 0);
    assert_eq!(version(&backend, put("a", "1")).await, 1);
    assert_eq!(version(&backend, put("a", "1")).await, 2);
    assert_eq!(version(&backend, write("a", Change::Delete, None)).await, 3);
    assert_eq!(version(&backend, write("a", Change::Delete, None)).await, 3);
    let row = kept_by(&backend, 1, &launch(), "a").await;
    assert_eq!((row.document, row.at), (Document { version: 3, value: None }, Some(NOW)));
    let patch = Change::Patch(json!({"x": {"y": 1}, "z": null}));
    assert_eq!(version(&backend, write("a", patch, None)).await, 4);
    let patch = Change::Patch(json!({"x": {"y": null, "w": "ä"}}));
    assert_eq!(version(&backend, write("a", patch, Some(4))).await, 5);
    assert_eq!(value(&backend, "a").await.as_deref(), Some(r#"{"x":{"w":"ä"}}"#));
    assert_eq!(version(&backend, put("b", "1")).await, 1);
}

async fn a_write_at_another_version_changes_nothing(backend: impl Backend) {
    let conflict = async |work, version, value: Option<&str>| match rejected(&backend, work).await {
        Rejected::VersionConflict(kept) => {
            assert_eq!(kept, Document { version, value: value.map(str::to_owned) });
        }
        other => panic!("{other:?}"),
    };
    conflict(write("a", Change::Put("1".into()), Some(1)), 0, None).await;
    assert_eq!(version(&backend, write("a", Change::Put("1".into()), Some(0))).await, 1);
    conflict(write("a", Change::Put("2".into()), Some(0)), 1, Some("1")).await;
    conflict(write("a", Change::Patch(json!({})), Some(2)), 1, Some("1")).await;
    conflict(write("a", Change::Delete, Some(u64::MAX)), 1, Some("1")).await;
    assert_eq!(version(&backend, write("a", Change::Delete, Some(1))).await, 2);
    // A version that has passed does not come back with the document.
    conflict(write("a", Change::Put("3".into()), Some(1)), 2, None).await;
    conflict(write("a", Change::Put("3".into()), Some(0)), 2, None).await;
    assert_eq!(version(&backend, write("a", Change::Put("3".into()), Some(2))).await, 3);
}

async fn of_two_writers_one_is_told(backend: impl Backend) {
    let writers = (1..=8).map(|number| {
        let work = write("a", Change::Put(number.to_string()), Some(0));
        with_launch(number, &launch()).to(work).outcome(&backend)
    });
    let outcomes = futures_util::future::join_all(writers).await;
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let told = |outcome: &&Result<Replayable, Rejected>| matches!(outcome, Err(Rejected::VersionConflict(kept)) if kept.version == 1);
    assert_eq!((done, outcomes.iter().filter(told).count()), (1, 7));
}

async fn a_write_is_done_once_and_a_day_later_too(backend: impl Backend) {
    let work = || write("a", Change::Put("1".into()), Some(0)).once("state", "op-1", "put 1");
    let first = with_launch(1, &launch()).to(work()).outcome(&backend).await.unwrap();
    assert!(!first.replayed);
    version(&backend, put("a", "2")).await;
    let again = with_launch(1, &launch()).at(NOW + MINUTE).to(work()).outcome(&backend).await;
    let again = again.unwrap();
    assert!(again.replayed);
    assert!(matches!(again.done, Done::StateChanged(changed) if changed.version == 1));
    assert_eq!(value(&backend, "a").await.as_deref(), Some("2"));
    let other = put("a", "3").once("state", "op-1", "put 3");
    assert!(matches!(rejected(&backend, other).await, Rejected::IdReused(None)));
    // A write that was refused has no result to be saved: its id is free.
    let refused = || write("a", Change::Delete, Some(9)).once("state", "op-2", "delete");
    for _ in 0..2 {
        assert!(matches!(rejected(&backend, refused()).await, Rejected::VersionConflict(_)));
    }
}

async fn attempts_users_activities_and_hosts_keep_their_own(backend: impl Backend) {
    let places = [
        launch(),
        NewKey { attempt: 2, ..launch() },
        launch_for("school", "ben", "quiz"),
        launch_for("school", "ada", "essay"),
        launch_for("academy", "ada", "quiz"),
    ];
    for (number, new) in (1..).zip(&places) {
        assert_eq!(kept_by(&backend, number, new, "a").await.document, Document::default());
        with_launch(number, new).to(put("a", &number.to_string())).done(&backend).await;
    }
    for (number, new) in (1..).zip(&places) {
        let document = Document { version: 1, value: Some(number.to_string()) };
        assert_eq!(kept_by(&backend, number, new, "a").await.document, document);
    }
    // Another key of the same place finds what the first one left.
    assert_eq!(kept_by(&backend, 9, &launch(), "a").await.document.value.as_deref(), Some("1"));
}

async fn names_of_an_attempt_run_out(backend: impl Backend) {
    for number in 0..MAX_STATES {
        version(&backend, put(&format!("n{number}"), "1")).await;
    }
    let more = || put("one more", "1");
    assert!(matches!(rejected(&backend, more()).await, Rejected::TooManyStates));
    // Those that there are can still be written; deleting makes no room, for the version must stay.
    assert_eq!(version(&backend, put("n0", "2")).await, 2);
    assert_eq!(version(&backend, write("n1", Change::Delete, None)).await, 2);
    assert!(matches!(rejected(&backend, more()).await, Rejected::TooManyStates));
    assert_eq!(version(&backend, put("n1", "3")).await, 3);
    let second = NewKey { attempt: 2, ..launch() };
    with_launch(2, &second).to(more()).done(&backend).await;
}

async fn a_full_document_takes_no_more(backend: impl Backend) {
    let full = json!({"a": "x".repeat(65_536 - 8)}).to_string();
    assert_eq!((full.len(), version(&backend, put("a", &full)).await), (65_536, 1));
    let patch = || write("a", Change::Patch(json!({"b": 1})), None);
    assert!(matches!(rejected(&backend, patch()).await, Rejected::StateTooLarge));
    assert_eq!(value(&backend, "a").await, Some(full));
}

async fn a_crash_loses_no_document(backend: impl Backend) {
    version(&backend, put("a", "1")).await;
    let reopened = backend.crashed();
    assert_eq!(value(&reopened, "a").await.as_deref(), Some("1"));
    assert_eq!(version(&reopened, put("a", "2")).await, 2);
}

/// Whether the document `a` of that user in that activity is still there, by a key of its own.
async fn there(backend: &impl Backend, number: u8, user: &str, activity: &str) -> bool {
    let new = launch_for("school", user, activity);
    kept_by(backend, number, &new, "a").await.document.version > 0
}

async fn written_by(backend: &impl Backend, places: &[(&str, &str)]) {
    for (number, (user, activity)) in (1..).zip(places) {
        let new = launch_for("school", user, activity);
        with_launch(number, &new).to(put("a", "1")).done(backend).await;
    }
}

async fn a_reset_forgets(backend: impl Backend) {
    written_by(&backend, &[("ada", "quiz"), ("ben", "quiz"), ("ada", "essay")]).await;
    backend.store().reset("school", "quiz", Some("ada"), NOW).await.unwrap().unwrap();
    assert!(!there(&backend, 11, "ada", "quiz").await);
    assert!(there(&backend, 12, "ben", "quiz").await);
    assert!(there(&backend, 13, "ada", "essay").await);
    backend.store().reset("school", "quiz", None, NOW).await.unwrap().unwrap();
    assert!(!there(&backend, 14, "ben", "quiz").await);
    assert!(there(&backend, 15, "ada", "essay").await);
}

async fn deleting_forgets(backend: impl Backend) {
    written_by(&backend, &[("ada", "quiz"), ("ben", "quiz"), ("ben", "essay")]).await;
    let remove = async |kind, id: &str| {
        backend.store().remove("school", kind, id, NOW).await.unwrap().unwrap();
    };
    remove(Kind::Users, "ada").await;
    remove(Kind::Activities, "essay").await;
    // Set again by the host, both begin anew.
    let user = UserItem { id: "ada".into(), ..UserItem::default() };
    backend.store().set("school", Items::Users(vec![user])).await.unwrap();
    let essay = ActivityItem { id: "essay".into(), ..ActivityItem::default() };
    backend.store().set("school", Items::Activities(vec![essay])).await.unwrap();
    assert!(!there(&backend, 11, "ada", "quiz").await);
    assert!(!there(&backend, 12, "ben", "essay").await);
    assert!(there(&backend, 13, "ben", "quiz").await);
}

async fn a_refused_call_of_a_request_leaves_the_others(backend: impl Backend) {
    let request = with_launch(1, &launch())
        .to(put("a", "1"))
        .to(write("a", Change::Put("2".into()), Some(5)))
        .to(get("a"))
        .to(event("after"));
    let outcomes = request.accepted(&backend).await.1;
    let good: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, true, true]);
    // A read in the same request sees what was written before it.
    assert!(matches!(&outcomes[2], Ok(Replayable { done: Done::State(row), .. })
        if row.document.value.as_deref() == Some("1")));
}

async fn calls_in_turn_end_with_the_first_that_is_refused(backend: impl Backend) {
    assert_eq!(version(&backend, put("a", "1")).await, 1);
    let request = |version| {
        let seen = Some(StateSeen { name: "a".into(), version });
        let seen = Request { seen, ..with_launch(1, &launch()) };
        seen.to(submit(score(3.0))).to(put("a", "2"))
    };
    let of = async |request: Request| request.accepted(&backend).await.1;
    let lines = async || log_of(&backend, "school", "quiz").await.len();
    let before = lines().await;
    // Made up from what is not there yet, or not any more.
    for old in [0, 2, u64::MAX] {
        let outcomes = of(request(old)).await;
        let [Err(Rejected::VersionConflict(kept))] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((kept.version, kept.value.as_deref()), (1, Some("1")));
    }
    assert_eq!((lines().await, value(&backend, "a").await.as_deref()), (before, Some("1")));
    // As it was read: all of it, up to what is refused.
    let outcomes = of(request(1).to(submit(score(-3.0))).to(put("a", "3"))).await;
    let good: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, true, false]);
    assert_eq!((lines().await, value(&backend, "a").await.as_deref()), (before + 1, Some("2")));
    // And once, of all that were made up from the same.
    let twice = futures_util::future::join_all([of(request(2)), of(request(2))]).await;
    let lengths: usize = twice.iter().map(Vec::len).sum();
    assert_eq!((lengths, lines().await), (2 + 1, before + 2));
    // A name that nothing was ever written to has version 0.
    let seen = Some(StateSeen { name: "b".into(), version: 0 });
    let never = Request { seen, ..with_launch(1, &launch()) }.to(put("b", "1"));
    assert_eq!(of(never).await.len(), 1);
    assert_eq!(value(&backend, "b").await.as_deref(), Some("1"));
}
