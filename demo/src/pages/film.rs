//! A Flash movie, played by Ruffle. The markup around it is what such pages have had for twenty years.

use super::activity::{Place, recent, widget};
use crate::course::Activity;
use crate::site::Site;
use maud::{Markup, html};

/// A movie that calls through its page.
pub(crate) fn with_page(site: &Site, activity: &Activity, place: &Place) -> Markup {
    let stage = html! {
        div #stage { (movie(activity, "")) }
        (words())
    };
    html! {
        div.workplace { (widget(site, activity, activity.title, place, stage)) (recent()) }
    }
}

/// A movie that has the key itself: in the variables that its page gives it, as movies always got theirs.
pub(crate) fn alone(site: &Site, activity: &Activity, token: &str) -> Markup {
    let variables = format!("key={token}&endpoint={}", site.api);
    html! {
        section.card #widget data-testid=(activity.widget.name()) {
            h1 { (activity.title) }
            p.faint { "No script of this page knows of keys. The movie posts its own with every form, and goes on with the one in the answer." }
            (movie(activity, &variables))
            (words())
            p.buttons { a.button href={ "/activity/" (activity.id) } data-testid="again" { "Start again" } }
        }
    }
}

fn movie(activity: &Activity, variables: &str) -> Markup {
    html! {
        div.film {
            object type="application/x-shockwave-flash" data="/built/rhone.swf" width="100%" height="100%"
                title=(activity.title) data-testid="movie" {
                param name="movie" value="/built/rhone.swf";
                param name="FlashVars" value=(variables);
                param name="allowScriptAccess" value="sameDomain";
                p { "This activity is a Flash movie, which is played by JavaScript and WebAssembly." }
            }
        }
        script src="/static/ruffle-settings.js" {}
        script src="/built/ruffle.js" {}
    }
}

/// What the movie shows, for those who cannot see it; before that, what is wrong if it does not come.
fn words() -> Markup {
    html! {
        p.notice.bad #film-problem role="alert" data-testid="film-problem" hidden {
            "The player cannot start here. Please reload the page, or try another browser."
        }
        p.faint.film-note {
            "The map shows the Rhône with six numbered places, from the glacier in the Alps to the Mediterranean: \
             1 and 2 in the mountains, 3 where it leaves its lake, 4 where it turns south, 5 and 6 before its mouth. \
             Six towns wait: Brig, Sion, Genève, Lyon, Avignon, Arles. With the movie in focus, the arrow keys Up and Down \
             choose a town, the digits 1 to 6 put it there, and Enter hands in."
        }
    }
}
