//! Several servers on one PostgreSQL behind a load balancer, the pages that use them, and everything that can
//! befall them.
//!
//! All of it is real: the program `latchkey` as processes of their own, PostgreSQL, nginx with the file that
//! [docs/scale.md](../../docs/scale.md) shows. `tests/nodes` asks single questions of it; the program `latchkey-soak`
//! keeps it under load while one fault follows another.
//!
//! - [`postgres`]: a PostgreSQL that can be killed, stopped, copied to standbys and promoted.
//! - [`wire`]: a network between servers and PostgreSQL that can go silent.
//! - [`node`], [`balancer`], [`fleet`]: the servers, nginx before them, and all of it together.
//! - [`disk`]: a small disk that can be full.
//! - [`page`], [`load`]: an honest client, and many of them at work, each with a book of what it was told.
//! - [`books`]: whether what they were told is what is kept: everything acknowledged once, nothing twice.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "where a part of the stage is missing, a test can only stop"
)]

pub mod balancer;
pub mod books;
mod child;
pub mod clock;
pub mod disk;
pub mod fleet;
pub mod host;
pub mod http;
pub mod load;
pub mod node;
pub mod page;
pub mod postgres;
pub mod wire;
