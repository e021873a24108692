//! What was handed in: score, remarks, and the receipt as soon as there is one.

use super::dom::{Page, make, mark, points, put, say, show};
use crate::marking::Mark;
use latchkey_client::{Activity, Error, Grade, Grading, Progress, Receipt};
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

/// Shows a mark and hands it in; a preview is shown alone.
pub(super) fn hand_in(page: &Rc<Page>, activity: &Activity, given: &Mark, max: f64) {
    say(&page.score, &points(given.score));
    mark(&page.score, "score", &points(given.score));
    page.remarks.set_text_content(None);
    let estimate = format!("g = ({:.2} ± {:.2}) m/s²", given.g, given.uncertainty);
    for text in std::iter::once(&estimate).chain(&given.remarks) {
        put(&page.remarks, make(&page.document, "li", "", text));
    }
    show(&page.result, true);
    // The result is what comes next, for eyes and for screen readers.
    let _ = page.result.focus();
    if page.is_preview() {
        return say(&page.receipt, "Preview: this was not recorded.");
    }
    say(&page.receipt, "Handing in…");
    let grade = Grade::new(given.score).of(max).comment(given.comment());
    let grade = grade.progress(Progress::Completed).grading(Grading::FullyGraded);
    let answer = activity.grade(grade);
    let page = Rc::clone(page);
    spawn_local(async move { told(&page, answer.await) });
}

fn told(page: &Page, answer: Result<Receipt, Error>) {
    let (state, text) = match answer {
        Ok(receipt) => {
            let standing = points(receipt.standing.score.unwrap_or(0.0));
            let counts = page.widget.get_attribute("data-counts").unwrap_or_default();
            mark(&page.receipt, "submission", &receipt.submission);
            mark(&page.receipt, "standing", &standing);
            let max = points(receipt.standing.max);
            ("saved", format!("✓ Saved, receipt no. {}. Your standing: {standing} / {max} ({counts})", receipt.submission))
        }
        Err(Error::Ended { kept: true, .. }) => (
            "kept",
            "Kept on this device: it is handed in as soon as you have logged in and opened this page again.".into(),
        ),
        Err(problem) => ("refused", format!("Not saved: {problem}")),
    };
    mark(&page.receipt, "state", state);
    say(&page.receipt, &text);
}
