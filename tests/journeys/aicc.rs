//! AICC content that knows nothing but `aicc_sid` and `aicc_url`.

use crate::demo::Walk;
use crate::stage::comes;
use crate::stage::hands::{Hand, fits, narrow};
use crate::stage::host::Sdk;
use crate::stage::world::{Place, World};
use serde_json::json;

async fn says(tab: &crate::stage::tab::Tab, id: &str, text: &str) {
    tab.until(&format!("document.getElementById('{id}').textContent === {text:?}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_is_left_gone_on_with_and_handed_in() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(Sdk::JavaScript, place).await;
        let tab = world.login("ada").await;
        tab.go(&world.url("/aicc/lesson")).await;
        says(&tab, "state", "not attempted, ab-initio").await;
        says(&tab, "who", "ADA").await;
        for page in 2..=3 {
            tab.act("document.getElementById('next').click()").await;
            says(&tab, "state", &format!("Saved page {page}")).await;
        }
        tab.close().await;

        let tab = world.browser.tab().await;
        tab.go(&world.url("/aicc/lesson")).await;
        says(&tab, "state", "incomplete, resume").await;
        says(&tab, "page", "3").await;
        // Somebody who presses twice hands in once.
        tab.act("document.getElementById('finish').click()").await;
        says(&tab, "state", "Handed in").await;
        tab.act("document.getElementById('next').click()").await;
        says(&tab, "state", "Saved page 4").await;
        tab.act("document.getElementById('finish').click()").await;
        says(&tab, "state", "Handed in").await;

        let store = world.host.latchkey.store();
        let grades = store.submissions("school", "lesson", "ada", 9).await.unwrap();
        assert!(grades.iter().all(|grade| (grade.score, grade.max) == (8.5, 10.0)), "{grades:?}");
        let standing = &store.standings("school", "lesson").await.unwrap()[0];
        assert_eq!(standing.tally.standing(standing.method), Some(8.5));
        let kept = world.database.kept("ada", "lesson");
        let interactions = kept.iter().filter(|kept| kept.args["event"] == "interaction").count();
        assert_eq!(interactions, 1);
        assert_eq!(world.database.revoked(), [""; 0]);
        assert_eq!(tab.thrown(), [""; 0]);
        world.end().await;
    }
}

/// The demo's lesson: left in the middle, gone on with, handed in, found in the gradebook.
#[tokio::test(flavor = "multi_thread")]
async fn the_lesson_of_the_demo_from_the_course_to_the_gradebook() {
    for (hand, phone) in [(Hand::Pointer, true), (Hand::Keyboard, false)] {
        let walk = Walk::start(hand).await;
        if phone {
            narrow(&walk.tab).await;
        }
        walk.tab.go(&walk.site).await;
        walk.log_in("ada").await;
        walk.open("buoys").await;
        // The frame has begun by itself: it has asked how it was left.
        walk.database.until_keys(1).await;
        walk.tab.until("document.querySelector('[data-testid=lesson]').checkVisibility()").await;
        lesson(&walk).await;
        answers(&walk, 1, 0).await;
        answers(&walk, 2, 0).await;
        let left = || walk.database.state("s1", "buoys", "hacp").unwrap_or_default();
        assert!(comes(async || left()["location"] == "2").await);
        assert_eq!(left()["exit"], json!("suspend"));
        // Left where it is: the lesson says so.
        walk.tab.go(&format!("{}/activity/buoys", walk.site)).await;
        walk.at("/activity/buoys").await;
        let kept = || walk.database.kept("s1", "buoys");
        assert!(
            comes(async || kept().iter().any(|kept| kept.args["event"] == "lesson.exited")).await
        );

        lesson(&walk).await;
        answers(&walk, 3, 2).await;
        answers(&walk, 4, 1).await;
        walk.tab.until("document.getElementById('score')?.textContent === '3 of 4'").await;
        fits(&walk.tab).await;
        assert!(comes(async || kept().iter().any(|kept| kept.function == "grade")).await);
        assert_eq!(walk.tab.eval::<String>("trouble.textContent").await, "");
        assert_eq!(walk.tab.eval::<Vec<String>>("window.violations").await, [""; 0]);
        assert_eq!(walk.tab.thrown(), [""; 0]);

        walk.tab.go(&format!("{}/course", walk.site)).await;
        walk.at("/course").await;
        walk.teacher_opens_gradebook("buoys").await;
        let standing = "[data-user=ada] [data-testid=standing]";
        let standing: String =
            walk.tab.eval(&format!("document.querySelector('{standing}').dataset.score")).await;
        assert_eq!(standing, "3");
        // Who only looks is told so, and leaves nothing.
        walk.tab.go(&format!("{}/activity/buoys", walk.site)).await;
        walk.at("/activity/buoys").await;
        lesson(&walk).await;
        walk.tab.until("document.getElementById('where').textContent.includes('preview')").await;
        answers(&walk, 1, 0).await;
        assert_eq!(walk.tab.eval::<String>("trouble.textContent").await, "");
        assert_eq!(walk.database.kept("t1", "buoys"), []);
        // By logging out, and by nothing else.
        assert!(walk.database.revoked().iter().all(|why| why == "session ended"));
        walk.browser.close().await;
    }
}

/// Goes to the lesson itself, as a course that opens it in a window of its own does: no driver looks into the frame of
/// another origin.
async fn lesson(walk: &Walk) {
    let address: String = walk.tab.eval("document.querySelector('[data-testid=lesson]').src").await;
    assert!(address.contains("?aicc_sid=eyJ") && address.contains("&aicc_url=http"), "{address}");
    walk.tab.go(&address).await;
    walk.tab.until("document.querySelector('form input')").await;
    fits(&walk.tab).await;
}

/// Answers a question by one of its options, and goes on.
async fn answers(walk: &Walk, question: usize, option: usize) {
    let at = format!("document.getElementById('where').textContent.startsWith('Mark {question} ')");
    walk.tab.until(&at).await;
    walk.hand.pick(&walk.tab, "[name=option]", option).await;
    walk.press("#check").await;
    walk.tab.until("document.querySelector('.said').textContent.length > 10").await;
    fits(&walk.tab).await;
    walk.press("#next").await;
}
