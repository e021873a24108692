//! AICC content: what it may send, and what it is told.

use super::{FORM, escaped};
use crate::server::{MINUTE, SECOND, Server};
use latchkey_protocol::launch::{LaunchClaims, Mode, Rotation, UserDescription};
use latchkey_server::config::Protocol;
use serde_json::{Value, json};

async fn server() -> Server {
    Server::start_with(|config| config.protocols = vec![Protocol::Json, Protocol::Hacp]).await
}

fn lesson(claims: &mut LaunchClaims) {
    claims.functions = Some(["log", "grade", "recent", "state"].map(str::to_owned).into());
    claims.rotation = Rotation::Off;
    claims.networks = Some(vec!["127.0.0.1".to_owned()]);
    let name = Some("Lovelace, Ada".to_owned());
    claims.user = Some(UserDescription { name, ..UserDescription::default() });
}

/// A launch: what the content's address holds as `aicc_sid`.
fn sid(server: &Server) -> String {
    server.launch_with(lesson)
}

/// What content reads of an answer.
async fn posted(server: &Server, body: String) -> String {
    let answer = server.ask("POST", "/legacy/v1/hacp").text(FORM, body).send().await;
    assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text}");
    text
}

async fn command(server: &Server, sid: &str, command: &str, data: &str) -> String {
    let (sid, data) = (escaped(sid), escaped(data));
    posted(server, format!("command={command}&version=2.0&session_id={sid}&aicc_data={data}")).await
}

#[track_caller]
fn done(text: &str) {
    assert!(text.starts_with("error=0\r\nerror_text=Successful\r\nversion="), "{text}");
}

#[track_caller]
fn error(text: &str, number: u8, code: &str) {
    assert!(text.starts_with(&format!("error={number}\r\nerror_text=")), "{text}");
    assert!(text.contains(&format!(": {code}")), "{text}");
    assert!(!text.contains("aicc_data="), "{text}");
}

fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
}

async fn kept(server: &Server) -> Value {
    let mut page = server.page_with(lesson);
    page.call("state", json!({"op": "get", "name": "hacp"})).await.result()
}

#[tokio::test]
async fn a_lesson_is_played_graded_and_gone_on_with() {
    let server = server().await;
    let first = sid(&server);
    let told = command(&server, &first, "GetParam", "").await;
    assert!(
        told.starts_with("error=0\r\nerror_text=Successful\r\nversion=4.0\r\naicc_data=[Core]\r\n")
    );
    assert_eq!(value(&told, "Student_ID"), "ada");
    assert_eq!(value(&told, "Student_Name"), "Lovelace, Ada");
    assert_eq!(value(&told, "Lesson_Status"), "not attempted, ab-initio");
    assert_eq!((value(&told, "Lesson_Location"), value(&told, "Score")), ("", ""));
    assert_eq!((value(&told, "Lesson_Mode"), value(&told, "Credit")), ("Normal", "Credit"));

    let data = "[core]\r\nlesson_location=page 3\r\nlesson_status=incomplete,suspend\r\nscore=14.29\r\n\
                time=00:10:30\r\n[core_lesson]\r\nanswers=a;b & c\r\nä\r\n";
    done(&command(&server, &first, "PutParam", data).await);
    done(&command(&server, &first, "ExitAU", "").await);

    let next = sid(&server);
    let told = command(&server, &next, "getparam", "").await;
    assert_eq!(value(&told, "Lesson_Location"), "page 3");
    assert_eq!(value(&told, "Lesson_Status"), "incomplete, resume");
    assert_eq!((value(&told, "Score"), value(&told, "Time")), ("14.29", "00:10:30"));
    assert!(told.contains("[Core_Lesson]\r\nanswers=a;b & c\r\nä\r\n[Core_Vendor]\r\n"), "{told}");
    done(
        &command(
            &server,
            &next,
            "PutParam",
            "[core]\nlesson_status=p\nscore=0,20\ntime=01:00:00.5",
        )
        .await,
    );
    let told = command(&server, &next, "GetParam", "").await;
    assert_eq!(value(&told, "Lesson_Status"), "passed");
    assert_eq!(value(&told, "Time"), "01:10:30");

    let store = server.latchkey.store();
    let grades = store.submissions("school", "quiz", "ada", 9).await.unwrap();
    let scores: Vec<_> = grades.iter().map(|grade| (grade.score, grade.max)).collect();
    assert_eq!(scores, [(0.0, 20.0), (14.29, 100.0)]);
    let progress = serde_json::to_value(grades[0].progress).unwrap();
    assert_eq!(progress, "completed");
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'lesson.exited'"), 1);
}

