//! Latchkey's server: keys for embedded code, bound to one user and one activity.
//!
//! The rooms, from the outside in:
//!
//! * [`serve`] — connections; [`router`] — every address; [`request`](mod@request) and [`reply`] — the two ends of the wire.
//! * [`call`] — from a presented key to an outcome; [`functions`] — what a key may call, one file each.
//! * `gate` — where a request comes from, and whether it may; `in_force` — the settings it is answered by.
//! * [`host`] — what hosts call, with a signature.
//! * [`keys`] — the life of a key as pure functions; [`grades`] — which grade counts; [`state`] — what a write
//!   makes of a document; [`policy`] — from where;
//!   [`rate`] — how often.
//! * `legacy` — older wires onto the same calls: forms for Flash movies.
//! * [`webhooks`] — telling hosts what happened.
//! * [`store`] — what is kept. [`embed`] — a key in a page. [`session`] — login sessions for hosts built on this library.
//! * [`metrics`], [`traces`], `readiness` — what operators watch.
//! * [`moving`], [`backup`] — the data as a whole, from one place to another.
//! * [`config`], [`secrets`], [`clock`] — what the operator and the machine give.
//!
//! A host that is written in Rust opens a [`Latchkey`], mints launch tokens with [`Latchkey::mint`], writes
//! them into its pages with [`embed`], and serves [`router::router`] beside its own.

mod asked;
pub mod backup;
pub mod call;
pub mod clock;
pub mod config;
pub mod embed;
pub mod error;
pub mod functions;
mod gate;
pub mod grades;
pub mod host;
mod in_force;
pub mod instant;
mod json;
pub mod keys;
mod latchkey;
mod legacy;
pub mod metrics;
pub mod moving;
pub mod openapi;
mod owners;
mod plan;
pub mod policy;
pub mod process;
mod progress;
pub mod rate;
mod readiness;
pub mod reply;
mod request;
pub mod router;
mod sdk;
pub mod secrets;
mod serve;
pub mod session;
mod starting;
pub mod state;
pub mod store;
mod tls;
pub mod traces;
mod unload;
pub mod version;
pub mod webhooks;

pub use latchkey::{Latchkey, StartError};
pub use serve::{serve, serve_opened, serve_router};
pub use starting::Starting;
pub use tls::OverTls;
