//! The elements of the page, found once, and a few things that are done to elements.

use wasm_bindgen::convert::FromWasmAbi;
use wasm_bindgen::prelude::*;
use web_sys::{
    Document, Element, EventTarget, HtmlCanvasElement, HtmlElement, HtmlInputElement, Window,
};

/// What the page has, by the names of its elements.
pub(super) struct Page {
    pub(super) window: Window,
    pub(super) document: Document,
    pub(super) widget: HtmlElement,
    pub(super) loading: HtmlElement,
    pub(super) lab: HtmlElement,
    pub(super) canvas: HtmlCanvasElement,
    pub(super) lamp: HtmlElement,
    pub(super) passes: HtmlElement,
    pub(super) length: HtmlInputElement,
    pub(super) length_shown: HtmlElement,
    pub(super) angle: HtmlInputElement,
    pub(super) angle_shown: HtmlElement,
    pub(super) release: HtmlElement,
    pub(super) reading: HtmlElement,
    pub(super) watch: HtmlElement,
    pub(super) counted: HtmlElement,
    pub(super) swings: HtmlInputElement,
    pub(super) discard: HtmlElement,
    pub(super) said: HtmlElement,
    pub(super) rows: HtmlElement,
    pub(super) row_list: HtmlElement,
    pub(super) none_yet: HtmlElement,
    pub(super) plot: HtmlCanvasElement,
    pub(super) estimate: HtmlElement,
    pub(super) not_yet: HtmlElement,
    pub(super) hand_in: HtmlElement,
    pub(super) result: HtmlElement,
    pub(super) score: HtmlElement,
    pub(super) remarks: HtmlElement,
    pub(super) receipt: HtmlElement,
}

impl Page {
    /// All of them, or nothing.
    pub(super) fn find() -> Option<Self> {
        let window = web_sys::window()?;
        let document = window.document()?;
        Some(Self {
            widget: find(&document, "widget")?,
            loading: find(&document, "loading")?,
            lab: find(&document, "lab")?,
            canvas: find(&document, "apparatus")?,
            lamp: find(&document, "lamp")?,
            passes: find(&document, "passes")?,
            length: find(&document, "length")?,
            length_shown: find(&document, "length-shown")?,
            angle: find(&document, "angle")?,
            angle_shown: find(&document, "angle-shown")?,
            release: find(&document, "release")?,
            reading: find(&document, "reading")?,
            watch: find(&document, "watch")?,
            counted: find(&document, "counted")?,
            swings: find(&document, "swings")?,
            discard: find(&document, "discard")?,
            said: find(&document, "said")?,
            rows: find(&document, "rows")?,
            row_list: find(&document, "row-list")?,
            none_yet: find(&document, "none-yet")?,
            plot: find(&document, "plot")?,
            estimate: find(&document, "estimate")?,
            not_yet: find(&document, "not-yet")?,
            hand_in: find(&document, "hand-in")?,
            result: find(&document, "result")?,
            score: find(&document, "score")?,
            remarks: find(&document, "remarks")?,
            receipt: find(&document, "receipt")?,
            window,
            document,
        })
    }

    /// Somebody who only looks: nothing is recorded.
    pub(super) fn is_preview(&self) -> bool {
        self.widget.has_attribute("data-preview")
    }

    /// Whether the reader asked for little motion.
    pub(super) fn is_still(&self) -> bool {
        let query = self.window.match_media("(prefers-reduced-motion: reduce)");
        query.ok().flatten().is_some_and(|query| query.matches())
    }
}

/// An element by its id, if it is of that kind.
pub(super) fn find<T: JsCast>(document: &Document, id: &str) -> Option<T> {
    document.get_element_by_id(id)?.dyn_into().ok()
}

/// Text is always text, never markup.
pub(super) fn say(element: &Element, text: &str) {
    // Said again it would be read aloud again.
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

/// Shows an element or hides it.
pub(super) fn show(element: &HtmlElement, shown: bool) {
    element.set_hidden(!shown);
}

/// A mark for styles and tests.
pub(super) fn mark(element: &Element, name: &str, value: &str) {
    // An attribute's name of ours is always a name.
    let _ = element.set_attribute(&format!("data-{name}"), value);
}

/// A new element with a class and a text.
pub(super) fn make(document: &Document, name: &str, class: &str, text: &str) -> Option<Element> {
    let element = document.create_element(name).ok()?;
    if !class.is_empty() {
        element.set_class_name(class);
    }
    if !text.is_empty() {
        element.set_text_content(Some(text));
    }
    Some(element)
}

/// Puts one element at the end of another.
pub(super) fn put(into: &Element, child: Option<Element>) {
    if let Some(child) = child {
        // Fails for cycles alone, and the child is new.
        let _ = into.append_child(&child);
    }
}

/// Listens as long as the page lives.
pub(super) fn on<E: FromWasmAbi + 'static>(
    target: &EventTarget,
    name: &str,
    listener: impl FnMut(E) + 'static,
) {
    let listener = Closure::<dyn FnMut(E)>::new(listener);
    let function = listener.as_ref().unchecked_ref();
    if target.add_event_listener_with_callback(name, function).is_ok() {
        listener.forget();
    }
}

/// Calls back once, after a time in milliseconds.
pub(super) fn after(window: &Window, milliseconds: i32, then: impl FnOnce() + 'static) {
    let then = Closure::once_into_js(then);
    // Without timers there is no later.
    let _ = window
        .set_timeout_with_callback_and_timeout_and_arguments_0(then.unchecked_ref(), milliseconds);
}

/// A score as people write it: two decimals at most, no trailing zeros.
pub(super) fn points(score: f64) -> String {
    let text = format!("{score:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
