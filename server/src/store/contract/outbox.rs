//! The outbox: written with what it tells, or not at all; delivered in order within an activity.

use super::rulings::{hand_in, ruled, set, voided};
use super::*;
use crate::keys::decide::LAUNCH_BRANCH;

on_each_backend!(
    nothing_is_written_for_nobody,
    each_event_is_told_to_those_who_want_it,
    an_event_is_there_when_its_grade_is,
    an_unchanged_grade_is_no_event,
    a_theft_is_an_event,
    within_an_activity_one_after_the_other,
    a_failure_holds_its_activity_only,
    what_is_given_up_lets_the_next_go,
    a_disabled_webhook_collects_and_gets_nothing,
    a_replay_sends_again,
    a_replay_meets_a_delivery_under_way,
    old_events_are_swept_and_hold_nothing_up,
);

pub(super) const HOOK: &str = "grades";

fn subscribe(backend: &impl Backend, events: &[EventKind]) {
    let one = Subscription { webhook: HOOK.into(), events: events.to_vec() };
    let wanted = Subscriptions::from([("school".to_owned(), vec![one])]);
    backend.store().subscribe(Arc::new(wanted));
}

async fn due(backend: &impl Backend, now: Millis) -> Vec<Due> {
    backend.store().due("school", HOOK, now, 100).await.unwrap().events
}

async fn state(backend: &impl Backend) -> WebhookState {
    let mut states = backend.store().webhooks("school").await.unwrap();
    assert_eq!(states.len(), 1);
    states.remove(0)
}

fn kinds(due: &[Due]) -> Vec<(&str, &str)> {
    due.iter().map(|due| (due.event.activity.as_str(), due.event.kind.as_str())).collect()
}

/// Delivers what is due until nothing is; what it was.
async fn drain(backend: &impl Backend, now: Millis) -> Vec<Event> {
    let mut sent = Vec::new();
    loop {
        let due = due(backend, now).await;
        if due.is_empty() {
            return sent;
        }
        for due in due {
            backend.store().settle(&due, Attempt::Delivered, now).await.unwrap();
            sent.push(due.event);
        }
    }
}

fn failed(retry_at: Millis) -> Attempt {
    Attempt::Failed { failure: "answered 500".into(), retry_at }
}

async fn nothing_is_written_for_nobody(backend: impl Backend) {
    hand_in(&backend, 4.0).await;
    assert!(backend.store().webhooks("school").await.unwrap().is_empty());
    subscribe(&backend, EventKind::ALL);
    assert!(due(&backend, NOW).await.is_empty(), "what was before is nobody's");
    let theirs = launch_for("academy", "ada", "quiz");
    with_launch(2, &theirs).to(submit(score(5.0))).accepted(&backend).await;
    assert!(due(&backend, NOW).await.is_empty());
    assert!(backend.store().due("academy", HOOK, NOW, 9).await.unwrap().events.is_empty());
}

async fn each_event_is_told_to_those_who_want_it(backend: impl Backend) {
    subscribe(&backend, EventKind::ALL);
    let first = hand_in(&backend, 4.0).await;
    ruled(&backend, set(7.5)).await;
    voided(&backend, first).await;
    let sent = drain(&backend, NOW).await;
    let told: Vec<_> = sent.iter().map(|event| (event.kind, event.submission)).collect();
    let expected = [
        (EventKind::SubmissionCreated, Some(first)),
        (EventKind::GradeChanged, Some(first)),
        (EventKind::GradeChanged, None),
        (EventKind::SubmissionVoided, Some(first)),
    ];
    assert_eq!(told, expected, "the override still stands after the void");
    assert!(sent.iter().all(|event| event.user == "ada" && event.activity == "quiz"));
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    hand_in(&backend, 5.0).await;
    ruled(&backend, set(8.0)).await;
    assert_eq!(kinds(&due(&backend, NOW).await), [("quiz", "submission.created")]);
}

