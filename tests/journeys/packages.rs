//! SCORM packages: brought by a teacher, played by a student, found in the gradebook, and gone on with where they were left.

use crate::demo::Walk;
use crate::stage::hands::{Hand, fits, key, narrow};
use crate::stage::tab::Tab;
use crate::stage::{PATIENCE, comes};
use chromiumoxide::cdp::browser_protocol::dom::SetFileInputFilesParams;
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use serde_json::{Value, json};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// In the page around: asks the lesson, two frames further in, as `Tab::ask` wants it.
const ASK: &str = "window.ask = (_frame, expression) => new Promise((tell) => {
  const n = String(Math.random());
  const hear = ({ data }) => data?.answer === n && (removeEventListener('message', hear), tell(data));
  addEventListener('message', hear);
  document.getElementById('guest').contentWindow.frames[0]?.postMessage({ n, ask: expression }, '*');
});";

/// A lesson that does what it is asked. It finds its API as every lesson does.
const LESSON: &str = r#"<!doctype html><html lang="en"><title>Obedient</title><p>Obedient</p><script>
  let api, at = window;
  while (!(api = at.API ?? at.API_1484_11) && at.parent !== at) at = at.parent;
  const version = at.API ? "1.2" : "2004";
  const call = (name, ...of) => api[(version === "1.2" ? "LMS" : "") + name](...of);
  const set = (name, value) => call("SetValue", "cmi." + name, value);
  const get = (name) => call("GetValue", "cmi." + name);
  const commit = () => call("Commit", "");
  const end = () => call(version === "1.2" ? "Finish" : "Terminate", "");
  const begun = call("Initialize", "");
  addEventListener("message", async ({ data, source }) => {
    const said = { answer: data.n };
    try { said.value = await (0, eval)(data.ask) } catch (error) { said.error = String(error) }
    source.postMessage(said, "*");
  });
</script>"#;

fn manifest(version: &str) -> String {
    let names = match version {
        "1.2" => "http://www.adlnet.org/xsd/adlcp_rootv1p2",
        _ => "http://www.adlnet.org/xsd/adlcp_v1p3",
    };
    format!(
        r#"<manifest identifier="m" xmlns:adlcp="{names}"><organizations><organization identifier="o"><title>Obedient {version}</title>
        <item identifier="i" identifierref="r"><title>Obedient</title></item></organization></organizations>
        <resources><resource identifier="r" href="index.html"/></resources></manifest>"#
    )
}

