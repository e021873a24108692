//! Two tabs of one person in one activity: two keys, one outbox.

use crate::stage::proxy::Fate;
use crate::stage::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn both_work_and_neither_disturbs_the_other() {
    let world = World::start(super::SDK, Place::Same).await;
    let first = world.play("ada", "quiz").await;
    let second = world.also("quiz").await;
    for n in 0..6 {
        first.answer(n).await;
        second.answer(100 + n).await;
        if n == 3 {
            first.grade(6.0).await;
            second.grade(7.0).await;
        }
        first.saved().await;
        second.saved().await;
        world.later(31);
    }
    let (one, two) = (first.saved().await, second.saved().await);
    world.database.agrees("ada", "quiz", &[&one, &two]);
    assert_eq!(world.database.keys(), 2);
    assert_eq!(world.database.revoked(), [""; 0]);
    // Each sees what both did.
    assert_eq!(first.recent().await.len(), 6 + 6 + 2 + 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_without_a_network_has_its_answers_sent_by_another() {
    let world = World::start(super::SDK, Place::Other).await;
    let first = world.play("ada", "quiz").await;
    first.offline(true).await;
    for n in 0..3 {
        first.answer(n).await;
    }
    first.grade(4.5).await;
    first.until("widget.activity.unsaved === 4").await;
    let second = world.also("quiz").await;
    second.answer(50).await;
    let two = second.saved().await;
    second.until("Object.keys(localStorage).length === 0").await;
    world.database.until_kept("ada", "quiz", 5).await;
    // The first does not know yet: nothing is called saved that it was not told of.
    let pending = first.book().await;
    assert_eq!(pending.unsaved, 4, "{pending:#?}");
    world.database.agrees("ada", "quiz", &[&pending, &two]);

    second.close().await;
    first.front().await;
    first.offline(false).await;
    let one = first.saved().await;
    world.database.agrees("ada", "quiz", &[&one, &two]);
    assert_eq!(world.database.revoked(), [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_may_send_the_same_answers_at_the_same_time() {
    let world = World::start(super::SDK, Place::Same).await;
    let first = world.play("ada", "quiz").await;
    world.proxy.always(Fate::Lost);
    for n in 0..5 {
        first.answer(n).await;
    }
    first.grade(3.0).await;
    first.until("widget.activity.unsaved === 6").await;
    let second = world.also("quiz").await;
    second.until("widget.activity.unsaved === 6").await;
    world.proxy.always(Fate::Twice);
    tokio::join!(first.act("widget.activity.flush()"), second.act("widget.activity.flush()"),);
    let one = first.saved().await;
    let two = second.saved().await;
    assert_eq!(two.outcomes, []);
    world.proxy.quiet().await;
    world.database.agrees("ada", "quiz", &[&one]);
    assert_eq!(world.database.revoked(), [""; 0]);
    world.end().await;
}
