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

/// Otherwise a request meets the end of a connection that a server gives up, and nginx answers it 502.
#[test]
fn idle_connections_are_given_up_by_nginx_before_the_servers_do() {
    let seconds = |text: &str, name: &str, end: &str| -> u32 {
        let (_, rest) = text.split_once(name).expect(name);
        let (number, _) = rest.split_once(end).expect(name);
        number.parse().expect(name)
    };
    let nginx = include_str!("../../../docs/examples/nginx.conf");
    let settings = include_str!("../../../server/server.toml");
    let server = seconds(settings, "\nread_deadline = \"", "s\"");
    assert!(seconds(nginx, " keepalive_timeout ", "s;") < server);
}
