//! The client's rule on a simulated network, with a server that decides by the real rule of acceptance.
//!
//! [`server`] and [`world`] are the machinery: one server, one storage, tabs that hide, come back and die. `lives` leads
//! random lives through it, `crashes` every place where a tab can die, `vectors` holds the reading to the golden
//! messages, `state` keeps documents, `reading` feeds it what is not meant to be read.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod crashes;
mod lives;
mod reading;
mod server;
mod state;
mod vectors;
mod world;
