//! What there is to do: one course, fixed in code, as its activities are.

use latchkey_protocol::launch::GradeMethod;

/// Id of the course.
pub(crate) const ID: &str = "geo-1";
/// Its title.
pub(crate) const TITLE: &str = "Rivers, mountains, seas";
/// The school's name.
pub(crate) const SCHOOL: &str = "Harbour School";

/// Which widget an activity shows, by the name of its script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Widget {
    /// Questions, one at a time.
    Quiz,
    /// Things to put into order.
    Sort,
}

impl Widget {
    /// Its script under `/static/`.
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::Quiz => "quiz.js",
            Self::Sort => "sort.js",
        }
    }
}

/// An activity of the course.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The primary key, also in addresses.
    pub(crate) id: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    /// What it is about, in a sentence.
    pub(crate) about: &'static str,
    /// How long it takes and what it consists of.
    pub(crate) extent: &'static str,
    /// What it shows.
    pub(crate) widget: Widget,
    /// Maximum score.
    pub(crate) max: f64,
    /// Which submission counts.
    pub(crate) method: GradeMethod,
}

/// All activities, in the order of the course.
pub(crate) const ACTIVITIES: [Activity; 2] = [
    Activity {
        id: "rivers",
        title: "Rivers and mountains",
        about: "Five questions on Europe's great rivers and ranges, with an answer at once.",
        extent: "5 questions, about 3 minutes",
        widget: Widget::Quiz,
        max: 10.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "summits",
        title: "From low to high",
        about: "Put six summits into order. Every pair that is right earns a part of the points.",
        extent: "1 task, about 1 minute",
        widget: Widget::Sort,
        max: 5.0,
        method: GradeMethod::Latest,
    },
];

/// The activity of that id. The whole school takes the course, so who is logged in may open it.
pub(crate) fn activity(id: &str) -> Option<&'static Activity> {
    ACTIVITIES.iter().find(|activity| activity.id == id)
}

/// Which submission counts, as people say it.
pub(crate) fn counts(method: GradeMethod) -> &'static str {
    match method {
        GradeMethod::Highest => "best counts",
        GradeMethod::Latest => "last counts",
        GradeMethod::First => "first counts",
        GradeMethod::Average => "average counts",
    }
}
