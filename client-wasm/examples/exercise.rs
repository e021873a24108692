//! A plugin: an exercise of three questions.

use js_sys::Function;
use latchkey_client::{Activity, Grade, Notice, Query, serde_json::json};
use wasm_bindgen::prelude::*;

/// An exercise of three questions.
#[wasm_bindgen]
pub struct Exercise {
    activity: Activity,
}

#[wasm_bindgen]
impl Exercise {
    /// Takes the key from the page. `show` is called with a line of text whenever there is something to tell.
    pub async fn start(show: Function) -> Result<Exercise, JsError> {
        let activity = Activity::connect().await?;
        let tell = move |text: &str| drop(show.call1(&JsValue::NULL, &text.into()));
        let subscription = activity.on(move |notice| match notice {
            Notice::Unsaved { count: 0, .. } => tell("All saved."),
            Notice::Unsaved { count, durable: true } => tell(&format!("{count} not saved yet.")),
            Notice::Unsaved { count, .. } => {
                tell(&format!("{count} not saved yet: stay on this page."));
            }
            Notice::Refused { refusal, .. } => tell(&refusal.message),
            Notice::Ended { reason, .. } => tell(&format!("Please reload the page ({reason}).")),
            Notice::Saved { .. } | Notice::Renewed => {}
        });
        subscription.forget();
        Ok(Self { activity })
    }

    /// Writes an answer down. It is in the outbox when this returns, and need not be waited for.
    pub fn answer(&self, question: u32, right: bool) {
        self.activity.log("answered", json!({"question": question, "right": right}));
    }

    /// Hands the exercise in; gives the score that now counts, out of the activity's maximum.
    pub async fn finish(&self, right: u32) -> Result<Option<f64>, JsError> {
        let grade =
            Grade::new(f64::from(right)).of(3.0).comment(format!("{right} of 3 are right."));
        let receipt = self.activity.grade(grade).await?;
        Ok(receipt.standing.score)
    }

    /// How often this user has answered lately.
    pub async fn answers(&self) -> Result<usize, JsError> {
        let recent = self.activity.recent(Query::newest(50)).await?;
        Ok(recent.items.iter().filter(|item| item.event.as_deref() == Some("answered")).count())
    }
}
