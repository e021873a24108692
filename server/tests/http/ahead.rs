//! `latchkey copy --ahead`: servers go on while what only grows is brought, and the last copy brings the rest.

use crate::database::Database;
use crate::host::school;
use crate::moving::{in_file, killed_at, long, new_page, refusal, server_on, view};
use crate::program::{latchkey, run};
use crate::server::{MINUTE, Page, SECOND, Server, copy};
use latchkey_server::store::moving::{self, Compared, MoveError, Phase, Watch};
use latchkey_server::store::{Place, without_password};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Brings ahead by the program; what it says.
fn ahead(from: &str, to: &str) -> String {
    let done = run(latchkey().args(["copy", "--ahead", "--from", from, "--to", to]));
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// What a call was, and where it was made.
type Done = (String, &'static str, Value);

/// Makes a call, which is acknowledged.
async fn call(
    page: &mut Page<'_>,
    token: &str,
    function: &'static str,
    args: Value,
    done: &mut Vec<Done>,
) {
    let answer = page.call(function, args.clone()).await;
    assert!(answer.json().get("replayed").is_none(), "{args}");
    answer.is_done();
    done.push((token.to_owned(), function, args));
}

/// Calls of users who are there and of one who comes; what was acknowledged, by the page of each user.
async fn calls<'a>(
    server: &'a Server,
    pages: &mut BTreeMap<String, Page<'a>>,
    round: &str,
    done: &mut Vec<Done>,
) {
    // Nobody opens so many pages that the oldest keys end.
    for (user, activity) in [("ada", "quiz"), ("bob", "quiz"), (round, round), (round, "essay")] {
        let place = format!("{user}-{activity}");
        let new = || server.page_for("school", user, activity);
        let page = pages.entry(place.clone()).or_insert_with(new);
        let entry = json!({"event": format!("{round}-{place}"), "id": format!("log-{round}")});
        call(page, &place, "log", json!({"entries": [entry]}), done).await;
        let grade = json!({"score": 5, "comment": round, "id": format!("grade-{round}")});
        call(page, &place, "grade", grade, done).await;
        server.after(SECOND);
    }
}

/// A pass while calls come all the time.
async fn pass<'a>(
    server: &'a Server,
    pages: &mut BTreeMap<String, Page<'a>>,
    to: &Database,
    name: &str,
    done: &mut Vec<Done>,
) {
    let (from, to) = (server.database().url(), to.url());
    let passing = tokio::task::spawn_blocking(move || ahead(&from, &to));
    let mut round = 0;
    while !passing.is_finished() || round < 30 {
        calls(server, pages, &format!("{name}{round}"), done).await;
        round += 1;
    }
    assert!(passing.await.unwrap().starts_with("ahead: "));
}

/// Moves a server that goes on until the last copy, and misses nothing.
async fn moves(server: Server, there: Database) {
    let (mut pages, mut done) = (BTreeMap::new(), Vec::new());
    crate::moving::furnish(&server).await;
    calls(&server, &mut pages, "before", &mut done).await;
    pass(&server, &mut pages, &there, "first", &mut done).await;
    // What was brought is ruled about later.
    let all = school(&server).get("/host/v1/submissions?user=ada").await.result();
    let id = all["items"][1]["id"].as_str().unwrap().to_owned();
    school(&server)
        .post(&format!("/host/v1/submissions/{id}/void"), &json!({"reason": "copied"}))
        .await
        .is_done();
    calls(&server, &mut pages, "between", &mut done).await;
    pass(&server, &mut pages, &there, "second", &mut done).await;
    let given = json!([{"user": "bob", "activity": "quiz", "score": 7.5, "by": "t1"}]);
    school(&server).set("grades", given).await;
    calls(&server, &mut pages, "after", &mut done).await;
    let before = view(&server).await;
    let told = serde_json::to_string(&before).unwrap();
    let tokens: Vec<_> =
        pages.iter().map(|(place, it)| (place.clone(), it.token.clone())).collect();
    drop(pages);

    let server = server.moved_to(there).await;
    assert_eq!(view(&server).await, before);
    let mut pages: BTreeMap<_, _> =
        tokens.into_iter().map(|(place, token)| (place, Page { server: &server, token })).collect();
    let counts =
        || ["entries", "submissions"].map(|it| server.count(&format!("SELECT count(*) FROM {it}")));
    let there = counts();
    for (place, function, args) in &done {
        if let Some(event) = args["entries"][0]["event"].as_str() {
            assert_eq!(told.matches(&format!("\"{event}\"")).count(), 1, "{event}");
        }
        let again = pages.get_mut(place).unwrap().call(function, args.clone()).await;
        let json = again.json();
        let replayed =
            &json["replayed"] == true || json["result"]["entries"][0]["replayed"] == true;
        assert!(replayed || *function == "log", "{place} {function} {args}: {json}");
        again.is_done();
    }
    assert_eq!(counts(), there, "a repeat was taken for something new");
    server.after(MINUTE);
    for (place, page) in &mut pages {
        page.log(&format!("on-{place}")).await.is_done();
        assert_eq!(page.events().await[0], format!("on-{place}"));
        page.grade(9.0).await.is_done();
    }
    // New ones, whose numbers are taken by nobody.
    new_page(&server).grade(1.0).await.is_done();
    let taken =
        "SELECT count(*) FROM submissions s JOIN users u ON u.id = s.USER WHERE u.key = 'new'";
    let user = if matches!(server.database(), Database::File(_)) { "user" } else { "user_id" };
    assert_eq!(server.count(&taken.replace("USER", user)), 1);
}

