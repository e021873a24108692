//! The Rust SDK as a JavaScript module. What crosses the border is texts and functions; `npm/latchkey.js` gives it the
//! surface of the JavaScript SDK: promises, events and errors.

use js_sys::{Function, JSON, Object, Reflect};
use latchkey_client::browser::{Launch, Page, Session};
use latchkey_client::rule::Failure;
use latchkey_client::rule::json::write_text;
use latchkey_client::{Notice, Refusal};
use wasm_bindgen::prelude::*;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// One user's connection to one activity.
#[wasm_bindgen]
pub struct Connection(Session);

#[wasm_bindgen]
impl Connection {
    /// Starts from `options` (`token`, `endpoint`, `renew`) or the page's block. `tell` is called with the name
    /// and the detail of each event, the detail being JSON; it must not call back.
    ///
    /// # Errors
    /// The page gives no key: JSON of a refusal.
    pub fn open(page: Page, options: Object, tell: Function) -> Result<Connection, JsValue> {
        let option = |name: &str| Reflect::get(&options, &name.into()).ok()?.as_string();
        let (token, endpoint, renew) = (option("token"), option("endpoint"), option("renew"));
        let tell = Box::new(move |notice| {
            let (name, detail) = event(notice);
            // A listener's fault is its own: they are called later, and by JavaScript.
            let _ = tell.call2(&JsValue::NULL, &name.into(), &detail.into());
        });
        let launch = Launch { token, endpoint, renew };
        let session = Session::open(launch, page, tell)
            .map_err(|fault| JsValue::from(Refusal::own(fault.code(), fault.message()).body))?;
        Ok(Self(session))
    }

    /// The user's id at the host.
    #[wasm_bindgen(getter)]
    pub fn user(&self) -> String {
        self.0.claims(|claims| claims.sub.clone())
    }

    /// The activity's id at the host.
    #[wasm_bindgen(getter)]
    pub fn activity(&self) -> String {
        self.0.claims(|claims| claims.activity.clone())
    }

    /// How many operations the server has not acknowledged.
    #[wasm_bindgen(getter)]
    pub fn unsaved(&self) -> usize {
        self.0.unsaved()
    }

    /// The time as RFC 3339, by this machine's clock.
    pub fn time(&self) -> String {
        self.0.time()
    }

    /// The next value of the hybrid clock: orders grades.
    pub fn tick(&self) -> f64 {
        self.0.tick() as f64
    }

    /// Takes an operation. One of the functions is called with its answer: JSON of the result; JSON of a refusal; or
    /// the reason of the end and whether the operation is kept.
    pub fn call(
        &self,
        function: &str,
        args: JsValue,
        done: Function,
        refused: Function,
        ended: Function,
    ) {
        let args = JSON::stringify(&args).ok().and_then(|text| text.as_string());
        let args = args.filter(|text| text.starts_with('{'));
        let settle = Box::new(move |outcome| {
            let this = JsValue::NULL;
            // Functions of a promise: they do not throw.
            let _ = match outcome {
                Ok(text) => done.call1(&this, &JsValue::from(text)),
                Err(Failure::Refused(body)) => refused.call1(&this, &body.body.into()),
                Err(Failure::Ended { reason, kept }) => {
                    ended.call2(&this, &reason.as_str().into(), &kept.into())
                }
            };
        });
        self.0.call(function, args.as_deref(), settle);
    }

    /// Sends what is unsaved at once; `done` gets the number still unsaved.
    pub fn flush(&self, done: Function) {
        self.0.flush(Box::new(move |count| {
            let _ = done.call1(&JsValue::NULL, &(count as f64).into());
        }));
    }

    /// Stops; what is unsaved is left to the next launch.
    pub fn close(&self) {
        self.0.close();
    }
}

/// The name of an event, and its detail as JSON.
fn event(notice: Notice) -> (&'static str, String) {
    match notice {
        Notice::Unsaved { count, durable } => {
            let durable = if durable { "true" } else { "false" };
            ("unsaved", members(&[("count", &number(count)), ("durable", durable)]))
        }
        Notice::Saved { function, ids, receipt, count } => {
            let mut list = String::from("[");
            for (at, id) in ids.iter().enumerate() {
                list.push_str(if at == 0 { "" } else { "," });
                write_text(&mut list, id);
            }
            list.push(']');
            let function = quoted(&function);
            let count = number(count);
            let all = [
                ("function", &*function),
                ("ids", &list),
                ("receipt", &receipt),
                ("count", &count),
            ];
            ("saved", members(&all))
        }
        Notice::Refused { id, function, refusal: body } => {
            let (id, function, error) = (quoted(&id), quoted(&function), body.body);
            ("refused", members(&[("id", &id), ("function", &function), ("error", &error)]))
        }
        Notice::Renewed => ("renewed", "{}".into()),
        Notice::Ended { reason, count } => {
            let reason = quoted(reason.as_str());
            ("ended", members(&[("reason", &reason), ("count", &number(count))]))
        }
    }
}

/// An object of these members; names need no escapes, values are JSON.
fn members(all: &[(&str, &str)]) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in all.iter().enumerate() {
        text.push_str(if at == 0 { "\"" } else { ",\"" });
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    }
    text.push('}');
    text
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    write_text(&mut out, text);
    out
}

fn number(count: usize) -> String {
    let (mut text, mut rest) = (String::new(), count);
    loop {
        text.insert(0, char::from(b'0' + (rest % 10) as u8));
        rest /= 10;
        if rest == 0 {
            return text;
        }
    }
}
