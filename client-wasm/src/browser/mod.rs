//! The edge: what the rule asks for, done by a browser; what happens in the page, told to the rule.
//!
//! * [`Launch`] — where the key comes from: options, or the block in the page.
//! * [`Unplaced`] — why a page in a frame gets none from the page around it.
//! * [`Session`] — one connection: performs effects, listens to the page's life.
//! * [`Page`] — the surroundings that are used.

mod follow;
mod frame;
mod launch;
mod page;
mod request;
mod session;

pub use frame::Unplaced;
pub(crate) use frame::{enter, parent};
pub use launch::{Launch, shown, soon};
pub use page::Page;
pub use session::{Done, Session, Settle, Tell};
