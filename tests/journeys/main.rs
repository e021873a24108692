//! What people do with Latchkey, in a real Chromium against the real server, over sockets that a proxy of
//! ours breaks on purpose.
//!
//! Every journey ends by holding what its pages believe against what the database says: what a page
//! was told is saved is there once, and nothing else is there.
//!
//! [`stage`] is the machinery: browser, proxy, host site, server. All else is journeys, a file each.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod stage;

mod bindings;
mod closing;
mod crash;
mod demo;
mod faults;
mod leaving;
mod lesson;
mod logins;
mod offline;
mod policy;
mod renewal;
mod tabs;
mod theft;
