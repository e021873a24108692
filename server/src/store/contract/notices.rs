//! What one server ends or hides, the others look up at once; and without a word from it within a second.

use super::*;
use std::time::Duration;

/// Far longer than any test takes.
const FOR_EVER: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(30);

/// Servers that believe for ever what they have read, unless they are told.
fn trusting(count: i64) -> Vec<Postgres> {
    let database = Arc::new(Database::new());
    let share = Share { group: 512, writers: 2, connections: 4, keep_log: 0 };
    let open = |server| {
        let url = database.url();
        let (store, _) = PostgresStore::believing(FOR_EVER, url, share, server, NOW).unwrap();
        Postgres { store, database: Arc::clone(&database), server }
    };
    (1..=count).map(open).collect()
}

/// What a server believes of a key: whether it is ended, and whether its activity is hidden.
async fn believed(server: &Postgres, number: u8) -> (bool, bool) {
    let key = server.store().key(key_id(number)).await.unwrap().unwrap();
    (key.row.revoked, key.hidden)
}

/// Waits until a server believes it.
async fn until(server: &Postgres, number: u8, expected: (bool, bool)) {
    let come = async {
        while believed(server, number).await != expected {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, come).await.is_ok(), "never {expected:?}");
}

/// Waits until so many servers hear.
async fn until_heard(server: &Postgres, count: usize) {
    let listening = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
                     AND application_name = 'latchkey notices' AND query LIKE 'LISTEN%'";
    let come = async {
        while server.database.rows(listening).len() != count {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, come).await.is_ok(), "never {count} listening");
}

#[tokio::test]
async fn what_one_ends_the_others_look_up() {
    let servers = trusting(3);
    let [one, two, three] = &servers[..] else { unreachable!() };
    let new = |activity: &str| NewKey {
        session: Some("login".into()),
        ..launch_for("school", "ada", activity)
    };
    for number in 1..=3 {
        with_launch(number, &new(&format!("quiz {number}"))).accepted(one).await;
    }
    for number in 1..=3 {
        assert_eq!(believed(two, number).await, (false, false));
        assert_eq!(believed(three, number).await, (false, false));
    }
    until_heard(one, 3).await;
    // A key that its host ends.
    one.store().revoke("school", key_id(1), "closed", NOW).await.unwrap();
    until(two, 1, (true, false)).await;
    until(three, 1, (true, false)).await;
    // One that is found in two hands.
    assert_eq!(with_token(2, 0, [9; 8]).name(two).await, "fork");
    until(one, 2, (true, false)).await;
    until(three, 2, (true, false)).await;
    // An activity that is hidden.
    let hidden = |hidden| {
        let item =
            ActivityItem { id: "quiz 3".into(), hidden: Some(hidden), ..ActivityItem::default() };
        one.store().set("school", Items::Activities(vec![item]))
    };
    hidden(true).await.unwrap();
    until(three, 3, (false, true)).await;
    hidden(false).await.unwrap();
    until(three, 3, (false, false)).await;
    // A login that is over.
    three.store().end_session("school", "login", NOW).await.unwrap();
    until(one, 3, (true, false)).await;
    until(two, 3, (true, false)).await;
}

/// A connection that was cut is made again, and what was said meanwhile is not missed.
#[tokio::test]
async fn a_server_that_was_cut_off_looks_everything_up() {
    let servers = trusting(2);
    let [one, two] = &servers[..] else { unreachable!() };
    for number in 1..=8 {
        with_launch(number, &launch()).accepted(one).await;
        assert_eq!(believed(two, number).await, (false, false));
    }
    until_heard(one, 2).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'latchkey notices'";
    for number in 1..=8 {
        one.execute(cut);
        // At once, so that now and then nobody hears of it.
        one.store().revoke("school", key_id(number), "closed", NOW).await.unwrap();
        until(two, number, (true, false)).await;
    }
}

/// Without any notice, as on an engine that has none: what is believed is read again all the same.
#[tokio::test]
async fn without_notices_it_is_read_again_after_a_while() {
    let one = Postgres::open();
    with_launch(1, &launch()).accepted(&one).await;
    assert_eq!(believed(&one, 1).await, (false, false));
    // By somebody who tells nobody.
    one.execute("UPDATE keys SET revoked_at = 1, revoked_for = 'elsewhere'");
    until(&one, 1, (true, false)).await;
    // And what writes never believed it.
    with_launch(2, &launch()).accepted(&one).await;
    one.execute("UPDATE keys SET revoked_at = 1, revoked_for = 'elsewhere'");
    assert_eq!(with_launch(2, &launch()).to(event("never")).name(&one).await, "dead");
}
