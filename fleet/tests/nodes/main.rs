//! Several servers on one PostgreSQL behind nginx, all of them real, and what can befall them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test stops where something is missing"
)]

mod clocks;
mod database;
mod disk;
mod failover;
mod killed;
mod race;
mod restored;

/// What operators copy is what was tried.
#[test]
fn the_documentation_shows_the_files_as_they_are() {
    let shown = include_str!("../../../docs/scale.md");
    assert!(shown.contains(include_str!("../../../docs/examples/nginx.conf")));
    assert!(shown.contains(include_str!("../../../docs/examples/haproxy.cfg")));
}