#[tokio::test]
async fn requests_may_be_written_in_many_ways() {
    let server = server().await;
    let sid = escaped(&sid(&server));
    let twice = escaped(&sid).replace('-', "%252D");
    let data = |text: &str| escaped(text);
    let core = "[CORE]\r\nLesson_Location=7\r\nLesson_Status=I\r\nScore=5\r\n";
    for (at, body) in [
        format!("command=PutParam&session_id={sid}&aicc_data={}", data(core)),
        format!("aicc_data={}&SESSION_ID={sid}&COMMAND=PUTPARAM&Version=4.0", data(core)),
        format!("Command=putparam&Session_Id={sid}&AICC_Data={}&AU_password=x", data(core)),
        format!(
            "command=PutParam&session_id={sid}&aicc_data={}",
            data(&core.replace("\r\n", "\n"))
        ),
        format!("command=PutParam&session_id={sid}&aicc_data={}", data(&format!("\r\n{core}"))),
        format!("command=PutParam&session_id={sid}&aicc_data={}", data(&core.to_lowercase())),
        format!(
            "command=PutParam&session_id={sid}&aicc_data={}",
            data("[core]\nscore = 5 , 100\nlesson_location=7\nlesson_status=incomplete, normal")
        ),
        format!("command=PutParam&session_id={twice}&aicc_data={}", data(core)),
        format!("command=PutParam&session_id={sid}&aicc_data={}", data(core).replace('+', "%20")),
    ]
    .into_iter()
    .enumerate()
    {
        server.after(5 * SECOND);
        let text = posted(&server, body).await;
        assert!(text.starts_with("error=0\r\n"), "{at}: {text}");
        let document = kept(&server).await["value"].clone();
        assert_eq!(
            (&document["location"], &document["status"]),
            (&json!("7"), &json!("incomplete")),
            "{at}"
        );
    }
    // Of a type that old content sends, or of none.
    let body = format!("command=GetParam&session_id={sid}");
    for kind in ["text/plain", "application/x-www-form-urlencoded; charset=ISO-8859-1"] {
        let answer = server.ask("POST", "/legacy/v1/hacp").text(kind, body.clone()).send().await;
        done(std::str::from_utf8(&answer.body).unwrap());
    }
    let answer = server.ask("POST", "/legacy/v1/hacp").body(body).send().await;
    done(std::str::from_utf8(&answer.body).unwrap());
}

#[tokio::test]
async fn what_repeats_itself_is_done_once() {
    let server = server().await;
    let sid = sid(&server);
    let grades = || server.count("SELECT count(*) FROM submissions");
    for _ in 0..4 {
        done(&command(&server, &sid, "PutParam", "[core]\nscore=7,10\nlesson_status=c").await);
        server.after(MINUTE);
    }
    assert_eq!(grades(), 1, "the same grade told again is one submission");
    done(&command(&server, &sid, "PutParam", "[core]\nscore=8,10").await);
    done(&command(&server, &sid, "PutParam", "[core]\nlesson_location=5").await);
    assert_eq!(grades(), 2);
    // One page on and one back again, all within a moment.
    for page in ["6", "7", "6"] {
        done(&command(&server, &sid, "PutParam", &format!("[core]\nlesson_location={page}")).await);
    }
    assert_eq!(kept(&server).await["value"]["location"], "6");
    let rows = "\"interaction_id\",\"student_response\"\r\n\"q1\",\"b\"\r\n";
    for _ in 0..3 {
        done(&command(&server, &sid, "PutInteractions", rows).await);
        done(&command(&server, &sid, "ExitAU", "").await);
        server.after(5 * SECOND);
    }
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'interaction'"), 1);
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'lesson.exited'"), 1);
    // A new launch tells its grade anew.
    let next = self::sid(&server);
    done(&command(&server, &next, "PutParam", "[core]\nscore=8,10").await);
    assert_eq!(grades(), 3);
    // Opened once more and merely under way, it hands nothing in.
    let third = self::sid(&server);
    done(&command(&server, &third, "PutParam", "[core]\nlesson_status=incomplete,s").await);
    assert_eq!(grades(), 3);
}

#[tokio::test]
async fn a_lesson_without_a_score_tells_how_far_it_got() {
    let server = server().await;
    let sid = sid(&server);
    done(&command(&server, &sid, "PutParam", "[core]\nlesson_status=incomplete").await);
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 0);
    done(&command(&server, &sid, "PutParam", "[core]\nlesson_status=completed").await);
    done(&command(&server, &sid, "PutParam", "[core]\nlesson_status=completed").await);
    assert_eq!(server.count("SELECT count(*) FROM submissions"), 1);
    let rows = server.latchkey.store().standings("school", "quiz").await.unwrap();
    assert_eq!(rows[0].tally.standing(rows[0].method), None, "no score, no grade");
    assert_eq!(serde_json::to_value(rows[0].tally.progress).unwrap(), "completed");
}

