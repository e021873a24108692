//! What people see: a module for each page, and here what they share.

pub(crate) mod activity;
pub(crate) mod aicc;
pub(crate) mod assets;
pub(crate) mod course;
pub(crate) mod error;
pub(crate) mod film;
pub(crate) mod gradebook;
pub(crate) mod guest;
pub(crate) mod insight;
pub(crate) mod lab;
pub(crate) mod login;
pub(crate) mod packages;
pub(crate) mod scorm;

use crate::accounts::Account;
use crate::course::SCHOOL;
use crate::site::Site;
use latchkey_protocol::Millis;
use latchkey_server::instant;
use maud::{DOCTYPE, Markup, html};
use time::OffsetDateTime;

/// Where the second site is, if there is one.
pub(crate) fn elsewhere(site: &Site) -> Markup {
    html! {
        @if let Some(neighbour) = &site.neighbour {
            p.faint data-testid="neighbour" {
                "Another school, whose site is written in PHP, keeps its grades on the same server: "
                a href=(neighbour.url) { "visit it" } "."
            }
        }
    }
}

/// What surrounds a page's content.
pub(crate) struct Frame<'a> {
    /// Of the page, without the school's name.
    pub(crate) title: &'a str,
    /// Who looks at it, if they are logged in.
    pub(crate) account: Option<&'a Account>,
    /// A script of the page under `/static/`.
    pub(crate) script: Option<&'static str>,
}

impl Frame<'_> {
    /// The whole page.
    pub(crate) fn around(&self, content: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    (Self::head(self.title))
                    @if let Some(script) = self.script {
                        script type="module" src={ "/static/" (script) } {}
                    }
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    (self.banner())
                    main #content tabindex="-1" { (content) }
                    footer.foot {
                        p { "A demo of Latchkey: everything between the page and the gradebook is real." }
                    }
                }
            }
        }
    }

    /// What every head says.
    fn head(title: &str) -> Markup {
        html! {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · " (SCHOOL) }
            link rel="icon" href="/static/mark.svg" type="image/svg+xml";
            link rel="stylesheet" href="/static/site.css";
        }
    }

    fn banner(&self) -> Markup {
        html! {
            header.banner {
                a.brand href="/" { (mark()) span { (SCHOOL) } }
                @if let Some(account) = self.account {
                    nav aria-label="Site" { a href="/course" { "Course" } }
                    div.who {
                        (portrait(&account.id, &account.name))
                        span.who-name { (account.name) span.tag { (account.role.word()) } }
                        form method="post" action="/logout" {
                            button.quiet type="submit" data-testid="logout" { "Log out" }
                        }
                    }
                }
            }
        }
    }
}

/// The school's mark: a peak over water.
fn mark() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
            rect class="mark-sky" width="32" height="32" rx="8" {}
            path class="mark-peak" d="M5 20 13 8l5 7 3-4 6 9z" {}
            path class="mark-water" d="M5 24q2.75-2.4 5.5 0t5.5 0 5.5 0 5.5 0" {}
        }
    }
}

/// The way back, above the title.
fn back(href: &str, to: &str) -> Markup {
    html! { p.back { a href=(href) { span aria-hidden="true" { "← " } (to) } } }
}

/// Initials in one of six colours; names stand beside it.
fn portrait(id: &str, name: &str) -> Markup {
    let initials: String = name.split(' ').filter_map(|part| part.chars().next()).take(2).collect();
    html! { span.portrait aria-hidden="true" data-hue=(hue(id)) { (initials) } }
}

/// The same for the same user on every page; `activity.js` computes it alike.
fn hue(id: &str) -> u32 {
    id.bytes().fold(0, |sum, byte| (sum * 31 + u32::from(byte)) % 6)
}

/// A score as people write it: no trailing zeros, two decimals at most.
pub(crate) fn points(score: f64) -> String {
    let text = format!("{score:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A moment; `times.js` puts it into the reader's own time zone.
pub(crate) fn moment(at: Millis) -> Markup {
    html! { time datetime=(instant::format(at)) data-local="moment" { (utc(at)) " UTC" } }
}

/// `22 Nov 2026, 09:30`, in UTC.
pub(crate) fn utc(at: Millis) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at.div_euclid(1000))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = moment.month().to_string();
    format!(
        "{} {} {}, {:02}:{:02}",
        moment.day(),
        &month[..3],
        moment.year(),
        moment.hour(),
        moment.minute()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_without_noise() {
        for (score, text) in [(0.0, "0"), (10.0, "10"), (8.5, "8.5"), (20.0 / 3.0, "6.67")] {
            assert_eq!(points(score), text);
        }
    }

    #[test]
    fn moments_in_words() {
        assert_eq!(utc(0), "1 Jan 1970, 00:00");
        assert_eq!(utc(1_795_340_000_000), "22 Nov 2026, 09:33");
    }
}
