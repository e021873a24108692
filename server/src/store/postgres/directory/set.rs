//! Setting what a host says: all rows are read and held, the items are taken one after the other in memory, and
//! what has changed is written at once.

use super::super::numbers::strands_of;
use super::super::sql;
use super::super::words::word;
use super::items::{given, number, text};
use super::rows::{Rows, Value};
use super::{ACTIVITIES, COURSES, ENROLMENTS, Table, USERS};
use crate::store::{
    ActivityItem, Change, CourseItem, EnrolmentItem, Items, Section, StoreError, Unset, UserItem,
};
use deadpool_postgres::Transaction;
use latchkey_protocol::payload::Given;
use std::collections::{BTreeMap, HashMap};

type Outcome = Result<Change, Unset>;
type Outcomes = Result<Vec<Outcome>, StoreError>;

/// The whole of [`crate::store::Directory::set`]. `fresh`: a number for each of [`super::items::names`].
pub(super) async fn set(
    tx: &Transaction<'_>,
    host: i64,
    items: &Items,
    fresh: Vec<i64>,
) -> Outcomes {
    match items {
        Items::Users(items) => users(tx, host, items, &fresh).await,
        Items::Courses(items) => courses(tx, host, items, fresh).await,
        Items::Activities(items) => activities(tx, host, items, &fresh).await,
        Items::Enrolments(items) => enrolments(tx, host, items, &fresh).await,
    }
}

/// The place of `username` among the columns of users.
const USERNAME: usize = 1;