#[tokio::test]
async fn interactions_become_entries() {
    let server = server().await;
    let sid = sid(&server);
    let rows: String =
        (0..120).map(|n| format!("\"c\",\"eve\",\"q{n}\",\"a, \"\"b\"\"\",\"W\"\r\n")).collect();
    let head =
        "\"course_id\",\"student_id\",\"interaction_id\",\"student_response\",\"result\"\r\n";
    done(&command(&server, &sid, "PutInteractions", &format!("{head}{rows}")).await);
    assert_eq!(server.count("SELECT count(*) FROM entries WHERE event = 'interaction'"), 120);
    let mut page = server.page_with(lesson);
    let items = page.call("recent", json!({"limit": 1})).await.result()["items"].clone();
    let data = json!({"interaction_id": "q119", "student_response": "a, \"b\"", "result": "W"});
    assert_eq!(items[0]["data"], data, "whose it is, is the key's to say");
    done(&command(&server, &sid, "PutInteractions", "").await);
}

#[tokio::test]
async fn bad_input_is_refused() {
    let server = server().await;
    let good = sid(&server);
    done(&command(&server, &good, "PutParam", "[core]\nlesson_location=kept\nscore=5").await);
    for (name, data, code) in [
        ("PutParam", "[core]\nscore=x", "bad_number score"),
        ("PutParam", "[core]\nscore=7;5", "bad_number score"),
        ("PutParam", "[core]\nscore=7,5", "score_above_max score"),
        ("PutParam", "[core]\nscore=101", "score_above_max score"),
        ("PutParam", "[core]\nscore=-1", "score_negative score"),
        ("PutParam", "[core]\nscore=1,0", "out_of_range max"),
        ("PutParam", "[core]\nlesson_status=done", "out_of_range lesson_status"),
        ("PutParam", "[core]\ntime=5 minutes", "out_of_range time"),
        (
            "PutParam",
            &format!("[core]\nlesson_location={}", "x".repeat(300)),
            "out_of_range lesson_location",
        ),
        ("PutParam", &format!("[core_lesson]\n{}", "x".repeat(65_500)), "state_too_large value"),
        (
            "PutInteractions",
            &format!("\"interaction_id\"\n\"{}\"", "x".repeat(5_000)),
            "data_too_large",
        ),
    ] {
        error(&command(&server, &good, name, data).await, 4, code);
    }
    assert_eq!(kept(&server).await["value"]["location"], "kept");
    for unknown in ["", "PutObjectives", "Get Param", "getparams"] {
        error(&command(&server, &good, unknown, "").await, 1, "unknown_function");
    }
    for (bad, code) in
        [("", "key_missing"), ("nonsense", "key_invalid"), ("eyJ.e30.x", "key_invalid")]
    {
        error(&command(&server, bad, "GetParam", "").await, 3, code);
        error(&command(&server, bad, "Nothing", "").await, 3, code);
    }
    let two = format!("command=GetParam&session_id={}&session_id=x", escaped(&good));
    error(&posted(&server, two).await, 4, "two_tokens");
    error(
        &posted(&server, format!("command=PutParam&session_id={}&aicc_data=%FF", escaped(&good)))
            .await,
        4,
        "bad_form",
    );
    error(&posted(&server, "x".repeat(200_000)).await, 4, "body_too_large");
    let json = server.ask("POST", "/legacy/v1/hacp").json(&json!({})).send().await;
    error(std::str::from_utf8(&json.body).unwrap(), 4, "unsupported_media_type");
    let get = server.ask("GET", "/legacy/v1/hacp").send().await;
    error(std::str::from_utf8(&get.body).unwrap(), 4, "method_not_allowed");
}

#[tokio::test]
async fn a_key_is_needed_that_may_and_a_switch_that_is_on() {
    let server = server().await;
    let looking = server.launch_with(|claims| {
        lesson(claims);
        claims.mode = Mode::Review;
    });
    let told = command(&server, &looking, "GetParam", "").await;
    assert_eq!((value(&told, "Lesson_Mode"), value(&told, "Credit")), ("Review", "No-credit"));
    error(&command(&server, &looking, "PutParam", "[core]\nscore=1").await, 4, "key_scope");
    error(&command(&server, &server.launch(), "GetParam", "").await, 4, "key_scope");
    let ended = sid(&server);
    done(&command(&server, &ended, "GetParam", "").await);
    let key = server.latchkey.key_of(&ended).unwrap();
    server.latchkey.store().revoke("school", key, "test", server.latchkey.now()).await.unwrap();
    error(&command(&server, &ended, "GetParam", "").await, 3, "key_renew");
    server
        .reload(|config| config.protocols.retain(|protocol| *protocol != Protocol::Hacp))
        .unwrap();
    error(&command(&server, &sid(&server), "GetParam", "").await, 4, "protocol_off");
}
