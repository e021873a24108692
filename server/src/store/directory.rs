//! The directory of a host: its users, courses, activities and enrolments, by the host's own primary keys.
//!
//! The same rows that launches make from their claims: one identity, told by two. What the directory has said of
//! a member stands, and launch claims fill in the rest.

use super::StoreError;
use async_trait::async_trait;
use latchkey_protocol::Millis;
use latchkey_protocol::launch::GradeMethod;
use latchkey_protocol::payload::Given;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The four lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// People.
    Users,
    /// Courses with their sections.
    Courses,
    /// What keys are for.
    Activities,
    /// Who takes part in which course.
    Enrolments,
}

impl Kind {
    /// Its name in addresses and bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Courses => "courses",
            Self::Activities => "activities",
            Self::Enrolments => "enrolments",
        }
    }

    /// Members by which one may be looked up, besides `id`.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Users => &["idnumber", "username", "email"],
            Self::Courses => &["idnumber", "shortname"],
            Self::Activities | Self::Enrolments => &[],
        }
    }

    /// References by which the list may be narrowed.
    pub fn filters(self) -> &'static [&'static str] {
        match self {
            Self::Users | Self::Courses => &[],
            Self::Activities => &["course"],
            Self::Enrolments => &["user", "course"],
        }
    }
}

/// A user as the host says. Absent: unchanged; null: cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserItem {
    /// The host's own primary key.
    pub id: String,
    /// Name shown to others in the activity.
    #[serde(default)]
    pub name: Given<String>,
    /// Login name: of one user of the host only.
    #[serde(default)]
    pub username: Given<String>,
    /// Address. Several may share one.
    #[serde(default)]
    pub email: Given<String>,
    /// The number the institution knows them by. Several may share one.
    #[serde(default)]
    pub idnumber: Given<String>,
}

/// A course as the host says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CourseItem {
    /// The host's own primary key.
    pub id: String,
    /// Title shown to people.
    #[serde(default)]
    pub title: Given<String>,
    /// Short name.
    #[serde(default)]
    pub shortname: Given<String>,
    /// Number the institution knows it by.
    #[serde(default)]
    pub idnumber: Given<String>,
    /// Address at the host; `url` of launch claims.
    #[serde(default)]
    pub page: Given<String>,
    /// All its sections, in their order. One that is not listed goes; its activities stay in the course.
    #[serde(default, deserialize_with = "listed")]
    #[schemars(with = "Vec<Section>")]
    pub sections: Option<Vec<Section>>,
}

/// A section of a course.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The host's own primary key, within the course.
    pub id: String,
    /// Name shown to people.
    #[serde(default)]
    pub name: Option<String>,
}

/// An activity as the host says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivityItem {
    /// The host's own primary key.
    pub id: String,
    /// The course it stands in.
    #[serde(default)]
    pub course: Given<String>,
    /// The section of that course.
    #[serde(default)]
    pub section: Given<String>,
    /// Title shown to people.
    #[serde(default)]
    pub title: Given<String>,
    /// Address at the host; `url` of launch claims.
    #[serde(default)]
    pub page: Given<String>,
    /// Maximum score, above zero; 100 for one that never had one.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "f64")]
    pub max: Option<f64>,
    /// Which submission counts; `highest` for one that never had a method.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "GradeMethod")]
    pub method: Option<GradeMethod>,
    /// How many attempts a user has; null for no limit.
    #[serde(default)]
    pub attempts: Given<u32>,
    /// Whether calls for it are refused.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "bool")]
    pub hidden: Option<bool>,
}

/// An enrolment as the host says. `user` and `course` are needed for a new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentItem {
    /// The host's own primary key.
    pub id: String,
    /// The user.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "String")]
    pub user: Option<String>,
    /// The course.
    #[serde(default, deserialize_with = "some")]
    #[schemars(with = "String")]
    pub course: Option<String>,
    /// What the user is there, in the host's words.
    #[serde(default)]
    pub role: Given<String>,
}

/// A member that may be absent, but not null.
fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The same for a list of objects. serde would also read a struct from a list of its values.
fn listed<'de, D>(deserializer: D) -> Result<Option<Vec<Section>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    struct Object(Section);
    impl<'de> Deserialize<'de> for Object {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let members = serde_json::Map::deserialize(deserializer)?;
            Section::deserialize(members).map(Self).map_err(serde::de::Error::custom)
        }
    }
    let list = Vec::<Object>::deserialize(deserializer)?;
    Ok(Some(list.into_iter().map(|Object(section)| section).collect()))
}

