//! The pendulum laboratory: what its program in WebAssembly fills with life.

use super::activity::{Place, recent, widget};
use crate::course::Activity;
use crate::site::Site;
use maud::{Markup, html};

/// The page's content.
pub(crate) fn page(site: &Site, activity: &Activity, place: &Place) -> Markup {
    let stage = html! {
        div #stage {
            p.faint #loading data-testid="loading" { "One moment…" }
            noscript { p { "This activity needs JavaScript." } }
            div.lab #lab hidden { (apparatus()) (controls()) }
        }
    };
    html! {
        (widget(site, activity, activity.title, place, stage))
        div.lab-below {
            (table())
            (plot(activity))
        }
        (recent())
    }
}

fn apparatus() -> Markup {
    html! {
        figure.apparatus {
            canvas #apparatus role="img" aria-label="A pendulum" {}
            figcaption.gate #gate data-testid="gate" {
                span.lamp #lamp aria-hidden="true" {}
                span #passes { "Light gate: not passed yet" }
            }
        }
    }
}

fn controls() -> Markup {
    html! {
        div.controls {
            (slider("length", "Length", "m", ("0.10", "2.00", "0.01"), "1.00"))
            (slider("angle", "Let go at", "°", ("2", "80", "1"), "10"))
            button #release type="button" data-testid="release" { "Let go" }
            div.watch {
                output.reading #reading data-testid="reading" aria-live="off" { "0.00" }
                span.unit { "s" }
                button.primary #watch type="button" data-testid="watch" { "Start" }
                p.faint.watch-hint { "or press " kbd { "Space" } ". Take the time of several swings: from one side, and back to it, is one." }
            }
            form.counted #counted hidden {
                label for="swings" { "How many swings did you count?" }
                div.counted-line {
                    input #swings type="number" inputmode="numeric" min="1" max="50" step="1" value="10" required data-testid="swings";
                    button.primary type="submit" data-testid="keep" { "Into the table" }
                    button #discard type="button" data-testid="discard" { "Discard" }
                }
            }
            p.said #said role="status" data-testid="said" {}
        }
    }
}

fn slider(
    id: &str,
    label: &str,
    unit: &str,
    (min, max, step): (&str, &str, &str),
    value: &str,
) -> Markup {
    html! {
        div.slider {
            label for=(id) { (label) }
            output id={ (id) "-shown" } for=(id) { (value) " " (unit) }
            input id=(id) type="range" min=(min) max=(max) step=(step) value=(value) data-testid=(id);
        }
    }
}

fn table() -> Markup {
    html! {
        section.card.measured aria-labelledby="measured-title" {
            h2 #measured-title { "Measurements" }
            p.faint #none-yet { "None yet. Three lengths make a line, five make a good one." }
            div.scrolling tabindex="0" role="group" aria-labelledby="measured-title" {
                table #rows hidden data-testid="measurements" {
                    thead { tr {
                        th scope="col" { span.hidden { "Number" } }
                        th.right scope="col" { "L / m" }
                        th.right scope="col" { "θ" }
                        th.right scope="col" { "Swings" }
                        th.right scope="col" { "t / s" }
                        th.right scope="col" { "T / s" }
                        th.right scope="col" { "T² / s²" }
                        th scope="col" { span.hidden { "Delete" } }
                    } }
                    tbody #row-list {}
                }
            }
        }
    }
}

fn plot(activity: &Activity) -> Markup {
    html! {
        section.card.slope aria-labelledby="slope-title" {
            h2 #slope-title { "T² over L" }
            canvas #plot role="img" aria-label="No line yet" {}
            p.estimate #estimate data-testid="estimate" { "g = 4π² / slope" }
            p.faint #not-yet data-testid="not-yet" {}
            div.actions {
                button.primary #hand-in type="button" data-testid="hand-in" { "Hand in" }
            }
            div.result #result tabindex="-1" hidden data-testid="result" {
                p.result-score { strong #score data-testid="score" {} " / " (activity.max) }
                ul.comment #remarks data-testid="comment" {}
                p.receipt #receipt role="status" data-testid="receipt" data-state="waiting" {}
                p.buttons { a.button href={ "/activity/" (activity.id) } data-testid="again" { "Another attempt" } }
            }
        }
    }
}
