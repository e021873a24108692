//! What people do with Latchkey, in a real Chromium against the real server, over sockets that a proxy of
//! ours breaks on purpose.
//!
//! Every journey ends by holding what its pages believe against what the database says: what a page
//! was told is saved is there once, and nothing else is there.
//!
//! [`stage`] is the machinery: browser, proxy, host site, server. All else is journeys, a file each, walked with
//! the JavaScript SDK and with the WebAssembly one.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]
#![expect(clippy::duplicate_mod, reason = "one list of journeys, walked with each SDK")]

mod stage;

/// A world of journeys in which pages load one of the SDKs.
macro_rules! journeys {
    ($($with:ident $sdk:ident;)*) => { $(
        #[path = "."]
        mod $with {
            /// What pages load.
            pub(super) const SDK: crate::stage::host::Sdk = crate::stage::host::Sdk::$sdk;

            mod bindings;
            mod closing;
            mod crash;
            mod faults;
            mod frames;
            mod leaving;
            mod lesson;
            mod logins;
            mod odds;
            mod offline;
            mod policy;
            mod renewal;
            mod state;
            mod tabs;
            mod theft;
        }
    )* };
}

journeys! {
    javascript JavaScript;
    wasm Wasm;
}

mod activities;
mod aicc;
mod demo;
mod films;
mod movies;
mod packages;
mod php;
mod plugin;
mod runtimes;
