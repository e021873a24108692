//! The directory, and what makes a signed request good once.

use super::*;
use latchkey_protocol::launch::UserDescription;

on_each_backend!(
    a_nonce_is_spent_once_and_a_crash_does_not_forget_it,
    items_are_set_in_order_and_each_by_itself,
    names_pass_from_one_to_another_in_one_list,
    sections_are_arranged,
    many_items_are_set_and_listed,
    lists_set_at_once_do_not_fail,
    the_directory_survives_a_crash,
    what_was_said_stands_against_launches,
    one_is_found_and_two_are_told,
    pages_go_on_behind_the_last,
    deleting_ends_keys_in_the_same_commit,
    hiding_is_seen_by_the_next_call_and_by_the_next_start,
    a_reset_starts_standings_anew_and_marks_submissions,
    keys_are_told_to_their_host_only,
);

fn value(text: &str) -> Given<String> {
    Given::Value(text.to_owned())
}

fn user(id: &str, username: &str) -> UserItem {
    UserItem { id: id.into(), username: value(username), ..UserItem::default() }
}

async fn set(backend: &impl Backend, items: Items) -> Vec<Result<Change, Unset>> {
    backend.store().set("school", items).await.unwrap()
}

async fn found(backend: &impl Backend, kind: Kind, id: &str) -> Option<Entity> {
    match backend.store().find("school", kind, Lookup::Id(id.into())).await.unwrap() {
        Found::One(entity) => Some(entity),
        Found::None => None,
        Found::Several => panic!("ids are unique"),
    }
}

fn quiz(hidden: bool) -> Items {
    let item = ActivityItem { id: "quiz".into(), hidden: Some(hidden), ..ActivityItem::default() };
    Items::Activities(vec![item])
}

async fn a_nonce_is_spent_once_and_a_crash_does_not_forget_it(backend: impl Backend) {
    let spend = async |backend: &dyn Store, host: &str, now: Millis| {
        backend.spend_nonce(host, "nonce", NOW + MINUTE, now).await.unwrap()
    };
    assert!(spend(backend.store(), "school", NOW).await);
    assert!(!spend(backend.store(), "school", NOW).await);
    assert!(spend(backend.store(), "academy", NOW).await);
    let reopened = backend.crashed();
    assert!(!spend(reopened.store(), "school", NOW + MINUTE).await);
    // Long after its time it is forgotten; its signature is too old by then.
    assert!(spend(reopened.store(), "school", NOW + HOUR).await);
}

async fn items_are_set_in_order_and_each_by_itself(backend: impl Backend) {
    let items = vec![user("u1", "ada"), user("u2", "ada"), user("u3", "ben"), user("u1", "eve")];
    let outcomes = set(&backend, Items::Users(items)).await;
    assert_eq!(
        outcomes,
        [
            Ok(Change::Created),
            Err(Unset::Taken("username")),
            Ok(Change::Created),
            Ok(Change::Updated)
        ]
    );
    assert!(found(&backend, Kind::Users, "u2").await.is_none());
    assert_eq!(set(&backend, Items::Users(vec![user("u1", "eve")])).await, [Ok(Change::Unchanged)]);
    // The name is free again.
    assert_eq!(set(&backend, Items::Users(vec![user("u2", "ada")])).await, [Ok(Change::Created)]);
    assert_eq!(set(&backend, Items::Users(Vec::new())).await, []);
}

async fn names_pass_from_one_to_another_in_one_list(backend: impl Backend) {
    set(&backend, Items::Users(vec![user("u1", "ada"), user("u2", "ben")])).await;
    // Both swap over a third name, and a newcomer gets what the first had.
    let swap = vec![
        user("u1", "ben"),
        user("u1", "eve"),
        user("u2", "ada"),
        user("u1", "ben"),
        user("u3", "eve"),
        user("u4", "ada"),
    ];
    let (created, updated) = (Ok(Change::Created), Ok(Change::Updated));
    let taken = Err(Unset::Taken("username"));
    let outcomes = set(&backend, Items::Users(swap)).await;
    assert_eq!(outcomes, [taken, updated, updated, updated, created, taken]);
    for (name, id) in [("ben", "u1"), ("ada", "u2"), ("eve", "u3")] {
        let wanted = Lookup::By("username", name.into());
        let found = backend.store().find("school", Kind::Users, wanted).await.unwrap();
        assert!(matches!(found, Found::One(user) if user.id() == id), "{name}");
    }
}

