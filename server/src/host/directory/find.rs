//! `GET /host/v1/users/{id}`, `GET /host/v1/users?by=idnumber&value=CS2121212`, `GET /host/v1/users?after=…`.

use super::Shown;
use crate::error::Refusal;
use crate::host::call::{HostCall, HostResult, Query};
use crate::store::{Extent, Found, Kind, Lookup};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::error::ErrorCode;
use serde::Serialize;

/// Entities of a page, unless the query says.
const PAGE: u32 = 100;
/// Most entities of a page.
const MAX_PAGE: u32 = 1_000;

#[derive(Serialize)]
struct Page {
    items: Vec<Shown>,
    /// For `after` of the next page; `null` at the end.
    next: Option<String>,
}

/// One by its id.
pub(crate) async fn one(call: HostCall, kind: Kind) -> HostResult {
    call.query(&[])?;
    let wanted = Lookup::Id(call.param("id")?.to_owned());
    shown(&call, kind, wanted).await
}

/// One by another member, or a page of all.
pub(crate) async fn all(call: HostCall, kind: Kind) -> HostResult {
    let mut names = vec!["by", "value", "limit", "after"];
    names.extend(kind.filters());
    let query = call.query(&names)?;
    match (query.text("by"), query.text("value")) {
        (None, None) => page(&call, kind, &query).await,
        (Some(by), Some(value)) => {
            if query.len() > 2 {
                return Err(ErrorCode::BadQuery.into());
            }
            let wanted = match kind.keys().iter().find(|key| **key == by) {
                Some(key) => Lookup::By(key, value.to_owned()),
                None if by == "id" => Lookup::Id(value.to_owned()),
                None => return Err(Refusal::field(ErrorCode::BadQuery, "by")),
            };
            shown(&call, kind, wanted).await
        }
        _ => Err(ErrorCode::BadQuery.into()),
    }
}

/// Never a guess: of two that fit, none is shown.
async fn shown(call: &HostCall, kind: Kind, wanted: Lookup) -> HostResult {
    match call.store().find(&call.host, kind, wanted).await? {
        Found::One(entity) => call.done(&Shown::new(call, kind, entity)),
        Found::None => Err(ErrorCode::NotFound.into()),
        Found::Several => Err(ErrorCode::Ambiguous.into()),
    }
}

async fn page(call: &HostCall, kind: Kind, query: &Query) -> HostResult {
    let limit = query.number("limit", 1..=MAX_PAGE)?.unwrap_or(PAGE);
    let after = query.text("after").map(|cursor| opened(kind, cursor)).transpose()?;
    let filters = kind.filters().iter();
    let filters = filters.filter_map(|name| Some((*name, query.text(name)?.to_owned()))).collect();
    // One more than asked tells whether there is more.
    let extent = Extent { filters, after, limit: limit + 1 };
    let mut entities = call.store().list(&call.host, kind, extent).await?;
    let more = entities.len() > limit as usize;
    entities.truncate(limit as usize);
    let last = entities.last().filter(|_| more);
    let next = last.map(|last| URL_SAFE_NO_PAD.encode(format!("{}:{}", kind.name(), last.id())));
    let items = entities.into_iter().map(|entity| Shown::new(call, kind, entity)).collect();
    call.done(&Page { items, next })
}

/// The id that a cursor stands behind; it names its list, so that none of another list is taken for one of this.
fn opened(kind: Kind, cursor: &str) -> Result<String, Refusal> {
    let wrong = || Refusal::field(ErrorCode::BadCursor, "after");
    let text = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let text = String::from_utf8(text).map_err(|_| wrong())?;
    match text.split_once(':') {
        Some((name, id)) if name == kind.name() && !id.is_empty() => Ok(id.to_owned()),
        _ => Err(wrong()),
    }
}