#[tokio::test]
async fn a_server_goes_on_until_it_moves_to_postgres() {
    moves(server_on(in_file).await, Database::postgres()).await;
}

#[tokio::test]
async fn a_server_goes_on_until_it_moves_to_sqlite() {
    let server = server_on(|_| Database::postgres()).await;
    let there = Database::file(&server.folder.path().join("there/latchkey.db"));
    moves(server, there).await;
}

#[tokio::test]
async fn a_server_goes_on_until_it_moves_to_its_like() {
    let server = server_on(in_file).await;
    let there = Database::file(&server.folder.path().join("there/latchkey.db"));
    moves(server, there).await;
    moves(server_on(|_| Database::postgres()).await, Database::postgres()).await;
}

/// What a copy tells, and where it stops.
#[derive(Default)]
struct Seen {
    phase: Option<Phase>,
    /// Rows that were moved or compared, by phase and table.
    rows: BTreeMap<(&'static str, &'static str), u64>,
    resumed: bool,
    /// What somebody else does at the first part of that table in that phase.
    meanwhile: Option<Meanwhile>,
}

type Meanwhile = ((&'static str, &'static str), Box<dyn FnOnce() + Send>);

impl Seen {
    fn meanwhile(
        phase: &'static str,
        table: &'static str,
        what: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self { meanwhile: Some(((phase, table), Box::new(what))), ..Self::default() }
    }
}

impl Watch for Seen {
    fn begin(&mut self, phase: Phase, _: u64, resumed: bool) {
        self.phase = Some(phase);
        self.resumed |= resumed;
    }

    fn done(&mut self, table: &'static str, rows: u64) {
        let phase = match self.phase.unwrap() {
            Phase::Counting => "counting",
            Phase::Copying => "copying",
            Phase::Comparing => "comparing",
        };
        *self.rows.entry((phase, table)).or_default() += rows;
        if let Some((_, what)) = self.meanwhile.take_if(|(at, _)| *at == (phase, table)) {
            what();
        }
    }
}

type Told = Result<Vec<Compared>, MoveError>;
/// A copy or a pass.
type What = fn(&Place, &Place, i64, &mut dyn Watch) -> Told;

/// Something done in this process, on a thread that may wait; what it told, if it did not break down.
async fn watched(
    what: What,
    from: &Database,
    to: &Database,
    stop: Option<(&'static str, &'static str)>,
) -> (Seen, Option<Told>) {
    let breaks = |(phase, table)| Seen::meanwhile(phase, table, || panic!("it breaks down"));
    watched_with(what, from, to, stop.map_or_else(Seen::default, breaks)).await
}

async fn watched_with(
    what: What,
    from: &Database,
    to: &Database,
    mut seen: Seen,
) -> (Seen, Option<Told>) {
    let place = |database: &Database| Place::of(&database.url(), Path::new("/")).unwrap();
    let (from, to) = (place(from), place(to));
    let doing = move || {
        let done =
            catch_unwind(AssertUnwindSafe(|| what(&from, &to, 1_795_000_000_000, &mut seen)));
        (seen, done.ok())
    };
    tokio::task::spawn_blocking(doing).await.unwrap()
}

const ENTRIES: u64 = 9_000;

