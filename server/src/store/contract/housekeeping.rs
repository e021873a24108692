//! Web sessions, and the sweep.

use super::*;

on_each_backend!(
    a_web_session_is_created_under_a_free_id_only,
    a_web_session_ends_when_it_says,
    a_web_session_is_saved_and_deleted,
    the_sweep_forgets_calls_of_log_and_remembers_grades,
    the_sweep_forgets_keys_a_week_after_their_end,
    the_sweep_takes_expired_web_sessions,
    the_sweep_walks_through_all,
);

async fn loaded(backend: &impl Backend, id: &str, now: Millis) -> Option<String> {
    backend.store().load_web_session(id, now).await.unwrap()
}

/// Sweeps until the walk has come round.
async fn swept(backend: &impl Backend, now: Millis) {
    while backend.store().sweep(now).await.unwrap() {}
}

async fn a_web_session_is_created_under_a_free_id_only(backend: impl Backend) {
    let create = |record| backend.store().create_web_session("id", record, NOW + HOUR);
    assert!(create("first").await.unwrap());
    assert!(!create("second").await.unwrap());
    assert_eq!(loaded(&backend, "id", NOW).await.as_deref(), Some("first"));
    assert_eq!(loaded(&backend, "other", NOW).await, None);
}

async fn a_web_session_ends_when_it_says(backend: impl Backend) {
    backend.store().create_web_session("id", "record", NOW).await.unwrap();
    assert_eq!(loaded(&backend, "id", NOW - 1).await.as_deref(), Some("record"));
    assert_eq!(loaded(&backend, "id", NOW).await, None);
}

async fn a_web_session_is_saved_and_deleted(backend: impl Backend) {
    let store = backend.store();
    store.create_web_session("id", "first", NOW + 1).await.unwrap();
    store.save_web_session("id", "second", NOW + HOUR).await.unwrap();
    assert_eq!(loaded(&backend, "id", NOW + 1).await.as_deref(), Some("second"));
    store.delete_web_session("id").await.unwrap();
    store.delete_web_session("id").await.unwrap();
    assert_eq!(loaded(&backend, "id", NOW).await, None);
    // A request that began before the logout does not bring the login back.
    store.save_web_session("id", "late", NOW + HOUR).await.unwrap();
    assert_eq!(loaded(&backend, "id", NOW).await, None);
    assert!(store.create_web_session("id", "third", NOW + 1).await.unwrap());
}

async fn the_sweep_forgets_calls_of_log_and_remembers_grades(backend: impl Backend) {
    let replayed = async |now: Millis| {
        let new = NewKey { start_until: now, ends_at: now + HOUR, ..launch() };
        let number = u8::try_from((now - NOW) / HOUR % 200).unwrap() + 1;
        let request = with_launch(number, &new)
            .at(now)
            .to(event("e").once("log", "op-1", "e"))
            .to(entries(&[("entry-1", "f")]))
            .to(submit(score(5.0)).once("grade", "op-1", "5"));
        let outcomes = request.accepted(&backend).await.1;
        [0, 2].map(|at| outcomes[at].as_ref().unwrap().replayed)
    };
    assert_eq!(replayed(NOW).await, [false, false]);
    swept(&backend, NOW + 72 * HOUR - 1).await;
    assert_eq!(replayed(NOW + 72 * HOUR - HOUR).await, [true, true]);
    swept(&backend, NOW + 72 * HOUR).await;
    assert_eq!(replayed(NOW + 73 * HOUR).await, [false, true]);
    swept(&backend, NOW + 1_000 * DAY).await;
    assert_eq!(replayed(NOW + 1_001 * DAY).await, [false, true]);
    let kept = backend.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    assert_eq!(kept.len(), 1);
}

async fn the_sweep_forgets_keys_a_week_after_their_end(backend: impl Backend) {
    let end = launch().ends_at;
    with_launch(1, &launch()).to(event("kept")).accepted(&backend).await;
    swept(&backend, end + 7 * DAY - 1).await;
    assert!(backend.crashed().store().key(key_id(1)).await.unwrap().is_some());
    swept(&backend, end + 7 * DAY).await;
    let reopened = backend.crashed();
    assert!(reopened.store().key(key_id(1)).await.unwrap().is_none());
    let gone = with_token(1, 0, LAUNCH_BRANCH).at(end + 7 * DAY).refused(&reopened).await;
    assert_eq!(gone, Refused::Unknown);
    // Its launch token cannot begin it anew, and what was done with it stays.
    let again = with_launch(1, &launch()).at(end + 7 * DAY).refused(&reopened).await;
    assert_eq!(again, Refused::LaunchExpired);
    assert_eq!(log_of(&reopened, "school", "quiz").await, ["kept", "join ada"]);
}

async fn the_sweep_takes_expired_web_sessions(backend: impl Backend) {
    let store = backend.store();
    store.create_web_session("old", "record", NOW).await.unwrap();
    store.create_web_session("live", "record", NOW + 1).await.unwrap();
    swept(&backend, NOW).await;
    assert!(store.create_web_session("old", "again", NOW + 1).await.unwrap(), "its place is free");
    assert_eq!(loaded(&backend, "live", NOW).await.as_deref(), Some("record"));
}

/// More than fits into one step, of which only every other is old.
async fn the_sweep_walks_through_all(backend: impl Backend) {
    let names: Vec<_> = (0..5_000).map(|number| format!("{number:05}")).collect();
    for (at, group) in names.chunks(1_000).enumerate() {
        let list: Vec<_> = group.iter().map(|name| (&**name, "e")).collect();
        let now = NOW + if at % 2 == 0 { 0 } else { HOUR };
        let new = NewKey { start_until: now, ..launch() };
        let number = u8::try_from(at).unwrap() + 1;
        with_launch(number, &new).at(now).to(entries(&list)).appended(&backend).await;
    }
    swept(&backend, NOW + 72 * HOUR).await;
    let late = NOW + 73 * HOUR - 1;
    let new = NewKey { start_until: late, ends_at: late + HOUR, ..launch() };
    let list: Vec<_> = names.iter().map(|name| (&**name, "e")).collect();
    let before = with_launch(100, &new).at(late).to(event("mark")).appended(&backend).await[0];
    let again = with_launch(100, &new).at(late).to(entries(&list)).appended(&backend).await;
    let known = again.iter().filter(|seq| **seq < before).count();
    assert_eq!(known, 2_000, "the second and the fourth thousand are younger");
}
