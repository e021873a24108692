//! Several servers on one database: what one does counts for all.

use super::outbox::HOOK;
use super::rulings::hand_in;
use super::*;
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// An event is held by one server for this long.
const LEASE: Millis = 15 * SECOND;

fn subscribe(backend: &impl Backend) {
    let one = Subscription { webhook: HOOK.into(), events: vec![EventKind::SubmissionCreated] };
    let wanted = Subscriptions::from([("school".to_owned(), vec![one])]);
    backend.store().subscribe(Arc::new(wanted));
}

async fn due(backend: &impl Backend, now: Millis) -> DueEvents {
    backend.store().due("school", HOOK, now, 10).await.unwrap()
}

#[tokio::test]
async fn an_event_is_delivered_by_one_of_them() {
    let one = Postgres::open();
    let two = one.peer();
    subscribe(&one);
    subscribe(&two);
    hand_in(&one, 4.0).await;
    hand_in(&two, 5.0).await;
    let held = due(&one, NOW).await.events.remove(0);
    let none = due(&two, NOW + 1).await;
    assert_eq!((none.events.len(), none.next_at), (0, Some(NOW + LEASE)));
    assert_eq!(due(&one, NOW + 1).await.events[0].number, held.number, "its own is given again");
    // While it goes on asking, it goes on holding.
    assert_eq!(due(&one, NOW + LEASE / 2).await.events[0].number, held.number);
    assert!(due(&two, NOW + LEASE).await.events.is_empty());
    let end = NOW + LEASE / 2 + LEASE;
    // What it does not settle in time, another may send.
    assert!(due(&two, end - 1).await.events.is_empty());
    let taken = due(&two, end).await.events.remove(0);
    assert_eq!(taken.event, held.event);
    assert!(due(&one, end).await.events.is_empty());
    two.store().settle(&taken, Attempt::Delivered, end).await.unwrap();
    // The first was late: the event is done with, and the next is not touched.
    let late = Attempt::Failed { failure: "late".into(), retry_at: NOW + DAY };
    one.store().settle(&held, late, end).await.unwrap();
    let next = due(&one, end).await.events.remove(0);
    assert_eq!((next.after, next.attempts), (held.number, 0));
    one.store().settle(&next, Attempt::Delivered, end).await.unwrap();
    let state = two.store().webhooks("school").await.unwrap().remove(0);
    assert_eq!(state.waiting, 0);
}

#[tokio::test]
async fn each_event_is_given_to_one_when_all_ask_at_once() {
    let first = Postgres::open();
    let servers = [first.peer(), first.peer().peer(), first.peer().peer().peer(), first];
    servers.iter().for_each(subscribe);
    for number in 1..=20 {
        let new = launch_for("school", "ada", &format!("quiz {number}"));
        with_launch(number, &new).to(submit(score(1.0))).submitted(&servers[0]).await;
    }
    let given = join_all(servers.iter().map(|server| due(server, NOW))).await;
    let mut given: Vec<_> =
        given.iter().flat_map(|due| &due.events).map(|due| &due.event.activity).collect();
    let all = given.len();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), all, "none to two");
    assert!(all >= 10, "some to somebody");
}

#[tokio::test]
async fn a_webhook_that_one_disables_is_disabled_for_all() {
    let one = Postgres::open();
    let two = one.peer();
    subscribe(&one);
    subscribe(&two);
    hand_in(&one, 4.0).await;
    let head = due(&one, NOW).await.events.remove(0);
    one.store().settle(&head, Attempt::Disabled { failure: "gone".into() }, NOW).await.unwrap();
    hand_in(&two, 5.0).await;
    assert!(due(&two, NOW + DAY).await.events.is_empty());
    assert_eq!(two.store().replay("school", HOOK, NOW, NOW + DAY).await.unwrap(), 2);
    assert_eq!(due(&two, NOW + DAY).await.events.len(), 1);
}

/// Everybody writes and everybody reads.
#[tokio::test]
async fn a_feed_misses_nothing_whoever_writes() {
    let first = Postgres::open();
    let servers = [first.peer(), first.peer().peer(), first];
    let writes = (0..150_usize).map(|at| {
        let number = u8::try_from(at % 12).unwrap() + 1;
        let new = launch_for("school", &format!("user {number}"), &format!("quiz {}", number % 7));
        let work = event(&format!("e{at:03}"));
        let server = &servers[at % 2];
        async move { with_launch(number, &new).to(work).appended(server).await }
    });
    let mut writes = std::pin::pin!(join_all(writes));
    let (mut seen, mut since, mut done) = (Vec::new(), Position::default(), false);
    while !done {
        done = futures_util::FutureExt::now_or_never(writes.as_mut()).is_some();
        for _ in 0..2 {
            let query = FeedQuery { since: since.clone(), limit: 9, ..FeedQuery::default() };
            let page = servers[2].store().log_feed("school", query).await.unwrap();
            seen.extend(page.items);
            (since, done) = (page.upto, done && !page.more);
        }
    }
    let mut by_activity = BTreeMap::<_, Vec<i64>>::new();
    let events = seen.iter().filter(|item| item.kind == EntryKind::Log);
    let mut names: Vec<_> = events.map(|item| item.event.clone().unwrap()).collect();
    for item in &seen {
        by_activity.entry(&item.about.activity).or_default().push(item.seq);
    }
    assert!(by_activity.values().all(|seqs| seqs.is_sorted()));
    names.sort();
    let expected: Vec<_> = (0..150).map(|at| format!("e{at:03}")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_login_name_is_given_to_one() {
    let one = Postgres::open();
    let two = one.peer();
    let set = async |server: &Postgres, id: &str| {
        let username = Given::Value("ada".to_owned());
        let item = UserItem { id: id.into(), username, ..UserItem::default() };
        server.store().set("school", Items::Users(vec![item])).await.unwrap().remove(0)
    };
    for round in 0..10 {
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let outcomes = futures_util::future::join(set(&one, &a), set(&two, &b)).await;
        let given = [outcomes.0, outcomes.1].iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(given, usize::from(round == 0), "{outcomes:?}");
    }
}

/// A ruling, a submission and a reset of one grade at once: in some order, and each whole.
#[tokio::test]
async fn rulings_and_submissions_follow_one_another() {
    let one = Postgres::open();
    let two = one.peer();
    let first = hand_in(&one, 4.0).await;
    let rule = |score: f64| {
        let new = NewOverride {
            user: "ada".into(),
            activity: "quiz".into(),
            score: Some(score),
            ..NewOverride::default()
        };
        two.store().rule("school", new, NOW)
    };
    let void = one.store().void("school", first, "copied", None, NOW);
    let (ruled, voided, submitted) = tokio::join!(
        join_all((0..5).map(|score| rule(f64::from(score)))),
        void,
        join_all((0..5).map(|value| hand_in(&two, 5.0 + f64::from(value)))),
    );
    assert!(ruled.iter().all(Result::is_ok) && voided.unwrap().1);
    assert_eq!(submitted.len(), 5);
    let item = one.store().grade("school", "quiz", "ada").await.unwrap().unwrap();
    let tally = item.standing.tally;
    assert_eq!((tally.count, tally.highest), (5, 9.0), "the void one does not count");
    let ruling = item.standing.ruling.unwrap();
    assert_eq!(tally.overridden, ruling.score.map(|(score, _)| score));
    let told = two.store().grade_feed("school", FeedQuery { limit: 10, ..FeedQuery::default() });
    assert_eq!(told.await.unwrap().items.len(), 1);
}
