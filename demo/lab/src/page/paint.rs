//! A canvas that fits its place, in the colours of the page.

use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, Window};

/// Somebody who draws. Lengths are in CSS pixels.
pub(super) struct Painter {
    to: CanvasRenderingContext2d,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Colours by what they are for.
#[derive(Clone, Debug, Default)]
pub(super) struct Palette {
    pub(super) ink: String,
    pub(super) faint: String,
    pub(super) line: String,
    pub(super) accent: String,
    pub(super) sun: String,
    pub(super) far: String,
    pub(super) bad: String,
}

impl Palette {
    /// As the style sheet has them now: light or dark.
    pub(super) fn of(window: &Window) -> Self {
        let root = window.document().and_then(|document| document.document_element());
        let style = root.and_then(|root| window.get_computed_style(&root).ok().flatten());
        let colour = |name: &str| {
            let found = style.as_ref().and_then(|style| style.get_property_value(name).ok());
            found.unwrap_or_default().trim().to_owned()
        };
        Self {
            ink: colour("--ink"),
            faint: colour("--faint"),
            line: colour("--line"),
            accent: colour("--accent"),
            sun: colour("--sun"),
            far: colour("--far"),
            bad: colour("--bad"),
        }
    }
}

impl Painter {
    /// For a canvas of the page, wiped clean; `None` while it has no size.
    pub(super) fn over(canvas: &HtmlCanvasElement, window: &Window) -> Option<Self> {
        let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
        if width < 1.0 || height < 1.0 {
            return None;
        }
        let dots = window.device_pixel_ratio().clamp(1.0, 3.0);
        let (wide, high) = ((width * dots) as u32, (height * dots) as u32);
        if (canvas.width(), canvas.height()) != (wide, high) {
            canvas.set_width(wide);
            canvas.set_height(high);
        }
        let to = canvas.get_context("2d").ok()??.dyn_into::<CanvasRenderingContext2d>().ok()?;
        to.set_transform(dots, 0.0, 0.0, dots, 0.0, 0.0).ok()?;
        to.clear_rect(0.0, 0.0, width, height);
        to.set_font("13px system-ui, \"DejaVu Sans\", sans-serif");
        Some(Self { to, width, height })
    }

    /// A line through points.
    pub(super) fn stroke(&self, colour: &str, width: f64, points: &[(f64, f64)]) {
        self.to.begin_path();
        for (at, (x, y)) in points.iter().enumerate() {
            if at == 0 { self.to.move_to(*x, *y) } else { self.to.line_to(*x, *y) }
        }
        self.finish(colour, width);
    }

    /// The same in dashes.
    pub(super) fn dashes(&self, colour: &str, points: &[(f64, f64)]) {
        self.dashed(true);
        self.stroke(colour, 1.0, points);
        self.dashed(false);
    }

    fn dashed(&self, dashed: bool) {
        let pattern = js_sys::Array::new();
        if dashed {
            pattern.push(&4.0.into());
            pattern.push(&5.0.into());
        }
        // A pattern of numbers is a pattern.
        let _ = self.to.set_line_dash(&pattern);
    }

    /// Part of a circle, from one angle to another, radians clockwise from the right.
    pub(super) fn arc(&self, colour: &str, (x, y): (f64, f64), radius: f64, from: f64, to: f64) {
        self.to.begin_path();
        // A radius of ours is never negative.
        let _ = self.to.arc(x, y, radius.max(0.0), from, to);
        self.finish(colour, 1.0);
    }

    fn finish(&self, colour: &str, width: f64) {
        self.to.set_stroke_style_str(colour);
        self.to.set_line_width(width);
        self.to.stroke();
    }

    /// A disc.
    pub(super) fn disc(&self, colour: &str, (x, y): (f64, f64), radius: f64) {
        self.to.begin_path();
        let _ = self.to.arc(x, y, radius.max(0.0), 0.0, std::f64::consts::TAU);
        self.to.set_fill_style_str(colour);
        self.to.fill();
    }

    /// A filled rectangle.
    pub(super) fn block(&self, colour: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        self.to.set_fill_style_str(colour);
        self.to.fill_rect(x, y, width, height);
    }

    /// Words: `left`, `center` or `right` of a point.
    pub(super) fn words(&self, colour: &str, (x, y): (f64, f64), side: &str, text: &str) {
        self.to.set_fill_style_str(colour);
        self.to.set_text_align(side);
        // What does not fit is left out by the canvas.
        let _ = self.to.fill_text(text, x, y);
    }
}
