//! Proofs of the rotation rule (`latchkey_server::keys::decide`), in two ways that share nothing but it:
//!
//! - [`history`]: a second rule that forgets nothing, written from the words of the acceptance table,
//!   held against the compact one over random histories;
//! - [`claims`]: an exhaustive search ([`search`]) of every run of a small world ([`world`], [`step`]).
//!
//! Each claim can fail: [`spoiled`] holds variants of the rule that must be, and are, found out.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a proof stops at what cannot be, and prints what it found"
)]

mod claims;
mod history;
mod search;
mod spoiled;
mod step;
mod world;
