//! What the class is doing: now, after each save of one's own, and every ten seconds while the page is seen.

use super::dom::{Page, find, make, mark, on, points, put};
use latchkey_client::{Activity, Item, Kind, Notice, Query};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Document, Element, Event, HtmlElement, VisibilityState};

/// Milliseconds between two looks.
const POLL: i32 = 10_000;
/// Entries shown.
const SHOWN: u32 = 20;

struct List {
    document: Document,
    activity: Activity,
    list: HtmlElement,
    empty: HtmlElement,
    asking: Cell<bool>,
    again: Cell<bool>,
    ended: Cell<bool>,
}

/// Fills the list as long as the page lives.
pub(super) fn follow(page: &Page, activity: &Activity) {
    let document = page.document.clone();
    let (Some(list), Some(empty)) = (find(&document, "recent"), find(&document, "recent-empty"))
    else {
        return;
    };
    let activity = activity.clone();
    let flags = || Cell::new(false);
    let list = Rc::new(List {
        document,
        activity,
        list,
        empty,
        asking: flags(),
        again: flags(),
        ended: flags(),
    });
    let heard = Rc::clone(&list);
    let listen = move |notice: &Notice| match notice {
        Notice::Saved { .. } => heard.refresh(),
        Notice::Ended { .. } => heard.ended.set(true),
        _ => {}
    };
    list.activity.on(listen).forget();
    let seen = Rc::clone(&list);
    on::<Event>(&page.document, "visibilitychange", move |_| seen.refresh_if_seen());
    let polled = Rc::clone(&list);
    let poll = Closure::<dyn FnMut()>::new(move || polled.refresh_if_seen());
    let every = poll.as_ref().unchecked_ref();
    // Without timers the list follows one's own saves.
    if page.window.set_interval_with_callback_and_timeout_and_arguments_0(every, POLL).is_ok() {
        poll.forget();
    }
    list.refresh();
}

impl List {
    fn refresh_if_seen(self: &Rc<Self>) {
        if self.document.visibility_state() == VisibilityState::Visible {
            self.refresh();
        }
    }

    fn refresh(self: &Rc<Self>) {
        self.again.set(self.asking.get());
        if self.asking.get() || self.ended.get() {
            return;
        }
        self.asking.set(true);
        let list = Rc::clone(self);
        spawn_local(async move {
            // What is wrong is told by the save state; the list stays as it was.
            if let Ok(recent) = list.activity.recent(Query::newest(SHOWN)).await {
                list.show(&recent.items);
            }
            list.asking.set(false);
            if list.again.get() {
                list.refresh();
            }
        });
    }

    fn show(&self, items: &[Item]) {
        // A name and a value of ours.
        let _ = self.list.set_attribute("aria-busy", "false");
        self.empty.set_hidden(!items.is_empty());
        self.list.set_text_content(None);
        for item in items {
            put(&self.list, self.line(item));
        }
    }

    fn line(&self, item: &Item) -> Option<Element> {
        let make = |name: &str, class: &str, text: &str| make(&self.document, name, class, text);
        let name = item.user.name.as_deref().unwrap_or(&item.user.id);
        let line = make("li", "", "")?;
        mark(&line, "testid", "recent-item");
        mark(&line, "kind", if item.kind == Kind::Grade { "grade" } else { "log" });
        mark(&line, "own", if item.user.own { "true" } else { "false" });
        let initials: String =
            name.split(' ').filter_map(|part| part.chars().next()).take(2).collect();
        let portrait = make("span", "portrait", &initials)?;
        portrait.set_attribute("aria-hidden", "true").ok()?;
        let hue = item.user.id.bytes().fold(0, |sum, byte| (sum * 31 + u32::from(byte)) % 6);
        mark(&portrait, "hue", &hue.to_string());
        put(&line, Some(portrait));
        let text = make("p", "", "")?;
        put(&text, make("strong", "", name));
        if item.user.own {
            put(&text, make("span", "tag you", "you"));
        }
        put(&text, make("span", "", &format!(" {}", deed(item))));
        put(&text, make("time", "", &ago(&item.at)));
        put(&line, Some(text));
        Some(line)
    }
}

/// What somebody did, in words.
fn deed(item: &Item) -> String {
    match (item.kind, item.event.as_deref()) {
        (Kind::Grade, _) => {
            let number = |value: Option<f64>| points(value.unwrap_or(0.0));
            format!("handed in: {}\u{a0}/\u{a0}{}", number(item.score), number(item.max))
        }
        (Kind::Log, Some("measured")) => "measured a period".into(),
        (Kind::Log, Some("deleted")) => "took a measurement out".into(),
        (Kind::Log, other) => other.unwrap_or_default().into(),
        _ => "joined".into(),
    }
}

fn ago(at: &str) -> String {
    let seconds = (js_sys::Date::now() - js_sys::Date::parse(at)) / 1000.0;
    match seconds {
        seconds if seconds < 60.0 => "just now".into(),
        seconds if seconds < 3600.0 => format!("{:.0} min ago", (seconds / 60.0).floor()),
        seconds if seconds < 86_400.0 => format!("{:.0} h ago", (seconds / 3600.0).floor()),
        seconds => format!("{:.0} days ago", (seconds / 86_400.0).floor()),
    }
}
