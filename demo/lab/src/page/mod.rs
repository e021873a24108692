//! The laboratory in its page: apparatus and stopwatch, table and line, and what is saved of it.
//!
//! * [`dom`] — the page's elements; [`paint`] — drawing on a canvas.
//! * [`apparatus`] — the pendulum, drawn; [`plot`] — T² over L, drawn; [`table`] — the measurements.
//! * [`bench`] — what a student does, and what comes of it. One clock for all: the page's.
//! * [`saving`] — what is saved; [`class`] — what the others do; [`result`] — what was handed in.

mod apparatus;
mod bench;
mod class;
mod dom;
mod paint;
mod plot;
mod result;
mod saving;
mod table;

use bench::Bench;
use dom::Page;
use latchkey_client::Activity;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

/// Called by the loader as soon as the program is there.
#[wasm_bindgen(start)]
pub(crate) fn start() {
    spawn_local(async {
        // Without its elements this is another page, and there is nothing to say it in.
        if let Some(page) = Page::find() {
            open(page).await;
        }
    });
}

async fn open(page: Page) {
    match Activity::connect().await {
        Ok(activity) => {
            saving::follow(&page, &activity);
            class::follow(&page, &activity);
            Bench::open(page, activity);
        }
        Err(problem) => {
            let text = "The gradebook cannot be reached, so this activity cannot start. Please reload the page. ";
            dom::say(&page.loading, &format!("{text}({})", problem.code()));
            page.loading.set_class_name("notice bad");
        }
    }
}
