//! The life of a session key, as pure functions: what a token is worth, and what the reply may carry.
//!
//! Nothing here knows HTTP or SQL; time and randomness are arguments.

pub mod decide;
pub mod keyring;
pub mod launch;
pub mod mint;
