//! Packages that teachers bring, and the origin at which they are played.

use crate::keys::claims;
use crate::school::{Answer, School, Visitor, send};
use std::io::{Cursor, Write};
use std::net::SocketAddr;
use std::path::Path;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const MANIFEST: &str = r#"<manifest identifier="m"><organizations><organization identifier="o"><title>Volcanoes &amp; co</title>
  <item identifier="i" identifierref="r" parameters="?lang=en"><title>First &lt;b&gt;</title></item>
  </organization></organizations><resources><resource identifier="r" href="one/index.html"/></resources></manifest>"#;

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn volcanoes() -> Vec<u8> {
    zip(&[
        ("imsmanifest.xml", MANIFEST.as_bytes()),
        ("one/index.html", b"<p>Volcanoes"),
        ("one/picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("one/run.exe", b"MZ"),
        ("one/data", b"0123456789"),
    ])
}

/// Files below the folder of packages, how deep whatever.
fn files(school: &School) -> usize {
    fn count(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries.map(|entry| if entry.path().is_dir() { 1 + count(&entry.path()) } else { 1 }).sum()
    }
    count(&school.folder.path().join("data/packages"))
}

/// Brings the volcanoes; the activity that comes of it.
async fn brought(teacher: &mut Visitor) -> String {
    let answer = teacher.bring(&volcanoes(), "geo-1").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.between("href=\"/activity/", "\"").to_owned()
}

/// Where the player of an activity is: its server, and the path there.
async fn player(visitor: &mut Visitor, activity: &str) -> (SocketAddr, String) {
    let page = visitor.get(&format!("/activity/{activity}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let url = page.between("data-src=\"http://", "\"").replace("&amp;", "&");
    let (to, path) = url.split_once('/').unwrap();
    (to.parse().unwrap(), format!("/{path}"))
}

async fn fetch(to: SocketAddr, path: &str) -> Answer {
    send(to, "GET", path, &[], "").await
}

#[tokio::test]
async fn a_package_becomes_an_activity_and_stays_one() {
    let school = School::open_with_built_files().await;
    let mut teacher = school.logged_in("teacher").await;
    let activity = brought(&mut teacher).await;
    // The same archive again, to another course even: it is there already.
    let again = teacher.bring(&volcanoes(), "phy-1").await;
    assert_eq!(again.between("href=\"/activity/", "\""), activity);

    let mut ada = school.logged_in("ada").await;
    let course = ada.get("/course").await.body;
    assert_eq!(course.matches(&format!("data-activity=\"{activity}\"")).count(), 1, "{course}");
    assert!(course.contains("Volcanoes &amp; co"), "{course}");
    assert_eq!(ada.get(&format!("/gradebook/{activity}")).await.status, 403);
    assert_eq!(teacher.get(&format!("/gradebook/{activity}")).await.status, 200);

    let school = school.restart().await;
    let mut ada = school.logged_in("ada").await;
    assert!(ada.get("/course").await.body.contains(&format!("data-activity=\"{activity}\"")));
    assert_eq!(ada.get(&format!("/activity/{activity}")).await.status, 200);
}

#[tokio::test]
async fn its_key_is_good_at_the_origin_of_packages_alone() {
    let school = School::open_with_built_files().await;
    let activity = brought(&mut school.logged_in("teacher").await).await;
    let mut ada = school.logged_in("ada").await;
    let (content, _) = player(&mut ada, &activity).await;
    let token = ada.launch(&activity).await;
    let claims = claims(&token);
    assert_eq!(claims["origins"], serde_json::json!([format!("http://{content}")]));
    assert_eq!(claims["functions"], serde_json::json!(["log", "grade", "recent", "state"]));
    let call = async |token: &str, origin: String| {
        let headers = [
            ("Origin", origin),
            ("Authorization", format!("Bearer {token}")),
            ("Content-Type", "application/json".into()),
        ];
        send(school.api, "POST", "/v1/grade", &headers, r#"{"score":7}"#).await
    };
    assert_eq!(call(&token, ada.origin()).await.code(), "key_scope");
    assert_eq!(call(&token, "null".into()).await.code(), "key_scope");
    assert_eq!(call(&token, format!("http://{content}")).await.status, 200);
    let other = ada.launch("rivers").await;
    assert_eq!(call(&other, format!("http://{content}")).await.code(), "key_scope");
    assert_eq!(call(&other, ada.origin()).await.status, 200);
}

#[tokio::test]
async fn the_page_around_frames_that_origin_and_no_other() {
    let school = School::open_with_built_files().await;
    let activity = brought(&mut school.logged_in("teacher").await).await;
    let mut ada = school.logged_in("ada").await;
    let page = ada.get(&format!("/activity/{activity}")).await;
    let (content, path) = player(&mut ada, &activity).await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.ends_with(&format!("; frame-src http://{content}")), "{policy}");
    let sandbox = page.between("sandbox=\"", "\"");
    for given in ["allow-top-navigation", "allow-popups", "allow-storage-access-by-user-activation"]
    {
        assert!(!sandbox.contains(given), "{sandbox}");
    }
    let player = fetch(content, &path).await;
    assert_eq!(player.status, 200, "{}", player.body);
    assert_eq!(player.header("set-cookie"), None);
    assert_eq!(
        player.between("data-launch=\"", "\""),
        format!(
            "{}/one/index.html?lang=en",
            path.split('/').nth(2).map(|id| format!("/package/{id}")).unwrap()
        )
    );
    assert!(
        player.body.contains("First &lt;b&gt;") && !player.body.contains("<b>"),
        "{}",
        player.body
    );
    let policy = player.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self' http://"), "{policy}");
    assert!(
        !policy.contains("unsafe") && policy.contains(&format!("frame-ancestors {}", ada.origin())),
        "{policy}"
    );
    // Around it may be the site, and nobody else.
    for bad in ["", "?around=https%3A%2F%2Fevil.example", "?around=null", "?around="] {
        let asked = format!("{}{bad}", path.split('?').next().unwrap());
        assert_eq!(fetch(content, &asked).await.status / 100, 4, "{asked}");
    }
    for bad in
        ["/player/x/0", "/player/../0", "/gradebook/rivers", "/login", "/", "/activity/rivers"]
    {
        let around = "?around=".to_owned() + path.split_once("?around=").unwrap().1;
        assert_eq!(fetch(content, &format!("{bad}{around}")).await.status, 404, "{bad}");
    }
    let number = path.replace("/0?", "/1?");
    assert_eq!(fetch(content, &number).await.status, 404);
}

#[tokio::test]
async fn files_are_what_they_say_and_confined() {
    let school = School::open_with_built_files().await;
    let activity = brought(&mut school.logged_in("teacher").await).await;
    let mut ada = school.logged_in("ada").await;
    let (content, path) = player(&mut ada, &activity).await;
    let id = path.split('/').nth(2).unwrap().to_owned();
    let file = |name: &str| format!("/package/{id}/{name}");

    let page = fetch(content, &file("one/index.html?lang=en")).await;
    assert_eq!((page.status, page.body.as_str()), (200, "<p>Volcanoes"));
    for (name, value) in [
        ("content-type", "text/html"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("cross-origin-resource-policy", "same-origin"),
        ("origin-agent-cluster", "?1"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert_eq!(page.header("content-disposition"), None);
    assert_eq!(page.header("access-control-allow-origin"), None);
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("object-src 'none'") && policy.contains("form-action 'self'"),
        "{policy}"
    );
    assert!(
        policy.ends_with(&format!("frame-ancestors 'self' {}", school_origins(&school))),
        "{policy}"
    );
    let svg = fetch(content, &file("one/picture.svg")).await;
    assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    assert_eq!(svg.header("content-security-policy"), Some(policy));
    let unknown = fetch(content, &file("one/data")).await;
    assert_eq!(unknown.header("content-disposition"), Some("attachment"));

    // A piece of a file, as players of videos ask for it.
    let range = [("Range", "bytes=2-4".to_owned())];
    let piece = send(content, "GET", &file("one/data"), &range, "").await;
    assert_eq!((piece.status, piece.body.as_str()), (206, "234"));

    // Nothing that stays.
    let worker = [("Service-Worker", "script".to_owned())];
    assert_eq!(send(content, "GET", &file("one/index.html"), &worker, "").await.status, 403);
    assert_eq!(send(content, "POST", &file("one/index.html"), &[], "").await.status, 405);
    for bad in [
        "/package",
        "/package/",
        &file(""),
        &file("one"),
        &file("one/"),
        &file("none"),
        &file("../../latchkey.db"),
        &file("..%2f..%2flatchkey.db"),
        &file("%2e%2e/%2e%2e/accounts.json"),
        &file("one/%00"),
        &file("/etc/passwd"),
        &format!("/package/{id}.json"),
        &format!("/package/{id}.json/x"),
        "/package/../latchkey.db",
        "/package/..%2flatchkey.db",
        &format!("/package/{}/one/index.html", "0".repeat(64)),
        "/package/%ff/x",
    ] {
        let answer = fetch(content, bad).await;
        assert!(
            answer.status == 404 || answer.status == 400,
            "{bad}: {} {}",
            answer.status,
            answer.body
        );
    }
}

fn school_origins(school: &School) -> String {
    format!("http://{} http://localhost:{}", school.site, school.site.port())
}

#[tokio::test]
async fn bad_packages_are_refused_in_words_and_leave_nothing() {
    let school = School::open_with_built_files().await;
    let mut teacher = school.logged_in("teacher").await;
    let zeros = vec![0; 8 << 20];
    for (archive, status, why) in [
        (b"not a zip".to_vec(), 422, "This is not a zip file"),
        (Vec::new(), 400, "Please choose a file"),
        (zip(&[("index.html", b"x")]), 422, "There is no imsmanifest.xml"),
        (zip(&[("imsmanifest.xml", b"<manifest")]), 422, "cannot be read"),
        (zip(&[("imsmanifest.xml", b"<lesson/>")]), 422, "This is not a SCORM"),
        (zip(&[("imsmanifest.xml", MANIFEST.as_bytes())]), 422, "there is no such file"),
        (
            zip(&[("imsmanifest.xml", MANIFEST.as_bytes()), ("../../x", b"x")]),
            422,
            "leads elsewhere",
        ),
        (
            zip(&[("imsmanifest.xml", MANIFEST.as_bytes()), ("zeros", &zeros)]),
            422,
            "times its size",
        ),
        (
            zip(&[("imsmanifest.xml", MANIFEST.replace("one/index.html", "../x.html").as_bytes())]),
            422,
            "which is not in the package",
        ),
    ] {
        let answer = teacher.bring(&archive, "geo-1").await;
        assert_eq!(answer.status, status, "{why}");
        let told = answer.between("data-testid=\"refused\">", "</p>");
        assert!(told.contains(why), "{why}: {told}");
        assert_eq!(files(&school), 0, "{why}");
    }
    let elsewhere = teacher.bring(&volcanoes(), "no-such-course").await;
    assert_eq!((elsewhere.status, files(&school)), (422, 0));
    let long = teacher.bring(&volcanoes(), &"x".repeat(10_000)).await;
    assert_eq!((long.status, files(&school)), (422, 0));
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_taken_in() {
    let school = School::open_with_built_files().await;
    let mut teacher = school.logged_in("teacher").await;
    let answer = teacher.bring(&vec![7; (64 << 20) + 1], "geo-1").await;
    assert_eq!((answer.status, files(&school)), (413, 0), "{}", answer.body);
    assert!(answer.body.contains("more than 64 MiB"), "{}", answer.body);
}

#[tokio::test]
async fn packages_are_brought_by_teachers_on_the_sites_own_page() {
    let school = School::open_with_built_files().await;
    let mut ada = school.logged_in("ada").await;
    assert_eq!(ada.get("/packages").await.status, 403);
    assert_eq!(ada.bring(&volcanoes(), "geo-1").await.status, 403);
    assert_eq!(school.visitor().bring(&volcanoes(), "geo-1").await.status, 303);
    let mut teacher = school.logged_in("teacher").await;
    let (content, _) = {
        let activity = brought(&mut teacher).await;
        player(&mut teacher, &activity).await
    };
    let other = zip(&[("imsmanifest.xml", MANIFEST.as_bytes()), ("one/index.html", b"other")]);
    let before = files(&school);
    for from in [
        vec![("Origin", format!("http://{content}"))],
        vec![("Sec-Fetch-Site", "same-site".into()), ("Origin", format!("http://{content}"))],
        vec![],
    ] {
        let answer = teacher.bring_from(&other, "geo-1", &from).await;
        assert_eq!((answer.status, files(&school)), (403, before), "{from:?}");
    }
}

#[tokio::test]
async fn several_lessons_are_several_activities() {
    let school = School::open_with_built_files().await;
    let mut teacher = school.logged_in("teacher").await;
    let item = |n: usize| {
        format!(r#"<item identifier="i{n}" identifierref="r"><title>Part {n}</title></item>"#)
    };
    let manifest = |lessons: usize| {
        let items: String = (1..=lessons).map(item).collect();
        format!(
            r#"<manifest identifier="m"><organizations><organization identifier="o"><title>Course</title>{items}
            </organization></organizations><resources><resource identifier="r" href="a.html"/></resources></manifest>"#
        )
    };
    let many = zip(&[("imsmanifest.xml", manifest(13).as_bytes()), ("a.html", b"")]);
    let answer = teacher.bring(&many, "inf-1").await;
    assert!(answer.body.contains("more than 12 lessons"), "{}", answer.body);
    assert_eq!((answer.status, files(&school)), (422, 0));
    let two = zip(&[("imsmanifest.xml", manifest(2).as_bytes()), ("a.html", b"")]);
    let answer = teacher.bring(&two, "inf-1").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("Course: Part 1") && answer.body.contains("Course: Part 2"));
    let first = answer.between("href=\"/activity/", "\"").to_owned();
    let second = first.strip_suffix('1').unwrap().to_owned() + "2";
    let mut ada = school.logged_in("ada").await;
    for (activity, number) in [(first, "/0?"), (second, "/1?")] {
        let (_, path) = player(&mut ada, &activity).await;
        assert!(path.contains(number), "{path}");
    }
}
