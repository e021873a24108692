//! Several servers on one database: what one does counts for all.

use super::*;
use futures_util::future::join_all;

/// Servers on one database.
fn servers(count: usize) -> Vec<Postgres> {
    let first = Postgres::open();
    let mut servers: Vec<_> = (1..count).map(|_| first.peer()).collect();
    servers.push(first);
    servers
}

#[tokio::test]
async fn one_of_many_confirms_a_token() {
    let servers = servers(4);
    for round in 1..=10 {
        with_launch(round, &launch()).accepted(&servers[0]).await;
        let calls = (0..24).map(|call| {
            let request = with_token(round, 1, [1; 8]).to(event(&format!("call.{call}")));
            request.accepted(&servers[call % servers.len()])
        });
        let decisions: Vec<_> = join_all(calls).await.into_iter().map(|(why, _)| why).collect();
        let confirmed = decisions.iter().filter(|why| {
            matches!(why, Accepted::Decided(crate::keys::decide::Decision::Confirm { .. }))
        });
        assert_eq!(confirmed.count(), 1, "{decisions:?}");
    }
    let all = servers[1].store().entry_times("school", "quiz", 1_000).await.unwrap();
    assert_eq!(all.len(), 241, "each call once, and one join");
}

#[tokio::test]
async fn one_of_two_branches_wins_everywhere() {
    let servers = servers(2);
    with_launch(1, &launch()).accepted(&servers[0]).await;
    let calls = (0..16).map(|call| {
        let branch = [u8::try_from(call % 2).unwrap() + 1; 8];
        with_token(1, 1, branch).name(&servers[call / 2 % 2])
    });
    let names = join_all(calls).await;
    assert_eq!(names.iter().filter(|name| *name == "confirm").count(), 1, "{names:?}");
    assert!(names.iter().any(|name| name == "fork"), "{names:?}");
    for server in &servers {
        assert_eq!(with_token(1, 1, [1; 8]).name(server).await, "dead");
        assert_eq!(with_token(1, 1, [2; 8]).name(server).await, "dead");
    }
}

#[tokio::test]
async fn the_same_operation_on_many_is_done_once() {
    let servers = servers(4);
    for number in 1..=4 {
        with_launch(number, &launch()).accepted(&servers[0]).await;
    }
    let calls = (0..40).map(|call| {
        let number = u8::try_from(call % 4).unwrap() + 1;
        let work = submit(score(5.0)).once("grade", "op-1", "5");
        with_token(number, 0, LAUNCH_BRANCH).to(work).outcome(&servers[call / 4 % 4])
    });
    let outcomes = join_all(calls).await;
    let fresh = outcomes.iter().filter(|outcome| !outcome.as_ref().unwrap().replayed).count();
    assert_eq!(fresh, 1);
    let kept = servers[3].store().submissions("school", "quiz", "ada", 10).await.unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn one_launch_on_many_starts_one_key() {
    let servers = servers(4);
    let calls = (0..16).map(|call| with_launch(1, &launch()).name(&servers[call % 4]));
    let names = join_all(calls).await;
    assert_eq!(names.iter().filter(|name| *name == "start").count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "current").count(), 15, "{names:?}");
    assert_eq!(log_of(&servers[0], "school", "quiz").await, ["join ada"]);
}