async fn sections_are_arranged(backend: impl Backend) {
    let course = |sections: &[&str]| {
        let named = |id: &&str| Section { id: (*id).into(), name: Some(format!("about {id}")) };
        let sections = Some(sections.iter().map(named).collect());
        CourseItem { id: "c".into(), sections, ..CourseItem::default() }
    };
    let outcomes =
        set(&backend, Items::Courses(vec![course(&["a", "b"]), course(&["a", "b"])])).await;
    assert_eq!(outcomes, [Ok(Change::Created), Ok(Change::Unchanged)]);
    let placed = |id: &str, section: &str| ActivityItem {
        id: id.into(),
        course: value("c"),
        section: value(section),
        ..ActivityItem::default()
    };
    let items = vec![placed("q1", "a"), placed("q2", "b"), placed("q3", "none")];
    let outcomes = set(&backend, Items::Activities(items)).await;
    let unknown = Err(Unset::Unknown("section"));
    assert_eq!(outcomes, [Ok(Change::Created), Ok(Change::Created), unknown]);
    // One goes and comes back: what stood in it stands in none. The other moves.
    let items = vec![course(&["b"]), course(&["b", "a"])];
    assert_eq!(set(&backend, Items::Courses(items)).await, [Ok(Change::Updated); 2]);
    let section = async |id: &str| match found(&backend, Kind::Activities, id).await {
        Some(Entity::Activity { section, .. }) => section,
        other => panic!("{other:?}"),
    };
    assert_eq!((section("q1").await, section("q2").await), (None, Some("b".to_owned())));
    match found(&backend, Kind::Courses, "c").await {
        Some(Entity::Course { sections, .. }) => {
            let told: Vec<_> = sections.iter().map(|section| section.id.as_str()).collect();
            assert_eq!(told, ["b", "a"]);
        }
        other => panic!("{other:?}"),
    }
}

async fn many_items_are_set_and_listed(backend: impl Backend) {
    let names: Vec<_> = (0..500).map(|number| format!("{number:03}")).collect();
    let course = CourseItem { id: "c".into(), ..CourseItem::default() };
    set(&backend, Items::Courses(vec![course])).await;
    let activity = |(at, id): (usize, &String)| ActivityItem {
        id: id.clone(),
        course: if at % 5 == 0 { value("c") } else { Given::Absent },
        ..ActivityItem::default()
    };
    let items: Vec<_> = names.iter().enumerate().map(activity).collect();
    let outcomes = set(&backend, Items::Activities(items.clone())).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Change::Created)));
    let outcomes = set(&backend, Items::Activities(items)).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Change::Unchanged)));
    for (filters, expected) in [
        (Vec::new(), names.clone()),
        (vec![("course", "c".to_owned())], names.iter().step_by(5).cloned().collect()),
        (vec![("course", "none".to_owned())], Vec::new()),
    ] {
        let (mut extent, mut listed) =
            (Extent { filters, limit: 77, ..Extent::default() }, Vec::new());
        loop {
            let page =
                backend.store().list("school", Kind::Activities, extent.clone()).await.unwrap();
            listed.extend(page.iter().map(|entity| entity.id().to_owned()));
            extent.after = listed.last().cloned();
            if page.len() < 77 {
                break;
            }
        }
        assert_eq!(listed, expected);
    }
}

/// Each list in another order, while users come by launches.
async fn lists_set_at_once_do_not_fail(backend: impl Backend) {
    let backend = &backend;
    let names: Vec<_> = (0..40).map(|number| format!("user {number}")).collect();
    let lists = (0..8).map(|turn| {
        let mut items: Vec<_> = names.iter().map(|name| user(name, name)).collect();
        items.rotate_left(turn * 5);
        set(backend, Items::Users(items))
    });
    let launches = names.iter().zip(1..).map(|(name, number)| {
        let about = UserDescription {
            name: Some("Name".into()),
            username: None,
            email: None,
            idnumber: None,
        };
        let new = NewKey { about_user: Some(about), ..launch_for("school", name, "quiz") };
        async move { with_launch(number, &new).accepted(backend).await }
    });
    let (outcomes, _) = futures_util::future::join(
        futures_util::future::join_all(lists),
        futures_util::future::join_all(launches),
    )
    .await;
    assert!(outcomes.iter().flatten().all(Result::is_ok));
    let extent = Extent { limit: 100, ..Extent::default() };
    let list = backend.store().list("school", Kind::Users, extent).await.unwrap();
    assert_eq!(list.len(), 40);
    for entity in list {
        let Entity::User { id, name, username, .. } = entity else { panic!("a user") };
        assert_eq!((name.as_deref(), username), (Some("Name"), Some(id)));
    }
}

