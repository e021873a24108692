//! A site in another language: the page that `docs/hosts.md` shows, served by PHP itself.

use crate::stage::PATIENCE;
use crate::stage::browser::Browser;
use crate::stage::database::Database;
use crate::stage::program::Program;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// 32 bytes in base64url.
const SECRET: &str = "c2Nob29sIHNjaG9vbCBzY2hvb2wgc2Nob29sIHNjaG8";

/// Starts a key of the page's own and gives both of its tokens.
const STARTED: &str = "const started = async () => {
    const page = await (await fetch('/')).text();
    const block = JSON.parse(/data-latchkey>(.*?)<[/]script>/.exec(page)[1]);
    const answer = await fetch(`${block.endpoint}/v1/batch`, {
      method: 'POST', body: '{\"calls\":[]}',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${block.token}` } });
    return { launch: block.token, session: (await answer.json()).token };
  };";

/// PHP's own server with the site, and its address.
async fn php(latch: &str) -> (Child, String) {
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/site.php");
    loop {
        // PHP does not tell which port it was given: one that was free a moment ago is asked for by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("php");
        command.arg("-S").arg(format!("127.0.0.1:{port}")).arg(&site);
        command.env("HOST_SECRET", SECRET).env("LATCH_URL", latch);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().expect("php is missing");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        if line.is_some_and(|line| line.ends_with("started")) {
            // Its log must go on being read, or it would stop at a full pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (child, format!("http://127.0.0.1:{port}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_php_site_is_graded() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, data) = (folder.path().join("latchkey.toml"), folder.path().join("data"));
    let database = Database::fresh(&data);
    let text = format!(
        "data = {:?}\n[store]\nurl = {:?}\n[[hosts]]\nid = \"school\"\nsecrets = [{{ number = 1, secret = \"{SECRET}\" }}]\n",
        data.display().to_string(),
        database.url()
    );
    std::fs::write(&settings, text).unwrap();
    let server = Program::start(&settings, "127.0.0.1:0").await;
    let (_php, site) = php(&format!("http://{}", server.address)).await;

    let browser = Browser::start().await;
    let tab = browser.tab().await;
    tab.go(&site).await;
    tab.until("document.getElementById('state')?.textContent === 'Ready'").await;
    let keys: usize = tab.eval("document.querySelectorAll('[data-latchkey]').length").await;
    assert_eq!(keys, 0, "the token has left the page");
    let grade = "document.getElementById('grade').textContent";
    assert_eq!(tab.eval::<String>(grade).await, "none yet");
    for (choice, said) in [(0, "Wrong. Saved: 0 of 10"), (1, "Right. Saved: 10 of 10")] {
        tab.act(&format!("document.querySelectorAll('button')[{choice}].click()")).await;
        tab.until(&format!("document.getElementById('state').textContent === {said:?}")).await;
    }
    assert_eq!(tab.eval::<String>(grade).await, "10 of 10");
    let violations: Vec<String> = tab.eval("window.violations").await;
    assert_eq!(violations, [""; 0]);
    // The site itself asks what the grade is, with a signature.
    tab.go(&site).await;
    tab.until("document.getElementById('state')?.textContent === 'Ready'").await;
    assert_eq!(tab.eval::<String>(grade).await, "10 of 10");

    // And the renewal address gives a page of its own site another token, and nobody else.
    let renew =
        "fetch('/latchkey/renew/quiz-1', { method: 'POST', headers: { 'latchkey-renew': '1' } })";
    let token: String =
        tab.eval(&format!("{renew}.then((a) => a.json()).then((a) => a.token)")).await;
    assert!(token.starts_with("ey"), "{token}");
    let status: u16 =
        tab.eval(&format!("{}.then((a) => a.status)", renew.replace("'1'", "'0'"))).await;
    assert_eq!(status, 403);

    // A renewal ends the key that it replaces, whichever of its tokens the page holds.
    for (held, ended) in [("launch", 1), ("session", 2)] {
        let held = format!("started().then((tokens) => tokens.{held})");
        let with = "(token) => fetch('/latchkey/renew/quiz-1', {
            method: 'POST', headers: { 'latchkey-renew': '1' }, body: JSON.stringify({ token }) })";
        let renewed =
            format!("(async () => {{ {STARTED} return (await ({with})(await {held})).status }})()");
        assert_eq!(tab.eval::<u16>(&renewed).await, 200);
        assert_eq!(database.revoked(), vec!["host: renewed"; ended]);
    }

    let kept = database.kept("u1", "quiz-1");
    assert_eq!(kept.len(), 2, "{kept:?}");
    browser.close().await;
}