async fn an_event_is_there_when_its_grade_is(backend: impl Backend) {
    subscribe(&backend, &[EventKind::GradeChanged]);
    hand_in(&backend, 4.0).await;
    let reopened = backend.crashed();
    assert_eq!(drain(&reopened, NOW).await.len(), 1);
    // A call that fails as a whole leaves neither.
    with_launch(9, &launch())
        .to(event("damaged").once("log", "op-1", "d"))
        .accepted(&backend)
        .await;
    backend.execute("UPDATE operations SET outcome = 'damaged'");
    let damaged = event("damaged").once("log", "op-1", "d");
    let call = with_launch(1, &launch()).to(submit(score(9.0))).to(damaged).verdict(&backend);
    assert!(call.await.is_err());
    assert_eq!(drain(&backend, NOW).await.len(), 1);
    assert_eq!(state(&backend).await.waiting, 0);
}

async fn an_unchanged_grade_is_no_event(backend: impl Backend) {
    subscribe(&backend, &[EventKind::GradeChanged]);
    hand_in(&backend, 4.0).await;
    hand_in(&backend, 3.0).await;
    ruled(&backend, set(7.5)).await;
    ruled(&backend, set(7.5)).await;
    hand_in(&backend, 9.0).await;
    assert_eq!(drain(&backend, NOW).await.len(), 2, "the first submission, and the override");
}

async fn a_theft_is_an_event(backend: impl Backend) {
    subscribe(&backend, &[EventKind::KeyTheft]);
    with_launch(1, &launch()).accepted(&backend).await;
    with_token(1, 1, [1; 8]).accepted(&backend).await;
    with_token(1, 1, [2; 8]).refused(&backend).await;
    // The second holder's next call finds an ended key: the theft was told.
    with_token(1, 0, LAUNCH_BRANCH).refused(&backend).await;
    let sent = drain(&backend, NOW).await;
    let told: Vec<_> = sent.iter().map(|event| (event.kind, event.key, &*event.user)).collect();
    assert_eq!(told, [(EventKind::KeyTheft, Some(key_id(1)), "ada")]);
}

async fn within_an_activity_one_after_the_other(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    let mut expected = Vec::new();
    for value in [1.0, 2.0, 3.0] {
        expected.push(Some(hand_in(&backend, value).await));
        let film = launch_for("school", "ada", "film");
        with_launch(2, &film).to(submit(score(value))).accepted(&backend).await;
    }
    let heads = due(&backend, NOW).await;
    assert_eq!(kinds(&heads).len(), 2, "the first of each activity");
    assert_eq!(backend.store().due("school", HOOK, NOW, 1).await.unwrap().events.len(), 1);
    assert_eq!(due(&backend, NOW - 1).await.len(), 0, "not before it happened");
    let sent = drain(&backend, NOW).await;
    let quiz: Vec<_> = sent.iter().filter(|event| event.activity == "quiz").collect();
    assert_eq!(quiz.iter().map(|event| event.submission).collect::<Vec<_>>(), expected);
    assert_eq!(state(&backend).await.delivered_at, Some(NOW));
}

async fn a_failure_holds_its_activity_only(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    hand_in(&backend, 1.0).await;
    let film = launch_for("school", "ada", "film");
    with_launch(2, &film).to(submit(score(1.0))).accepted(&backend).await;
    let heads = due(&backend, NOW).await;
    let quiz = heads.iter().find(|due| due.event.activity == "quiz").unwrap();
    backend.store().settle(quiz, failed(NOW + MINUTE), NOW + 1).await.unwrap();
    hand_in(&backend, 2.0).await;
    let next = backend.store().due("school", HOOK, NOW + 2, 100).await.unwrap();
    assert_eq!(kinds(&next.events), [("film", "submission.created")]);
    assert_eq!(next.next_at, Some(NOW + MINUTE));
    drain(&backend, NOW + 2).await;
    let reopened = backend.crashed();
    let again = due(&reopened, NOW + MINUTE).await;
    assert_eq!(kinds(&again), [("quiz", "submission.created")]);
    assert_eq!((again[0].event.clone(), again[0].number), (quiz.event.clone(), quiz.number));
    assert_eq!((again[0].attempts, again[0].failing_since), (1, Some(NOW + 1)));
    assert_eq!(again[0].webhook_failing_since, None, "the film's arrived since");
    let state = state(&reopened).await;
    assert_eq!((state.waiting, state.next_at), (2, Some(NOW + MINUTE)));
    assert_eq!(state.failed, Some((NOW + 1, "answered 500".into())));
    reopened.store().settle(&again[0], failed(NOW + HOUR), NOW + MINUTE).await.unwrap();
    let third = due(&reopened, NOW + HOUR).await;
    assert_eq!((third[0].attempts, third[0].failing_since), (2, Some(NOW + 1)));
    assert_eq!(third[0].webhook_failing_since, Some(NOW + MINUTE));
    assert_eq!(drain(&reopened, NOW + HOUR).await.len(), 2);
}

