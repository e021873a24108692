//! The log: what is appended, once, and what is read back, by whom.

use super::*;

on_each_backend!(
    what_is_appended_is_read_newest_first,
    one_joins_once,
    own_and_activity,
    hosts_share_nothing,
    cursors_cut_at_both_ends,
    the_last_page_has_no_next,
    cursors_of_other_lists_are_refused,
    rare_kinds_give_short_pages_that_go_on,
    one_entry_by_its_number,
    a_repeated_call_is_answered_as_before,
    what_is_told_by_its_content_is_done_again_after_a_pause,
    an_id_with_other_content_is_refused,
    an_id_is_known_by_user_activity_and_function,
    repeated_entries_are_stored_once,
    a_reused_entry_id_keeps_the_whole_call_out,
    a_refused_piece_of_work_leaves_the_others,
    times_are_kept_by_both_clocks,
);

/// Logs these events with that key.
async fn logged(backend: &impl Backend, number: u8, new: &NewKey, events: &[&str]) -> Vec<i64> {
    let list: Vec<_> = events.iter().map(|event| ("", *event)).collect();
    with_launch(number, new).to(entries(&list)).appended(backend).await
}

async fn page(backend: &impl Backend, query: RecentQuery) -> RecentPage {
    with_launch(1, &launch()).to(read(query)).page(backend).await
}

fn own() -> RecentQuery {
    newest(RecentScope::Own)
}

async fn what_is_appended_is_read_newest_first(backend: impl Backend) {
    let first = logged(&backend, 1, &launch(), &["a", "b"]).await;
    let second = logged(&backend, 1, &launch(), &["c"]).await;
    assert!(first[0] < first[1] && first[1] < second[0]);
    let page = page(&backend, own()).await;
    assert_eq!(words(&page), ["c", "b", "a", "join ada"]);
    assert_eq!(page.entries[0].seq, second[0]);
    // By the way of reads alone, which is another.
    let subject = backend.store().key(key_id(1)).await.unwrap().unwrap().subject;
    match backend.store().read(subject, Read::Recent(own())).await.unwrap() {
        Done::Recent(page) => assert_eq!(words(&page), ["c", "b", "a", "join ada"]),
        other => panic!("{other:?}"),
    }
    let times = backend.store().entry_times("school", "quiz", 2).await.unwrap();
    assert_eq!(times, [(EntryKind::Log, NOW), (EntryKind::Log, NOW)]);
}

async fn one_joins_once(backend: impl Backend) {
    for number in 1..=3 {
        logged(&backend, number, &launch(), &["seen"]).await;
    }
    logged(&backend, 4, &launch_for("school", "ada", "film"), &["seen"]).await;
    assert_eq!(words(&page(&backend, own()).await), ["seen", "seen", "seen", "join ada"]);
    assert_eq!(log_of(&backend, "school", "film").await, ["seen", "join ada"]);
}

async fn own_and_activity(backend: impl Backend) {
    logged(&backend, 1, &launch(), &["ada.1"]).await;
    logged(&backend, 2, &launch_for("school", "bob", "quiz"), &["bob.1"]).await;
    logged(&backend, 1, &launch(), &["ada.2"]).await;
    logged(&backend, 3, &launch_for("school", "bob", "film"), &["film"]).await;
    assert_eq!(words(&page(&backend, own()).await), ["ada.2", "ada.1", "join ada"]);
    let all = page(&backend, newest(RecentScope::Activity)).await;
    assert_eq!(words(&all), ["ada.2", "bob.1", "join bob", "ada.1", "join ada"]);
    assert_ne!(all.entries[0].user, all.entries[1].user);
}

async fn hosts_share_nothing(backend: impl Backend) {
    let academy = launch_for("academy", "ada", "quiz");
    let everybodys =
        |new: NewKey| NewKey { grant: Grant { recent: RecentScope::Activity, ..new.grant }, ..new };
    let (school, academy) = (everybodys(launch()), everybodys(academy));
    let operation = |event_name| event(event_name).once("log", "op-1", "the same");
    let ours = with_launch(1, &school).to(operation("ours")).appended(&backend).await;
    // Numbers are each host's own: theirs is made one that the school does not have.
    with_launch(2, &academy).to(event("before")).accepted(&backend).await;
    let theirs = with_launch(2, &academy).to(operation("theirs")).appended(&backend).await;
    assert_ne!(ours, theirs);
    let query = || newest(RecentScope::Activity);
    let seen = with_launch(1, &school).to(read(query())).page(&backend).await;
    assert_eq!(words(&seen), ["ours", "join ada"]);
    let seen = with_launch(2, &academy).to(read(query())).page(&backend).await;
    assert_eq!(words(&seen), ["theirs", "before", "join ada"]);
    let cursor = RecentQuery { before: Some(theirs[0]), ..query() };
    let refused = with_launch(1, &school).to(read(cursor)).outcome(&backend).await;
    assert!(matches!(refused, Err(Rejected::BadCursor("before"))));
    assert_eq!(backend.store().entry_times("academy", "quiz", 9).await.unwrap().len(), 3);
    assert!(backend.store().entry_times("nowhere", "quiz", 9).await.unwrap().is_empty());
}