/// A long log in a file, and where it may go: to each kind from each kind.
async fn ways(folder: &Path) -> Vec<(Database, Database)> {
    let url = long(folder, ENTRIES as i64).await;
    let from = || Database::file(Path::new(url.strip_prefix("sqlite:").unwrap()));
    // As a server's file is: who reads does not keep others from writing.
    from().execute("PRAGMA journal_mode = WAL");
    let (first, second) = (Database::postgres(), Database::postgres());
    copy(&url, &first.url());
    copy(&url, &second.url());
    let file = |name: &str| Database::file(&folder.join(name).join("latchkey.db"));
    vec![
        (from(), Database::postgres()),
        (first, file("a")),
        (from(), file("b")),
        (second, Database::postgres()),
    ]
}

/// More of the log, by a clock that is far behind.
fn add(database: &Database, rows: u64) {
    for _ in 0..rows {
        database.execute(match database {
            Database::File(_) => {
                "INSERT INTO entries
                 SELECT seq + 1, activity, user, kind, attempt, seq, seq, 1, NULL, event, data
                 FROM entries ORDER BY seq DESC LIMIT 1"
            }
            Database::Postgres(_) => {
                "INSERT INTO entries (strand, seq, activity, user_id, kind, attempt, at, event, data)
                 SELECT strand, seq + 16, activity, user_id, kind, attempt, 1, event, data
                 FROM entries ORDER BY seq DESC LIMIT 1"
            }
        });
    }
}

#[tokio::test]
async fn each_pass_and_the_last_copy_read_only_what_has_come() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in ways(folder.path()).await {
        let all = from.number("SELECT count(*) FROM entries").unsigned_abs();
        let mut there = 0;
        for (what, more) in [
            (moving::ahead as What, all),
            (moving::ahead, 3),
            (moving::ahead, 0),
            (moving::copy, 2),
        ] {
            if there > 0 {
                add(&from, more);
            }
            there += more;
            let (seen, done) = watched(what, &from, &to, None).await;
            let compared = done.unwrap().unwrap();
            let entries = compared.iter().find(|it| it.table == "entries").unwrap();
            assert_eq!((entries.source.rows, entries.is_same()), (there, true));
            for phase in ["copying", "comparing"] {
                let moved = seen.rows.get(&(phase, "entries")).copied().unwrap_or(0);
                assert_eq!(moved, more, "{phase} {}", without_password(&from.url()));
            }
        }
        assert_eq!(to.number("SELECT count(*) FROM entries").unsigned_abs(), there);
        // What came last is last, though its clock was behind.
        assert_eq!(to.number("SELECT at FROM entries ORDER BY seq DESC LIMIT 1"), 1);
        chained(&to, there);
    }
}

#[tokio::test]
async fn a_pass_that_breaks_down_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for (way, (from, to)) in ways(folder.path()).await.into_iter().enumerate() {
        let all = from.number("SELECT count(*) FROM entries").unsigned_abs();
        let (_, broken) = watched(moving::ahead, &from, &to, Some(("copying", "entries"))).await;
        assert!(broken.is_none());
        let there = to.number("SELECT count(*) FROM entries").unsigned_abs();
        assert!((1..all).contains(&there), "{there}");
        add(&from, 2);
        // With --ahead or without it, and with what has come since.
        let what = if way % 2 == 0 { moving::ahead } else { moving::copy };
        let (seen, done) = watched(what, &from, &to, None).await;
        let compared = done.unwrap().unwrap();
        assert!(seen.resumed && compared.iter().all(Compared::is_same));
        assert_eq!(seen.rows[&("copying", "entries")], all - there + 2);
        assert_eq!(to.number("SELECT count(*) FROM entries").unsigned_abs(), all + 2);
        if way % 2 == 0 {
            // Broken down while it compares: nothing is brought twice.
            add(&from, 1);
            let stop = Some(("comparing", "entries"));
            assert!(watched(moving::ahead, &from, &to, stop).await.1.is_none());
            let (seen, done) = watched(moving::copy, &from, &to, None).await;
            assert!(done.unwrap().unwrap().iter().all(Compared::is_same));
            assert_eq!(seen.rows.get(&("comparing", "entries")), Some(&1));
            assert_eq!(to.number("SELECT count(*) FROM entries").unsigned_abs(), all + 3);
        }
        chained(&to, all + if way % 2 == 0 { 3 } else { 2 });
    }
}

