//! The server over real HTTP, on loopback ports that the machine picks.
//!
//! Most tests run it in this process, with a clock that is moved by hand and randomness that repeats
//! ([`server`]); those about crashes, logs and the command line run the program itself ([`program`]).
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod ahead;
mod backup;
mod bad_body;
mod bindings;
mod browsers;
mod calls;
mod client;
mod command_line;
mod crash;
mod database;
mod examples;
mod host;
mod legacy;
mod logs;
mod metrics;
mod months;
mod moving;
mod operator;
mod postgres;
mod program;
mod readiness;
mod recent;
mod refusals;
mod reload;
mod rotation;
mod rotation_end;
mod server;
mod service;
mod state;
mod texts;
mod tls;
mod tokens;
mod traces;
mod webhooks;
mod wire;
