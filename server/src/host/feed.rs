//! What the three feeds have in common: their query, their cursor, their page.

use super::call::{HostCall, Query};
use super::cursor::{self, Feed};
use crate::error::Refusal;
use crate::store::{About, FeedPage, FeedQuery, FeedRefused, Position};
use latchkey_protocol::error::ErrorCode;
use schemars::JsonSchema;
use serde::Serialize;

/// Items of a page, unless the query says.
const PAGE: u32 = 100;
/// Most items of a page.
const MAX_PAGE: u32 = 1_000;

/// A page of a feed, oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// For `since` of the next request, now or at any later time.
    next: String,
    /// Whether there is more at once. A page may be empty although there is.
    more: bool,
}

/// The query of a feed.
pub(super) fn asked(call: &HostCall, feed: Feed) -> Result<FeedQuery, Refusal> {
    let query = call.query(&["since", "limit", "user", "activity", "course"])?;
    let text = |name| query.text(name).map(str::to_owned);
    Ok(FeedQuery {
        since: since(call, feed, &query)?,
        limit: query.number("limit", 1..=MAX_PAGE)?.unwrap_or(PAGE),
        user: text("user"),
        activity: text("activity"),
        course: text("course"),
    })
}

fn since(call: &HostCall, feed: Feed, query: &Query) -> Result<Position, Refusal> {
    let Some(text) = query.text("since") else { return Ok(Position::default()) };
    let deployment = &call.latchkey().secrets().deployment;
    cursor::read(deployment, &call.host, feed, text)
        .ok_or_else(|| Refusal::field(ErrorCode::BadCursor, "since"))
}

/// The page as the host sees it.
pub(super) fn page<T, U>(
    call: &HostCall,
    feed: Feed,
    read: Result<FeedPage<T>, FeedRefused>,
    show: impl Fn(T) -> Result<U, Refusal>,
) -> Result<Page<U>, Refusal> {
    let read = read.map_err(|refused| match refused {
        FeedRefused::Lost => Refusal::field(ErrorCode::CursorLost, "since"),
        FeedRefused::Store(error) => error.into(),
    })?;
    let deployment = &call.latchkey().secrets().deployment;
    Ok(Page {
        items: read.items.into_iter().map(show).collect::<Result<_, _>>()?,
        next: cursor::write(deployment, &call.host, feed, &read.upto),
        more: read.more,
    })
}

/// An entity that an item refers to.
#[derive(Serialize, JsonSchema)]
struct Reference {
    id: String,
    url: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserReference")]
struct Person {
    id: String,
    name: Option<String>,
    url: String,
}

/// Whom and what an item is about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "About")]
pub(super) struct Shown {
    user: Person,
    activity: Reference,
    course: Option<Reference>,
}

impl Shown {
    pub(super) fn new(call: &HostCall, about: About) -> Self {
        let About { user, name, activity, course } = about;
        let refer = |kind: &str, id: String| Reference { url: call.url(&[kind, &id]), id };
        Self {
            user: Person { url: call.url(&["users", &user]), id: user, name },
            activity: refer("activities", activity),
            course: course.map(|course| refer("courses", course)),
        }
    }
}

/// The number in an address; what is none names nothing.
pub(super) fn number(call: &HostCall) -> Result<i64, Refusal> {
    let text = call.param("id")?;
    // One address for each thing: no signs, no leading zeros.
    text.parse()
        .ok()
        .filter(|number: &i64| number.to_string() == text)
        .ok_or_else(|| ErrorCode::NotFound.into())
}
