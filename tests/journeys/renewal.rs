//! The renewal address gives keys to scripts of the site's own pages and to nobody else.

use crate::stage::world::{Place, World};

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_get_none() {
    let world = World::start(super::SDK, Place::Same).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    let token = world.newest_token();
    let port = world.elsewhere().await;
    let address = world.url("/renew/quiz");
    // One shares the site, so that the browser gives it the cookie; the other does not.
    for foreign in [format!("http://127.0.0.1:{port}/"), format!("http://localhost:{port}/")] {
        let evil = world.browser.tab().await;
        evil.go(&foreign).await;
        evil.until("document.getElementById('here')").await;
        let before = world.host.renewals().len();
        let simple: String = evil
            .eval(&format!(
                "fetch('{address}', {{ method: 'POST', mode: 'no-cors', credentials: 'include',
                   body: '{{\"token\":\"{token}\"}}' }}).then((r) => r.type)"
            ))
            .await;
        assert_eq!(simple, "opaque");
        // With the header there is a preflight, which nobody at the school answers.
        let asked: String = evil
            .eval(&format!(
                "fetch('{address}', {{ method: 'POST', credentials: 'include',
                   headers: {{ 'Latchkey-Renew': '1' }}, body: '{{\"token\":\"{token}\"}}' }})
                 .then((r) => 'answered', () => 'forbidden')"
            ))
            .await;
        assert_eq!(asked, "forbidden");
        evil.act(&format!(
            "document.body.innerHTML = '<form method=post action={address}><button>', document.querySelector('button').click()"
        ))
        .await;
        evil.until("location.pathname === '/renew/quiz'").await;
        let refused = world.host.renewals()[before..].to_vec();
        assert_eq!(refused, ["403 not sent by a page of this site"; 2]);
        assert!(!evil.eval::<String>("document.body.innerText").await.contains("ey"));
        evil.close().await;
    }
    assert_eq!(world.host.launches().len(), 1, "no key was made");
    assert_eq!(world.database.revoked(), [""; 0], "and none was ended");
    tab.answer(2).await;
    let book = tab.saved().await;
    assert!(book.told("renewed").is_empty());
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_the_site_must_say_what_it_wants() {
    let world = World::start(super::SDK, Place::Other).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    let ask = |headers: &str| {
        format!(
            "fetch('/renew/quiz', {{ method: 'POST', headers: {headers}, body: '{{\"token\":\"{}\"}}' }})
             .then((r) => r.status)",
            world.newest_token()
        )
    };
    assert_eq!(tab.eval::<u16>(&ask("{}")).await, 403);
    assert_eq!(world.host.renewals(), ["403 the header Latchkey-Renew is missing"]);
    assert_eq!(world.host.launches().len(), 1);
    assert_eq!(world.database.revoked(), [""; 0]);

    // The control: the same with the header is a renewal, and ends the key it replaces.
    assert_eq!(tab.eval::<u16>(&ask("{ 'Latchkey-Renew': '1' }")).await, 200);
    assert_eq!(world.host.launches().len(), 2);
    assert_eq!(world.database.revoked(), ["renewed"]);
    tab.answer(2).await;
    let book = tab.saved().await;
    assert_eq!(book.told("renewed").len(), 1);
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_does_not_get_through_is_tried_again() {
    let world = World::start(super::SDK, Place::Other).await;
    let tab = world.play("ada", "quiz").await;
    tab.answer(1).await;
    tab.saved().await;
    world.later(31 * 60);
    // The site is out of reach for the page, the server is not.
    tab.eval::<bool>(
        "window.reach = window.fetch, window.blocked = 0,
         window.fetch = (url, init) => String(url).includes('/renew/') && window.blocked++ < 2
           ? Promise.reject(new TypeError('Failed to fetch')) : window.reach(url, init), true",
    )
    .await;
    tab.answer(2).await;
    tab.answer(3).await;
    let book = tab.saved().await;
    assert_eq!(tab.eval::<u32>("window.blocked").await, 3);
    assert_eq!(book.told("renewed").len(), 1, "one renewal, however many operations wait for it");
    assert_eq!(world.host.renewals(), ["200 ada"]);
    world.database.agrees("ada", "quiz", &[&book]);
    world.end().await;
}
