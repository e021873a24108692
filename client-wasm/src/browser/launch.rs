//! Where the key comes from.

use super::page::{Node, Page, Url, object};
use super::session::once;
use crate::rule::json::Json;
use crate::rule::{EntryFault, Place};
use wasm_bindgen::JsValue;

/// What the page's block says, or what is given in its place.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The launch token; with it no block is looked for.
    pub token: Option<String>,
    /// Absolute address of the server, without `/v1`; the page's origin if absent.
    pub endpoint: Option<String>,
    /// The page's own address for a new launch token.
    pub renew: Option<String>,
}

/// Where requests go.
pub(super) struct Addresses {
    pub(super) batch: String,
    pub(super) renewal: Option<String>,
    pub(super) place: Place,
}

impl Launch {
    /// Completes what is given by the page's block, which is removed: nothing else in the page is to find the token.
    pub(super) fn or_block(self, page: &Page) -> Result<Self, EntryFault> {
        if self.token.as_ref().is_some_and(|token| !token.is_empty()) {
            return Ok(self);
        }
        let node = block(page)?;
        node.remove();
        let text = node.text().unwrap_or_default();
        let block = Json::parse(&text).ok_or(EntryFault::Damaged)?;
        Ok(self.or(&block))
    }

    /// Completes what is given by what a block says.
    pub(super) fn or(self, block: &Json) -> Self {
        let member = |name| block.member(name).and_then(Json::text);
        Self {
            token: self.token.or_else(|| member("token")),
            endpoint: self.endpoint.or_else(|| member("endpoint")),
            renew: self.renew.or_else(|| member("renew")),
        }
    }

    pub(super) fn addresses(&self, page: &Page) -> Result<Addresses, EntryFault> {
        let own = page.origin();
        let base = self.endpoint.clone().or_else(|| own.clone()).unwrap_or_default();
        let text = batch_of(&base);
        let url = Url::new(&text).map_err(|_| EntryFault::Damaged)?;
        let same_origin = Some(url.origin()) == own;
        let renewal = self.renew.clone().filter(|address| !address.is_empty());
        let place = Place { same_origin, renews: renewal.is_some() };
        Ok(Addresses { batch: url.href(), renewal, place })
    }
}

/// The page's one block.
pub(super) fn block(page: &Page) -> Result<Node, EntryFault> {
    let document = page.document().ok_or(EntryFault::Missing)?;
    let found = document.find("script[type=\"application/json\"][data-latchkey]");
    match found.length() {
        0 => Err(EntryFault::Missing),
        1 => Ok(found.at(0)),
        _ => Err(EntryFault::Repeated),
    }
}

fn batch_of(base: &str) -> String {
    let mut text = base.strip_suffix('/').unwrap_or(base).to_owned();
    text.push_str("/v1/batch");
    text
}

/// Calls `go` when somebody may look at the page: one that is prerendered must not start a key.
pub fn shown(page: &Page, go: Box<dyn FnOnce()>) {
    match page.document().filter(|document| document.prerendering() == Some(true)) {
        None => go(),
        Some(document) => {
            let change = once(move |_| {
                go();
                JsValue::UNDEFINED
            });
            document.listen("prerenderingchange", &change, &object(&[("once", &JsValue::TRUE)]));
        }
    }
}

/// Calls `then` when the code that runs now is done.
pub fn soon(then: Box<dyn FnOnce()>) {
    super::page::soon(&once(move |_| {
        then();
        JsValue::UNDEFINED
    }));
}
