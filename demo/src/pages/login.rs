//! The login page.

use super::Frame;
use crate::accounts::{PASSWORD, Role};
use crate::site::Site;
use maud::{Markup, html};

/// What the page has to say.
#[derive(Clone, Copy)]
pub(crate) enum Notice {
    /// No such user, or another password: which of the two is nobody's business.
    Wrong,
    /// Too many tries.
    TooOften,
    /// Just logged out.
    LoggedOut,
}

/// The page; `next` is where the form leads, `username` what was typed before.
pub(crate) fn page(site: &Site, next: &str, username: &str, notice: Option<Notice>) -> Markup {
    let wrong = matches!(notice, Some(Notice::Wrong));
    Frame { title: "Log in", account: None, script: Some("login.js") }.around(html! {
        div.door {
            section.card.door-form {
                p.kicker { "Autumn term" }
                h1 { "Log in" }
                (said(notice))
                form method="post" action="/login" {
                    input type="hidden" name="next" value=(next);
                    label for="username" { "User name" }
                    input #username name="username" value=(username) required autocomplete="username"
                        autocapitalize="none" spellcheck="false" aria-invalid=[wrong.then_some("true")];
                    label for="password" { "Password" }
                    input #password name="password" type="password" required
                        autocomplete="current-password" aria-invalid=[wrong.then_some("true")];
                    button.primary type="submit" data-testid="log-in" { "Log in" }
                }
            }
            (people(site))
        }
    })
}

fn said(notice: Option<Notice>) -> Markup {
    html! {
        @match notice {
            Some(Notice::Wrong) => p.notice.bad role="alert" data-testid="login-failed" {
                "That user name and password do not go together."
            },
            Some(Notice::TooOften) => p.notice.bad role="alert" data-testid="login-failed" {
                "Too many tries. Please wait a minute."
            },
            Some(Notice::LoggedOut) => p.notice.good role="status" {
                "You are logged out, and so is everything you had opened."
            },
            None => {}
        }
    }
}

fn people(site: &Site) -> Markup {
    html! {
        aside.card.people {
            h2 { "Who would you like to be?" }
            p { "This is a demo: everybody's password is " code { (PASSWORD) } "." }
            ul {
                @for account in site.accounts.all() {
                    li {
                        button.person type="button" data-username=(account.username)
                            data-password=(PASSWORD) {
                            (super::portrait(&account.id, &account.name))
                            span {
                                strong { (account.name) }
                                small {
                                    code { (account.username) }
                                    " · " (account.role.word())
                                    @if account.role == Role::Teacher { ", sees the gradebook" }
                                }
                            }
                        }
                    }
                }
            }
            noscript { p { "Type one of the user names above." } }
        }
    }
}