async fn what_is_given_up_lets_the_next_go(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    let (_, second) = (hand_in(&backend, 1.0).await, hand_in(&backend, 2.0).await);
    let head = due(&backend, NOW).await.remove(0);
    let given_up = Attempt::GivenUp { failure: "answered 400".into() };
    backend.store().settle(&head, given_up, NOW).await.unwrap();
    let next = due(&backend, NOW).await;
    assert_eq!((next[0].event.submission, next[0].attempts), (Some(second), 0));
    assert_eq!(next[0].failing_since, None);
}

async fn a_disabled_webhook_collects_and_gets_nothing(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    hand_in(&backend, 1.0).await;
    let head = due(&backend, NOW).await.remove(0);
    let gone = Attempt::Disabled { failure: "the receiver wants no more (410)".into() };
    backend.store().settle(&head, gone, NOW).await.unwrap();
    hand_in(&backend, 2.0).await;
    assert!(due(&backend, NOW + DAY).await.is_empty());
    let state = state(&backend).await;
    assert_eq!((state.waiting, state.next_at), (2, None));
    assert_eq!(state.disabled, Some((NOW, "the receiver wants no more (410)".into())));
    let waiting = backend.store().replay("school", HOOK, NOW + DAY, NOW + DAY).await.unwrap();
    assert_eq!(waiting, 2, "what never arrived is sent whatever its age");
    assert_eq!(drain(&backend, NOW + DAY).await.len(), 2);
}

async fn a_replay_sends_again(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    let mut sent = Vec::new();
    for minute in 0..4 {
        let work = submit(score(5.0));
        with_launch(1, &launch()).at(NOW + minute * MINUTE).to(work).accepted(&backend).await;
        sent.extend(drain(&backend, NOW + HOUR).await);
    }
    let waiting = backend.store().replay("school", HOOK, NOW + 2 * MINUTE, NOW + HOUR).await;
    assert_eq!(waiting.unwrap(), 2);
    assert_eq!(drain(&backend, NOW + HOUR).await, sent[2..]);
    assert!(drain(&backend, NOW + DAY).await.is_empty());
    assert_eq!(backend.store().replay("school", HOOK, NOW + DAY, NOW).await.unwrap(), 0);
}

async fn a_replay_meets_a_delivery_under_way(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    for value in [1.0, 2.0, 3.0] {
        hand_in(&backend, value).await;
    }
    let head = due(&backend, NOW).await.remove(0);
    backend.store().settle(&head, Attempt::Delivered, NOW).await.unwrap();
    let under_way = due(&backend, NOW).await.remove(0);
    backend.store().replay("school", HOOK, NOW, NOW).await.unwrap();
    backend.store().settle(&under_way, Attempt::Delivered, NOW).await.unwrap();
    assert_eq!(drain(&backend, NOW).await.len(), 3, "from the first again, none left out");
}

async fn old_events_are_swept_and_hold_nothing_up(backend: impl Backend) {
    subscribe(&backend, &[EventKind::SubmissionCreated]);
    hand_in(&backend, 1.0).await;
    let sweep = async |now| while backend.store().sweep(now).await.unwrap() {};
    sweep(NOW + 30 * DAY - 1).await;
    assert_eq!(state(&backend).await.waiting, 1);
    sweep(NOW + 30 * DAY).await;
    assert_eq!(state(&backend).await.waiting, 0);
    assert!(due(&backend, NOW + 30 * DAY).await.is_empty());
    hand_in(&backend, 2.0).await;
    assert_eq!(drain(&backend, NOW + 30 * DAY).await.len(), 1);
}
