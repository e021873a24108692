//! All that networks, and the boxes in them, do to requests. Every answer is saved once, and the honest
//! page is never taken for a thief.

use crate::stage::proxy::Fate;
use crate::stage::tab::{Book, Tab};
use crate::stage::world::{Place, World};

/// One of each kind. All but the first four end in a retry.
fn kinds() -> Vec<Fate> {
    vec![
        Fate::Pass,
        Fate::Twice,
        Fate::Echo,
        Fate::Pass,
        Fate::Lost,
        Fate::ReplyLost,
        Fate::Cut,
        // A box that logs people in, a broken gateway, a cache that knows better.
        Fate::Answered(200, "text/html", "<h1>Welcome to the hotel's network</h1>"),
        Fate::Overlaid(200, "text/html", "<h1>Welcome back</h1>"),
        Fate::Answered(500, "text/html", "<h1>Internal Server Error</h1>"),
        Fate::Overlaid(500, "application/json", "{\"status\":\"error\"}"),
        Fate::Overlaid(502, "text/plain", ""),
        Fate::Answered(200, "application/json", ""),
        Fate::Answered(200, "application/json", "{}"),
        Fate::Answered(200, "application/json", "{\"status\":\"ok\",\"result\":{\"calls\":[]}}"),
        Fate::Answered(200, "application/json", "null"),
        // Not ours to believe: nobody but the server says that a key is over.
        Fate::Answered(401, "text/html", "<h1>Log in to the proxy</h1>"),
        Fate::Answered(403, "text/html", "<h1>Blocked by your school's filter</h1>"),
        Fate::Answered(404, "text/html", "<h1>Not here</h1>"),
        Fate::Redirected(302),
        Fate::Redirected(307),
    ]
}

/// Whoever tries to save by hand does not wait for the next attempt of the page itself.
async fn patiently(tab: &Tab) -> Book {
    let saved = tab.saved();
    let helped = async {
        loop {
            tab.act("widget.activity.flush()").await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        book = saved => book,
        () = helped => unreachable!("it never ends"),
    }
}

/// That nobody ever doubted the page.
fn never_refused(world: &World, tab: &Tab, book: &Book) -> impl Future<Output = ()> {
    for call in world.proxy.history() {
        assert!(call.status.is_none_or(|status| status == 200), "{call:#?}");
    }
    assert_eq!(world.database.revoked(), [""; 0]);
    assert_eq!(world.host.renewals(), [""; 0]);
    for name in ["renewed", "ended", "refused"] {
        assert!(book.told(name).is_empty(), "{book:#?}");
    }
    let (book, tab, database) = (book.clone(), tab.clone(), world.database.clone());
    async move {
        assert_eq!(tab.thrown(), [""; 0]);
        database.agrees("ada", "quiz", &[&book]);
    }
}

async fn one_after_another(place: Place, pause: i64) {
    let world = World::start(super::SDK, place).await;
    let tab = world.play("ada", "quiz").await;
    for (n, fate) in kinds().into_iter().enumerate() {
        world.proxy.next([fate]);
        tab.answer(n).await;
        if n % 5 == 4 {
            tab.grade(n as f64 / 4.0).await;
        }
        patiently(&tab).await;
        // What is still on its way may be no older than the deadline of the client when it arrives.
        world.proxy.quiet().await;
        world.later(pause);
    }
    let book = tab.saved().await;
    never_refused(&world, &tab, &book).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_once_while_the_token_stays() {
    one_after_another(Place::Same, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_once_while_the_token_changes_every_time() {
    one_after_another(Place::Other, 31).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_faults_on_end_with_answers_coming_in_between() {
    let world = World::start(super::SDK, Place::Other).await;
    let tab = world.play("ada", "quiz").await;
    let kinds = kinds();
    // Every step lands elsewhere in the list: 8 and its length have no common divisor.
    for round in 0..12 {
        let fates = (0..3).map(|n| kinds[(round * 3 + n) * 8 % kinds.len()].clone());
        world.proxy.next(fates);
        for n in 0..4 {
            tab.answer(round * 4 + n).await;
        }
        tab.grade(round as f64 / 2.0).await;
        patiently(&tab).await;
        world.proxy.quiet().await;
        world.later(if round % 2 == 0 { 31 } else { 16 });
    }
    let book = tab.saved().await;
    assert_eq!(book.outcomes.len(), 12 * 5);
    never_refused(&world, &tab, &book).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reply_holds_up_nothing_but_itself() {
    use crate::stage::proxy::Gate;
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    let gate = Gate::closed();
    world.proxy.next([Fate::Held(gate.clone())]);
    tab.answer(1).await;
    world.database.until_kept("ada", "quiz", 1).await;
    tab.answer(2).await;
    tab.answer(3).await;
    // Stored, but not acknowledged: the page says so.
    let book = tab.book().await;
    assert_eq!((book.unsaved, book.told("saved").len()), (3, 0));
    gate.open();
    let book = tab.saved().await;
    // What came meanwhile went together.
    assert_eq!(world.proxy.history().len(), 2);
    never_refused(&world, &tab, &book).await;
    world.end().await;
}
