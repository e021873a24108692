//! The demo, as a newcomer walks through it.

use crate::stage::browser::Browser;
use crate::stage::database::Database;
use crate::stage::hands::{Hand, fits, narrow};
use crate::stage::tab::Tab;
use latchkey_demo::accounts::PASSWORD;
use latchkey_demo::{Options, run};
use std::net::{SocketAddr, TcpListener};
use tempfile::TempDir;

const OPTION: &str = "[data-testid=answer-option]";
const NEXT: &str = "[data-testid=next]";

/// A demo that is running, and somebody who is looking at it.
pub(super) struct Walk {
    pub(super) browser: Browser,
    pub(super) tab: Tab,
    pub(super) hand: Hand,
    pub(super) site: String,
    pub(super) database: Database,
    _folder: TempDir,
}

impl Walk {
    pub(super) async fn start(hand: Hand) -> Self {
        Self::start_with(hand, None).await
    }

    /// With a second site at that address.
    async fn start_with(hand: Hand, neighbour: Option<SocketAddr>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("demo");
        let [site, api] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let address = format!("http://{}", site.local_addr().unwrap());
        let database = Database::fresh(&data);
        let config = folder.path().join("settings.toml");
        std::fs::write(&config, format!("[store]\nurl = {:?}\n", database.url())).unwrap();
        tokio::spawn(async move {
            let options = Options { data, config: Some(config), neighbour, ..Options::default() };
            run(site, api, &options, std::future::pending()).await.unwrap();
        });
        let browser = Browser::start().await;
        let tab = browser.tab().await;
        Self { browser, tab, hand, site: address, database, _folder: folder }
    }

    /// Waits for a page and looks whether it fits.
    pub(super) async fn at(&self, path: &str) {
        self.tab
            .until(&format!("location.pathname === {path:?} && document.readyState === 'complete'"))
            .await;
        fits(&self.tab).await;
    }

    pub(super) async fn log_in(&self, user: &str) {
        self.at("/login").await;
        self.hand.write(&self.tab, "[name=username]", user).await;
        self.hand.write(&self.tab, "[name=password]", PASSWORD).await;
        self.hand.press(&self.tab, "[data-testid=log-in]").await;
        self.at("/course").await;
    }

    pub(super) async fn log_out(&self) {
        self.hand.press(&self.tab, "[data-testid=logout]").await;
        self.at("/login").await;
    }

    pub(super) async fn press(&self, selector: &str) {
        self.hand.press(&self.tab, selector).await;
    }

    pub(super) async fn open(&self, activity: &str) {
        self.press(&format!("[data-activity={activity}] [data-testid=open-activity]")).await;
        self.at(&format!("/activity/{activity}")).await;
    }

    /// From a student's page with a way to log out.
    pub(super) async fn teacher_opens_gradebook(&self, activity: &str) {
        self.log_out().await;
        self.log_in("teacher").await;
        self.press(&format!("[data-activity={activity}] [data-testid=open-gradebook]")).await;
        self.at(&format!("/gradebook/{activity}")).await;
    }

    /// What a teacher finds there: Ada's last submission, and her standing.
    pub(super) async fn in_the_gradebook(&self, activity: &str) -> (String, String) {
        self.teacher_opens_gradebook(activity).await;
        let row = "[data-testid=gradebook-row][data-user=ada]";
        let submission = self.text(&format!("{row} [data-testid=submission-row]")).await;
        assert!(submission.contains("reported by the client"), "{submission}");
        (submission, self.text(&format!("{row} [data-testid=standing]")).await)
    }

    /// Has the answer just given checked, and goes on.
    async fn check(&self, question: usize) {
        self.tab
            .until(&format!(
                "document.querySelector('form.question').dataset.question === '{question}'"
            ))
            .await;
        self.press("[data-testid=next][data-step=check]").await;
        self.tab
            .until("document.querySelector('[data-testid=feedback]').textContent.length > 10")
            .await;
        fits(&self.tab).await;
        self.press(NEXT).await;
    }

    /// Answers all five questions, the second by halves.
    async fn quiz(&self) {
        let (tab, hand) = (&self.tab, self.hand);
        tab.until(&format!("document.querySelector('{OPTION}')")).await;
        hand.pick(tab, OPTION, 1).await;
        self.check(1).await;
        for n in [0, 2] {
            tab.until("document.querySelector('form.question').dataset.question === '2'").await;
            hand.press(tab, &format!("{OPTION}[value='{n}']")).await;
        }
        self.check(2).await;
        tab.until("document.querySelector('form.question').dataset.question === '3'").await;
        hand.write(tab, OPTION, "4800").await;
        self.check(3).await;
        tab.until("document.querySelector('form.question').dataset.question === '4'").await;
        hand.pick(tab, OPTION, 2).await;
        self.check(4).await;
        tab.until("document.querySelector('form.question').dataset.question === '5'").await;
        hand.pick(tab, OPTION, 0).await;
        self.check(5).await;
    }

    pub(super) async fn text(&self, selector: &str) -> String {
        self.tab.eval(&format!("document.querySelector({selector:?}).textContent")).await
    }

    pub(super) async fn count(&self, selector: &str) -> usize {
        self.tab.eval(&format!("document.querySelectorAll({selector:?}).length")).await
    }
}