async fn the_directory_survives_a_crash(backend: impl Backend) {
    let course = CourseItem {
        id: "c1".into(),
        sections: Some(vec![Section { id: "s1".into(), name: None }]),
        ..CourseItem::default()
    };
    set(&backend, Items::Courses(vec![course])).await;
    set(&backend, quiz(true)).await;
    let reopened = backend.crashed();
    let Some(Entity::Course { sections, .. }) = found(&reopened, Kind::Courses, "c1").await else {
        panic!("the course is gone")
    };
    assert_eq!(sections.len(), 1);
    assert_eq!(with_launch(1, &launch()).refused(&reopened).await, Refused::Hidden);
}

async fn what_was_said_stands_against_launches(backend: impl Backend) {
    let item = UserItem { name: value("Ada"), email: Given::Null, ..user("ada", "ada") };
    set(&backend, Items::Users(vec![item])).await;
    let about = UserDescription {
        name: Some("Old".into()),
        username: Some("other".into()),
        email: Some("e".into()),
        idnumber: Some("7".into()),
    };
    let new = NewKey { about_user: Some(about), ..launch() };
    with_launch(1, &new).accepted(&backend).await;
    let expected = Entity::User {
        id: "ada".into(),
        name: Some("Ada".into()),
        username: Some("ada".into()),
        email: None,
        idnumber: Some("7".into()),
    };
    assert_eq!(found(&backend, Kind::Users, "ada").await, Some(expected));
}

async fn one_is_found_and_two_are_told(backend: impl Backend) {
    let shared = |id: &str| UserItem { email: value("e"), ..user(id, id) };
    set(&backend, Items::Users(vec![shared("u1"), shared("u2")])).await;
    let by = async |host: &str, name, text: &str| {
        backend.store().find(host, Kind::Users, Lookup::By(name, text.into())).await.unwrap()
    };
    assert!(matches!(by("school", "username", "u2").await, Found::One(user) if user.id() == "u2"));
    assert_eq!(by("school", "email", "e").await, Found::Several);
    assert_eq!(by("school", "idnumber", "e").await, Found::None);
    assert_eq!(by("academy", "username", "u2").await, Found::None);
    assert_eq!(by("nowhere", "username", "u2").await, Found::None);
}