/// The chains of what several runs have written are one.
fn chained(database: &Database, entries: u64) {
    if let Database::File(_) = database {
        let sql = "WITH RECURSIVE chain (seq) AS (
                       SELECT seq FROM heads WHERE user = 0
                       UNION ALL SELECT e.previous FROM entries e JOIN chain c ON e.seq = c.seq
                       WHERE e.previous > 0)
                   SELECT count(*) FROM chain";
        assert_eq!(database.number(sql).unsigned_abs(), entries);
    }
}

/// The servers may go on after a last copy that was given up: what it brought of the other tables is brought anew.
#[tokio::test]
async fn a_last_copy_that_was_given_up_costs_nothing() {
    for to in [Database::postgres(), Database::file(Path::new("there/latchkey.db"))] {
        let server = server_on(in_file).await;
        let to = match to {
            Database::File(file) => Database::file(&server.folder.path().join(file)),
            postgres => postgres,
        };
        crate::moving::furnish(&server).await;
        let mut page = server.page();
        page.grade(1.0).await.is_done();
        ahead(&server.database().url(), &to.url());
        let stop = Some(("copying", "operations"));
        let (_, broken) = watched(moving::copy, server.database(), &to, stop).await;
        assert!(broken.is_none() && to.number("SELECT count(*) FROM users") > 0);
        page.grade(7.0).await.is_done();
        server.page_for("school", "aaa", "aaa").grade(3.0).await.is_done();
        ahead(&server.database().url(), &to.url());
        page.grade(8.0).await.is_done();
        let token = page.token.clone();
        let before = view(&server).await;
        let server = server.moved_to(to).await;
        assert_eq!(view(&server).await, before);
        Page { server: &server, token }.grade(9.0).await.is_done();
    }
}

#[tokio::test]
async fn a_source_that_is_not_what_was_brought_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in ways(folder.path()).await {
        let (_, done) = watched(moving::ahead, &from, &to, None).await;
        done.unwrap().unwrap();
        let changed = async |sql: &str| {
            from.execute(sql);
            for what in [moving::ahead as What, moving::copy] {
                let (_, done) = watched(what, &from, &to, None).await;
                assert!(matches!(done.unwrap(), Err(MoveError::Changed)), "{sql}");
            }
        };
        // It was taken back, and has since written others under the same numbers.
        let newest = "(SELECT max(seq) FROM entries)";
        changed(&format!("UPDATE entries SET at = at + 1 WHERE seq = {newest}")).await;
        from.execute(&format!("UPDATE entries SET at = at - 1 WHERE seq = {newest}"));
        let (_, done) = watched(moving::ahead, &from, &to, None).await;
        assert!(done.unwrap().is_ok(), "it is again what it was");
        // A month of the log went, and as much has come.
        changed("DELETE FROM entries WHERE seq = (SELECT min(seq) FROM entries)").await;
        add(&from, 1);
        changed("SELECT 1").await;
        let mut serve = latchkey();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        let refused = run(serve.env("LATCHKEY_STORE__URL", to.url()));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("was not finished"));
    }
}

/// A server that was not stopped is found out, and nothing is lost by it.
#[tokio::test]
async fn a_source_that_is_still_written_to_keeps_the_target_closed() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in ways(folder.path()).await {
        let all = from.number("SELECT count(*) FROM entries").unsigned_abs();
        let (_, done) = watched(moving::ahead, &from, &to, None).await;
        done.unwrap().unwrap();
        let source = from.clone();
        let seen = Seen::meanwhile("comparing", "keys", move || add(&source, 1));
        let (_, done) = watched_with(moving::copy, &from, &to, seen).await;
        let differ: Vec<_> = done.unwrap().unwrap();
        let differ: Vec<_> = differ.iter().filter(|it| !it.is_same()).collect();
        assert_eq!((differ.len(), differ[0].table), (1, "entries"));
        assert_eq!((differ[0].source.rows, differ[0].target.rows), (all + 1, all));
        let (seen, done) = watched(moving::copy, &from, &to, None).await;
        assert!(done.unwrap().unwrap().iter().all(Compared::is_same));
        assert_eq!(seen.rows[&("copying", "entries")], 1);
        let (_, done) = watched(moving::copy, &from, &to, None).await;
        assert!(matches!(done.unwrap(), Err(MoveError::NotEmpty(_))), "it is open");
    }
}

