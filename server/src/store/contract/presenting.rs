//! The acceptance table through the store, and revocations that stay.

use super::*;
use crate::keys::decide::{Death, Decision};

on_each_backend!(
    a_successor_is_confirmed_once,
    the_former_token_is_late_and_then_stale,
    another_branch_is_a_fork,
    a_token_ahead_of_the_database_moves_it_forward,
    a_confirmation_and_its_work_are_one,
    a_revocation_is_on_disk_though_the_call_is_refused,
    memory_does_not_say_no_against_the_row,
    a_host_ends_its_own_keys,
    the_end_of_a_session_ends_its_keys,
    old_tokens_are_found_out_even_after_the_end,
);

const ONE: [u8; 8] = [1; 8];
const TWO: [u8; 8] = [2; 8];

/// A key whose generation 1 was confirmed at [`NOW`].
async fn confirmed(backend: &impl Backend) {
    with_launch(1, &launch()).accepted(backend).await;
    assert_eq!(with_token(1, 1, ONE).name(backend).await, "confirm");
}

fn over(death: Death) -> Refused {
    Refused::Decided(Decision::Dead(death))
}

async fn a_successor_is_confirmed_once(backend: impl Backend) {
    confirmed(&backend).await;
    assert_eq!(with_token(1, 1, ONE).name(&backend).await, "current");
    let row = backend.store().key(key_id(1)).await.unwrap().unwrap().row;
    assert_eq!((row.hi, row.branch, row.prev_branch), (1, ONE, Some(LAUNCH_BRANCH)));
    assert_eq!(row.advanced_at, NOW);
    assert_eq!(with_token(1, 2, TWO).at(NOW + MINUTE).name(&backend).await, "confirm");
    // The reader that has nothing in memory sees the same.
    let row = backend.crashed().store().key(key_id(1)).await.unwrap().unwrap().row;
    assert_eq!((row.hi, row.branch, row.prev_branch), (2, TWO, Some(ONE)));
}

async fn the_former_token_is_late_and_then_stale(backend: impl Backend) {
    confirmed(&backend).await;
    let former = |now| with_token(1, 0, LAUNCH_BRANCH).at(now).to(event("former"));
    let (decision, outcomes) = former(NOW + 30 * SECOND).accepted(&backend).await;
    assert_eq!(decision, Accepted::Decided(Decision::Late));
    assert!(outcomes[0].is_ok());
    let stale = former(NOW + 30 * SECOND + 1).refused(&backend).await;
    assert_eq!(stale, Refused::Decided(Decision::Stale));
    assert_eq!(with_token(1, 1, ONE).refused(&backend).await, over(Death::Revoked));
    assert_eq!(log_of(&backend, "school", "quiz").await, ["former", "join ada"]);
}

async fn another_branch_is_a_fork(backend: impl Backend) {
    for (number, generation) in [(1, 1), (2, 0)] {
        with_launch(number, &launch()).accepted(&backend).await;
        with_token(number, 1, ONE).accepted(&backend).await;
        let fork = with_token(number, generation, TWO).to(event("forked"));
        assert_eq!(fork.refused(&backend).await, Refused::Decided(Decision::Fork));
        assert_eq!(with_token(number, 1, ONE).refused(&backend).await, over(Death::Revoked));
    }
    assert_eq!(log_of(&backend, "school", "quiz").await, ["join ada"]);
}

async fn a_token_ahead_of_the_database_moves_it_forward(backend: impl Backend) {
    with_launch(1, &launch()).accepted(&backend).await;
    assert_eq!(with_token(1, 5, ONE).name(&backend).await, "ahead");
    let row = backend.store().key(key_id(1)).await.unwrap().unwrap().row;
    assert_eq!((row.hi, row.branch, row.prev_branch), (5, ONE, None));
    assert_eq!(with_token(1, 5, ONE).name(&backend).await, "current");
    // The branch of the one before was never known: any is late, and none is after the window.
    assert_eq!(with_token(1, 4, TWO).name(&backend).await, "late");
    let later = NOW + 30 * SECOND + 1;
    assert_eq!(with_token(1, 4, TWO).at(later).name(&backend).await, "stale");
}

async fn a_confirmation_and_its_work_are_one(backend: impl Backend) {
    with_launch(1, &launch()).accepted(&backend).await;
    backend.execute("ALTER TABLE submissions RENAME TO gone");
    let call = || with_token(1, 1, ONE).to(event("first")).to(submit(score(5.0)));
    assert!(matches!(call().verdict(&backend).await, Err(StoreError::Database(_))));
    let row = backend.store().key(key_id(1)).await.unwrap().unwrap().row;
    assert_eq!(row.hi, 0, "the database failed the work, so the token is not confirmed");
    backend.execute("ALTER TABLE gone RENAME TO submissions");
    assert_eq!(call().name(&backend).await, "confirm");
    assert_eq!(log_of(&backend, "school", "quiz").await, ["grade 5", "first", "join ada"]);
}

