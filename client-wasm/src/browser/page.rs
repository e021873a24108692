//! The surroundings that are used, by their shape alone: the global object of a page has all of it, and so has
//! the object that a test puts in its place. Members that `Option` stands for may be missing.

use js_sys::{Array, Function, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The global object, or what stands in for it.
    #[derive(Clone)]
    pub type Page;
    #[wasm_bindgen(method, catch)]
    pub(super) fn fetch(this: &Page, url: &str, init: &Object) -> Result<Promised, JsValue>;
    #[wasm_bindgen(method, js_name = setTimeout)]
    pub(super) fn set_timeout(this: &Page, then: &Function, millis: f64) -> JsValue;
    #[wasm_bindgen(method, js_name = clearTimeout)]
    pub(super) fn clear_timeout(this: &Page, timer: &JsValue);
    #[wasm_bindgen(method, js_name = setInterval)]
    pub(super) fn set_interval(this: &Page, then: &Function, millis: f64) -> JsValue;
    #[wasm_bindgen(method, js_name = clearInterval)]
    pub(super) fn clear_interval(this: &Page, timer: &JsValue);
    #[wasm_bindgen(method, catch, js_name = addEventListener)]
    pub(super) fn listen(
        this: &Page,
        name: &str,
        then: &Function,
        options: &Object,
    ) -> Result<(), JsValue>;
    // Reading it throws where storage is forbidden.
    #[wasm_bindgen(method, getter, catch, js_name = localStorage)]
    pub(super) fn local_storage(this: &Page) -> Result<Option<Storage>, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn document(this: &Page) -> Option<Document>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn navigator(this: &Page) -> Option<Navigator>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn origin(this: &Page) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = Date)]
    pub(super) fn date(this: &Page) -> Wall;
    #[wasm_bindgen(method, getter)]
    pub(super) fn crypto(this: &Page) -> Crypto;

    /// What will be there.
    pub type Promised;
    #[wasm_bindgen(method)]
    pub(super) fn then(this: &Promised, good: &Function) -> Promised;
    #[wasm_bindgen(method, js_name = then)]
    pub(super) fn either(this: &Promised, good: &Function, bad: &Function) -> Promised;
    #[wasm_bindgen(method)]
    pub(super) fn catch(this: &Promised, bad: &Function) -> Promised;

    /// The wall clock.
    pub type Wall;
    #[wasm_bindgen(method)]
    pub(super) fn now(this: &Wall) -> f64;

    pub type Crypto;
    #[wasm_bindgen(method, js_name = getRandomValues)]
    pub(super) fn fill(this: &Crypto, bytes: &Uint8Array);

    #[derive(Clone)]
    pub type Storage;
    #[wasm_bindgen(method, catch, js_name = getItem)]
    pub(super) fn get(this: &Storage, name: &str) -> Result<Option<String>, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setItem)]
    pub(super) fn set(this: &Storage, name: &str, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = removeItem)]
    pub(super) fn remove(this: &Storage, name: &str) -> Result<(), JsValue>;

    pub type Document;
    #[wasm_bindgen(method, getter, js_name = visibilityState)]
    pub(super) fn visibility(this: &Document) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn prerendering(this: &Document) -> Option<bool>;
    #[wasm_bindgen(method, js_name = querySelectorAll)]
    pub(super) fn find(this: &Document, selector: &str) -> Nodes;
    #[wasm_bindgen(method, js_name = addEventListener)]
    pub(super) fn listen(this: &Document, name: &str, then: &Function, options: &Object);

    pub type Nodes;
    #[wasm_bindgen(method, getter)]
    pub(super) fn length(this: &Nodes) -> u32;
    #[wasm_bindgen(method, indexing_getter)]
    pub(super) fn at(this: &Nodes, index: u32) -> Node;
    pub type Node;
    #[wasm_bindgen(method, getter, js_name = textContent)]
    pub(super) fn text(this: &Node) -> Option<String>;
    #[wasm_bindgen(method)]
    pub(super) fn remove(this: &Node);

    pub type Navigator;
    #[wasm_bindgen(method, getter)]
    pub(super) fn locks(this: &Navigator) -> Option<Locks>;
    #[wasm_bindgen(method, catch, js_name = sendBeacon)]
    pub(super) fn send_beacon(this: &Navigator, url: &str, body: &Blob) -> Result<bool, JsValue>;
    pub type Locks;
    #[wasm_bindgen(method)]
    pub(super) fn request(this: &Locks, name: &str, how: &Object, then: &Function) -> Promised;

    pub type Response;
    #[wasm_bindgen(method, getter)]
    pub(super) fn status(this: &Response) -> u16;
    #[wasm_bindgen(method, getter)]
    pub(super) fn headers(this: &Response) -> Headers;
    #[wasm_bindgen(method, catch)]
    pub(super) fn text(this: &Response) -> Result<JsValue, JsValue>;
    pub type Headers;
    #[wasm_bindgen(method)]
    pub(super) fn get(this: &Headers, name: &str) -> Option<String>;

    // What nobody replaces.
    #[wasm_bindgen(js_name = queueMicrotask)]
    pub(super) fn soon(then: &Function);
    #[wasm_bindgen(js_name = URL)]
    pub type Url;
    #[wasm_bindgen(constructor, js_class = "URL", catch)]
    pub(super) fn new(text: &str) -> Result<Url, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn href(this: &Url) -> String;
    #[wasm_bindgen(method, getter)]
    pub(super) fn origin(this: &Url) -> String;

    pub type Blob;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(parts: &Array, options: &Object) -> Blob;

    #[derive(Clone)]
    pub type AbortController;
    #[wasm_bindgen(constructor)]
    pub(super) fn new() -> AbortController;
    #[wasm_bindgen(method, getter)]
    pub(super) fn signal(this: &AbortController) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn abort(this: &AbortController);
    #[wasm_bindgen(method, getter, js_name = abort)]
    pub(super) fn abort_function(this: &AbortController) -> Function;
}

/// An object with these members.
pub(super) fn object(members: &[(&str, &JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in members {
        // Cannot fail: the object is plain and new.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object
}
