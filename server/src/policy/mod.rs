//! What the operator allows: switches, networks, users, roles; and from where a key may be used.
//!
//! * [`Networks`] and origins — the words in which a place is named.
//! * [`Proxies`] — where a request really comes from.
//! * [`Rules`] — the settings, read once, and the decisions by them. All are pure.

mod network;
mod proxies;
mod rules;

pub use network::{
    BadNetwork, Network, Networks, OPAQUE_ORIGIN, is_origin, network_allowed, origin_allowed,
};
pub use proxies::{Client, Proxies};
pub use rules::{DISABLED_FOR, Denied, HostRules, Rules};
