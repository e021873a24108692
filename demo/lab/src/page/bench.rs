//! The bench: what a student does, and what comes of it. All moments are those of the page's clock, as its events and
//! frames tell them: the pendulum and the stopwatch cannot drift apart.

use super::apparatus::{self, View};
use super::dom::{Page, mark, on, say, show};
use super::paint::{Painter, Palette};
use super::{plot, result, table};
use crate::marking;
use crate::pendulum::Pendulum;
use crate::series::{Measurement, Series};
use crate::stopwatch::Stopwatch;
use latchkey_client::Activity;
use latchkey_client::serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, KeyboardEvent, MouseEvent};

/// How long the gate's lamp stays lit, milliseconds.
const FLASH: f64 = 110.0;

#[derive(Default)]
struct State {
    /// Swinging since a moment; held without.
    swinging: Option<(Pendulum, f64)>,
    watch: Stopwatch,
    /// What the stopwatch was started with: length and angle.
    timed: Option<(f64, f64)>,
    series: Series,
    passes: u32,
    passed_at: f64,
    palette: Palette,
    over: bool,
}

/// What the browser calls before it draws.
type Frame = Closure<dyn FnMut(f64)>;

/// The laboratory's bench.
pub(super) struct Bench {
    page: Rc<Page>,
    activity: Activity,
    state: RefCell<State>,
    frame: RefCell<Option<Frame>>,
}

impl Bench {
    /// Sets everything up.
    pub(super) fn open(page: Page, activity: Activity) {
        let series = Series::read(&kept(&page).unwrap_or_default());
        let state = State { series, palette: Palette::of(&page.window), ..State::default() };
        let bench = Rc::new(Self {
            page: Rc::new(page),
            activity,
            state: RefCell::new(state),
            frame: RefCell::new(None),
        });
        bench.listen();
        bench.run();
        show(&bench.page.loading, false);
        show(&bench.page.lab, true);
        bench.chosen();
        bench.measured();
    }

    fn listen(self: &Rc<Self>) {
        let page = &self.page;
        for slider in [&page.length, &page.angle] {
            let bench = Rc::clone(self);
            on::<Event>(slider, "input", move |_| bench.chosen());
        }
        let bench = Rc::clone(self);
        on::<MouseEvent>(&page.release, "click", move |event| bench.release(event.time_stamp()));
        self.listen_to_watch();
        let bench = Rc::clone(self);
        on::<Event>(&page.counted, "submit", move |event| {
            event.prevent_default();
            bench.keep();
        });
        let bench = Rc::clone(self);
        on::<Event>(&page.discard, "click", move |_| bench.reset_watch("Discarded."));
        let bench = Rc::clone(self);
        on::<Event>(&page.row_list, "click", move |event| {
            bench.delete(table::row_of(event.target()))
        });
        let bench = Rc::clone(self);
        on::<Event>(&page.hand_in, "click", move |_| bench.hand_in());
        let bench = Rc::clone(self);
        on::<Event>(&page.window, "resize", move |_| bench.draw_all());
        let dark = page.window.match_media("(prefers-color-scheme: dark)").ok().flatten();
        if let Some(dark) = dark {
            let bench = Rc::clone(self);
            on::<Event>(&dark, "change", move |_| {
                let palette = Palette::of(&bench.page.window);
                bench.state.borrow_mut().palette = palette;
                bench.draw_all();
            });
        }
    }

    /// The watch goes by when the finger comes down, not when it is lifted.
    fn listen_to_watch(self: &Rc<Self>) {
        let page = &self.page;
        let bench = Rc::clone(self);
        on::<MouseEvent>(&page.watch, "pointerdown", move |event| {
            if event.button() == 0 {
                bench.press(event.time_stamp());
            }
        });
        let bench = Rc::clone(self);
        on::<MouseEvent>(&page.watch, "click", move |event| {
            // A click without a pointer: Enter, or a screen reader. All others were pressed already.
            if event.detail() == 0 {
                bench.press(event.time_stamp());
            }
        });
        let bench = Rc::clone(self);
        on::<KeyboardEvent>(&page.document, "keydown", move |event| {
            if event.key() == " " && !event.repeat() && bench.is_free(event.target()) {
                event.prevent_default();
                bench.press(event.time_stamp());
            }
        });
        let bench = Rc::clone(self);
        on::<KeyboardEvent>(&page.document, "keyup", move |event| {
            // Else the button would be clicked as well.
            if event.key() == " " && bench.is_free(event.target()) {
                event.prevent_default();
            }
        });
    }

    /// Whether the space bar is the stopwatch's: anywhere but in another control.
    fn is_free(&self, target: Option<web_sys::EventTarget>) -> bool {
        let element = target.and_then(|target| target.dyn_into::<Element>().ok());
        let Some(element) = element else { return true };
        let control = element.closest("button, a, input, textarea, select, summary").ok().flatten();
        // Once let go, the button has done its work: the space bar is the watch's then.
        let released =
            control.as_ref().is_some_and(|control| control.id() == "release") && self.is_swinging();
        released
            || control.is_none_or(|control| {
                control.id() == "watch" || control.id() == "length" || control.id() == "angle"
            })
    }

