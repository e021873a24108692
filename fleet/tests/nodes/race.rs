//! One key at several servers at once.

use hyper::Method;
use latchkey_fleet::clock::until;
use latchkey_fleet::fleet::Fleet;
use latchkey_fleet::host::Host;
use latchkey_fleet::http::Http;
use latchkey_fleet::page::{Page, log};
use latchkey_fleet::postgres::Postgres;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::Instant;

/// Longer than `keys.rotate_after` and `keys.late_window`.
const LONG: i64 = 31;
/// How long a server may believe what it has read of a key.
const BELIEVED: Duration = Duration::from_secs(1);

/// Writes down each time that a key moves on.
const WATCH: &str = "CREATE TABLE moves (id BYTEA, hi BIGINT);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO moves VALUES (new.id, new.hi); RETURN new; END $$;
    CREATE TRIGGER note AFTER UPDATE OF hi ON keys FOR EACH ROW
        WHEN (old.hi <> new.hi) EXECUTE FUNCTION note();";

/// The generation that a session token says it is of.
fn generation(token: &str) -> u32 {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let body = URL_SAFE_NO_PAD.decode(token.strip_prefix("lk1_").unwrap()).unwrap();
    u32::from_be_bytes(body[18..22].try_into().unwrap())
}

/// A token of the next generation, which nobody has presented yet, as this server offers it.
async fn offer(server: &mut Http, token: &str) -> String {
    let now = if token.starts_with("ey") { 0 } else { generation(token) };
    until("an offer", async || {
        let answer = server.ask(Method::POST, "/v1/batch", token, &json!({"calls": []})).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let offered = answer.body["token"].as_str().unwrap().to_owned();
        (generation(&offered) == now + 1).then_some(offered)
    })
    .await
}

async fn status(server: &mut Http, token: &str) -> u16 {
    let answer = server.ask(Method::POST, "/v1/batch", token, &json!({"calls": []})).await;
    answer.unwrap().status
}

/// Presents each of these tokens at every server at the same moment, `times` times; the statuses.
async fn all_at_once(fleet: &Fleet, tokens: &[&str], times: usize, round: usize) -> Vec<u16> {
    let count = fleet.nodes.len() * times * tokens.len();
    let barrier = Arc::new(Barrier::new(count));
    let mut asked = Vec::new();
    for number in 0..count {
        let (barrier, mut server) = (Arc::clone(&barrier), fleet.to(number % fleet.nodes.len()));
        let token = tokens[number / fleet.nodes.len() % tokens.len()].to_owned();
        asked.push(tokio::spawn(async move {
            // Connected before the barrier, so that nothing but the request is left.
            server.ask(Method::GET, "/healthz", "", &Value::Null).await.unwrap();
            barrier.wait().await;
            let body = log(&format!("race-{round}-{number}"));
            server.ask(Method::POST, "/v1/log", &token, &body).await.unwrap().status
        }));
    }
    let mut statuses = Vec::new();
    for asked in asked {
        statuses.push(asked.await.unwrap());
    }
    statuses
}

