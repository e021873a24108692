//! What hosts call. Held against the router by a test.

use crate::host::directory::{self, shapes};
use crate::host::{activity_log, feed, grades, keys, sessions, submissions, webhooks};
use crate::store::Kind;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Writes the schema of a body or a result.
type Shape = fn(&mut SchemaGenerator) -> Schema;

/// One method of an address.
pub(super) struct Address {
    pub(super) method: &'static str,
    /// Unique over all addresses.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// What it takes, if it takes a body.
    pub(super) takes: Option<Shape>,
    pub(super) query: &'static [&'static str],
    pub(super) gives: Shape,
}

const fn get(name: &'static str, about: &'static str, gives: Shape) -> Address {
    Address { method: "get", name, about, takes: None, query: &[], gives }
}

const fn post(name: &'static str, about: &'static str, takes: Shape, gives: Shape) -> Address {
    Address { method: "post", name, about, takes: Some(takes), query: &[], gives }
}

const fn delete(name: &'static str, about: &'static str, gives: Shape) -> Address {
    Address { method: "delete", name, about, takes: None, query: &[], gives }
}

impl Address {
    const fn asking(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

const FEED: &[&str] = &["since", "limit", "user", "activity", "course"];

/// The addresses of hosts with their methods.
pub(super) const ADDRESSES: &[(&str, &[Address])] = &[
    (
        "/host/v1/users",
        &[
            post(
                "set_users",
                "Creates or updates users, item by item.",
                |all| shapes::items(Kind::Users, all),
                shapes::lines,
            ),
            get("users", "A page of users, or one by another member.", |all| {
                shapes::page_or_one(Kind::Users, all)
            })
            .asking(&["by", "value", "limit", "after"]),
        ],
    ),
    (
        "/host/v1/users/{id}",
        &[
            get("user", "One user.", |all| shapes::entity(Kind::Users, all)),
            delete(
                "delete_user",
                "Deletes a user and ends their keys.",
                of::<directory::Deleted<'_>>,
            ),
        ],
    ),
    (
        "/host/v1/courses",
        &[
            post(
                "set_courses",
                "Creates or updates courses, item by item.",
                |all| shapes::items(Kind::Courses, all),
                shapes::lines,
            ),
            get("courses", "A page of courses, or one by another member.", |all| {
                shapes::page_or_one(Kind::Courses, all)
            })
            .asking(&["by", "value", "limit", "after"]),
        ],
    ),
    (
        "/host/v1/courses/{id}",
        &[
            get("course", "One course.", |all| shapes::entity(Kind::Courses, all)),
            delete("delete_course", "Deletes a course.", of::<directory::Deleted<'_>>),
        ],
    ),
    (
        "/host/v1/activities",
        &[
            post(
                "set_activities",
                "Creates or updates activities, item by item.",
                |all| shapes::items(Kind::Activities, all),
                shapes::lines,
            ),
            get("activities", "A page of activities.", |all| shapes::page(Kind::Activities, all))
                .asking(&["limit", "after", "course"]),
        ],
    ),
    (
        "/host/v1/activities/{id}",
        &[
            get("activity", "One activity.", |all| shapes::entity(Kind::Activities, all)),
            delete(
                "delete_activity",
                "Deletes an activity and ends its keys.",
                of::<directory::Deleted<'_>>,
            ),
        ],
    ),
    (
        "/host/v1/activities/{id}/reset",
        &[post(
            "reset_activity",
            "Lets the attempts of one or all users start again.",
            of::<directory::Of>,
            of::<directory::Begun<'_>>,
        )],
    ),
    (
        "/host/v1/enrolments",
        &[
            post(
                "set_enrolments",
                "Creates or updates enrolments, item by item.",
                |all| shapes::items(Kind::Enrolments, all),
                shapes::lines,
            ),
            get("enrolments", "A page of enrolments.", |all| shapes::page(Kind::Enrolments, all))
                .asking(&["limit", "after", "user", "course"]),
        ],
    ),
    (
        "/host/v1/enrolments/{id}",
        &[
            get("enrolment", "One enrolment.", |all| shapes::entity(Kind::Enrolments, all)),
            delete("delete_enrolment", "Deletes an enrolment.", of::<directory::Deleted<'_>>),
        ],
    ),
    (
        "/host/v1/grades",
        &[
            get(
                "grades",
                "Standings that have changed since a cursor.",
                of::<feed::Page<grades::Grade>>,
            )
            .asking(FEED),
            post(
                "set_grades",
                "Overrides standings, or takes overrides back.",
                of::<grades::Input>,
                of::<grades::Lines>,
            ),
        ],
    ),
    ("/host/v1/grades/{activity}/{user}", &[get("grade_of", "One standing.", of::<grades::Grade>)]),
    (
        "/host/v1/submissions",
        &[get(
            "submissions",
            "Submissions since a cursor.",
            of::<feed::Page<submissions::Submission>>,
        )
        .asking(FEED)],
    ),
    (
        "/host/v1/submissions/{id}",
        &[get("submission", "One submission.", of::<submissions::Submission>)],
    ),
    (
        "/host/v1/submissions/{id}/void",
        &[post(
            "void_submission",
            "Makes a submission void, for a reason that is kept.",
            of::<submissions::Why>,
            of::<submissions::Done>,
        )],
    ),
    (
        "/host/v1/log",
        &[get(
            "log_since",
            "Entries of the log since a cursor.",
            of::<feed::Page<activity_log::Entry>>,
        )
        .asking(FEED)],
    ),
    ("/host/v1/log/{id}", &[get("log_entry", "One entry of the log.", of::<activity_log::Entry>)]),
    (
        "/host/v1/webhooks",
        &[get("webhooks", "Webhooks and how their delivery stands.", of::<webhooks::Webhooks>)],
    ),
    ("/host/v1/webhooks/{id}", &[get("webhook", "One webhook.", of::<webhooks::Webhook>)]),
    (
        "/host/v1/webhooks/{id}/replay",
        &[Address {
            method: "post",
            name: "replay_webhook",
            about: "Sends events again, and enables the webhook if it was disabled.",
            takes: None,
            query: &["since"],
            gives: of::<webhooks::Webhook>,
        }],
    ),
    (
        "/host/v1/keys",
        &[get("keys", "Live keys of a user, an activity or a web session.", of::<keys::Page>)
            .asking(&["user", "activity", "session", "limit", "after"])],
    ),
    (
        "/host/v1/keys/{id}",
        &[
            get("key", "One key.", of::<keys::Shown>),
            delete("revoke_key", "Ends a key, for a reason that is kept.", of::<keys::Shown>)
                .asking(&["reason"]),
        ],
    ),
    (
        "/host/v1/web-sessions/{id}",
        &[delete(
            "end_web_session",
            "Ends a web session with all keys launched in it.",
            of::<sessions::Ended<'_>>,
        )],
    ),
];
