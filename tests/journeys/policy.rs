//! The page's own content security policy, as the library writes it, and the SDK under it.

use crate::stage::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_sdk_does_is_against_it() {
    for place in [Place::Same, Place::Other] {
        let world = World::start(super::SDK, place).await;
        let tab = world.play("ada", "quiz").await;
        tab.answer(1).await;
        tab.saved().await;
        world.later(31);
        tab.answer(2).await;
        tab.saved().await;
        // A renewal, a read, and a hidden page with something to send: all that it ever does.
        world.later(31 * 60);
        tab.grade(10.0).await;
        let book = tab.saved().await;
        assert_eq!(book.told("renewed").len(), 1);
        tab.recent().await;
        let other = world.browser.tab().await;
        tab.until("document.visibilityState === 'hidden'").await;
        tab.answer(3).await;
        tab.saved().await;
        other.close().await;
        let book = tab.saved().await;
        world.database.agrees("ada", "quiz", &[&book]);
        assert_eq!(tab.eval::<Vec<String>>("window.violations").await, [""; 0]);
        assert_eq!(tab.thrown(), [""; 0]);
        assert_eq!(tab.complaints(), [""; 0]);

        // The control: the policy is in force, and the tab does hear of what is against it.
        tab.act(
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.harm = 1\">'),
             document.body.append(Object.assign(document.createElement('script'), { text: 'window.harm = 2' })),
             fetch('https://elsewhere.example/').catch(() => {})",
        )
        .await;
        tab.until("window.violations.length >= 3").await;
        assert!(tab.eval::<bool>("window.harm === undefined").await);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_may_frame_a_page_with_a_key() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.login("ada").await;
    let framed = format!(
        "new Promise((told) => {{
           const frame = document.createElement('iframe');
           frame.onload = () => told(true);
           frame.src = '{}';
           document.body.append(frame);
         }})",
        world.url("/play/quiz")
    );
    // The control: by its own site it may be framed, and runs its script before it counts as loaded.
    tab.go(&world.url("/away")).await;
    tab.until("document.querySelector('p#away')").await;
    assert!(tab.eval::<bool>(&framed).await);
    assert_eq!(world.host.widgets(), 1);
    // A page on another port is given the cookie, but not the page.
    tab.go(&format!("http://127.0.0.1:{}/", world.elsewhere().await)).await;
    tab.until("document.getElementById('here')").await;
    assert!(tab.eval::<bool>(&framed).await);
    assert_eq!(world.host.launches().len(), 2, "the school did write the page");
    assert_eq!(world.host.widgets(), 1, "and the browser did not show it");
    assert_eq!(world.database.keys(), 0);
    world.end().await;
}