#[tokio::test]
async fn a_pass_that_is_killed_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let from = long(folder.path(), 60_000).await;
    let to = Database::postgres();
    killed_at(&["--ahead"], &from, &to.url(), "copying: 1");
    let there = to.number("SELECT count(*) FROM entries");
    assert!((1..60_000).contains(&there), "{there}");
    let said = ahead(&from, &to.url());
    assert!(said.starts_with("ahead: 60,002 rows are there and were compared; "), "{said}");
    let said = copy(&from, &to.url());
    assert!(said.contains(" 60002 "), "{said}");
    assert_eq!(to.number("SELECT count(*) FROM entries"), 60_002);
}

/// Who has joined is known by the log too, when the key is long gone.
#[tokio::test]
async fn who_has_joined_does_not_join_anew() {
    for (from_postgres, to_postgres) in [(false, true), (true, false), (true, true)] {
        for in_passes in [false, true] {
            let server = server_on(|folder| match from_postgres {
                true => Database::postgres(),
                false => in_file(folder),
            });
            let server = server.await;
            let there = match to_postgres {
                true => Database::postgres(),
                false => Database::file(&server.folder.path().join("there/latchkey.db")),
            };
            server.page_for("school", "new", "new").log("first").await.is_done();
            server.database().execute("DELETE FROM keys");
            if in_passes {
                ahead(&server.database().url(), &there.url());
            }
            let server = server.moved_to(there).await;
            new_page(&server).log("second").await.is_done();
            let counts = ["kind = 2", "kind = 0"].map(|kind| format!("FROM entries WHERE {kind}"));
            let counts = counts.map(|of| server.count(&format!("SELECT count(*) {of}")));
            assert_eq!(counts, [1, 2], "{from_postgres} {to_postgres} {in_passes}");
        }
    }
}

/// Of two copies into one database the one that has begun last goes on from where the other was.
#[tokio::test]
async fn a_copy_stops_when_another_into_the_same_database_has_begun() {
    let folder = tempfile::tempdir().unwrap();
    let from = long(folder.path(), 60_000).await;
    let source = Database::file(&folder.path().join("long.db"));
    for (what, how) in [(moving::copy as What, &[][..]), (moving::ahead, &["--ahead"])] {
        let to = Database::postgres();
        // One that is given up, one that comes to its end.
        let (url, there) = (from.clone(), to.url());
        let begun = move || killed_at(how, &url, &there, "going on: 2");
        let seen = Seen::meanwhile("copying", "entries", begun);
        let (_, overtaken) = watched_with(what, &source, &to, seen).await;
        assert!(matches!(overtaken.unwrap(), Err(MoveError::Overtaken)));
        let there = to.number("SELECT count(*) FROM entries");
        assert!((8_000..60_000).contains(&there), "{there}");
        let (url, there) = (from.clone(), to.url());
        let ended = move || assert!(copy(&url, &there).contains(" 60002 "));
        let seen = Seen::meanwhile("copying", "entries", ended);
        let (seen, overtaken) = watched_with(what, &source, &to, seen).await;
        assert!(matches!(overtaken.unwrap(), Err(MoveError::Overtaken)));
        assert!(seen.resumed);
        assert_eq!(to.number("SELECT count(*) FROM entries"), 60_002);
    }
}

#[tokio::test]
async fn what_cannot_be_brought_ahead_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let from = long(folder.path(), ENTRIES as i64).await;
    let file = |name: &str| Database::file(&folder.path().join(name).join("latchkey.db"));
    let refused = |from: &str, to: &str| refusal(&["--ahead"], from, to);
    copy(&from, &file("there").url());
    assert!(refused(&from, &file("there").url()).contains("holds other data"));
    // What was begun whole is not ended ahead.
    let source = Database::file(&folder.path().join("long.db"));
    let stop = Some(("copying", "entries"));
    assert!(watched(moving::copy, &source, &file("begun"), stop).await.1.is_none());
    assert!(refused(&from, &file("begun").url()).contains("begun without --ahead"));
    copy(&from, &file("begun").url());
    // Another source, of the other kind.
    ahead(&from, &file("other").url());
    let postgres = Database::postgres();
    copy(&from, &postgres.url());
    assert!(refused(&postgres.url(), &file("other").url()).contains("the source has changed"));
    // A server holds the folder of its own data, which the last copy needs and a target is in.
    let server = server_on(in_file).await;
    let running = server.database().url();
    ahead(&running, &file("held").url());
    assert!(refusal(&[], &running, &file("held").url()).contains("in use by another latchkey"));
    let beside = Database::file(&server.folder.path().join("data/other.db"));
    assert!(refused(&running, &beside.url()).contains("in use by another latchkey"));
}
