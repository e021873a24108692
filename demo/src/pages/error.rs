//! What visitors see when there is nothing to see.

use super::Frame;
use axum::http::StatusCode;
use maud::{Markup, html};

/// The page of a refusal or failure.
pub(crate) fn page(status: StatusCode, title: &str, text: &str) -> Markup {
    Frame { title, account: None, script: None }.around(html! {
        section.card.lost data-testid="error-page" {
            p.lost-code aria-hidden="true" { (status.as_u16()) }
            h1 { (title) }
            p { (text) }
            p { a.button href="/course" { "To the course" } }
        }
    })
}