async fn one_confirms(nodes: usize) {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(nodes, &postgres.url()).await;
    postgres.rows(WATCH).await;
    let (mut token, _) = fleet.host.launch("ada", "quiz", None);
    for round in 1..=3 {
        let mut server = fleet.to(round % nodes);
        assert_eq!(status(&mut server, &token).await, 200);
        postgres.age(LONG).await;
        token = offer(&mut server, &token).await;
        let statuses = all_at_once(&fleet, &[&token], 8, round).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let moved = postgres.one(&format!("SELECT count(*) FROM moves WHERE hi = {round}")).await;
        assert_eq!(moved, "1", "one confirmation");
        let kept = postgres.one("SELECT count(*) FROM entries WHERE kind = 0").await;
        assert_eq!(kept, (round * nodes * 8).to_string(), "each call is done");
    }
    assert_eq!(
        postgres.one("SELECT hi || ':' || count(revoked_at) FROM keys GROUP BY hi").await,
        "3:0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_servers_confirms() {
    one_confirms(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_four_servers_confirms() {
    one_confirms(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_and_a_theft_are_seen_from_anywhere() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(3, &postgres.url()).await;
    postgres.rows(WATCH).await;
    // Two holders of one token are each offered a branch of their own, and present them at once.
    let (token, _) = fleet.host.launch("ada", "quiz", None);
    assert_eq!(status(&mut fleet.to(0), &token).await, 200);
    postgres.age(LONG).await;
    let (one, two) = (offer(&mut fleet.to(1), &token).await, offer(&mut fleet.to(2), &token).await);
    assert_ne!(one, two);
    let statuses = all_at_once(&fleet, &[&one, &two], 4, 0).await;
    assert_eq!(postgres.one("SELECT count(*) FROM moves").await, "1", "one branch won");
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    let kept = postgres.one("SELECT count(*) FROM entries WHERE kind = 0").await;
    assert_eq!(kept, answered.to_string(), "what was answered is there, and nothing else");
    let why = "SELECT revoked_for FROM keys WHERE revoked_at IS NOT NULL";
    assert_eq!(postgres.rows(why).await, [["theft"]]);
    for server in 0..3 {
        for token in [&token, &one, &two] {
            assert_eq!(status(&mut fleet.to(server), token).await, 401);
        }
    }

    // A token that was left behind on one server, used on another, ends the key for a third.
    let (old, _) = fleet.host.launch("ben", "quiz", None);
    assert_eq!(status(&mut fleet.to(0), &old).await, 200);
    postgres.age(LONG).await;
    let new = offer(&mut fleet.to(0), &old).await;
    assert_eq!(status(&mut fleet.to(0), &new).await, 200);
    assert_eq!(status(&mut fleet.to(1), &old).await, 200, "within the late window");
    postgres.age(LONG).await;
    assert_eq!(status(&mut fleet.to(1), &old).await, 401);
    assert_eq!(postgres.rows(why).await, [["theft"], ["theft"]]);
    until("its end at the others", async || {
        (status(&mut fleet.to(2), &new).await == 401).then_some(())
    })
    .await;
    assert!(fleet.logs().contains("found in two hands"));
}

/// After a logout was answered nothing of its keys is written, and after a second nothing is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_one_server_ends_work_at_the_others() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Arc::new(Fleet::of(3, &postgres.url()).await);
    let over = Arc::new(AtomicBool::new(false));
    let mut pages = Vec::new();
    for number in 0..12 {
        let at = fleet.places()[number % 3].clone();
        let user = format!("user-{}", number % 4);
        let mut page = Page::open(&fleet.host, at, &user, "quiz", Some("login"));
        let over = Arc::clone(&over);
        pages.push(tokio::spawn(async move {
            let mut written = 0;
            // Some only read: their servers may answer from memory.
            let reads = number % 2 == 0;
            for call in 0.. {
                let (what, body) = match reads && call > 0 {
                    true => ("recent", json!({"limit": 1})),
                    false => ("log", log(&format!("{number}-{call}"))),
                };
                let (told, asked) = (over.load(Ordering::SeqCst), Instant::now());
                let answer = page.ask(what, &body).await.unwrap();
                match answer.status {
                    200 if what == "log" => {
                        assert!(!told, "begun after the logout was answered");
                        written += 1;
                    }
                    200 => {}
                    401 => return (written, None),
                    _ => panic!("{answer:?}"),
                }
                if what == "recent" && told {
                    return (written, Some((asked, page)));
                }
            }
            unreachable!("a page goes on until it is refused")
        }));
    }
    until("writes of all", async || {
        let count = "SELECT count(*) FROM entries WHERE kind = 0";
        (postgres.one(count).await.parse::<u32>().unwrap() > 200).then_some(())
    })
    .await;
    let ended = Host::ask(&fleet.places()[2], Method::DELETE, "/host/v1/web-sessions/login").await;
    let at = Instant::now();
    let kept = postgres.one("SELECT count(*) FROM entries WHERE kind = 0").await;
    over.store(true, Ordering::SeqCst);
    let ended = ended.unwrap();
    assert_eq!(ended.body["result"]["keys_ended"], 12, "{ended:?}");
    let mut written = 0;
    for page in pages {
        let (wrote, mut reading) = page.await.unwrap();
        written += wrote;
        while let Some((asked, page)) = &mut reading {
            assert!(asked.duration_since(at) < BELIEVED, "still read after a second");
            *asked = Instant::now();
            if page.ask("recent", &json!({"limit": 1})).await.unwrap().status == 401 {
                reading = None;
            }
        }
    }
    let now = postgres.one("SELECT count(*) FROM entries WHERE kind = 0").await;
    assert_eq!(now, kept, "nothing was written after the answer");
    assert_eq!(kept, written.to_string(), "all that was answered is there");
    let (late, _) = fleet.host.launch("user-1", "quiz", Some("login"));
    assert_eq!(status(&mut fleet.to(0), &late).await, 401, "a launch that was still unused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_in_force_everywhere_within_a_second() {
    let postgres = Postgres::start(&[]).await;
    let fleet = Fleet::of(4, &postgres.url()).await;
    let (token, _) = fleet.host.launch("ada", "quiz", None);
    for server in 0..4 {
        assert_eq!(status(&mut fleet.to(server), &token).await, 200);
    }
    let id = postgres.one("SELECT translate(encode(id, 'base64'), '+/=', '-_') FROM keys").await;
    let path = format!("/host/v1/keys/{id}?reason=test");
    let ended = Host::ask(&fleet.places()[0], Method::DELETE, &path).await.unwrap();
    assert_eq!(ended.status, 200, "{ended:?}");
    let at = Instant::now();
    for server in [0, 1, 2, 3] {
        let mut server = fleet.to(server);
        loop {
            let asked = Instant::now();
            match status(&mut server, &token).await {
                200 => assert!(asked.duration_since(at) < BELIEVED, "still believed"),
                status => break assert_eq!(status, 401),
            }
        }
    }
    assert_eq!(status(&mut fleet.to(0), &token).await, 401, "where it was said, at once");
}
