//! Events over time as stacked bars: an SVG that stretches, with its words in HTML, which does not.

use crate::pages::{count, utc};
use latchkey_protocol::Millis;
use latchkey_server::instant;
use latchkey_server::store::EntryKind;
use maud::{Markup, html};

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;
/// How long a bar may be, and how people say it.
const WIDTHS: [(Millis, &str); 9] = [
    (MINUTE, "minute"),
    (5 * MINUTE, "5 minutes"),
    (15 * MINUTE, "15 minutes"),
    (HOUR, "hour"),
    (4 * HOUR, "4 hours"),
    (DAY, "day"),
    (7 * DAY, "week"),
    (28 * DAY, "4 weeks"),
    (364 * DAY, "52 weeks"),
];
/// Bars at most and at least.
const MOST: usize = 30;
const LEAST: usize = 12;
/// Of the drawing, in its own units: a bar's place, a bar, the height.
const PLACE: usize = 10;
const BAR: usize = 8;
const HEIGHT: f64 = 100.0;
/// In the order in which they are stacked: kind, class, word for one and for many.
const KINDS: [(EntryKind, &str, &str, &str); 3] = [
    (EntryKind::Log, "bar-log", "event", "events"),
    (EntryKind::Grade, "bar-grade", "submission", "submissions"),
    (EntryKind::Join, "bar-join", "joined", "joined"),
];

/// Entries counted by time.
#[derive(Debug, PartialEq)]
pub(crate) struct Chart {
    /// Where the first bar begins.
    from: Millis,
    width: Millis,
    word: &'static str,
    /// Of each bar, by kind as in [`KINDS`].
    bars: Vec<[usize; 3]>,
}

impl Chart {
    /// Counts entries, newest first, up to `now`; `None` if there are none.
    pub(crate) fn of(times: &[(EntryKind, Millis)], now: Millis) -> Option<Self> {
        let newest = now.max(times.first()?.1);
        let oldest = times.iter().map(|(_, at)| *at).min()?;
        let span = |width: Millis| {
            let bars = newest.div_euclid(width) - oldest.div_euclid(width) + 1;
            usize::try_from(bars).unwrap_or(usize::MAX)
        };
        let widest = WIDTHS[WIDTHS.len() - 1];
        let (width, word) =
            WIDTHS.into_iter().find(|(width, _)| span(*width) <= MOST).unwrap_or(widest);
        let length = span(width).clamp(LEAST, MOST);
        let last = newest.div_euclid(width);
        let first = last - i64::try_from(length).unwrap_or(i64::MAX) + 1;
        let mut bars = vec![[0; 3]; length];
        for (kind, at) in times {
            let place = usize::try_from(at.div_euclid(width) - first).ok();
            let kind = KINDS.iter().position(|(known, ..)| known == kind);
            if let (Some(bar), Some(kind)) = (place.and_then(|place| bars.get_mut(place)), kind) {
                bar[kind] += 1;
            }
        }
        Some(Self { from: first * width, width, word, bars })
    }

    fn begins(&self, bar: usize) -> Millis {
        self.from + i64::try_from(bar).unwrap_or(0) * self.width
    }

    /// The top of the scale: a round number that the highest bar stays under.
    fn top(&self) -> usize {
        let highest = self.bars.iter().map(|bar| bar.iter().sum()).max().unwrap_or(0);
        let mut decade = 1;
        loop {
            if let Some(top) =
                [2, 4, 6, 8, 10].into_iter().map(|step| step * decade).find(|top| *top >= highest)
            {
                return top;
            }
            decade *= 10;
        }
    }

    /// The figure: heading, bars, and the same numbers as a table.
    pub(crate) fn draw(&self) -> Markup {
        let top = self.top();
        html! {
            figure.chart data-testid="chart" {
                figcaption {
                    h2 #chart-title { "Events per " (self.word) }
                    ul.legend {
                        @for (_, class, _, many) in KINDS {
                            li { span.swatch.{ (class) } aria-hidden="true" {} (many) }
                        }
                    }
                }
                div.plot {
                    div.scale aria-hidden="true" {
                        span { (top) } span { (top / 2) } span { "0" }
                    }
                    (self.svg(top))
                    div.axis aria-hidden="true" {
                        @for bar in [0, self.bars.len() / 2, self.bars.len()] {
                            @let at = self.begins(bar);
                            time datetime=(instant::format(at)) data-local="axis" { (utc(at)) }
                        }
                    }
                }
                (self.table())
            }
        }
    }