    fn is_swinging(&self) -> bool {
        self.state.borrow().swinging.is_some()
    }

    fn settings(&self) -> (f64, f64) {
        let number = |input: &web_sys::HtmlInputElement| input.value_as_number();
        (number(&self.page.length), number(&self.page.angle))
    }

    /// Another length or angle: the pendulum is held again.
    fn chosen(&self) {
        let (length, angle) = self.settings();
        say(&self.page.length_shown, &format!("{length:.2} m"));
        say(&self.page.angle_shown, &format!("{angle:.0}°"));
        self.hold();
        self.draw(0.0);
    }

    fn hold(&self) {
        let running = {
            let mut state = self.state.borrow_mut();
            state.swinging = None;
            state.passes = 0;
            matches!(state.watch, Stopwatch::Running(_))
        };
        say(&self.page.release, "Let go");
        mark(&self.page.release, "state", "held");
        self.tell_passes(0);
        if running {
            self.reset_watch("The pendulum was held, so this time says nothing.");
        }
    }

    fn release(&self, now: f64) {
        if self.is_swinging() {
            self.hold();
            return self.draw(now);
        }
        let (length, angle) = self.settings();
        self.state.borrow_mut().swinging = Some((Pendulum::release(length, angle), now));
        say(&self.page.release, "Hold it");
        mark(&self.page.release, "state", "swinging");
        say(&self.page.said, "It swings.");
    }

    /// The stopwatch's button.
    fn press(&self, now: f64) {
        if self.state.borrow().over {
            return;
        }
        if !self.is_swinging() {
            return say(&self.page.said, "Let the pendulum go first.");
        }
        let timed = self.settings();
        let watch = {
            let mut state = self.state.borrow_mut();
            state.watch = state.watch.press(now);
            if matches!(state.watch, Stopwatch::Running(_)) {
                state.timed = Some(timed);
            }
            state.watch
        };
        match watch {
            Stopwatch::Stopped(seconds) => {
                say(&self.page.watch, "Start");
                say(&self.page.reading, &format!("{seconds:.2}"));
                show(&self.page.counted, true);
                say(&self.page.said, &format!("{seconds:.2} seconds."));
                // Counting is over; its number comes next.
                let _ = self.page.swings.focus();
                self.page.swings.select();
            }
            _ => {
                say(&self.page.watch, "Stop");
                show(&self.page.counted, false);
                say(&self.page.said, "The watch runs.");
            }
        }
    }

    fn reset_watch(&self, why: &str) {
        {
            let mut state = self.state.borrow_mut();
            state.watch = Stopwatch::default();
            state.timed = None;
        }
        say(&self.page.watch, "Start");
        say(&self.page.reading, "0.00");
        say(&self.page.said, why);
        let had_focus = !self.page.counted.hidden();
        show(&self.page.counted, false);
        if had_focus {
            // The form with the focus has just gone.
            let _ = self.page.watch.focus();
        }
    }

    /// A time and a count make a measurement.
    fn keep(&self) {
        let swings = self.page.swings.value_as_number();
        let (watch, timed) = {
            let state = self.state.borrow();
            (state.watch, state.timed)
        };
        let (Stopwatch::Stopped(seconds), Some((length, angle))) = (watch, timed) else { return };
        if !(swings.fract() == 0.0 && (1.0..=50.0).contains(&swings)) {
            return say(&self.page.said, "A whole number of swings from 1 to 50, please.");
        }
        // What the watch shows is what was read.
        let seconds = (seconds * 100.0).round() / 100.0;
        let row = Measurement { length, angle, swings: swings as u32, seconds };
        let number = {
            let mut state = self.state.borrow_mut();
            if !state.series.add(row) {
                drop(state);
                return say(
                    &self.page.said,
                    "That cannot be put into the table: it is full, or no time has passed.",
                );
            }
            state.series.rows().len()
        };
        let data =
            json!({ "length": length, "angle": angle, "swings": row.swings, "seconds": seconds });
        self.log("measured", data);
        self.reset_watch(&format!("Measurement {number}: T = {:.3} seconds.", row.period()));
        self.measured();
    }

    fn delete(&self, row: Option<usize>) {
        let Some(row) = row else { return };
        if self.state.borrow_mut().series.remove(row).is_none() {
            return;
        }
        self.log("deleted", json!({ "number": row + 1 }));
        say(&self.page.said, &format!("Measurement {} is deleted.", row + 1));
        self.measured();
        table::focus_near(&self.page, row);
    }

    fn log(&self, event: &str, data: latchkey_client::serde_json::Value) {
        if !self.page.is_preview() {
            // What becomes of it is shown by the save state.
            drop(self.activity.log(event, data));
        }
    }

