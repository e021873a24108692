//! The server dies without warning in the middle of a quiz.

use crate::stage::proxy::{Exchange, Fate};
use crate::stage::tab::Book;
use crate::stage::world::World;

fn saved(book: &Book) -> Vec<String> {
    let saved = book.outcomes.iter().filter(|outcome| outcome.state == "saved");
    saved.map(|outcome| outcome.result.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_while_answers_stream_in() {
    let (world, mut program) = World::with_program(super::SDK).await;
    let tab = world.play("ada", "quiz").await;
    // A student who does not wait: an answer as soon as the one before has left, for as long as servers die.
    tab.act(
        "(async () => {
           let question = 0;
           do {
             widget.log('answered', { question: ++question });
             if (question % 10 === 0) widget.grade({ score: question % 120 / 12 });
             await new Promise((go) => setTimeout(go, 15));
           } while (!window.enough || question < 120);
           window.finished = question;
         })()",
    )
    .await;
    for round in 1..=3 {
        let enough = round * 15;
        tab.until(&format!(
            "widget.book().outcomes.filter((o) => o.state === 'saved').length >= {enough}"
        ))
        .await;
        if round == 2 {
            // In this round the server has stored what it is never able to say.
            world.proxy.next([Fate::ReplyLost]);
            world
                .proxy
                .until("a lost reply", |calls| {
                    let lost = |call: &&Exchange| matches!(call.fate, Fate::ReplyLost);
                    calls.iter().find(lost).is_some_and(|call| call.over)
                })
                .await;
        }
        program.kill().await;
        // Nothing acknowledged is lost, as the file tells before anybody repairs it.
        let acknowledged = tab.book().await;
        program = world.program_again().await;
        tab.act("widget.activity.flush()").await;
        let kept = world.database.kept("ada", "quiz");
        for receipt in saved(&acknowledged) {
            assert!(kept.iter().any(|kept| receipt.contains(&format!("\"{}\"", kept.number))));
        }
    }
    tab.act("window.enough = true").await;
    tab.until("window.finished").await;
    tab.act("widget.activity.flush()").await;
    let book = tab.saved().await;
    let questions: usize = tab.eval("window.finished").await;
    assert_eq!(book.outcomes.len(), questions + questions / 10);
    world.database.agrees("ada", "quiz", &[&book]);
    assert_eq!(world.database.revoked(), [""; 0]);
    assert_eq!(world.host.renewals(), [""; 0]);
    program.kill().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_commit_and_the_reply() {
    let (world, program) = World::with_program(super::SDK).await;
    let tab = world.play("ada", "quiz").await;
    // The very first call: the key itself is as much at stake as the answer.
    world.proxy.next([Fate::ReplyLost]);
    world.proxy.always(Fate::Lost);
    tab.finish(1, 7.25).await;
    world.database.until_kept("ada", "quiz", 2).await;
    program.kill().await;
    assert_eq!(tab.book().await.unsaved, 2);

    let program = world.program_again().await;
    world.proxy.always(Fate::Pass);
    tab.act("widget.activity.flush()").await;
    let book = tab.saved().await;
    world.database.agrees("ada", "quiz", &[&book]);
    let replay = world.proxy.history().pop().unwrap();
    assert_eq!(replay.reply["result"]["calls"][1]["replayed"], true, "{replay:#?}");
    program.kill().await;
    world.end().await;
}