async fn users(tx: &Transaction<'_>, host: i64, items: &[UserItem], fresh: &[i64]) -> Outcomes {
    let keys: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let mut rows = Rows::read(tx, &USERS, host, &keys).await?;
    // Who has the login names that are asked for.
    let names = given(items.iter().map(|item| &item.username));
    let sql = "SELECT username, key FROM users WHERE host = $1 AND username = ANY($2)";
    let mut holders: HashMap<String, String> = HashMap::new();
    for row in sql::rows(tx, sql, &[&host, &names]).await? {
        holders.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let mut outcomes = Vec::with_capacity(items.len());
    for (item, fresh) in items.iter().zip(fresh) {
        if let Given::Value(username) = &item.username
            && holders.get(username).is_some_and(|holder| *holder != item.id)
        {
            outcomes.push(Err(Unset::Taken("username")));
            continue;
        }
        if !item.username.is_absent()
            && let Some(former) = rows.get(&item.id).and_then(|row| row.values[USERNAME].as_text())
            && holders.get(former).is_some_and(|holder| *holder == item.id)
        {
            holders.remove(former);
        }
        if let Given::Value(username) = &item.username {
            holders.insert(username.clone(), item.id.clone());
        }
        let said =
            vec![text(&item.name), text(&item.username), text(&item.email), text(&item.idnumber)];
        outcomes.push(Ok(rows.set(&item.id, *fresh, said).1));
    }
    let passed_on = rows.passed_on(USERNAME);
    if !passed_on.is_empty() {
        let empty = "UPDATE users SET username = NULL WHERE host = $1 AND id = ANY($2)";
        sql::run(tx, empty, &[&host, &passed_on]).await?;
    }
    rows.write(tx).await?;
    Ok(outcomes)
}

async fn courses(
    tx: &Transaction<'_>,
    host: i64,
    items: &[CourseItem],
    fresh: Vec<i64>,
) -> Outcomes {
    let keys: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let mut rows = Rows::read(tx, &COURSES, host, &keys).await?;
    let mut arranged = Sections::read(tx, host, &rows.ids()).await?;
    let mut outcomes = Vec::with_capacity(items.len());
    let mut fresh = fresh.into_iter();
    for item in items {
        let number = fresh.next().unwrap_or_default();
        let said =
            vec![text(&item.title), text(&item.shortname), text(&item.idnumber), text(&item.page)];
        let (id, change) = rows.set(&item.id, number, said);
        let rearranged = match &item.sections {
            Some(sections) => {
                let numbers = fresh.by_ref().take(sections.len()).collect();
                arranged.arrange(id, sections, numbers)
            }
            None => false,
        };
        let updated = rearranged && change == Change::Unchanged;
        outcomes.push(Ok(if updated { Change::Updated } else { change }));
    }
    rows.write(tx).await?;
    arranged.write(tx, host).await?;
    Ok(outcomes)
}

/// The sections of some courses, with their numbers.
struct Sections {
    courses: BTreeMap<i64, Vec<(i64, Section)>>,
    /// Courses in which something is to be written.
    changed: Vec<i64>,
    /// Numbers of sections that went.
    gone: Vec<i64>,
}

impl Sections {
    async fn read(tx: &Transaction<'_>, host: i64, courses: &[i64]) -> Result<Self, StoreError> {
        let sql = "SELECT course, id, key, name FROM sections WHERE host = $1 AND course = ANY($2)
                   ORDER BY course, position";
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for row in sql::rows(tx, sql, &[&host, &courses]).await? {
            let section = Section { id: row.try_get(2)?, name: row.try_get(3)? };
            found.entry(row.try_get(0)?).or_default().push((row.try_get(1)?, section));
        }
        Ok(Self { courses: found, changed: Vec::new(), gone: Vec::new() })
    }

    /// Brings the sections of a course into the order given; whether anything was to be done.
    fn arrange(&mut self, course: i64, sections: &[Section], fresh: Vec<i64>) -> bool {
        let known = self.courses.entry(course).or_default();
        if known.iter().map(|(_, section)| section).eq(sections) {
            return false;
        }
        let mut before: HashMap<String, i64> =
            known.drain(..).map(|(id, section)| (section.id, id)).collect();
        for (section, fresh) in sections.iter().zip(fresh) {
            let id = before.remove(&section.id).unwrap_or(fresh);
            known.push((id, section.clone()));
        }
        self.gone.extend(before.into_values());
        self.changed.push(course);
        true
    }

    async fn write(&self, tx: &Transaction<'_>, host: i64) -> Result<(), StoreError> {
        if !self.gone.is_empty() {
            let strands: &[i64] = &strands_of(host);
            let leave = "UPDATE activities SET section = NULL
                         WHERE strand = ANY($1) AND course = ANY($2) AND section = ANY($3)";
            sql::run(tx, leave, &[&strands, &self.changed, &self.gone]).await?;
            let delete = "DELETE FROM sections WHERE host = $1 AND id = ANY($2)";
            sql::run(tx, delete, &[&host, &self.gone]).await?;
        }
        let (mut ids, mut courses, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        let (mut keys, mut names) = (Vec::new(), Vec::new());
        for (course, sections) in &self.courses {
            if !self.changed.contains(course) {
                continue;
            }
            for (position, (id, section)) in (0_i64..).zip(sections) {
                ids.push(*id);
                courses.push(*course);
                positions.push(position);
                keys.push(section.id.as_str());
                names.push(section.name.as_deref());
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let write = "INSERT INTO sections (host, id, course, position, key, name)
            SELECT $1, v.* FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::TEXT[],
                                       $6::TEXT[]) AS v
            ON CONFLICT (host, course, key)
            DO UPDATE SET position = excluded.position, name = excluded.name";
        sql::run(tx, write, &[&host, &ids, &courses, &positions, &keys, &names]).await.map(drop)
    }
}

/// The numbers of those of that table that are there and not deleted. They stay so until the commit.
async fn referred(
    tx: &Transaction<'_>,
    table: &Table,
    host: i64,
    keys: &[&str],
) -> Result<HashMap<String, i64>, StoreError> {
    let sql = format!(
        "SELECT key, id FROM {} WHERE host = $1 AND key = ANY($2) AND deleted_at IS NULL
         ORDER BY id FOR SHARE",
        table.name
    );
    let rows = sql::rows(tx, &sql, &[&host, &keys]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The place of `course` among the columns of activities.
const COURSE: usize = 0;

async fn activities(
    tx: &Transaction<'_>,
    host: i64,
    items: &[ActivityItem],
    fresh: &[i64],
) -> Outcomes {
    let courses = given(items.iter().map(|item| &item.course));
    let courses = referred(tx, &COURSES, host, &courses).await?;
    let keys: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let mut rows = Rows::read(tx, &ACTIVITIES, host, &keys).await?;
    let sections = sections(tx, host, items, &rows, &courses).await?;
    let mut outcomes = Vec::with_capacity(items.len());
    for (item, fresh) in items.iter().zip(fresh) {
        let before = rows.get(&item.id).and_then(|row| row.values[COURSE].as_number());
        let [course, section] = match place(item, before, &courses, &sections) {
            Ok(place) => place,
            Err(unset) => {
                outcomes.push(Err(unset));
                continue;
            }
        };
        let method = item.method.map(word).transpose()?;
        let said = vec![
            course,
            text(&item.title),
            text(&item.page),
            item.max.map(Value::Real),
            method.as_deref().map(Value::text),
            number(&item.attempts),
            section,
            item.hidden.map(Value::Flag),
        ];
        outcomes.push(Ok(rows.set(&item.id, *fresh, said).1));
    }
    rows.write(tx).await?;
    Ok(outcomes)
}

/// The sections that items name, by course and key.
async fn sections(
    tx: &Transaction<'_>,
    host: i64,
    items: &[ActivityItem],
    rows: &Rows,
    courses: &HashMap<String, i64>,
) -> Result<HashMap<(i64, String), i64>, StoreError> {
    let keys = given(items.iter().map(|item| &item.section));
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let known = items.iter().filter_map(|item| rows.get(&item.id)?.values[COURSE].as_number());
    let within: Vec<i64> = known.chain(courses.values().copied()).collect();
    let sql = "SELECT course, key, id FROM sections
               WHERE host = $1 AND course = ANY($2) AND key = ANY($3)";
    let found = sql::rows(tx, sql, &[&host, &within, &keys]).await?;
    let read = |row: &tokio_postgres::Row| -> Result<_, StoreError> {
        Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))
    };
    found.iter().map(read).collect()
}

/// Course and section of an activity. Another course without a section of it means none of its sections.
fn place(
    item: &ActivityItem,
    before: Option<i64>,
    courses: &HashMap<String, i64>,
    sections: &HashMap<(i64, String), i64>,
) -> Result<[Option<Value>; 2], Unset> {
    let course = match &item.course {
        Given::Absent => before,
        Given::Null => None,
        Given::Value(key) => Some(*courses.get(key).ok_or(Unset::Unknown("course"))?),
    };
    let section = match &item.section {
        Given::Absent if course != before => Some(Value::Number(None)),
        Given::Absent => None,
        Given::Null => Some(Value::Number(None)),
        Given::Value(key) => {
            let found = course.and_then(|course| sections.get(&(course, key.clone())));
            Some(Value::Number(Some(*found.ok_or(Unset::Unknown("section"))?)))
        }
    };
    Ok([(!item.course.is_absent()).then_some(Value::Number(course)), section])
}

async fn enrolments(
    tx: &Transaction<'_>,
    host: i64,
    items: &[EnrolmentItem],
    fresh: &[i64],
) -> Outcomes {
    let named = |key: fn(&EnrolmentItem) -> Option<&String>| {
        items.iter().filter_map(key).map(String::as_str).collect::<Vec<_>>()
    };
    let users = referred(tx, &USERS, host, &named(|item| item.user.as_ref())).await?;
    let courses = referred(tx, &COURSES, host, &named(|item| item.course.as_ref())).await?;
    let keys: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    let mut rows = Rows::read(tx, &ENROLMENTS, host, &keys).await?;
    let mut outcomes = Vec::with_capacity(items.len());
    for (item, fresh) in items.iter().zip(fresh) {
        let new = rows.get(&item.id).is_none();
        let reference = |known: &HashMap<String, i64>, key: &Option<String>, name| match key {
            None if new => Err(Unset::Missing(name)),
            None => Ok(None),
            Some(key) => match known.get(key) {
                Some(id) => Ok(Some(Value::Number(Some(*id)))),
                None => Err(Unset::Unknown(name)),
            },
        };
        let user = reference(&users, &item.user, "user");
        let said = user.and_then(|user| Ok((user, reference(&courses, &item.course, "course")?)));
        outcomes.push(match said {
            Ok((user, course)) => {
                Ok(rows.set(&item.id, *fresh, vec![user, course, text(&item.role)]).1)
            }
            Err(unset) => Err(unset),
        });
    }
    rows.write(tx).await?;
    Ok(outcomes)
}
