//! A page in a frame: its launch, renewals and storage come from the page around it.
//!
//! The handshake is that of the JavaScript SDK, `framed.js`, loaded from the server when a page needs it: there is one
//! of its kind, and pages that are in no frame do not carry it.

use super::launch::{Launch, block};
use super::page::{Page, Promised, object};
use super::session::once;
use crate::rule::json::Json;
use futures_channel::oneshot;
use js_sys::{Function, Object, Reflect};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// JavaScript's own `import(…)`.
    #[wasm_bindgen(catch, js_name = import)]
    fn load(module: &str) -> Result<Promised, JsValue>;
}

/// Why the page around gives no key: `code` and what to do, as `framed.js` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// `parent_damaged`, `parent_missing`, `parent_silent`; `frames_missing` if `framed.js` cannot be loaded.
    pub code: String,
    /// What to do.
    pub message: String,
}

/// The origin of the page around, if the page's block names one; the block is then taken into what is given.
pub(crate) fn parent(page: &Page, given: Launch) -> (Option<String>, Launch) {
    // None, several, or damaged: told by whoever takes the key from it.
    let Ok(node) = block(page) else { return (None, given) };
    let text = node.text().unwrap_or_default();
    let said = Json::parse(&text);
    let parent = said.as_ref().and_then(|said| said.member("parent")).and_then(Json::text);
    match (said, parent) {
        (Some(said), Some(parent)) => {
            node.remove();
            (Some(parent), given.or(&said))
        }
        _ => (None, given),
    }
}

/// Says hello to the page around, of that exact origin, and waits for its launch. Gives it with what stands in for the
/// page from now on.
///
/// # Errors
/// The page around gives no key.
pub(crate) async fn enter(
    page: &Page,
    parent: &str,
    given: &Launch,
) -> Result<(Launch, Page), Unplaced> {
    let unloadable = || Unplaced {
        code: "frames_missing".into(),
        message: "Serve /sdk/framed.js from the page's origin, or name the server as `endpoint`."
            .into(),
    };
    let base = given.endpoint.as_deref().unwrap_or_default();
    let address = format!("{}/sdk/framed.js", base.strip_suffix('/').unwrap_or(base));
    let module = match load(&address) {
        Ok(module) => settled(&module).await.map_err(|_| unloadable())?,
        Err(_) => return Err(unloadable()),
    };
    let enter = member(&module, "enter").and_then(|enter| enter.dyn_into::<Function>().ok());
    let enter = enter.ok_or_else(unloadable)?;
    // Never throws: what goes wrong rejects.
    let hello =
        enter.call2(&JsValue::NULL, page, &options(parent, given)).map_err(|_| unloadable())?;
    let entered = settled(hello.unchecked_ref()).await.map_err(|fault| Unplaced {
        code: text(&fault, "code").unwrap_or_default(),
        message: text(&fault, "message").unwrap_or_default(),
    })?;
    let around = member(&entered, "self").ok_or_else(unloadable)?.unchecked_into();
    let [token, endpoint, renew] = ["token", "endpoint", "renew"].map(|name| text(&entered, name));
    Ok((Launch { token, endpoint, renew }, around))
}

/// What is given, as options of the JavaScript SDK. A member that is there takes the place of the parent's.
fn options(parent: &str, given: &Launch) -> Object {
    let options = object(&[("parent", &parent.into())]);
    let all = [("endpoint", &given.endpoint), ("renew", &given.renew)];
    for (name, text) in all {
        if let Some(text) = text {
            // Cannot fail: the object is plain and new.
            let _ = Reflect::set(&options, &name.into(), &text.into());
        }
    }
    options
}

fn member(of: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(of, &name.into()).ok().filter(|value| !value.is_undefined())
}

fn text(of: &JsValue, name: &str) -> Option<String> {
    member(of, name)?.as_string()
}

/// What a promise comes to.
async fn settled(promise: &Promised) -> Result<JsValue, JsValue> {
    let (done, over) = oneshot::channel();
    let done = std::rc::Rc::new(std::cell::Cell::new(Some(done)));
    let tell = |good: bool| {
        let done = std::rc::Rc::clone(&done);
        once(move |value| {
            if let Some(done) = done.take() {
                // Whoever waited may have gone.
                let _ = done.send(if good { Ok(value) } else { Err(value) });
            }
            JsValue::UNDEFINED
        })
    };
    let _ = promise.either(&tell(true), &tell(false));
    over.await.unwrap_or(Err(JsValue::UNDEFINED))
}