async fn pages_go_on_behind_the_last(backend: impl Backend) {
    let items = ["b", "a", "é", "c"].map(|id| user(id, id)).to_vec();
    set(&backend, Items::Users(items)).await;
    let page = async |after: Option<&str>| {
        let extent = Extent { after: after.map(str::to_owned), limit: 2, ..Extent::default() };
        let list = backend.store().list("school", Kind::Users, extent).await.unwrap();
        list.iter().map(|entity| entity.id().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(page(None).await, ["a", "b"]);
    assert_eq!(page(Some("b")).await, ["c", "é"]);
    assert_eq!(page(Some("é")).await, [""; 0]);
}

async fn deleting_ends_keys_in_the_same_commit(backend: impl Backend) {
    with_launch(1, &launch()).to(submit(score(5.0))).accepted(&backend).await;
    let remove = async |kind, id: &str| {
        backend.store().remove("school", kind, id, NOW + SECOND).await.unwrap()
    };
    let removed = remove(Kind::Users, "ada").await.unwrap();
    assert_eq!(removed.keys_ended, 1);
    assert_eq!(remove(Kind::Users, "ada").await, None);
    let reopened = backend.crashed();
    for backend in [&backend, &reopened] {
        assert_eq!(with_token(1, 0, LAUNCH_BRANCH).name(backend).await, "dead");
        assert_eq!(with_launch(2, &launch()).refused(backend).await, Refused::Deleted);
    }
    set(&reopened, Items::Users(vec![user("ada", "ada")])).await;
    assert_eq!(with_launch(2, &launch()).name(&reopened).await, "start");
    assert_eq!(reopened.store().standings("school", "quiz").await.unwrap()[0].tally.count, 1);
}

async fn hiding_is_seen_by_the_next_call_and_by_the_next_start(backend: impl Backend) {
    with_launch(1, &launch()).accepted(&backend).await;
    let other = launch_for("school", "ada", "film");
    with_launch(2, &other).accepted(&backend).await;
    set(&backend, quiz(true)).await;
    assert!(backend.store().key(key_id(1)).await.unwrap().unwrap().hidden);
    let refused = with_token(1, 0, LAUNCH_BRANCH).to(event("e")).refused(&backend).await;
    assert_eq!(refused, Refused::Hidden);
    assert_eq!(with_launch(3, &launch()).refused(&backend).await, Refused::Hidden);
    assert!(backend.store().key(key_id(3)).await.unwrap().is_none());
    with_token(2, 0, LAUNCH_BRANCH).to(event("e")).accepted(&backend).await;
    set(&backend, quiz(false)).await;
    assert!(!backend.store().key(key_id(1)).await.unwrap().unwrap().hidden);
    with_token(1, 0, LAUNCH_BRANCH).to(event("e")).accepted(&backend).await;
}

async fn a_reset_starts_standings_anew_and_marks_submissions(backend: impl Backend) {
    for (number, user) in [(1, "ada"), (2, "ben")] {
        let new = launch_for("school", user, "quiz");
        with_launch(number, &new).to(submit(score(8.0))).accepted(&backend).await;
    }
    let reset = async |user| backend.store().reset("school", "quiz", user, NOW).await.unwrap();
    let done = reset(Some("ada")).await.unwrap();
    assert_eq!((done.standings, done.keys_ended), (1, 1));
    assert_eq!(reset(Some("nobody")).await, None);
    with_launch(3, &launch()).to(submit(score(2.0))).accepted(&backend).await;
    let reopened = backend.crashed();
    let rows = reopened.store().standings("school", "quiz").await.unwrap();
    let highest: Vec<_> = rows.iter().map(|row| (row.user.as_str(), row.tally.highest)).collect();
    assert_eq!(highest, [("ada", 2.0), ("ben", 8.0)]);
    let kept = reopened.store().submissions("school", "quiz", "ada", 10).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|row| (row.score, row.reset)).collect();
    assert_eq!(kept, [(2.0, false), (8.0, true)]);
    assert_eq!(reset(None).await.unwrap().standings, 2);
}

async fn keys_are_told_to_their_host_only(backend: impl Backend) {
    let new = NewKey { session: Some("login".into()), ..launch() };
    with_launch(1, &new).accepted(&backend).await;
    with_launch(2, &launch_for("school", "ada", "film")).accepted(&backend).await;
    let live = async |host: &str, filter: KeyFilter, now| {
        let filter = KeyFilter { limit: 10, ..filter };
        let keys = backend.store().live_keys(host, filter, now - 30 * MINUTE, now).await.unwrap();
        keys.iter().map(|key| key.id).collect::<Vec<_>>()
    };
    let of = |user: &str| KeyFilter { user: Some(user.into()), ..KeyFilter::default() };
    assert_eq!(live("school", of("ada"), NOW).await, [key_id(1), key_id(2)]);
    assert_eq!(live("academy", of("ada"), NOW).await, []);
    let session = KeyFilter { session: Some("login".into()), ..of("ada") };
    assert_eq!(live("school", session, NOW).await, [key_id(1)]);
    let after = KeyFilter { after: Some(key_id(1)), ..of("ada") };
    assert_eq!(live("school", after, NOW).await, [key_id(2)]);
    assert_eq!(live("school", of("ada"), NOW + 30 * MINUTE).await, []);
    backend.store().revoke("school", key_id(1), "left", NOW).await.unwrap();
    assert_eq!(live("school", of("ada"), NOW).await, [key_id(2)]);
    let ended = backend.store().held_key("school", key_id(1)).await.unwrap().unwrap();
    assert_eq!(ended.revoked, Some((NOW, "left".to_owned())));
    assert!(backend.store().held_key("academy", key_id(1)).await.unwrap().is_none());
}
