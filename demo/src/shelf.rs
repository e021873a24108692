//! Packages of content: those that come with the demo and those that teachers bring. Each lesson in them is an activity.

use crate::course::{self, Activity, Course, Widget};
use latchkey_package::{Lesson, Limits, Package, PackageError};
use latchkey_protocol::launch::GradeMethod;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use thiserror::Error;

/// Packages that teachers may bring: what the demo holds stays bounded.
const MAX_BROUGHT: usize = 24;
/// Maximum score of a lesson that was brought.
const MAX_SCORE: f64 = 100.0;
/// Characters of a package's id in the ids of its activities.
const SHORT: usize = 16;

/// Why a package is not taken in.
#[derive(Debug, Error)]
pub(crate) enum NotTaken {
    /// Something is wrong with it.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// There are too many.
    #[error("There are {MAX_BROUGHT} packages already, and no more are taken.")]
    Full,
    /// No such course.
    #[error("Please choose a course.")]
    NoCourse,
}

/// A lesson and what it is part of.
#[derive(Debug)]
pub(crate) struct Placed {
    /// As every activity of the school. Activities are never taken away while the program runs, so theirs live as long.
    pub(crate) activity: &'static Activity,
    pub(crate) package: Package,
    /// Of the package's lessons.
    pub(crate) number: usize,
}

impl Placed {
    /// What is launched.
    pub(crate) fn lesson(&self) -> &Lesson {
        &self.package.manifest.lessons[self.number]
    }
}

/// What is written down of a package that was brought.
#[derive(Serialize, Deserialize)]
struct Note {
    course: String,
    /// Orders them as they came.
    at: i64,
}

/// All packages, below one folder of the data.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
    limits: Limits,
    brought: RwLock<Vec<&'static Placed>>,
    own: RwLock<Vec<&'static Placed>>,
}

impl Shelf {
    /// Opens the folder, and removes what a crash has left half unpacked.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        latchkey_package::tidy(&folder)?;
        // Each lesson is an activity of its own in the course.
        let limits = Limits { lessons: 12, ..Limits::default() };
        let shelf = Self { folder, limits, brought: RwLock::default(), own: RwLock::default() };
        let mut notes = Vec::new();
        for entry in fs::read_dir(&shelf.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let note: Note = serde_json::from_slice(&fs::read(&path)?)?;
                notes.push((note, path));
            }
        }
        notes.sort_by_key(|(note, _)| note.at);
        for (note, path) in notes {
            let id = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            match (
                latchkey_package::read(&shelf.folder, id, &shelf.limits),
                course::course(&note.course),
            ) {
                (Ok(Some(package)), Some(course)) => drop(shelf.place(package, course)),
                (read, _) => {
                    tracing::warn!(package = id, ?read, "a package cannot be read any more")
                }
            }
        }
        Ok(shelf)
    }

    /// Where a package's files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The most of an archive, bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limits.archive
    }

    /// Takes in what a teacher brings. The same archive a second time is the same package, wherever it was put first.
    pub(crate) fn bring<R: Read + Seek>(
        &self,
        archive: R,
        course: &str,
        at: i64,
    ) -> Result<Vec<&'static Placed>, NotTaken> {
        let course = course::course(course).ok_or(NotTaken::NoCourse)?;
        if self.packages() >= MAX_BROUGHT {
            return Err(NotTaken::Full);
        }
        let package = latchkey_package::install(archive, &self.folder, &self.limits)?;
        let note = Note { course: course.id.to_owned(), at };
        let text =
            serde_json::to_vec(&note).map_err(io::Error::from).map_err(PackageError::from)?;
        let path = self.folder.join(format!("{}.json", package.id));
        if !path.exists() {
            fs::write(&path, text).map_err(PackageError::from)?;
        }
        Ok(self.place(package, course))
    }

    /// The package of an activity of the demo's own; taken in when it is first asked for.
    pub(crate) fn own(
        &self,
        activity: &'static Activity,
        archive: &Path,
    ) -> Result<&'static Placed, NotTaken> {
        let known = self.own.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(placed) = known.iter().find(|placed| placed.activity.id == activity.id) {
            return Ok(placed);
        }
        drop(known);
        let archive = File::open(archive).map_err(PackageError::from)?;
        let package = latchkey_package::install(archive, &self.folder, &self.limits)?;
        let mut known = self.own.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(placed) = known.iter().find(|placed| placed.activity.id == activity.id) {
            return Ok(placed);
        }
        let placed: &Placed = Box::leak(Box::new(Placed { activity, package, number: 0 }));
        known.push(placed);
        Ok(placed)
    }

    /// Every lesson that was brought, oldest first.
    pub(crate) fn brought(&self) -> Vec<&'static Placed> {
        self.brought.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lesson whose files those are.
    pub(crate) fn lesson(&self, package: &str, number: usize) -> Option<&'static Placed> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all = own.into_iter().chain(self.brought());
        all.find(|placed| placed.package.id == package && placed.number == number)
    }

    fn packages(&self) -> usize {
        self.brought().iter().filter(|placed| placed.number == 0).count()
    }

    /// Makes activities of a package's lessons, unless they are there.
    fn place(&self, package: Package, course: &'static Course) -> Vec<&'static Placed> {
        let mut brought = self.brought.write().unwrap_or_else(PoisonError::into_inner);
        let there = |placed: &&&Placed| placed.package.id == package.id;
        let known: Vec<&'static Placed> = brought.iter().filter(there).copied().collect();
        if !known.is_empty() {
            return known;
        }
        for number in 0..package.manifest.lessons.len() {
            let activity = Box::leak(Box::new(activity(&package, number, course)));
            brought.push(Box::leak(Box::new(Placed {
                activity,
                package: package.clone(),
                number,
            })));
        }
        brought.iter().filter(there).copied().collect()
    }
}

fn activity(package: &Package, number: usize, course: &'static Course) -> Activity {
    let lesson = &package.manifest.lessons[number];
    let title = match package.manifest.lessons.len() {
        1 => package.manifest.title.clone(),
        _ => format!("{}: {}", package.manifest.title, lesson.title),
    };
    Activity {
        id: format!("p-{}-{}", &package.id[..SHORT], number + 1).leak(),
        course,
        title: title.leak(),
        about: "A lesson that a teacher has brought, played as it is.",
        extent: "SCORM package",
        widget: Widget::Scorm,
        max: MAX_SCORE,
        method: GradeMethod::Highest,
    }
}
