//! Where teachers bring packages.

use super::{Frame, back, count};
use crate::course::COURSES;
use crate::guard::own_form;
use crate::login::{Login, Teacher};
use crate::shelf::{NotTaken, Placed};
use crate::site::{Failure, Site};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use latchkey_package::PackageError;
use maud::{Markup, html};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// How long an archive may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The most of the form's other fields.
const WORD: usize = 100;

/// What the page tells about a package that was just sent.
enum Told {
    Nothing,
    Taken(Vec<&'static Placed>),
    Refused(String),
}

/// The page.
pub(crate) async fn page(State(site): State<Arc<Site>>, Teacher(login): Teacher) -> Markup {
    shown(&site, &login, &Told::Nothing)
}

/// Takes a package in.
pub(crate) async fn bring(
    State(site): State<Arc<Site>>,
    Teacher(login): Teacher,
    headers: HeaderMap,
    form: Multipart,
) -> Result<Response, Failure> {
    if !own_form(&headers, &site.origins) {
        return Err(Failure::ForeignForm);
    }
    let brought = tokio::time::timeout(PATIENCE, taken(&site, form)).await;
    let refused = |status: StatusCode, why: String| (status, Told::Refused(why));
    let (status, told) = match brought {
        Ok(Ok(placed)) => (StatusCode::OK, Told::Taken(placed)),
        Ok(Err(NotBrought::Refused(refusal))) => {
            tracing::info!(why = ?refusal, "a package was refused");
            let status = match refusal {
                NotTaken::Package(PackageError::Storage(_)) => StatusCode::SERVICE_UNAVAILABLE,
                NotTaken::Package(PackageError::ArchiveTooLarge(_)) => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            refused(status, refusal.to_string())
        }
        Ok(Err(NotBrought::Form(why))) => refused(StatusCode::BAD_REQUEST, why),
        Ok(Err(NotBrought::Failed(failure))) => return Err(failure),
        Err(_) => refused(StatusCode::REQUEST_TIMEOUT, "The file took too long to arrive.".into()),
    };
    Ok((status, shown(&site, &login, &told)).into_response())
}

/// Why nothing was taken in.
enum NotBrought {
    /// Something is wrong with the package.
    Refused(NotTaken),
    /// Something is wrong with what was sent.
    Form(String),
    /// Something is wrong here.
    Failed(Failure),
}

impl From<io::Error> for NotBrought {
    fn from(error: io::Error) -> Self {
        Self::Refused(PackageError::Storage(error).into())
    }
}

fn broken(error: &MultipartError) -> NotBrought {
    NotBrought::Form(format!("The form did not arrive as it should: {}.", error.body_text()))
}

/// Reads the form, the archive into a file that has no name, and takes that in.
async fn taken(site: &Arc<Site>, mut form: Multipart) -> Result<Vec<&'static Placed>, NotBrought> {
    let (mut course, mut archive) = (String::new(), None);
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        match field.name() {
            Some("course") => course = word(field).await?,
            Some("package") => archive = Some(stored(site, field).await?),
            _ => return Err(NotBrought::Form("The form has a field that is not ours.".into())),
        }
    }
    let Some(archive) = archive else {
        return Err(NotBrought::Form("Please choose a file.".into()));
    };
    let (site, now) = (Arc::clone(site), site.now());
    let taken = tokio::task::spawn_blocking(move || site.shelf.bring(archive, &course, now)).await;
    let taken = taken.map_err(|error| NotBrought::Failed(Failure::Verify(error.to_string())))?;
    taken.map_err(NotBrought::Refused)
}

async fn word(mut field: Field<'_>) -> Result<String, NotBrought> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        if bytes.len() + chunk.len() > WORD {
            return Err(NotBrought::Refused(NotTaken::NoCourse));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| NotBrought::Refused(NotTaken::NoCourse))
}

/// Streams the archive to disk; it is never in memory as a whole.
async fn stored(site: &Site, mut field: Field<'_>) -> Result<std::fs::File, NotBrought> {
    let too_large =
        || NotBrought::Refused(PackageError::ArchiveTooLarge(site.shelf.limit()).into());
    let mut file = tokio::fs::File::from_std(tempfile::tempfile_in(site.shelf.folder())?);
    let mut size = 0;
    loop {
        let chunk = match field.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(too_large());
            }
            Err(error) => return Err(broken(&error)),
        };
        size += chunk.len() as u64;
        if size > site.shelf.limit() {
            return Err(too_large());
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    match size {
        0 => Err(NotBrought::Form("Please choose a file.".into())),
        _ => Ok(file.into_std().await),
    }
}

fn shown(site: &Site, login: &Login, told: &Told) -> Markup {
    let brought = site.shelf.brought();
    let frame =
        Frame { title: "Add a lesson", account: Some(&login.account), script: Some("packages.js") };
    frame.around(html! {
        (back("/course", "Your courses"))
        h1 { "Add a lesson" }
        p.lead { "Bring a SCORM package, as authoring tools export it. It is played as it is, and its scores are in the gradebook." }
        (notice(told))
        form.card.bring #bring method="post" action="/packages" enctype="multipart/form-data" data-most=(site.shelf.limit()) {
            div.field {
                label for="package" { "Package" }
                input #package type="file" name="package" accept=".zip,application/zip" required
                    aria-describedby="package-hint" data-testid="package";
                p.faint #package-hint {
                    "A zip file, SCORM 1.2 or 2004, up to " (site.shelf.limit() >> 20) " MiB."
                }
            }
            div.field {
                label for="course" { "Course" }
                select #course name="course" data-testid="course" {
                    @for course in &COURSES { option value=(course.id) { (course.title) } }
                }
            }
            p.notice.bad #too-large role="alert" hidden data-testid="too-large" {}
            button.primary type="submit" data-testid="bring" { "Add" }
        }
        @if !brought.is_empty() {
            section aria-labelledby="brought-title" {
                h2 #brought-title { "Added so far" }
                ul.brought {
                    @for placed in brought { (line(placed)) }
                }
            }
        }
    })
}

fn line(placed: &Placed) -> Markup {
    let activity = placed.activity;
    html! {
        li.card data-testid="brought" data-activity=(activity.id) {
            div {
                strong { (activity.title) }
                p.faint { (activity.course.title) }
            }
            div.buttons {
                a.button href={ "/activity/" (activity.id) } data-testid="open-activity" {
                    "Preview" span.hidden { ": " (activity.title) }
                }
                a.button href={ "/gradebook/" (activity.id) } {
                    "Gradebook" span.hidden { ": " (activity.title) }
                }
            }
        }
    }
}

fn notice(told: &Told) -> Markup {
    match told {
        Told::Nothing => html! {},
        Told::Refused(why) => html! {
            p.notice.bad role="alert" data-testid="refused" { strong { "Not added. " } (why) }
        },
        Told::Taken(placed) => html! {
            p.notice.good role="status" data-testid="taken" {
                strong { "Added" } ": " (count(placed.len(), "lesson", "lessons")) ", "
                @for (at, one) in placed.iter().enumerate() {
                    @if at > 0 { ", " }
                    a href={ "/activity/" (one.activity.id) } { (one.activity.title) }
                }
                "."
            }
        },
    }
}