/// Items of one kind.
#[derive(Clone, Debug)]
pub enum Items {
    /// Users.
    Users(Vec<UserItem>),
    /// Courses.
    Courses(Vec<CourseItem>),
    /// Activities.
    Activities(Vec<ActivityItem>),
    /// Enrolments.
    Enrolments(Vec<EnrolmentItem>),
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// Something of it changed.
    Updated,
    /// It was so already.
    Unchanged,
}

/// Why nothing of an item was done. With the member at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// Another one has that value.
    Taken(&'static str),
    /// It refers to something that is not there.
    Unknown(&'static str),
    /// A new one needs it.
    Missing(&'static str),
}

/// What is wanted.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// By the host's own primary key.
    Id(String),
    /// By one of [`Kind::keys`].
    By(&'static str, String),
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Just this.
    One(Entity),
    /// Nothing.
    None,
    /// More than one has the value.
    Several,
}

/// One of the four, as it now is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Entity {
    /// A user.
    User {
        /// The host's own primary key.
        id: String,
        /// Name shown to others.
        name: Option<String>,
        /// Login name.
        username: Option<String>,
        /// Address.
        email: Option<String>,
        /// Number.
        idnumber: Option<String>,
    },
    /// A course.
    Course {
        /// The host's own primary key.
        id: String,
        /// Title.
        title: Option<String>,
        /// Short name.
        shortname: Option<String>,
        /// Number.
        idnumber: Option<String>,
        /// Address at the host.
        page: Option<String>,
        /// Its sections in their order.
        sections: Vec<Section>,
    },
    /// An activity.
    Activity {
        /// The host's own primary key.
        id: String,
        /// Its course.
        course: Option<String>,
        /// The section of it.
        section: Option<String>,
        /// Title.
        title: Option<String>,
        /// Address at the host.
        page: Option<String>,
        /// Maximum score.
        max: f64,
        /// Which submission counts.
        method: GradeMethod,
        /// How many attempts; `None` for no limit.
        attempts: Option<u32>,
        /// Whether calls for it are refused.
        hidden: bool,
    },
    /// An enrolment.
    Enrolment {
        /// The host's own primary key.
        id: String,
        /// The user.
        user: String,
        /// The course.
        course: String,
        /// What the user is there.
        role: Option<String>,
    },
}

impl Entity {
    /// The host's own primary key.
    pub fn id(&self) -> &str {
        match self {
            Self::User { id, .. }
            | Self::Course { id, .. }
            | Self::Activity { id, .. }
            | Self::Enrolment { id, .. } => id,
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default)]
pub struct Extent {
    /// Only those that refer to this, by one of [`Kind::filters`].
    pub filters: Vec<(&'static str, String)>,
    /// Only those whose id stands behind this one.
    pub after: Option<String>,
    /// How many at most.
    pub limit: u32,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Removed {
    /// Live keys that ended with it.
    pub keys_ended: u64,
    /// Of a course: its activities, deleted with it.
    pub activities: u64,
    /// Of a user or course: enrolments, deleted with it.
    pub enrolments: u64,
}

/// What a reset did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reset {
    /// Standings that start again.
    pub standings: u64,
    /// Live keys that ended: what their pages still send must not count in the new series.
    pub keys_ended: u64,
}

/// The directory of a host.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Creates or updates each item, whole or not at all, in their order and in one transaction.
    async fn set(&self, host: &str, items: Items)
    -> Result<Vec<Result<Change, Unset>>, StoreError>;

    /// The one that is wanted.
    async fn find(&self, host: &str, kind: Kind, wanted: Lookup) -> Result<Found, StoreError>;

    /// A part of a list, in the order of the ids.
    async fn list(&self, host: &str, kind: Kind, extent: Extent)
    -> Result<Vec<Entity>, StoreError>;

    /// Deletes one; `None` if there is none. Its keys end in the same transaction. The log, submissions and
    /// standings stay, under its id; what is known of a user besides that is erased.
    async fn remove(
        &self,
        host: &str,
        kind: Kind,
        id: &str,
        now: Millis,
    ) -> Result<Option<Removed>, StoreError>;

    /// Lets the attempts of one user or of everybody in an activity start again; `None` if there is no
    /// such activity or user. Submissions stay and are marked.
    async fn reset(
        &self,
        host: &str,
        activity: &str,
        user: Option<&str>,
        now: Millis,
    ) -> Result<Option<Reset>, StoreError>;
}
