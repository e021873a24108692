//! How long commands show how far they are: a bar on a terminal, lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// A bar, or a line for each tenth.
pub(crate) struct Progress {
    bar: ProgressBar,
    lines: Option<Lines>,
}

/// What has been told in lines.
#[derive(Default)]
struct Lines {
    phase: &'static str,
    tenth: u64,
}

impl Progress {
    /// `style`: the bar's, in indicatif's words.
    pub(crate) fn new(style: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, lines: (!terminal).then(Lines::default) }
    }

    /// Something begins, of that many parts.
    pub(crate) fn begin(&mut self, phase: &'static str, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_prefix(phase);
        if let Some(lines) = &mut self.lines {
            *lines = Lines { phase, tenth: 0 };
        }
    }

    /// So many of all are done; `what` stands behind the numbers.
    pub(crate) fn show(&mut self, done: u64, total: u64, what: impl Display) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        let tenth = (done * 10).checked_div(total).unwrap_or(10);
        if let Some(lines) = &mut self.lines
            && tenth > lines.tenth
        {
            lines.tenth = tenth;
            say(format_args!("{}: {done}/{total} {what}", lines.phase));
        }
    }

    /// A line where there is no bar.
    pub(crate) fn line(&self, text: impl Display) {
        if self.lines.is_some() {
            say(text);
        }
    }

    /// What is being done now, beside the bar.
    pub(crate) fn message(&self, text: &'static str) {
        self.bar.set_message(text);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn say(text: impl Display) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(std::io::stderr(), "{text}");
}
