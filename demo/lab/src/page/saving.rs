//! The save state: what the gradebook has, what it has not, and what to do when the key has ended.

use super::dom::{Page, after, find, make, mark, put};
use latchkey_client::{Activity, EndReason, Notice};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use web_sys::{Document, HtmlElement, Window};

/// Unsaved for longer than this is worth a word about why, milliseconds.
const PATIENCE: i32 = 4000;

struct State {
    window: Window,
    document: Document,
    place: HtmlElement,
    count: Cell<usize>,
    durable: Cell<bool>,
    end: RefCell<Option<EndReason>>,
    /// Counts the times in which something is unsaved, so that an old timer does not speak of a new one.
    spell: Cell<u32>,
    late: Cell<bool>,
}

/// Shows the state as long as the page lives; not in a preview, where nothing is saved.
pub(super) fn follow(page: &Page, activity: &Activity) {
    let Some(place) = find::<HtmlElement>(&page.document, "save-state") else { return };
    let state = Rc::new(State {
        window: page.window.clone(),
        document: page.document.clone(),
        place,
        count: Cell::new(0),
        durable: Cell::new(true),
        end: RefCell::new(None),
        spell: Cell::new(0),
        late: Cell::new(false),
    });
    activity.on(move |notice| state.hear(notice)).forget();
}

impl State {
    fn hear(self: &Rc<Self>, notice: &Notice) {
        match notice {
            Notice::Unsaved { count, durable } => {
                self.count.set(*count);
                self.durable.set(*durable);
                self.unsaved();
            }
            Notice::Ended { reason, count } => {
                self.count.set(*count);
                self.end.replace(Some(*reason));
                self.ended(*reason);
            }
            Notice::Refused { refusal, .. } => {
                self.show("refused", &format!("Not saved: {}", refusal.message))
            }
            Notice::Saved { .. } | Notice::Renewed => {}
        }
    }

    fn show(&self, name: &str, text: &str) {
        mark(&self.place, "state", name);
        mark(&self.place, "unsaved", &self.count.get().to_string());
        self.place.set_text_content(Some(text));
    }

    fn unsaved(self: &Rc<Self>) {
        let end = *self.end.borrow();
        if let Some(reason) = end {
            self.ended(reason);
        } else if self.count.get() == 0 {
            self.spell.set(self.spell.get() + 1);
            self.late.set(false);
            if self.place.get_attribute("data-state").as_deref() == Some("unsaved") {
                self.show("saved", "Saved");
            }
        } else if self.late.get() {
            self.waiting();
        } else {
            let begins = self.place.get_attribute("data-state").as_deref() != Some("unsaved");
            self.show("unsaved", &format!("{} unsaved…", self.count.get()));
            if begins {
                self.wait();
            }
        }
    }

    fn wait(self: &Rc<Self>) {
        let (state, spell) = (Rc::clone(self), self.spell.get());
        after(&self.window, PATIENCE, move || {
            if state.spell.get() == spell && state.count.get() > 0 && state.end.borrow().is_none() {
                state.late.set(true);
                state.waiting();
            }
        });
    }

    fn waiting(&self) {
        let why = if self.window.navigator().on_line() {
            "the gradebook cannot be reached"
        } else {
            "you are offline"
        };
        let entries = entries(self.count.get());
        self.show(
            "unsaved",
            &if self.durable.get() {
                format!("{entries} saved on this device only, will be sent: {why}")
            } else {
                format!("{entries} unsaved, keep this page open: {why}")
            },
        );
    }

    fn ended(&self, reason: EndReason) {
        let kept = match (self.count.get(), self.durable.get()) {
            (0, _) => "Everything was saved.".to_owned(),
            (count, true) => format!("{} kept on this device.", entries(count)),
            (count, false) => format!("{} could not be kept.", entries(count)),
        };
        let (text, way) = match reason {
            EndReason::LoginOver => ("Session ended. ", "Log in again"),
            EndReason::OtherUser => ("Somebody else is logged in now. ", "Reload the page"),
            _ => ("The connection to the gradebook has ended. ", "Reload the page"),
        };
        self.show("ended", text);
        let path = self.window.location().pathname().unwrap_or_default();
        let link = make(&self.document, "a", "", way);
        if let Some(link) = &link {
            let login = format!("/login?next={path}");
            let to = if reason == EndReason::LoginOver { &login } else { &path };
            // A name and an address of ours.
            let _ = link.set_attribute("href", to);
        }
        put(&self.place, link);
        put(&self.place, make(&self.document, "span", "", &format!(". {kept}")));
    }
}

fn entries(count: usize) -> String {
    format!("{count} {}", if count == 1 { "entry" } else { "entries" })
}
