//! Logging in and out.

use crate::school::School;
use latchkey_demo::accounts::{FILE, PASSWORD};

#[tokio::test]
async fn a_login_leads_to_the_course() {
    let school = School::open().await;
    let mut ada = school.visitor();
    let asked = ada.get("/activity/rivers").await;
    assert_eq!(
        (asked.status, asked.header("location")),
        (303, Some("/login?next=/activity/rivers"))
    );
    let form = ada.get("/login?next=/activity/rivers").await;
    assert!(
        form.body.contains("value=\"/activity/rivers\"") && form.body.contains("name=\"password\"")
    );

    let wrong = ada.log_in("ada", "Latchkey").await;
    assert_eq!(wrong.status, 401);
    let nobody = school.visitor().log_in("eve", PASSWORD).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.between("role=\"alert\"", "</p>"), wrong.between("role=\"alert\"", "</p>"));

    let answer = ada.log_in("Ada", PASSWORD).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/course")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(ada.get("/course").await.body.contains("Ada Lindqvist"));
}

#[tokio::test]
async fn every_page_asks_who_is_there() {
    let school = School::open().await;
    for path in ["/", "/course", "/activity/rivers", "/gradebook/rivers", "/insight/rivers"] {
        let answer = school.visitor().get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").unwrap().starts_with("/login"), "{path}");
    }
}

#[tokio::test]
async fn nobody_leaves_by_the_login() {
    let school = School::open().await;
    for next in ["//evil.example", "https://evil.example", "/%5Cevil.example"] {
        let mut ada = school.visitor();
        let answer =
            ada.form("/login", &format!("username=ada&password={PASSWORD}&next={next}")).await;
        assert_eq!(answer.header("location"), Some("/course"), "{next}");
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let school = School::open().await;
    let body = format!("username=ada&password={PASSWORD}");
    for from in [
        vec![],
        vec![("Origin", "https://evil.example".to_owned())],
        vec![("Origin", "null".to_owned())],
        vec![("Sec-Fetch-Site", "cross-site".to_owned()), ("Origin", school.visitor().origin())],
        // The API's origin is another one of the same site.
        vec![("Sec-Fetch-Site", "same-site".to_owned())],
    ] {
        let answer = school.visitor().form_from("/login", &body, &from).await;
        assert_eq!(answer.status, 403, "{from:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let mut ada = school.logged_in("ada").await;
    let answer = ada.form_from("/logout", "", &[("Origin", "https://evil.example".into())]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(ada.get("/course").await.status, 200);
}

#[tokio::test]
async fn tries_are_counted() {
    let school = School::open().await;
    let mut eve = school.visitor();
    for _ in 0..8 {
        assert_eq!(eve.log_in("ada", "guess").await.status, 401);
    }
    assert_eq!(eve.log_in("ada", PASSWORD).await.status, 429);
    assert_eq!(eve.log_in("ben", PASSWORD).await.status, 303, "others are not kept out");
}

#[tokio::test]
async fn a_planted_session_does_not_become_a_login() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let first = ada.cookie.clone().unwrap();
    assert_eq!(ada.log_in("ben", PASSWORD).await.status, 303);
    assert_ne!(ada.cookie.as_ref(), Some(&first));
    let mut thief = school.visitor();
    thief.cookie = Some(first);
    assert_eq!(thief.get("/course").await.status, 303);
}

#[tokio::test]
async fn the_same_school_after_a_restart() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let token = ada.launch("rivers").await;
    assert_eq!(school.hand_in(&token, 7.5).await.status, 200);
    let school = school.restart().await;
    assert!(ada.get("/course").await.body.contains("<strong>7.5</strong> / 10"));
    assert_eq!(school.hand_in(&token, 8.0).await.status, 200, "the key lives on");
    let mut teacher = school.logged_in("teacher").await;
    assert!(teacher.get("/gradebook/rivers").await.body.contains("data-score=\"8\""));
}

#[tokio::test]
async fn no_secret_is_shown() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let text = std::fs::read_to_string(school.folder.path().join("data").join(FILE)).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&text).unwrap();
    let secret = stored["host_secret"].as_str().unwrap();
    let session = ada.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();
    for path in ["/login", "/course", "/activity/rivers"] {
        let page = ada.get(path).await.body;
        assert!(!page.contains(secret) && !page.contains(&session) && !page.contains("$argon2"));
    }
    let token = ada.launch("rivers").await;
    let claims = crate::keys::claims(&token);
    assert!(claims["session"].is_string() && !claims.to_string().contains(&session));
}
