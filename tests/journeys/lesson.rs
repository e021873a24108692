//! The whole life of a key in a page, when nothing goes wrong.

use crate::stage::world::{Place, World};
use latchkey_protocol::launch::RecentScope;
use latchkey_protocol::token::PREFIX;

#[tokio::test(flavor = "multi_thread")]
async fn from_the_embedded_block_through_rotations_to_the_grade() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        assert!(tab.eval::<bool>("document.querySelector('[data-latchkey]') === null").await);
        assert_eq!(world.database.keys(), 0, "a page that does nothing leaves nothing");

        for question in 1..=6 {
            tab.answer(question).await;
            tab.saved().await;
            // Each generation is old enough to be offered its successor.
            world.later(31);
        }
        tab.grade(0.0).await;
        tab.grade(8.5).await;
        let book = tab.saved().await;
        assert_eq!(book.outcomes[7].result["standing"]["score"], 8.5);
        assert_eq!(book.outcomes[7].result["max"], 10.0);

        let recent = tab.recent().await;
        let seen: Vec<_> = recent.iter().map(|item| item["kind"].as_str().unwrap()).collect();
        assert_eq!(seen, ["grade", "grade", "log", "log", "log", "log", "log", "log", "join"]);
        assert_eq!(recent[0]["user"]["name"], "ADA");
        assert_eq!(recent[0]["url"], book.outcomes[7].result["url"]);

        // The token has changed often, by rotation alone, and none of them was left lying about.
        let tokens: Vec<_> = world.proxy.history().iter().map(|call| call.token.clone()).collect();
        let mut distinct = tokens.clone();
        distinct.dedup();
        assert!(distinct.len() > 6, "{distinct:#?}");
        assert_eq!(world.host.renewals(), [""; 0]);
        let traces = tab.traces().await;
        assert!(!traces.contains(PREFIX) && !traces.contains("eyJ"), "{traces}");
        for token in tokens {
            assert!(!traces.contains(&token), "{token} in {traces}");
        }

        world.database.agrees("ada", "quiz", &[&book]);
        assert_eq!(world.database.keys(), 1);
        assert_eq!(world.database.revoked(), [""; 0]);
        assert_eq!(tab.thrown(), [""; 0]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_see_each_other_and_are_not_mixed_up() {
    let world = World::start(super::SDK, Place::Other).await;
    world.host.launches_with(|claims| claims.recent = RecentScope::Activity);
    let ada = world.play("ada", "quiz").await;
    let elsewhere = world.browser.person().await;
    let ben = world.play_as(&elsewhere, "ben", "quiz").await;
    for n in 0..3 {
        ada.answer(n).await;
        ben.answer(n).await;
    }
    ada.grade(9.0).await;
    ben.grade(4.0).await;
    let (hers, his) = (ada.saved().await, ben.saved().await);
    world.database.agrees("ada", "quiz", &[&hers]);
    world.database.agrees("ben", "quiz", &[&his]);
    for (tab, name) in [(&ada, "ADA"), (&ben, "BEN")] {
        let recent = tab.recent().await;
        assert_eq!(recent.len(), 2 * (3 + 1 + 1));
        for item in recent {
            assert_eq!(item["user"]["own"], item["user"]["name"] == name, "{item}");
        }
    }
    world.end().await;
}
