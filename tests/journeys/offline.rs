//! A tunnel: the network goes, and comes back.

use crate::stage::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn answers_given_without_a_network_are_sent_when_it_is_back() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        tab.answer(1).await;
        tab.saved().await;
        tab.offline(true).await;
        tab.until("!navigator.onLine").await;
        for n in 2..=5 {
            tab.answer(n).await;
        }
        tab.grade(0.0).await;
        tab.until("document.getElementById('state').textContent === '5 unsaved'").await;
        let book = tab.book().await;
        let last = *book.told("unsaved").last().unwrap();
        assert_eq!((&last["count"], &last["durable"]), (&5.into(), &true.into()));
        assert_eq!(world.database.kept("ada", "quiz").len(), 1);
        assert_eq!(tab.eval::<usize>("Object.keys(localStorage).length").await, 5);

        // Long enough for the token to be offered its successor, not for the key to die.
        world.later(10 * 60);
        tab.offline(false).await;
        let book = tab.saved().await;
        assert_eq!(
            tab.eval::<String>("document.getElementById('state').textContent").await,
            "Saved"
        );
        assert_eq!(tab.eval::<usize>("Object.keys(localStorage).length").await, 0);
        assert_eq!(book.outcomes[5].result["standing"]["score"], 0.0);
        assert_eq!(world.host.renewals(), [""; 0]);
        assert_eq!(world.database.revoked(), [""; 0]);
        world.database.agrees("ada", "quiz", &[&book]);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night_without_a_network_costs_a_renewal_and_no_answer() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    tab.offline(true).await;
    tab.answer(2).await;
    tab.grade(3.5).await;
    world.later(14 * 3600);
    tab.offline(false).await;
    let book = tab.saved().await;
    assert_eq!(book.told("renewed").len(), 1);
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloaded_again_and_again_without_an_answer_getting_through() {
    use crate::stage::proxy::Fate;
    let world = World::start(super::SDK, Place::Other).await;
    let tab = world.play("ada", "quiz").await;
    let mut books = Vec::new();
    for n in 0..4 {
        world.proxy.always(Fate::Lost);
        tab.answer(n).await;
        tab.until(&format!("widget.activity.unsaved === {}", n + 1)).await;
        books.push(tab.book().await);
        tab.open(&world.url(&format!("/play/quiz?{n}"))).await;
    }
    world.proxy.always(Fate::Pass);
    tab.act("widget.activity.flush()").await;
    tab.until("widget.activity.unsaved === 0 && Object.keys(localStorage).length === 0").await;
    let books: Vec<_> = books.iter().collect();
    world.database.agrees("ada", "quiz", &books);
    world.end().await;
}
