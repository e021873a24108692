//! `state` over forms: what a movie keeps from one launch to the next.

use super::{FORM, Variables, escaped, server};
use crate::server::Server;

fn launch(server: &Server) -> String {
    server.launch_with(|claims| {
        claims.functions = Some(["log", "grade", "recent", "state"].map(str::to_owned).into());
    })
}

fn versions(server: &Server) -> i64 {
    server.count("SELECT coalesce(sum(version), 0) FROM states")
}

#[tokio::test]
async fn a_movie_finds_at_its_next_launch_what_it_left() {
    let server = server().await;
    let key = launch(&server);
    let nothing = server.form_with(&key, "state", "op=get&name=place").await;
    assert_eq!((nothing.is_ok().get("version"), nothing.get("value")), (Some("0"), None));
    let text = "Gen\u{e8}ve & 100 % + \u{20ac}";
    let put = format!("op=put&name=place&value={}", escaped(text));
    assert_eq!(server.form_with(&key, "state", &put).await.is_ok().get("version"), Some("1"));

    let next = launch(&server);
    let found = server.form_with(&next, "state", "op=get&name=place").await;
    assert_eq!((found.is_ok().get("version"), found.get("value")), (Some("1"), Some(text)));
    // An object by its members, and one member of it changed.
    let put = "op=put&value_town=Sion&value_page=3";
    assert_eq!(server.form_with(&next, "state", put).await.is_ok().get("version"), Some("1"));
    server.form_with(&next, "state", "op=patch&value_page=4").await.is_ok();
    let found = server.form_with(&next, "state", "name=&op=get").await;
    assert_eq!(
        (found.is_ok().get("value_town"), found.get("value_page")),
        (Some("Sion"), Some("4"))
    );
    server.form_with(&next, "state", "op=delete&name=place").await.is_ok();
    let gone = server.form_with(&next, "state", "op=get&name=place").await;
    assert_eq!(gone.is_ok().get("value"), None);
}

/// Two pages on and one back is not one page on: what is put back is put.
#[tokio::test]
async fn what_is_put_back_is_no_repeat() {
    let server = server().await;
    let key = launch(&server);
    for place in ["1", "2", "1", "1"] {
        let put = server.form_with(&key, "state", &format!("op=put&value={place}")).await;
        assert_eq!(put.is_ok().get("replayed"), None);
    }
    assert_eq!(versions(&server), 4);
    let found = server.form_with(&key, "state", "op=get").await;
    assert_eq!((found.get("value"), found.get("version")), (Some("1"), Some("4")));
    // At a version it can happen only once: that is told by what it says, as all else is.
    let at = "op=put&value=2&if_version=4";
    assert_eq!(server.form_with(&key, "state", at).await.is_ok().get("replayed"), None);
    assert_eq!(server.form_with(&key, "state", at).await.is_ok().get("replayed"), Some("true"));
    assert_eq!(versions(&server), 5);
    let with_id = "op=put&value=3&id=p1";
    server.form_with(&key, "state", with_id).await.is_ok();
    assert_eq!(server.form_with(&key, "state", with_id).await.get("replayed"), Some("true"));
    assert_eq!(versions(&server), 6);
}

#[tokio::test]
async fn refusals_are_told_in_variables() {
    let server = server().await;
    let key = launch(&server);
    server.form_with(&key, "state", "op=put&value=1").await.is_ok();
    let late = server.form_with(&key, "state", "op=put&value=2&if_version=0").await;
    assert_eq!(late.refusal().split(' ').next(), Some("version_conflict"));
    assert_eq!((late.get("current_version"), late.get("current_value")), (Some("1"), Some("1")));
    for (body, expected) in [
        ("op=keep&value=1", "wrong_type op"),
        ("op=put", "missing_field value"),
        ("op=put&value=1&if_version=x", "bad_number if_version"),
        ("op=put&value=1&if_version=1%2C5", "bad_number if_version"),
    ] {
        assert_eq!(server.form_with(&key, "state", body).await.refusal(), expected, "{body}");
    }
    let long = format!("op=put&value={}", "x".repeat(65_537));
    let refused = server.form_with(&key, "state", &long).await;
    assert_eq!(refused.get("status"), Some("error"), "{:?}", refused.seen);
    assert_eq!(server.form_with(&key, "state", "op=get").await.get("value"), Some("1"));
    // A launch that does not grant it.
    let narrow = server.form_with(&server.launch(), "state", "op=get").await;
    assert_eq!(narrow.refusal(), "key_scope");
    // Nothing of it in the address.
    let ask = server.ask("GET", "/legacy/v1/state?op=get").bearer(&key);
    let refused = Variables::of(ask.text(FORM, "").send().await);
    assert_eq!(refused.get("status"), Some("error"));
}