    /// The table has changed: so do the line, the estimate, and what is kept of the work.
    fn measured(&self) {
        let state = self.state.borrow();
        table::write(&self.page, &state.series, state.over);
        let estimate = marking::estimate(&state.series);
        let (told, why) = match estimate {
            Ok((g, error)) => {
                (format!("g = 4π² / slope = ({g:.2} ± {error:.2}) m/s²"), String::new())
            }
            Err(why) => ("g = 4π² / slope".to_owned(), why.told()),
        };
        say(&self.page.estimate, &told);
        say(&self.page.not_yet, &why);
        if !state.over {
            keep_text(&self.page, &state.series.text());
        }
        drop(state);
        self.draw_plot();
    }

    fn hand_in(&self) {
        let max = self.page.widget.get_attribute("data-max").and_then(|max| max.parse().ok());
        let max: f64 = max.unwrap_or(10.0);
        let given = marking::mark(&self.state.borrow().series, max);
        match given {
            Err(why) => say(&self.page.said, &why.told()),
            Ok(given) => {
                self.state.borrow_mut().over = true;
                self.reset_watch("");
                result::hand_in(&self.page, &self.activity, &given, max);
                show(&self.page.hand_in, false);
                self.measured();
                // Handed over: from here on the outbox keeps it.
                keep_text(&self.page, "");
            }
        }
    }

    /// Starts the frames.
    fn run(self: &Rc<Self>) {
        let bench = Rc::clone(self);
        let frame = Closure::<dyn FnMut(f64)>::new(move |now| {
            bench.tick(now);
            bench.next_frame();
        });
        *self.frame.borrow_mut() = Some(frame);
        self.next_frame();
    }

    fn next_frame(&self) {
        if let Some(frame) = &*self.frame.borrow() {
            // A page without frames shows the pendulum at rest.
            let _ = self.page.window.request_animation_frame(frame.as_ref().unchecked_ref());
        }
    }

    fn tick(&self, now: f64) {
        let (passes, moving) = {
            let mut state = self.state.borrow_mut();
            let before = state.passes;
            if let Some((pendulum, since)) = &mut state.swinging {
                pendulum.advance((now - *since) / 1000.0);
                state.passes = pendulum.passes();
            }
            if state.passes != before {
                state.passed_at = now;
            }
            ((state.passes != before).then_some(state.passes), state.swinging.is_some())
        };
        if let Some(passes) = passes {
            self.tell_passes(passes);
        }
        let watch = self.state.borrow().watch;
        if matches!(watch, Stopwatch::Running(_)) {
            say(&self.page.reading, &format!("{:.2}", watch.reading(now)));
        }
        if moving {
            self.draw(now);
        }
    }

    fn tell_passes(&self, passes: u32) {
        mark(&self.page.lamp, "passes", &passes.to_string());
        say(
            &self.page.passes,
            &match passes {
                0 => "Light gate: not passed yet".to_owned(),
                1 => "Light gate: passed once".to_owned(),
                more => format!("Light gate: passed {more} times"),
            },
        );
    }

    fn draw(&self, now: f64) {
        let Some(painter) = Painter::over(&self.page.canvas, &self.page.window) else { return };
        let (length, angle) = self.settings();
        let state = self.state.borrow();
        let from = angle.to_radians();
        let lit = state.swinging.is_some() && state.passes > 0 && now - state.passed_at < FLASH;
        let at = state.swinging.as_ref().map_or(from, |(pendulum, _)| pendulum.angle());
        // Who wants little motion counts by the gate, which tells each pass in words.
        let still = self.page.is_still();
        let (at, lit) = if still && state.swinging.is_some() { (0.0, false) } else { (at, lit) };
        mark(&self.page.lamp, "lit", if lit { "true" } else { "false" });
        apparatus::draw(&painter, &state.palette, &View { length, at, from, lit });
    }

    fn draw_plot(&self) {
        let state = self.state.borrow();
        let (points, line) = (state.series.points(), state.series.line());
        // A name and a text of ours.
        let _ = self.page.plot.set_attribute("aria-label", &plot::told(&points, line));
        if let Some(painter) = Painter::over(&self.page.plot, &self.page.window) {
            plot::draw(&painter, &state.palette, &points, line);
        }
    }

    fn draw_all(&self) {
        self.draw(f64::MAX);
        self.draw_plot();
    }
}

fn place(page: &Page) -> Option<String> {
    Some(format!("harbour:{}", page.widget.get_attribute("data-place")?))
}

/// The table as it was, if the page was only loaded again. Without storage it begins anew, and that is all.
fn kept(page: &Page) -> Option<String> {
    page.window.local_storage().ok()??.get_item(&place(page)?).ok()?
}

fn keep_text(page: &Page, text: &str) -> Option<()> {
    let storage = page.window.local_storage().ok()??;
    let place = place(page)?;
    let kept =
        if text.is_empty() { storage.remove_item(&place) } else { storage.set_item(&place, text) };
    kept.ok()
}
