//! What there is to do: three courses, fixed in code, as their activities are.

use latchkey_protocol::launch::GradeMethod;

/// The school's name.
pub(crate) const SCHOOL: &str = "Harbour School";

/// A course of the school.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Course {
    /// The primary key.
    pub(crate) id: &'static str,
    /// The subject and the term.
    pub(crate) subject: &'static str,
    /// For people.
    pub(crate) title: &'static str,
}

/// All courses. The whole school takes them.
pub(crate) const COURSES: [Course; 3] = [RIVERS, MECHANICS, RECORDS];
const RIVERS: Course =
    Course { id: "geo-1", subject: "Geography · Autumn", title: "Rivers, mountains, seas" };
const MECHANICS: Course =
    Course { id: "phy-1", subject: "Physics · Autumn", title: "Things that swing" };
const RECORDS: Course =
    Course { id: "inf-1", subject: "Computing · Autumn", title: "Tables that answer" };

/// What an activity shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Widget {
    /// Questions, one at a time.
    Quiz,
    /// The same in a frame without an origin, as content of a stranger.
    Guest,
    /// Things to put into order.
    Sort,
    /// Queries to a database.
    Query,
    /// A pendulum and a stopwatch.
    Lab,
    /// A Flash movie that calls through its page, which has the key.
    Film,
    /// A Flash movie that has the key itself.
    Reel,
    /// A lesson of a SCORM package, at an origin of its own.
    Scorm,
    /// A lesson that knows AICC, at that origin too.
    Aicc,
}

impl Widget {
    /// Its name in the page.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quiz => "quiz",
            Self::Guest => "guest",
            Self::Sort => "sort",
            Self::Query => "query",
            Self::Lab => "lab",
            Self::Film => "film",
            Self::Reel => "reel",
            Self::Scorm => "scorm",
            Self::Aicc => "aicc",
        }
    }

    /// The script of its page under `/static/`.
    pub(crate) fn script(self) -> Option<&'static str> {
        Some(match self {
            Self::Quiz => "quiz.js",
            Self::Guest => "guest.js",
            Self::Sort => "sort.js",
            Self::Query => "query.js",
            Self::Lab => "lab.js",
            Self::Film => "film.js",
            // The page around is the same as around any other guest.
            Self::Scorm => "guest.js",
            // Their pages have nothing to do.
            Self::Reel | Self::Aicc => return None,
        })
    }

    /// Whether a movie plays in it, by Ruffle.
    pub(crate) fn is_movie(self) -> bool {
        matches!(self, Self::Film | Self::Reel)
    }
}

/// An activity of a course.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The primary key, also in addresses.
    pub(crate) id: &'static str,
    /// Where it belongs.
    pub(crate) course: &'static Course,
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

/// All activities, in the order of their courses.
pub(crate) const ACTIVITIES: [Activity; 10] = [
    Activity {
        id: "rivers",
        course: &RIVERS,
        title: "Rivers and mountains",
        about: "Five questions on Europe's great rivers and ranges, with an answer at once.",
        extent: "5 questions, about 3 minutes",
        widget: Widget::Quiz,
        max: 10.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "summits",
        course: &RIVERS,
        title: "From low to high",
        about: "Put six summits into order. Every pair that is right earns a part of the points.",
        extent: "1 task, about 1 minute",
        widget: Widget::Sort,
        max: 5.0,
        method: GradeMethod::Latest,
    },
    Activity {
        id: "guest",
        course: &RIVERS,
        title: "A guest from elsewhere",
        about: "The same questions as content of a stranger: in a sandboxed frame that has a key, and no login.",
        extent: "5 questions, about 3 minutes",
        widget: Widget::Guest,
        max: 10.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "rhone",
        course: &RIVERS,
        title: "Down the Rhône",
        about: "Drag six towns to their places along a river: a Flash movie that knows nothing of keys.",
        extent: "1 map, about 2 minutes",
        widget: Widget::Film,
        max: 6.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "rhone-alone",
        course: &RIVERS,
        title: "Down the Rhône, alone",
        about: "The same movie with a key of its own, which it posts with every form: the page is a page of 2005.",
        extent: "1 map, about 2 minutes",
        widget: Widget::Reel,
        max: 6.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "tides",
        course: &RIVERS,
        title: "Why the sea comes and goes",
        about: "Five pages on tides and three questions: a SCORM 1.2 package, played as it is.",
        extent: "5 pages and 3 questions, about 6 minutes",
        widget: Widget::Scorm,
        max: 10.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "places",
        course: &RIVERS,
        title: "Where on Earth?",
        about: "Find places by latitude and longitude: a SCORM 2004 package, played as it is.",
        extent: "4 pages and 4 places to find, about 6 minutes",
        widget: Widget::Scorm,
        max: 10.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "buoys",
        course: &RIVERS,
        title: "Buoys in the fairway",
        about: "Four marks on the water, and what they tell: a lesson that knows AICC and nothing else.",
        extent: "4 questions, about 2 minutes",
        widget: Widget::Aicc,
        max: 4.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "pendulum",
        course: &MECHANICS,
        title: "How strong is gravity?",
        about: "Let a pendulum swing, take its time, and find g from the slope of a line.",
        extent: "at least 3 measurements, about 15 minutes",
        widget: Widget::Lab,
        max: 10.0,
        method: GradeMethod::Highest,
    },
    Activity {
        id: "records",
        course: &RECORDS,
        title: "Ask the school's records",
        about: "Six questions to a small database. Write SQL, see what it answers, get it right.",
        extent: "6 tasks, about 15 minutes",
        widget: Widget::Query,
        max: 12.0,
        method: GradeMethod::Highest,
    },
];

/// The activity of that id, of those that come with the school.
pub(crate) fn activity(id: &str) -> Option<&'static Activity> {
    ACTIVITIES.iter().find(|activity| activity.id == id)
}

/// The course of that id.
pub(crate) fn course(id: &str) -> Option<&'static Course> {
    COURSES.iter().find(|course| course.id == id)
}

/// The activities of a course, in their order.
pub(crate) fn activities(course: &Course) -> impl Iterator<Item = &'static Activity> {
    ACTIVITIES.iter().filter(move |activity| activity.course == course)
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
