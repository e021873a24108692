//! One request: never fails, since one that nothing came of may yet have arrived.

use super::page::{AbortController, Blob, Page, Response, object};
use super::session::once;
use crate::rule::{DEADLINE, Reply, Sending, Way};
use js_sys::{Array, Date, Object};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};

/// Posts; `done` is called once with the answer, or with nothing when a client has waited long enough.
pub(super) fn post(page: &Page, url: &str, sending: &Sending, done: impl FnOnce(Reply) + 'static) {
    let flight = AbortController::new();
    let timer = page.set_timeout(&flight.abort_function().bind0(&flight), DEADLINE as f64);
    let head = Rc::new(RefCell::new(Reply::default()));
    let (here, heard) = (page.clone(), Rc::clone(&head));
    let arrived = once(move |response| {
        let response: Response = response.unchecked_into();
        let mut head = heard.borrow_mut();
        head.status = response.status();
        head.after = patience(&here, &response);
        response.text().unwrap_or(JsValue::NULL)
    });
    let here = page.clone();
    // The text, or why there is none.
    let over = once(move |text| {
        here.clear_timeout(&timer);
        let reply = text.as_string().map(|text| Reply { text, ..head.take() });
        done(reply.unwrap_or_default());
        JsValue::UNDEFINED
    });
    match page.fetch(url, &init(sending, &flight)) {
        Ok(answer) => drop(answer.then(&arrived).either(&over, &over)),
        Err(_) => super::page::soon(&over),
    }
}

/// `Retry-After`, milliseconds.
fn patience(page: &Page, response: &Response) -> i64 {
    let Some(wait) = response.headers().get("Retry-After") else { return 0 };
    let seconds = js_sys::parse_float(&wait) * 1e3;
    // No number: a date, or nonsense.
    let millis = if seconds > 0.0 { seconds } else { Date::parse(&wait) - page.date().now() };
    if millis > 0.0 { millis as i64 } else { 0 }
}

fn init(sending: &Sending, flight: &AbortController) -> Object {
    let text = JsValue::from_str;
    let json = ("Content-Type", &text("application/json"));
    let mut bearer = String::from("Bearer ");
    bearer.push_str(&sending.token);
    let (headers, credentials, keepalive) = match sending.way {
        Way::Batch { keepalive } => {
            (object(&[json, ("Authorization", &text(&bearer))]), "omit", keepalive)
        }
        Way::Renewal | Way::Beacon => {
            (object(&[json, ("Latchkey-Renew", &text("1"))]), "same-origin", false)
        }
    };
    object(&[
        ("method", &text("POST")),
        ("headers", &headers),
        ("credentials", &text(credentials)),
        ("keepalive", &keepalive.into()),
        ("redirect", &text("error")),
        ("signal", &flight.signal()),
        ("body", &text(&sending.body)),
    ])
}

/// Leaves a request to the browser; gives whether it took it.
pub(super) fn beacon(page: &Page, url: &str, sending: &Sending) -> bool {
    // Of this type it needs no preflight.
    let kind = object(&[("type", &JsValue::from_str("text/plain"))]);
    let body = Blob::new(&Array::of1(&JsValue::from_str(&sending.body)), &kind);
    page.navigator().is_some_and(|navigator| navigator.send_beacon(url, &body).unwrap_or(false))
}