async fn cursors_cut_at_both_ends(backend: impl Backend) {
    let seqs = logged(&backend, 1, &launch(), &["a", "b", "c", "d", "e"]).await;
    let cut = async |before: Option<usize>, since: Option<usize>| {
        let at = |cursor: Option<usize>| cursor.map(|at| seqs[at]);
        let query = RecentQuery { before: at(before), since: at(since), ..own() };
        words(&page(&backend, query).await).concat()
    };
    assert_eq!(cut(Some(2), None).await, "bajoin ada");
    assert_eq!(cut(None, Some(2)).await, "ed");
    assert_eq!(cut(Some(4), Some(1)).await, "dc");
    assert_eq!(cut(Some(1), Some(3)).await, "");
    assert_eq!(cut(None, Some(4)).await, "");
}

async fn the_last_page_has_no_next(backend: impl Backend) {
    logged(&backend, 1, &launch(), &["a", "b", "c"]).await;
    for (limit, pages) in [(1, 4), (2, 2), (3, 2), (4, 1), (5, 1)] {
        let mut query = RecentQuery { limit, ..own() };
        let mut seen = Vec::new();
        for number in 1.. {
            let page = page(&backend, query.clone()).await;
            seen.extend(words(&page));
            query.before = page.next;
            if page.next.is_none() {
                assert_eq!(number, pages, "of {limit}");
                break;
            }
            assert_eq!(page.entries.len(), limit as usize);
        }
        assert_eq!(seen, ["c", "b", "a", "join ada"], "by {limit}");
    }
    // Nor has one that ends at `since`.
    let newest_two = page(&backend, RecentQuery { limit: 2, ..own() }).await;
    let since = newest_two.next;
    let news = page(&backend, RecentQuery { limit: 1, since, ..own() }).await;
    assert_eq!((words(&news), news.next), (vec!["c".to_owned()], None));
}

async fn cursors_of_other_lists_are_refused(backend: impl Backend) {
    let ours = logged(&backend, 1, &launch(), &["ours"]).await[0];
    let film = logged(&backend, 2, &launch_for("school", "ada", "film"), &["film"]).await[0];
    let bobs = logged(&backend, 3, &launch_for("school", "bob", "quiz"), &["bob"]).await[0];
    let refused = async |scope, cursor: i64| {
        let before = RecentQuery { before: Some(cursor), ..newest(scope) };
        let since = RecentQuery { since: Some(cursor), ..newest(scope) };
        let before = with_launch(1, &launch()).to(read(before)).outcome(&backend).await;
        let since = with_launch(1, &launch()).to(read(since)).outcome(&backend).await;
        match (before, since) {
            (Err(Rejected::BadCursor("before")), Err(Rejected::BadCursor("since"))) => true,
            (Ok(_), Ok(_)) => false,
            other => panic!("{other:?}"),
        }
    };
    assert!(!refused(RecentScope::Own, ours).await);
    assert!(refused(RecentScope::Own, film).await);
    assert!(refused(RecentScope::Activity, film).await);
    assert!(refused(RecentScope::Own, bobs).await);
    assert!(!refused(RecentScope::Activity, bobs).await);
    assert!(refused(RecentScope::Activity, 999_999).await);
}

async fn rare_kinds_give_short_pages_that_go_on(backend: impl Backend) {
    with_launch(1, &launch()).to(submit(score(5.0))).submitted(&backend).await;
    // Far more than is looked at for one page.
    let crowd = vec![("", "noise"); 1_000];
    for _ in 0..5 {
        with_launch(1, &launch()).to(entries(&crowd)).appended(&backend).await;
    }
    let mut query = RecentQuery { kinds: vec![EntryKind::Grade], ..own() };
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = page(&backend, query.clone()).await;
        seen.extend(words(&page));
        pages += 1;
        match page.next {
            Some(next) => query.before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, ["grade 5"]);
    assert!(pages > 1, "one page must not walk the whole log");
    let joins = RecentQuery { kinds: vec![EntryKind::Join, EntryKind::Log], limit: 3, ..own() };
    assert_eq!(words(&page(&backend, joins).await), ["noise", "noise", "noise"]);
}

