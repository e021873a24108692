//! What hosts call. Held against the router by a test.

/// One method of an address.
pub(super) struct Address {
    pub(super) method: &'static str,
    /// Unique over all addresses.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) takes_body: bool,
    pub(super) query: &'static [&'static str],
}

const fn get(name: &'static str, about: &'static str, query: &'static [&'static str]) -> Address {
    Address { method: "get", name, about, takes_body: false, query }
}

const fn post(name: &'static str, about: &'static str) -> Address {
    Address { method: "post", name, about, takes_body: true, query: &[] }
}

const fn delete(name: &'static str, about: &'static str) -> Address {
    Address { method: "delete", name, about, takes_body: false, query: &[] }
}

const FEED: &[&str] = &["since", "limit", "user", "activity", "course"];

/// The addresses of hosts with their methods.
pub(super) const ADDRESSES: &[(&str, &[Address])] = &[
    (
        "/host/v1/users",
        &[
            post("set_users", "Creates or updates users, item by item."),
            get(
                "users",
                "A page of users, or one by another member.",
                &["by", "value", "limit", "after"],
            ),
        ],
    ),
    (
        "/host/v1/users/{id}",
        &[
            get("user", "One user.", &[]),
            delete("delete_user", "Deletes a user and ends their keys."),
        ],
    ),
    (
        "/host/v1/courses",
        &[
            post("set_courses", "Creates or updates courses, item by item."),
            get(
                "courses",
                "A page of courses, or one by another member.",
                &["by", "value", "limit", "after"],
            ),
        ],
    ),
    (
        "/host/v1/courses/{id}",
        &[get("course", "One course.", &[]), delete("delete_course", "Deletes a course.")],
    ),
    (
        "/host/v1/activities",
        &[
            post("set_activities", "Creates or updates activities, item by item."),
            get("activities", "A page of activities.", &["limit", "after", "course"]),
        ],
    ),
    (
        "/host/v1/activities/{id}",
        &[
            get("activity", "One activity.", &[]),
            delete("delete_activity", "Deletes an activity and ends its keys."),
        ],
    ),
    (
        "/host/v1/activities/{id}/reset",
        &[post("reset_activity", "Lets the attempts of one or all users start again.")],
    ),
    (
        "/host/v1/enrolments",
        &[
            post("set_enrolments", "Creates or updates enrolments, item by item."),
            get("enrolments", "A page of enrolments.", &["limit", "after", "user", "course"]),
        ],
    ),
    (
        "/host/v1/enrolments/{id}",
        &[
            get("enrolment", "One enrolment.", &[]),
            delete("delete_enrolment", "Deletes an enrolment."),
        ],
    ),
    (
        "/host/v1/grades",
        &[
            get("grades", "Standings that have changed since a cursor.", FEED),
            post("set_grades", "Overrides standings, or takes overrides back."),
        ],
    ),
    ("/host/v1/grades/{activity}/{user}", &[get("grade_of", "One standing.", &[])]),
    ("/host/v1/submissions", &[get("submissions", "Submissions since a cursor.", FEED)]),
    ("/host/v1/submissions/{id}", &[get("submission", "One submission.", &[])]),
    (
        "/host/v1/submissions/{id}/void",
        &[post("void_submission", "Makes a submission void, for a reason that is kept.")],
    ),
    ("/host/v1/log", &[get("log_since", "Entries of the log since a cursor.", FEED)]),
    ("/host/v1/log/{id}", &[get("log_entry", "One entry of the log.", &[])]),
    ("/host/v1/webhooks", &[get("webhooks", "Webhooks and how their delivery stands.", &[])]),
    ("/host/v1/webhooks/{id}", &[get("webhook", "One webhook.", &[])]),
    (
        "/host/v1/webhooks/{id}/replay",
        &[Address {
            method: "post",
            name: "replay_webhook",
            about: "Sends events again, and enables the webhook if it was disabled.",
            takes_body: false,
            query: &["since"],
        }],
    ),
    (
        "/host/v1/keys",
        &[get(
            "keys",
            "Live keys of a user, an activity or a web session.",
            &["user", "activity", "session", "limit", "after"],
        )],
    ),
    (
        "/host/v1/keys/{id}",
        &[
            get("key", "One key.", &[]),
            Address {
                method: "delete",
                name: "revoke_key",
                about: "Ends a key, for a reason that is kept.",
                takes_body: false,
                query: &["reason"],
            },
        ],
    ),
    (
        "/host/v1/web-sessions/{id}",
        &[delete("end_web_session", "Ends a web session with all keys launched in it.")],
    ),
];
