//! The directory: users, courses, activities and enrolments, by the host's own primary keys.
//!
//! * [`list`] reads a list of items out of a body, `item` holds each to its limits, [`set`] writes them.
//! * [`find`] looks up and lists, [`remove`] deletes and resets.
//! * [`shapes`] — what all of this takes and gives, for the documentation.

mod find;
mod item;
mod list;
mod remove;
mod set;
pub(crate) mod shapes;

pub(crate) use find::{all, one};
pub(crate) use remove::{Begun, Deleted, Of, delete, reset};
pub(crate) use set::set;

use super::call::HostCall;
use crate::store::{Entity, Kind};
use serde::Serialize;

/// An entity with its address.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    entity: Entity,
    url: String,
}

impl Shown {
    fn new(call: &HostCall, kind: Kind, entity: Entity) -> Self {
        Self { url: call.url(&[kind.name(), entity.id()]), entity }
    }
}