    fn svg(&self, top: usize) -> Markup {
        let unit = HEIGHT / top as f64;
        let view = format!("0 0 {} {HEIGHT}", self.bars.len() * PLACE);
        html! {
            svg viewBox=(view) preserveAspectRatio="none" role="img" aria-labelledby="chart-title chart-text" {
                desc #chart-text { (self.text()) }
                @for share in [0.0, 0.5, 1.0] {
                    line class="grid" x1="0" x2=(self.bars.len() * PLACE) y1=(share * HEIGHT) y2=(share * HEIGHT) {}
                }
                @for (at, bar) in self.bars.iter().enumerate() {
                    g {
                        title { (utc(self.begins(at))) " UTC: " (told(bar)) }
                        // Catches the pointer over the whole height.
                        rect class="reach" x=(at * PLACE) y="0" width=(PLACE) height=(HEIGHT) {}
                        @for (kind, (_, class, ..)) in KINDS.iter().enumerate() {
                            @let below: usize = bar[..=kind].iter().sum();
                            @if bar[kind] > 0 {
                                rect class=(class) x=(at * PLACE + (PLACE - BAR) / 2) width=(BAR)
                                    y=(HEIGHT - below as f64 * unit) height=(bar[kind] as f64 * unit) {}
                            }
                        }
                    }
                }
            }
        }
    }

    /// What the drawing says, in a sentence.
    fn text(&self) -> String {
        let all: usize = self.bars.iter().flatten().sum();
        let busiest = self.bars.iter().enumerate().max_by_key(|(_, bar)| bar.iter().sum::<usize>());
        let (at, bar) = busiest.map_or((0, [0; 3]), |(at, bar)| (at, *bar));
        format!(
            "{} in {} bars of one {} each. Busiest: {} UTC with {}. The table below has every number.",
            count(all, "entry", "entries"),
            self.bars.len(),
            self.word,
            utc(self.begins(at)),
            told(&bar)
        )
    }

    fn table(&self) -> Markup {
        html! {
            details.numbers {
                summary { "The numbers" }
                table {
                    thead { tr {
                        th scope="col" { "From" }
                        @for (.., many) in KINDS { th.right scope="col" { (many) } }
                    } }
                    tbody {
                        @for (at, bar) in self.bars.iter().enumerate().rev() {
                            @if bar.iter().any(|number| *number > 0) {
                                tr {
                                    th scope="row" { (crate::pages::moment(self.begins(at))) }
                                    @for number in bar { td.right { (number) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn told(bar: &[usize; 3]) -> String {
    let parts: Vec<String> = KINDS
        .iter()
        .zip(bar)
        .filter(|(_, number)| **number > 0)
        .map(|((_, _, one, many), number)| count(*number, one, many))
        .collect();
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_000 * DAY + 10 * HOUR + 30 * MINUTE;

    fn total(chart: &Chart) -> usize {
        chart.bars.iter().flatten().sum()
    }

    #[test]
    fn nothing_is_not_drawn() {
        assert_eq!(Chart::of(&[], NOW), None);
    }

    #[test]
    fn every_entry_is_in_a_bar_whatever_the_span() {
        for span in [0, MINUTE, HOUR, 30 * HOUR, 40 * DAY, 900 * DAY] {
            let times = [(EntryKind::Log, NOW), (EntryKind::Grade, NOW - span)];
            let chart = Chart::of(&times, NOW).unwrap();
            assert_eq!(total(&chart), 2, "{span}");
            assert!((LEAST..=MOST).contains(&chart.bars.len()), "{span}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_hides_nothing() {
        let chart = Chart::of(&[(EntryKind::Join, NOW + HOUR)], NOW).unwrap();
        assert_eq!(total(&chart), 1);
    }

    #[test]
    fn the_scale_is_round_and_high_enough() {
        for (highest, top) in [(1, 2), (2, 2), (3, 4), (9, 10), (11, 20), (95, 100), (101, 200)] {
            let chart = Chart { from: 0, width: 1, word: "", bars: vec![[highest, 0, 0]] };
            assert_eq!(chart.top(), top, "{highest}");
        }
    }

    #[test]
    fn the_drawing_says_what_it_shows() {
        let times = [(EntryKind::Grade, NOW), (EntryKind::Log, NOW), (EntryKind::Log, NOW)];
        let drawn = Chart::of(&times, NOW).unwrap().draw().into_string();
        assert!(drawn.contains("2 events, 1 submission"), "{drawn}");
        assert!(drawn.contains("role=\"img\""));
    }
}