async fn a_revocation_is_on_disk_though_the_call_is_refused(backend: impl Backend) {
    with_launch(1, &launch()).accepted(&backend).await;
    with_token(1, 0, TWO).to(event("never")).refused(&backend).await;
    let reopened = backend.crashed();
    assert_eq!(with_token(1, 0, LAUNCH_BRANCH).refused(&reopened).await, over(Death::Revoked));
    assert!(reopened.store().key(key_id(1)).await.unwrap().unwrap().row.revoked);
    assert_eq!(log_of(&reopened, "school", "quiz").await, ["join ada"]);
}

async fn memory_does_not_say_no_against_the_row(backend: impl Backend) {
    with_launch(1, &launch()).accepted(&backend).await;
    backend.store().revoke("school", key_id(1), "by mistake", NOW).await.unwrap();
    assert!(backend.store().key(key_id(1)).await.unwrap().unwrap().row.revoked);
    backend.execute("UPDATE keys SET revoked_at = NULL, revoked_for = NULL");
    assert_eq!(with_token(1, 0, LAUNCH_BRANCH).name(&backend).await, "current");
    // From then on memory knows it too: otherwise every later call is told to come again.
    assert!(!backend.store().key(key_id(1)).await.unwrap().unwrap().row.revoked);
}

async fn a_host_ends_its_own_keys(backend: impl Backend) {
    with_launch(1, &launch()).accepted(&backend).await;
    let revoke = |host, number| backend.store().revoke(host, key_id(number), "test", NOW);
    assert!(!revoke("academy", 1).await.unwrap());
    assert!(!revoke("nowhere", 1).await.unwrap());
    assert_eq!(with_token(1, 0, LAUNCH_BRANCH).name(&backend).await, "current");
    assert!(revoke("school", 1).await.unwrap());
    assert!(!revoke("school", 1).await.unwrap(), "it had ended");
    assert!(!revoke("school", 2).await.unwrap(), "there is none");
    assert_eq!(with_launch(1, &launch()).refused(&backend).await, over(Death::Revoked));
}

async fn the_end_of_a_session_ends_its_keys(backend: impl Backend) {
    let in_session = |host: &str, session: &str| NewKey {
        session: Some(session.into()),
        ..launch_for(host, "ada", "quiz")
    };
    for (number, host, session) in [
        (1, "school", "login"),
        (2, "school", "login"),
        (3, "school", "other"),
        (4, "academy", "login"),
    ] {
        with_launch(number, &in_session(host, session)).accepted(&backend).await;
    }
    backend.store().revoke("school", key_id(2), "closed", NOW).await.unwrap();
    assert_eq!(backend.store().end_session("school", "login", NOW).await.unwrap(), 1);
    assert_eq!(with_token(1, 0, LAUNCH_BRANCH).refused(&backend).await, over(Death::Revoked));
    for number in [3, 4] {
        assert_eq!(with_token(number, 0, LAUNCH_BRANCH).name(&backend).await, "current");
    }
    let unused = with_launch(5, &in_session("school", "login")).refused(&backend).await;
    assert_eq!(unused, Refused::SessionEnded);
    assert_eq!(backend.store().end_session("school", "login", NOW).await.unwrap(), 0);
    let reopened = backend.crashed();
    assert_eq!(with_token(1, 0, LAUNCH_BRANCH).refused(&reopened).await, over(Death::Revoked));
    let unused = with_launch(5, &in_session("school", "login")).refused(&reopened).await;
    assert_eq!(unused, Refused::SessionEnded);
}

async fn old_tokens_are_found_out_even_after_the_end(backend: impl Backend) {
    confirmed(&backend).await;
    let idle = Request { stamped_at: Some(NOW), ..with_token(1, 1, ONE).at(NOW + HOUR) };
    assert_eq!(idle.refused(&backend).await, over(Death::Idle));
    let late = NOW + 9 * HOUR;
    assert_eq!(with_token(1, 1, ONE).at(late).refused(&backend).await, over(Death::Expired));
    assert_eq!(with_token(1, 0, LAUNCH_BRANCH).at(late).name(&backend).await, "stale");
    assert_eq!(with_token(1, 1, ONE).at(late).refused(&backend).await, over(Death::Revoked));
}
