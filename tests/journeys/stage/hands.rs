//! How a person handles a page: by pointer, or by keyboard alone.

use super::comes;
use super::tab::Tab;
use chromiumoxide::cdp::browser_protocol::emulation::SetDeviceMetricsOverrideParams;
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType,
    InsertTextParams, MouseButton,
};
use serde_json::Value;

/// What a person uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    Pointer,
    Keyboard,
}

/// More tab stops than any page of ours has.
const STOPS: usize = 80;

impl Hand {
    /// Presses what the selector finds first.
    pub(crate) async fn press(self, tab: &Tab, selector: &str) {
        tab.until(&format!("document.querySelector({selector:?})")).await;
        match self {
            Self::Pointer => click(tab, selector).await,
            Self::Keyboard => {
                reach(tab, selector).await;
                // Boxes and radio buttons are ticked by the space bar, all else is pressed by Enter.
                let ticks: bool =
                    tab.eval("['radio', 'checkbox'].includes(document.activeElement.type)").await;
                key(tab, if ticks { "Space" } else { "Enter" }).await;
            }
        }
    }

    /// Goes to what the selector finds, by keyboard.
    pub(crate) async fn reach(self, tab: &Tab, selector: &str) {
        tab.until(&format!("document.querySelector({selector:?})")).await;
        reach(tab, selector).await;
    }

    /// Writes into a field.
    pub(crate) async fn write(self, tab: &Tab, selector: &str, text: &str) {
        tab.until(&format!("document.querySelector({selector:?})")).await;
        match self {
            Self::Pointer => click(tab, selector).await,
            Self::Keyboard => reach(tab, selector).await,
        }
        tab.run(InsertTextParams::new(text)).await;
    }

    /// Picks the n-th of several radio buttons.
    pub(crate) async fn pick(self, tab: &Tab, selector: &str, n: usize) {
        match self {
            Self::Pointer => self.press(tab, &format!("{selector}[value='{n}']")).await,
            Self::Keyboard => {
                // One tab stop for all of them; arrows go from one to the next.
                self.press(tab, selector).await;
                for _ in 0..n {
                    key(tab, "ArrowDown").await;
                }
            }
        }
        tab.until(&format!("document.querySelector({selector:?} + '[value=\"{n}\"]').checked"))
            .await;
    }
}

/// Makes the window as narrow as a phone.
pub(crate) async fn narrow(tab: &Tab) {
    tab.run(SetDeviceMetricsOverrideParams::new(360, 740, 2.0, false)).await;
}

/// Nothing has to be scrolled to the side.
pub(crate) async fn fits(tab: &Tab) {
    let [content, window]: [f64; 2] = tab
        .eval("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        .await;
    let place: String = tab.eval("location.pathname").await;
    assert!(content <= window, "{place} is {content} wide in a window of {window}");
}

/// Presses what the selector finds. Who misses, since it moved away under the pointer, presses again.
async fn click(tab: &Tab, selector: &str) {
    let met = async || {
        press_once(tab, selector).await;
        // Undefined on another page, to which a press that met has led.
        tab.try_eval("window.pressed !== null").await != Ok(Value::Bool(false))
    };
    assert!(comes(met).await, "{selector} cannot be met");
}

async fn press_once(tab: &Tab, selector: &str) {
    // Where it is, provided that it is what a pointer meets there.
    let spot = format!(
        "(() => {{
           const element = document.querySelector({selector:?});
           element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
           const around = element.closest('label') ?? element;
           const {{ left, top, width, height }} = element.getBoundingClientRect();
           const spot = [left + width / 2, top + height / 2];
           window.pressed = null;
           const press = ({{ target }}) => (window.pressed = around.contains(target) || null);
           document.addEventListener('click', press, {{ capture: true, once: true }});
           return around.contains(document.elementFromPoint(...spot)) && spot;
         }})()"
    );
    tab.until(&spot).await;
    let [x, y]: [f64; 2] = tab.eval(&spot).await;
    for kind in [DispatchMouseEventType::MousePressed, DispatchMouseEventType::MouseReleased] {
        let event = DispatchMouseEventParams::builder()
            .r#type(kind)
            .x(x)
            .y(y)
            .button(MouseButton::Left)
            .click_count(1)
            .build()
            .unwrap();
        tab.run(event).await;
    }
}

/// Moves on from stop to stop until there, and sees where that is.
async fn reach(tab: &Tab, selector: &str) {
    let there = format!("!!document.activeElement?.matches({selector:?})");
    for _ in 0..STOPS {
        if tab.eval::<bool>(&there).await {
            let seen: bool = tab
                .eval(
                    "(() => {
                       const visible = (element) => {
                         const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
                         return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
                       };
                       const { activeElement } = document;
                       return [activeElement, activeElement.closest('label')].some((one) => one && visible(one));
                     })()",
                )
                .await;
            assert!(seen, "nothing shows that {selector} has the focus");
            return;
        }
        key(tab, "Tab").await;
    }
    panic!("{selector} cannot be reached by keyboard");
}

/// Presses a key and lets it go.
pub(crate) async fn key(tab: &Tab, code: &str) {
    let (key, number, text) = match code {
        "Tab" => ("Tab", 9, None),
        "Enter" => ("Enter", 13, Some("\r")),
        "Space" => (" ", 32, Some(" ")),
        "ArrowDown" => ("ArrowDown", 40, None),
        "Home" => ("Home", 36, None),
        "Digit4" => ("4", 52, Some("4")),
        "Digit6" => ("6", 54, Some("6")),
        "PageUp" => ("PageUp", 33, None),
        other => unreachable!("{other}: not a key that we press"),
    };
    let event = |kind, text: Option<&str>| {
        let event = DispatchKeyEventParams::builder()
            .r#type(kind)
            .key(key)
            .code(code)
            .windows_virtual_key_code(number);
        match text {
            Some(text) => event.text(text).build().unwrap(),
            None => event.build().unwrap(),
        }
    };
    let down = match text {
        Some(_) => DispatchKeyEventType::KeyDown,
        None => DispatchKeyEventType::RawKeyDown,
    };
    tab.run(event(down, text)).await;
    tab.run(event(DispatchKeyEventType::KeyUp, None)).await;
}
