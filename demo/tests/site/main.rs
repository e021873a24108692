//! The site over real HTTP on loopback: logins, keys in pages, renewals, roles.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod keys;
mod logins;
mod packages;
mod placement;
mod roles;
mod rulings;
mod school;