fn zip(folder: &Path, name: &str, entries: &[(&str, &[u8])]) -> String {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    let path = folder.join(name);
    std::fs::write(&path, writer.finish().unwrap().into_inner()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Chooses a file on the page for packages.
async fn choose(tab: &Tab, file: &str) {
    let input = EvaluateParams::new("document.getElementById('package')");
    let input = tab.run(input).await.result.object_id.unwrap();
    let files = SetFileInputFilesParams::builder().files([file]).object_id(input).build().unwrap();
    tab.run(files).await;
}

/// Sends a file as the teacher does; what the page says then.
async fn bring(walk: &Walk, file: &str) -> String {
    walk.tab.go(&format!("{}/packages", walk.site)).await;
    walk.at("/packages").await;
    walk.tab.act("window.before = true").await;
    choose(&walk.tab, file).await;
    walk.press("[data-testid=bring]").await;
    let told = "[data-testid=taken], [data-testid=refused]";
    walk.tab.until(&format!("!window.before && document.querySelector('{told}')")).await;
    fits(&walk.tab).await;
    walk.text(told).await
}

/// A demo in which the teacher has brought the obedient lesson, and a student has opened it.
async fn played(version: &str) -> (Walk, String) {
    let walk = Walk::start(Hand::Pointer).await;
    let folder = TempDir::new().unwrap();
    let entries = [("imsmanifest.xml", manifest(version)), ("index.html", LESSON.to_owned())];
    let entries = entries.each_ref().map(|(name, content)| (*name, content.as_bytes()));
    let file = zip(folder.path(), "obedient.zip", &entries);
    walk.tab.before_all(ASK).await;
    walk.tab.go(&walk.site).await;
    walk.log_in("teacher").await;
    let told = bring(&walk, &file).await;
    assert!(told.contains("Added") && told.contains(&format!("Obedient {version}")), "{told}");
    let activity: String =
        walk.tab.eval("document.querySelector('[data-testid=brought]').dataset.activity").await;
    walk.log_out().await;
    walk.log_in("ada").await;
    walk.press(&format!("[data-activity={activity}] [data-testid=open-activity]")).await;
    walk.at(&format!("/activity/{activity}")).await;
    begun(&walk.tab).await;
    (walk, activity)
}

/// Waits until the lesson has begun its session.
async fn begun(tab: &Tab) {
    tab.until("document.getElementById('guest')?.contentWindow?.frames.length").await;
    tab.ask_until("", "begun === 'true'").await;
}

/// Opens the activity once more, in a tab of its own.
async fn once_more(walk: &Walk, activity: &str) -> Tab {
    let tab = walk.browser.tab().await;
    tab.before_all(ASK).await;
    tab.go(&format!("{}/activity/{activity}", walk.site)).await;
    begun(&tab).await;
    tab
}

/// Has the lesson do something, and sees that the API says yes.
async fn does(tab: &Tab, calls: &str) {
    let said: Vec<String> = tab.ask("", &format!("[{calls}].map(String)")).await;
    assert!(said.iter().all(|word| word == "true"), "{calls}: {said:?}");
}

/// All scores that are kept, oldest first.
fn scores(walk: &Walk, activity: &str) -> Vec<f64> {
    let kept = walk.database.kept("s1", activity);
    let grades = kept.iter().filter(|kept| kept.function == "grade");
    grades.map(|kept| kept.args["score"].as_f64().unwrap()).collect()
}

/// The state as it is kept.
fn state(walk: &Walk, activity: &str) -> Value {
    walk.database.state("s1", activity, "scorm").unwrap_or_default()
}

/// Waits until the state as it is kept is as it should be.
async fn until_state(walk: &Walk, activity: &str, fits: impl Fn(&Value) -> bool) {
    let come = comes(async || fits(&state(walk, activity))).await;
    assert!(come, "{:#}", state(walk, activity));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_completed_and_its_score_is_in_the_gradebook() {
    for (version, score, exact, shown) in [
        (
            "1.2",
            "set('core.score.raw', '14.29'), set('core.lesson_status', 'passed')",
            14.29,
            "14.29",
        ),
        ("2004", "set('score.scaled', '0'), set('completion_status', 'completed')", 0.0, "0"),
    ] {
        let (walk, activity) = played(version).await;
        let name: String =
            walk.tab.ask("", "get(version === '1.2' ? 'core.student_name' : 'learner_name')").await;
        assert_eq!(name, "Ada Lindqvist");
        for _ in 0..3 {
            does(&walk.tab, &format!("{score}, commit()")).await;
        }
        does(&walk.tab, "end()").await;
        walk.database.until_kept("s1", &activity, 2).await;
        until_state(&walk, &activity, |state| state["ended"] == json!(true)).await;
        assert_eq!(scores(&walk, &activity), [exact]);
        assert_eq!(walk.tab.thrown(), [""; 0]);
        fits(&walk.tab).await;

        walk.teacher_opens_gradebook(&activity).await;
        let standing = "[data-user=ada] [data-testid=standing]";
        let standing: String =
            walk.tab.eval(&format!("document.querySelector('{standing}').dataset.score")).await;
        assert_eq!(standing, shown);
        walk.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_without_finishing_it_goes_on_where_it_was() {
    for version in ["1.2", "2004"] {
        let (walk, activity) = played(version).await;
        let place = if version == "1.2" { "core.lesson_location" } else { "location" };
        let entry = if version == "1.2" { "core.entry" } else { "entry" };
        assert_eq!(walk.tab.ask::<String>("", &format!("get('{entry}')")).await, "ab-initio");
        let said =
            format!("set('{place}', 'page 7'), set('suspend_data', 'ünd so € weiter'), commit()");
        does(&walk.tab, &said).await;
        // Said after the last commit, and the tab is closed.
        does(&walk.tab, &format!("set('{place}', 'page 8')")).await;
        let tab = walk.tab.clone();
        let spare = walk.browser.tab().await;
        tab.close().await;
        until_state(&walk, &activity, |state| state.to_string().contains("page 8")).await;

        spare.close().await;
        let again = once_more(&walk, &activity).await;
        let found: Vec<String> =
            again.ask("", &format!("['{entry}', '{place}', 'suspend_data'].map(get)")).await;
        assert_eq!(found, ["resume", "page 8", "ünd so € weiter"], "{version}");
        walk.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_as_the_page_is_unloaded_arrives() {
    // A driver that closes a tab asks nobody before it does.
    for (end, closes) in [
        ("beforeunload", false),
        ("pagehide", false),
        ("pagehide", true),
        ("unload", false),
        ("unload", true),
    ] {
        let (walk, activity) = played("1.2").await;
        let hear = format!(
            "(addEventListener('{end}', () => {{
               set('core.score.raw', '55.5'); set('core.exit', 'suspend');
               set('core.lesson_location', 'last'); end();
             }}), 0)"
        );
        walk.tab.ask::<Value>("", &hear).await;
        let spare = walk.browser.tab().await;
        let tab = walk.tab.clone();
        match closes {
            true => tab.close().await,
            false => tab.go(&format!("{}/course", walk.site)).await,
        }
        until_state(&walk, &activity, |state| state["ended"] == json!(true)).await;
        let state = state(&walk, &activity);
        assert_eq!(
            (&state["exit"], &state["cmi"]["core"]["lesson_location"]),
            (&json!("suspend"), &json!("last"))
        );
        assert_eq!(scores(&walk, &activity), [55.5]);
        drop(spare);
        walk.browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_commits_within_a_second() {
    let (walk, activity) = played("1.2").await;
    let said: Vec<String> = walk
        .tab
        .ask(
            "",
            "Promise.all(Array.from({ length: 10 }, (_, n) => new Promise((done) => setTimeout(() => {
               set('core.score.raw', String(n + 0.29)); set('core.lesson_location', 'p' + n);
               set('interactions.' + n + '.id', 'q' + n); set('interactions.' + n + '.type', 'choice');
               set('interactions.' + n + '.result', 'correct');
               done(commit());
             }, n * 90))))",
        )
        .await;
    assert_eq!(said, ["true"; 10]);
    until_state(&walk, &activity, |state| state["cmi"]["core"]["lesson_location"] == "p9").await;
    // The first at once and the last of them; what came between was overtaken.
    let come = comes(async || scores(&walk, &activity).last() == Some(&9.29)).await;
    assert!(come, "{:?}", scores(&walk, &activity));
    assert!(scores(&walk, &activity).len() <= 3, "{:?}", scores(&walk, &activity));
    let kept = walk.database.kept("s1", &activity);
    let logged: Vec<_> = kept
        .iter()
        .filter(|kept| kept.args["event"] == "interaction")
        .map(|kept| kept.args["data"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(logged, (0..10).map(|n| format!("q{n}")).collect::<Vec<_>>());
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_with_one_attempt() {
    let (walk, activity) = played("2004").await;
    does(&walk.tab, "set('location', 'first'), commit()").await;
    until_state(&walk, &activity, |state| state["cmi"]["location"] == "first").await;
    let second = once_more(&walk, &activity).await;
    assert_eq!(second.ask::<String>("", "get('location')").await, "first");
    does(&second, "set('location', 'second'), commit()").await;
    until_state(&walk, &activity, |state| state["cmi"]["location"] == "second").await;

    walk.tab.front().await;
    does(&walk.tab, "set('location', 'lost'), commit()").await;
    walk.tab.ask_until("", "!parent.document.getElementById('trouble').hidden").await;
    let trouble: String =
        walk.tab.ask("", "parent.document.getElementById('trouble').textContent").await;
    assert!(trouble.contains("opened once more"), "{trouble}");
    let refused: Vec<String> = walk.tab.ask("", "[commit(), call('GetLastError')]").await;
    assert_eq!(refused, ["false", "391"]);
    assert_eq!(state(&walk, &activity)["cmi"]["location"], "second");
    // The other one goes on, and so does the first once it is loaded again.
    does(&second, "set('location', 'third'), commit()").await;
    until_state(&walk, &activity, |state| state["cmi"]["location"] == "third").await;
    walk.tab.go(&format!("{}/activity/{activity}", walk.site)).await;
    begun(&walk.tab).await;
    assert_eq!(walk.tab.ask::<String>("", "get('location')").await, "third");
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_reaches_nothing_of_the_school() {
    let (walk, _) = played("1.2").await;
    let reached: Vec<String> = walk
        .tab
        .ask(
            "",
            &format!(
                "Promise.all([
                   () => top.document.title, () => top.localStorage.length, () => (top.location.href = 'about:blank', 'left'),
                   () => String(open('about:blank')),
                   async () => (await fetch({site:?} + '/course', {{ credentials: 'include' }})).status,
                   async () => (await fetch({site:?} + '/renew/rivers', {{ method: 'POST', mode: 'no-cors', credentials: 'include', body: '{{}}' }})).type,
                   async () => (await navigator.serviceWorker.register('index.html')).scope,
                   () => document.cookie.includes('harbour_session') && 'read',
                 ].map(async (way) => {{ try {{ return String(await way()) }} catch (error) {{ return error.name }} }}))",
                site = walk.site
            ),
        )
        .await;
    let [title, storage, left, opened, course, renew, worker, cookie] = reached.try_into().unwrap();
    assert_eq!([title, storage, left], ["SecurityError"; 3]);
    assert_eq!((opened.as_str(), cookie.as_str()), ("null", "false"));
    // By the policy of its files, before anything is sent.
    assert_eq!([course, renew], ["TypeError"; 2]);
    assert!(["SecurityError", "TypeError"].contains(&worker.as_str()), "{worker}");
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_packages_are_refused_in_words() {
    let walk = Walk::start(Hand::Pointer).await;
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    walk.tab.go(&walk.site).await;
    walk.log_in("teacher").await;
    let good = manifest("1.2");
    let zeros = vec![0; 8 << 20];
    std::fs::write(folder.join("text.zip"), "not a zip").unwrap();
    for (file, why) in [
        (folder.join("text.zip").to_str().unwrap().to_owned(), "not a zip file"),
        (zip(folder, "empty.zip", &[("readme.txt", b"")]), "no imsmanifest.xml"),
        (zip(folder, "broken.zip", &[("imsmanifest.xml", b"<manifest")]), "cannot be read"),
        (zip(folder, "missing.zip", &[("imsmanifest.xml", good.as_bytes())]), "no such file"),
        (
            zip(folder, "escape.zip", &[("imsmanifest.xml", good.as_bytes()), ("../../x", b"")]),
            "leads elsewhere",
        ),
        (
            zip(folder, "bomb.zip", &[("imsmanifest.xml", good.as_bytes()), ("zeros", &zeros)]),
            "times its size",
        ),
        (
            zip(
                folder,
                "outside.zip",
                &[(
                    "imsmanifest.xml",
                    good.replace("index.html", "https://evil.example/").as_bytes(),
                )],
            ),
            "not in the package",
        ),
    ] {
        let told = bring(&walk, &file).await;
        assert!(told.starts_with("Not added.") && told.contains(why), "{why}: {told}");
        assert_eq!(walk.count("[data-testid=brought]").await, 0);
    }

    // Ten gigabytes are not even sent.
    let huge = folder.join("huge.zip");
    let mut file = std::fs::File::create(&huge).unwrap();
    file.seek(SeekFrom::Start(10 << 30)).unwrap();
    file.write_all(b"x").unwrap();
    choose(&walk.tab, huge.to_str().unwrap()).await;
    walk.tab.until("document.querySelector('[data-testid=too-large]').checkVisibility()").await;
    let told = walk.text("[data-testid=too-large]").await;
    assert!(told.contains("10240 MiB") && told.contains("64 are the most"), "{told}");
    assert!(!walk.tab.eval::<bool>("document.getElementById('bring').checkValidity()").await);
    narrow(&walk.tab).await;
    fits(&walk.tab).await;
    walk.browser.close().await;
}

/// The demo's own lesson, by keyboard alone: no driver looks into it, what comes of it is in the database.
#[tokio::test(flavor = "multi_thread")]
async fn the_lesson_of_the_demo_by_keyboard_alone() {
    let walk = Walk::start(Hand::Keyboard).await;
    let tab = &walk.tab;
    tab.go(&walk.site).await;
    walk.log_in("ada").await;
    walk.press("[data-activity=tides] [data-testid=open-activity]").await;
    walk.at("/activity/tides").await;
    until_state(&walk, "tides", |state| !state.is_null()).await;
    let page = |number: &'static str| {
        move |state: &Value| state["cmi"]["core"]["lesson_location"].as_str() == Some(number)
    };
    // Into the lesson: its frame is in a frame, and its first stop is "Next". Until that is there, Tab passes by.
    let within_twenty = async || {
        tab.act("(document.body.tabIndex = -1, document.body.focus())").await;
        for _ in 0..20 {
            key(tab, "Tab").await;
            if tab.eval::<bool>("document.activeElement.id === 'guest'").await {
                return true;
            }
        }
        false
    };
    assert!(comes(within_twenty).await, "Tab does not reach the lesson");
    let first = async {
        while state(&walk, "tides")["cmi"]["core"]["lesson_location"] != "1" {
            key(tab, "Enter").await;
            let moved = until_state(&walk, "tides", page("1"));
            if tokio::time::timeout(std::time::Duration::from_secs(2), moved).await.is_err() {
                key(tab, "Tab").await;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, first).await.is_ok(), "the lesson hears no key");
    // Back, Next.
    for number in ["2", "3", "4", "5"] {
        for code in ["Tab", "Tab", "Enter"] {
            key(tab, code).await;
        }
        until_state(&walk, "tides", page(number)).await;
    }
    // Three questions: the second, the third and the first option. The last is wrong.
    for (question, (downs, next)) in [(1, "6"), (2, "7"), (0, "8")].into_iter().enumerate() {
        key(tab, "Tab").await;
        key(tab, "Space").await;
        for _ in 0..downs {
            key(tab, "ArrowDown").await;
        }
        key(tab, "Tab").await;
        key(tab, "Enter").await;
        let answers = move |state: &Value| {
            let answered = state["cmi"]["interactions"].as_object();
            answered.is_some_and(|all| all.len() == question + 1)
        };
        until_state(&walk, "tides", answers).await;
        // The question is gone from the order of stops, and what had the focus with it.
        for code in ["Tab", "Tab", "Enter"] {
            key(tab, code).await;
        }
        until_state(&walk, "tides", page(next)).await;
    }
    let come = comes(async || scores(&walk, "tides") == [66.67]).await;
    assert!(come, "{:?}", scores(&walk, "tides"));
    assert_eq!(state(&walk, "tides")["cmi"]["core"]["lesson_status"], "passed");
    assert_eq!(tab.thrown(), [""; 0]);
    walk.browser.close().await;
}
