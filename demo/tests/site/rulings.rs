//! What teachers rule in the gradebook.

use crate::school::School;

#[tokio::test]
async fn a_teacher_sets_a_grade_and_takes_it_back() {
    let school = School::open().await;
    let token = school.logged_in("ada").await.launch("rivers").await;
    assert_eq!(school.hand_in(&token, 4.0).await.status, 200);
    let mut teacher = school.logged_in("teacher").await;
    let page = teacher.get("/gradebook/rivers").await;
    let path = page.between("data-user=\"ada\"", "</tr>").to_owned();
    let path = path.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let set = teacher.form(&path, "score=7%2C5&reason=oral+%3Cexam%3E").await;
    assert_eq!((set.status, set.header("location")), (303, Some("/gradebook/rivers")));
    let page = teacher.get("/gradebook/rivers").await;
    let row = page.between("data-user=\"ada\"", "</tr>");
    assert!(row.contains("data-score=\"7.5\"") && row.contains("set by a teacher"), "{row}");
    assert!(row.contains("data-testid=\"reported\">4<") && row.contains("oral &lt;exam&gt;"));
    assert_eq!(school.hand_in(&token, 9.0).await.json()["result"]["standing"]["score"], 7.5);
    for (body, status) in
        [("score=11", 422), ("score=-1", 422), ("score=NaN", 422), ("score=x", 422)]
    {
        assert_eq!(teacher.form(&path, body).await.status, status, "{body}");
    }
    assert_eq!(teacher.form(&path, "").await.status, 303);
    let page = teacher.get("/gradebook/rivers").await;
    let row = page.between("data-user=\"ada\"", "</tr>");
    assert!(row.contains("data-score=\"9\"") && !row.contains("set by a teacher"), "{row}");
}

#[tokio::test]
async fn somebody_who_never_opened_the_activity_can_be_given_a_grade() {
    let school = School::open().await;
    let mut teacher = school.logged_in("teacher").await;
    let page = teacher.get("/gradebook/summits").await;
    let path = page.between("data-user=\"ben\"", "</tr>").to_owned();
    let path = path.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(teacher.form(&path, "score=3&reason=oral").await.status, 303);
    let page = teacher.get("/gradebook/summits").await;
    let row = page.between("data-user=\"ben\"", "</tr>");
    assert!(row.contains("data-score=\"3\"") && row.contains("Nothing was reported"), "{row}");
    let nobody = "/gradebook/summits/grade/nobody";
    assert_eq!(teacher.form(nobody, "score=3&reason=x").await.status, 404);

    // The launch that comes later fills in the rest, and the teacher's word stands.
    let token = school.logged_in("ben").await.launch("summits").await;
    let receipt = school.hand_in(&token, 5.0).await.json();
    assert_eq!(receipt["result"]["standing"]["score"], 3.0, "{receipt}");
    assert_eq!(receipt["result"]["standing"]["max"], 5.0, "{receipt}");
}

#[tokio::test]
async fn a_void_submission_is_shown_and_does_not_count() {
    let school = School::open().await;
    let token = school.logged_in("ada").await.launch("rivers").await;
    school.hand_in(&token, 4.0).await;
    let best = school.hand_in(&token, 9.0).await.json();
    let best = best["result"]["submission"].as_str().unwrap().to_owned();
    let mut teacher = school.logged_in("teacher").await;
    let body = format!("submission={best}&reason=copied");
    assert_eq!(teacher.form("/gradebook/rivers/void", &body).await.status, 303);
    let page = teacher.get("/gradebook/rivers").await;
    let row = page.between("data-user=\"ada\"", "</tr>");
    assert!(row.contains("data-score=\"4\"") && row.contains("Does not count: “copied”"), "{row}");
    assert_eq!(teacher.form("/gradebook/rivers/void", "submission=0&reason=x").await.status, 404);
}

#[tokio::test]
async fn only_teachers_rule_and_only_by_forms_of_the_site() {
    let school = School::open().await;
    let mut ada = school.logged_in("ada").await;
    let token = ada.launch("rivers").await;
    let done = school.hand_in(&token, 4.0).await.json();
    let best = done["result"]["submission"].as_str().unwrap();
    let body = format!("submission={best}&reason=x");
    let mut teacher = school.logged_in("teacher").await;
    let elsewhere = [("Origin", "https://evil.example".to_owned())];
    for (path, body) in
        [("/gradebook/rivers/grade/u1", "score=9"), ("/gradebook/rivers/void", &body)]
    {
        assert_eq!(ada.form(path, body).await.status, 403, "{path}");
        assert_eq!(teacher.form_from(path, body, &elsewhere).await.status, 403, "{path}");
    }
    let page = teacher.get("/gradebook/rivers").await;
    assert!(!page.body.contains("set by a teacher") && !page.body.contains("Does not count"));
}