/// After the answer to a logout nothing of its keys is written any more, whichever server is asked.
#[tokio::test]
async fn a_logout_on_one_ends_writes_on_the_others() {
    let servers = servers(3);
    let new = NewKey { session: Some("login".into()), ..launch() };
    for number in 1..=8 {
        with_launch(number, &new).accepted(&servers[0]).await;
    }
    let count = async || {
        let all = servers[0].store().entry_times("school", "quiz", 1_000).await.unwrap();
        all.len()
    };
    let writes = join_all((0..120_usize).map(|call| {
        let number = u8::try_from(call % 8).unwrap() + 1;
        let request = with_token(number, 0, LAUNCH_BRANCH).to(event("write"));
        request.verdict(&servers[call % 3])
    }));
    // First uses go on as well: none may be missed by the logout.
    let starts = join_all(
        (20..60_u8)
            .map(|number| with_launch(number, &new).verdict(&servers[usize::from(number) % 3])),
    );
    let logout = async {
        let ended = servers[2].store().end_session("school", "login", NOW).await.unwrap();
        (ended, count().await)
    };
    let (writes, starts, (ended, at_the_end)) = tokio::join!(writes, starts, logout);
    assert!(ended >= 8, "{ended}");
    assert_eq!(count().await, at_the_end, "nothing was written after the answer");
    let accepted =
        |verdict: &&Result<Verdict, StoreError>| matches!(verdict, Ok(Verdict::Accepted { .. }));
    let written = writes.iter().filter(accepted).count();
    assert_eq!(at_the_end, written + 1, "and all that was answered is there");
    let started = starts.iter().filter(accepted).count();
    assert_eq!(ended, 8 + started as u64);
    for number in (1..=8).chain(20..60) {
        let name = with_launch(number, &new).name(&servers[0]).await;
        assert!(name == "dead" || name == "SessionEnded", "{name}");
    }
}

/// Limits hold however many servers are asked at once.
#[tokio::test]
async fn the_last_place_is_given_once() {
    let servers = servers(4);
    for (round, (per_session, per_user)) in [(3, 99), (99, 3)].into_iter().enumerate() {
        let user = format!("user {round}");
        let starts = (0..24_u8).map(|call| {
            // Of other activities: in one strand they would wait for one another anyhow.
            let new = NewKey {
                session: Some(format!("login {round}")),
                ..launch_for("school", &user, &format!("quiz {call}"))
            };
            let number = 24 * u8::try_from(round).unwrap() + call + 1;
            let limits = KeyLimits { per_session, per_user, per_host: 0, thefts: 3 };
            let request = Request { limits, ..with_launch(number, &new) };
            request.name(&servers[usize::from(call) % 4])
        });
        let names = join_all(starts).await;
        let started = names.iter().filter(|name| *name == "start").count();
        assert_eq!(started, 3, "{names:?}");
        assert!(names.iter().all(|name| name == "start" || name == "TooManyKeys"), "{names:?}");
    }
}

/// A launch that places an activity in a course while that is deleted: the course takes it along, or the activity
/// stands without one.
#[tokio::test]
async fn no_activity_stays_in_a_course_that_is_deleted() {
    let servers = servers(3);
    for round in 0..12_u8 {
        let course = format!("course {round}");
        let about = CourseDescription { id: course.clone(), ..CourseDescription::default() };
        let launches = (0..6_u8).map(|call| {
            let new = NewKey {
                about_course: Some(about.clone()),
                ..launch_for("school", "ada", &format!("quiz {round} {call}"))
            };
            with_launch(16 * round + call, &new).name(&servers[usize::from(call) % 2])
        });
        let item = CourseItem { id: course.clone(), ..CourseItem::default() };
        servers[0].store().set("school", Items::Courses(vec![item])).await.unwrap();
        let remove = servers[2].store().remove("school", Kind::Courses, &course, NOW);
        let (names, removed) = tokio::join!(join_all(launches), remove);
        removed.unwrap().expect("it was there");
        let left = "SELECT a.key FROM activities a JOIN courses c ON c.id = a.course
                    WHERE c.deleted_at IS NOT NULL AND a.deleted_at IS NULL";
        assert_eq!(servers[0].database.rows(left), [[""; 0]; 0], "{names:?}");
        for (call, name) in (0_u8..).zip(names) {
            assert!(["start", "Deleted"].contains(&&*name), "{name}");
            // A key of an activity that went with the course is dead.
            let again = with_token(16 * round + call, 0, LAUNCH_BRANCH).name(&servers[1]).await;
            let key = format!("quiz {round} {call}");
            let gone = format!("SELECT 1 FROM activities WHERE key = '{key}' AND deleted_at > 0");
            let gone = !servers[0].database.rows(&gone).is_empty();
            let expected: &[&str] = if gone { &["dead", "Unknown"] } else { &["current"] };
            assert!(expected.contains(&&*again), "{name}, then {again}");
        }
    }
}
