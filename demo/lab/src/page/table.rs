//! The table of measurements.

use super::dom::{Page, make, mark, put, show};
use crate::series::Series;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Writes all rows anew. `fixed`: nothing can be taken out any more.
pub(super) fn write(page: &Page, series: &Series, fixed: bool) {
    page.row_list.set_text_content(None);
    for (at, row) in series.rows().iter().enumerate() {
        let line = make(&page.document, "tr", "", "");
        let Some(line) = line else { continue };
        mark(&line, "testid", "measurement");
        let number = make(&page.document, "th", "number", &format!("{}", at + 1));
        if let Some(number) = &number {
            // A name and a value of ours.
            let _ = number.set_attribute("scope", "row");
        }
        put(&line, number);
        let period = row.period();
        for text in [
            format!("{:.2}", row.length),
            format!("{:.0}°", row.angle),
            format!("{}", row.swings),
            format!("{:.2}", row.seconds),
            format!("{period:.3}"),
            format!("{:.3}", period * period),
        ] {
            put(&line, make(&page.document, "td", "right", &text));
        }
        let last = make(&page.document, "td", "", "");
        if let (Some(last), false) = (&last, fixed) {
            put(last, delete(page, at));
        }
        put(&line, last);
        put(&page.row_list, Some(line));
    }
    let any = !series.rows().is_empty();
    show(&page.rows, any);
    show(&page.none_yet, !any);
}

fn delete(page: &Page, row: usize) -> Option<Element> {
    let button = make(&page.document, "button", "quiet delete", "✕")?;
    button.set_attribute("type", "button").ok()?;
    button.set_attribute("aria-label", &format!("Delete measurement {}", row + 1)).ok()?;
    mark(&button, "row", &row.to_string());
    mark(&button, "testid", "delete");
    Some(button)
}

/// The row whose delete button was pressed.
pub(super) fn row_of(target: Option<web_sys::EventTarget>) -> Option<usize> {
    let element = target?.dyn_into::<Element>().ok()?;
    element.closest("[data-row]").ok()??.get_attribute("data-row")?.parse().ok()
}

/// Puts the focus where the row was, since its button is gone.
pub(super) fn focus_near(page: &Page, row: usize) {
    let buttons = page.row_list.query_selector_all("[data-row]");
    let last = buttons.as_ref().map_or(0, |buttons| buttons.length());
    let near = u32::try_from(row).unwrap_or(0).min(last.saturating_sub(1));
    let button = buttons.ok().and_then(|buttons| buttons.get(near));
    let target = button.and_then(|button| button.dyn_into::<HtmlElement>().ok());
    // What cannot be focused leaves the focus with the page.
    let _ = target.unwrap_or_else(|| page.watch.clone()).focus();
}
