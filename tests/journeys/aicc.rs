//! AICC content that knows nothing but `aicc_sid` and `aicc_url`.

use crate::stage::host::Sdk;
use crate::stage::world::{Place, World};

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