async fn one_entry_by_its_number(backend: impl Backend) {
    let ours = logged(&backend, 1, &launch(), &["ours"]).await[0];
    let bobs = logged(&backend, 2, &launch_for("school", "bob", "quiz"), &["bob"]).await[0];
    let film = logged(&backend, 3, &launch_for("school", "ada", "film"), &["film"]).await[0];
    let found = async |seq, scope| {
        let work = Work { operation: None, action: Action::Read(Read::Entry { seq, scope }) };
        match with_launch(1, &launch()).to(work).outcome(&backend).await {
            Ok(Replayable { done: Done::Entry(entry), .. }) => Some(word(&entry)),
            Err(Rejected::NotFound) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found(ours, RecentScope::Own).await.as_deref(), Some("ours"));
    assert_eq!(found(bobs, RecentScope::Own).await, None);
    assert_eq!(found(bobs, RecentScope::Activity).await.as_deref(), Some("bob"));
    assert_eq!(found(film, RecentScope::Activity).await, None);
    assert_eq!(found(999_999, RecentScope::Activity).await, None);
}

async fn a_repeated_call_is_answered_as_before(backend: impl Backend) {
    let grade = || submit(score(7.5)).once("grade", "op-1", "7.5");
    let log = || event("once").once("log", "op-1", "once");
    let first = with_launch(1, &launch()).to(grade()).to(log()).accepted(&backend).await.1;
    assert!(first.iter().all(|outcome| !outcome.as_ref().unwrap().replayed));
    // After others too; even where it would be refused today, through another key of the same user and activity.
    with_launch(1, &launch()).to(submit(score(9.0))).submitted(&backend).await;
    let today = placed(Placement { max: Some(5.0), ..Placement::default() });
    for (number, new) in [(1, launch()), (2, today)] {
        let again = with_launch(number, &new).to(grade()).to(log()).accepted(&backend).await.1;
        assert!(again.iter().all(|outcome| outcome.as_ref().unwrap().replayed));
        for (first, again) in first.iter().zip(&again) {
            let done = |outcome: &Result<Replayable, Rejected>| {
                serde_json::to_value(&outcome.as_ref().unwrap().done).unwrap()
            };
            assert_eq!(done(first), done(again));
        }
    }
    let all = ["grade 9", "once", "grade 7.5", "join ada"];
    assert_eq!(log_of(&backend, "school", "quiz").await, all);
}

async fn what_is_told_by_its_content_is_done_again_after_a_pause(backend: impl Backend) {
    let at = async |seconds: Millis, content: &str| {
        let work = event("seen").unless_within(30 * SECOND, "log", content);
        let request = with_launch(1, &launch()).at(NOW + seconds * SECOND).to(work);
        let outcome = request.outcome(&backend).await.unwrap();
        match outcome.done {
            Done::Appended(seqs) => (seqs[0], outcome.replayed),
            other => panic!("{other:?}"),
        }
    };
    let (first, replayed) = at(0, "a").await;
    assert!(!replayed);
    // Each repeat counts from then on.
    assert_eq!(at(30, "a").await, (first, true));
    assert_eq!(at(60, "a").await, (first, true));
    assert!(!at(60, "b").await.1);
    let (second, replayed) = at(91, "a").await;
    assert!(second > first && !replayed);
    assert_eq!(at(92, "a").await, (second, true));
    let seen = words(&page(&backend, own()).await);
    assert_eq!(seen, ["seen", "seen", "seen", "join ada"]);
}

async fn an_id_with_other_content_is_refused(backend: impl Backend) {
    let grade = |value: f64| submit(score(value)).once("grade", "op-1", &value.to_string());
    with_launch(1, &launch()).to(grade(7.5)).submitted(&backend).await;
    let other = with_launch(1, &launch()).to(grade(8.0)).outcome(&backend).await;
    assert!(matches!(other, Err(Rejected::IdReused(None))));
    let request = with_launch(1, &launch()).to(grade(7.5));
    assert!(request.outcome(&backend).await.unwrap().replayed);
    // The same in one request.
    let two = with_launch(1, &launch())
        .to(event("a").once("log", "op-2", "a"))
        .to(event("b").once("log", "op-2", "b"))
        .to(event("a").once("log", "op-2", "a"));
    let outcomes = two.accepted(&backend).await.1;
    assert!(!outcomes[0].as_ref().unwrap().replayed);
    assert!(matches!(outcomes[1], Err(Rejected::IdReused(None))));
    assert!(outcomes[2].as_ref().unwrap().replayed);
    assert_eq!(log_of(&backend, "school", "quiz").await, ["a", "grade 7.5", "join ada"]);
}

async fn an_id_is_known_by_user_activity_and_function(backend: impl Backend) {
    let work = |function| event("e").once(function, "op-1", "e");
    for (number, new, function) in [
        (1, launch(), "log"),
        (1, launch(), "other"),
        (2, launch_for("school", "bob", "quiz"), "log"),
        (3, launch_for("school", "ada", "film"), "log"),
        (4, launch_for("academy", "ada", "quiz"), "log"),
    ] {
        let request = with_launch(number, &new).to(work(function));
        assert!(!request.outcome(&backend).await.unwrap().replayed, "{number} {function}");
        let request = with_launch(number, &new).to(work(function));
        assert!(request.outcome(&backend).await.unwrap().replayed, "{number} {function}");
    }
}

async fn repeated_entries_are_stored_once(backend: impl Backend) {
    let append = async |number, new: &NewKey, list: &[(&str, &str)]| {
        with_launch(number, new).to(entries(list)).appended(&backend).await
    };
    let first = append(1, &launch(), &[("1", "a"), ("2", "b")]).await;
    let second = append(2, &launch(), &[("2", "b"), ("3", "c"), ("3", "c"), ("", "d")]).await;
    assert_eq!(second[0], first[1]);
    assert_eq!(second[1], second[2]);
    assert_eq!(log_of(&backend, "school", "quiz").await, ["d", "c", "b", "a", "join ada"]);
    let bobs = append(3, &launch_for("school", "bob", "quiz"), &[("1", "a")]).await;
    assert!(!first.contains(&bobs[0]));
}

async fn a_reused_entry_id_keeps_the_whole_call_out(backend: impl Backend) {
    with_launch(1, &launch()).to(entries(&[("1", "a")])).appended(&backend).await;
    for (list, at) in [
        (&[("", "new"), ("2", "new"), ("1", "other")][..], 2),
        (&[("3", "new"), ("", "new"), ("3", "other")], 2),
        (&[("1", "other")], 0),
    ] {
        let work = entries(list).once("log", "op-1", "x");
        match with_launch(1, &launch()).to(work).outcome(&backend).await {
            Err(Rejected::IdReused(Some(found))) => assert_eq!(found, at),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(log_of(&backend, "school", "quiz").await, ["a", "join ada"]);
    // Nothing of the refused calls is remembered either: their ids are free.
    let work = entries(&[("2", "b"), ("3", "c")]).once("log", "op-1", "y");
    assert!(!with_launch(1, &launch()).to(work).outcome(&backend).await.unwrap().replayed);
    assert_eq!(log_of(&backend, "school", "quiz").await, ["c", "b", "a", "join ada"]);
}

async fn a_refused_piece_of_work_leaves_the_others(backend: impl Backend) {
    let request = with_launch(1, &launch())
        .to(event("before"))
        .to(submit(score(-1.0)).once("grade", "op-1", "-1"))
        .to(event("after"));
    let outcomes = request.accepted(&backend).await.1;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert!(matches!(outcomes[1], Err(Rejected::ScoreNegative)));
    assert_eq!(log_of(&backend, "school", "quiz").await, ["after", "before", "join ada"]);
    // A refusal is no result: the id is free for the corrected call.
    let right = submit(score(1.0)).once("grade", "op-1", "1");
    assert!(!with_launch(1, &launch()).to(right).outcome(&backend).await.unwrap().replayed);
}

async fn times_are_kept_by_both_clocks(backend: impl Backend) {
    let entry = |client_at| {
        let event = "e".to_owned();
        let data = Some(r#"{"x":1}"#.to_owned());
        let new = NewEntry { id: None, event, data, client_at };
        Work { operation: None, action: Action::Append(vec![new]) }
    };
    let request = with_launch(1, &launch()).to(entry(Some(NOW - HOUR))).to(entry(None));
    request.accepted(&backend).await;
    let page = page(&backend, own()).await;
    let at: Vec<_> = page.entries.iter().map(|entry| entry.at).collect();
    assert_eq!(at, [NOW, NOW - HOUR, NOW]);
    assert_eq!(page.entries[1].data.as_deref(), Some(r#"{"x":1}"#));
}

/// Grades that were written before entries told them, or came from another database.
#[tokio::test]
async fn postgres_tells_a_grade_by_its_entry_or_else_by_its_submission() {
    let backend = Postgres::open();
    for points in [5.0, 6.0] {
        with_launch(1, &launch()).to(submit(score(points))).submitted(&backend).await;
    }
    let grades = async || {
        let mut words = words(&page(&backend, own()).await);
        words.retain(|word| word.starts_with("grade"));
        words
    };
    assert_eq!(grades().await, ["grade 6", "grade 5"]);
    backend.execute("UPDATE entries SET score = NULL, max = NULL WHERE score = 5");
    assert_eq!(grades().await, ["grade 6", "grade 5"]);
    // What an entry tells is not looked for elsewhere.
    backend.execute("UPDATE submissions SET score = 1");
    assert_eq!(grades().await, ["grade 6", "grade 1"]);
}