async fn walk(hand: Hand, phone: bool) {
    let walk = Walk::start(hand).await;
    if phone {
        narrow(&walk.tab).await;
    }
    walk.tab.go(&walk.site).await;
    walk.log_in("ada").await;
    walk.press("[data-activity=rivers] [data-testid=open-activity]").await;
    walk.at("/activity/rivers").await;
    walk.quiz().await;

    // Saved, and told so; the class sees it.
    walk.tab
        .until("document.querySelector('[data-testid=receipt]')?.dataset.state === 'saved'")
        .await;
    walk.tab
        .until("document.querySelector('[data-testid=save-state]').dataset.state === 'saved'")
        .await;
    let score: String =
        walk.tab.eval("document.querySelector('[data-testid=score]').dataset.score").await;
    assert_eq!(score, "9.33", "four whole answers and two thirds of one");
    let receipt: String =
        walk.tab.eval("document.querySelector('[data-testid=receipt]').dataset.submission").await;
    walk.tab
        .until("document.querySelector('[data-testid=recent-item]')?.dataset.kind === 'grade'")
        .await;
    // A join, the start, five answers, a grade.
    assert_eq!(walk.count("[data-testid=recent-item]").await, 8);
    assert!(walk.text("[data-testid=recent-item]").await.contains("Ada Lindqvist"));
    fits(&walk.tab).await;

    let kept = walk.database.kept("s1", "rivers");
    assert_eq!(kept.len(), 7);
    let grade = kept.last().unwrap();
    assert_eq!((grade.function, &grade.number), ("grade", &receipt));
    let answered = kept.iter().filter(|kept| kept.args["event"] == "answered");
    let questions: Vec<_> =
        answered.map(|kept| kept.args["data"]["question"].as_u64().unwrap()).collect();
    assert_eq!(questions, [1, 2, 3, 4, 5]);

    walk.press("#stage a[href='/course']").await;
    walk.at("/course").await;
    assert!(walk.text("[data-activity=rivers] [data-testid=own-standing]").await.contains("9.33"));

    walk.teacher_opens_gradebook("rivers").await;
    assert_eq!(walk.count("[data-testid=gradebook-row]").await, 4);
    let row = "[data-testid=gradebook-row][data-user=ada]";
    let standing = walk.text(&format!("{row} [data-testid=standing]")).await;
    assert!(standing.contains("9.33"), "{standing}");
    walk.press(&format!("{row} [data-testid=history] > summary")).await;
    let submission = format!("{row} [data-testid=submission-row]");
    walk.tab.until(&format!("document.querySelector({submission:?}).checkVisibility()")).await;
    let text = walk.text(&submission).await;
    assert!(
        text.contains("reported by the client") && text.contains("Worth another look: question 2"),
        "{text}"
    );
    assert_eq!(
        walk.tab
            .eval::<String>(&format!("document.querySelector({submission:?}).dataset.submission"))
            .await,
        receipt
    );
    fits(&walk.tab).await;
    walk.press("a[href='/insight/rivers']").await;
    walk.at("/insight/rivers").await;
    assert!(walk.count("main svg").await > 0);
    walk.log_out().await;

    assert_eq!(walk.tab.thrown(), [""; 0]);
    assert_eq!(walk.tab.complaints(), [""; 0]);
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_login_to_the_gradebook() {
    walk(Hand::Pointer, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_login_to_the_gradebook_on_a_phone() {
    walk(Hand::Pointer, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_login_to_the_gradebook_by_keyboard_alone() {
    walk(Hand::Keyboard, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_in_another_tab_ends_the_quiz_and_keeps_the_answer() {
    let walk = Walk::start(Hand::Pointer).await;
    walk.tab.go(&walk.site).await;
    walk.log_in("ben").await;
    walk.press("[data-activity=rivers] [data-testid=open-activity]").await;
    walk.at("/activity/rivers").await;
    walk.tab.until(&format!("document.querySelector('{OPTION}')")).await;
    walk.hand.pick(&walk.tab, OPTION, 1).await;

    let other = walk.browser.tab().await;
    other.go(&format!("{}/course", walk.site)).await;
    walk.hand.press(&other, "[data-testid=logout]").await;
    other.until("location.pathname === '/login'").await;

    walk.tab.front().await;
    walk.press("[data-testid=next][data-step=check]").await;
    walk.tab
        .until("document.querySelector('[data-testid=save-state]').dataset.state === 'ended'")
        .await;
    let state = walk.text("[data-testid=save-state]").await;
    assert!(state.contains("Session ended") && state.contains("kept on this device"), "{state}");
    assert_eq!(walk.database.kept("s2", "rivers"), []);

    walk.press("[data-testid=save-state] a").await;
    walk.at("/login").await;
    walk.hand.write(&walk.tab, "[name=username]", "ben").await;
    walk.hand.write(&walk.tab, "[name=password]", PASSWORD).await;
    walk.press("[data-testid=log-in]").await;
    walk.at("/activity/rivers").await;
    walk.database.until_kept("s2", "rivers", 2).await;
    let events: Vec<_> = walk
        .database
        .kept("s2", "rivers")
        .into_iter()
        .map(|kept| kept.args["event"].clone())
        .collect();
    assert_eq!(events, ["started", "answered"]);
    walk.browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_site_in_php_keeps_its_grades_on_the_same_server() {
    let walk = Walk::start_with(Hand::Pointer, Some(([127, 0, 0, 1], 0).into())).await;
    walk.tab.go(&walk.site).await;
    walk.log_in("ada").await;
    walk.press("[data-testid=neighbour] a").await;
    walk.tab.until("document.getElementById('state')?.textContent === 'Ready'").await;
    fits(&walk.tab).await;
    walk.press("button:nth-of-type(2)").await;
    let said = "document.getElementById('state').textContent === 'Right. Saved: 10 of 10'";
    walk.tab.until(said).await;
    assert_eq!(walk.database.kept("u1", "quiz-1").len(), 1);
    assert_eq!(walk.tab.thrown(), [""; 0]);
    assert_eq!(walk.tab.complaints(), [""; 0]);
    walk.browser.close().await;
}
