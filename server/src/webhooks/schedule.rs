//! When to try again, and when no more.

use latchkey_protocol::Millis;

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// Pauses after the first failure, the second, and so on; then the last of them again and again. A
/// restart of the receiver costs seconds, a weekend of it costs a dozen attempts.
const PAUSES: [Millis; 9] = [
    5 * SECOND,
    MINUTE,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    24 * HOUR,
];
/// The most that a receiver's own `Retry-After` may ask for.
const MOST_ASKED: Millis = 24 * HOUR;

/// What the operator decides.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// A webhook at which nothing arrives for so long is disabled; an event that does not arrive for so
    /// long while others do is given up.
    pub disable_after: Millis,
}

/// What is known of an event whose delivery has just failed.
#[derive(Clone, Copy, Debug)]
pub struct Failing {
    /// Attempts that failed before this one.
    pub attempts: u32,
    /// When the first of them did.
    pub since: Option<Millis>,
    /// Since when nothing has arrived at the webhook.
    pub webhook_since: Option<Millis>,
    /// The pause that the receiver asked for.
    pub asked: Option<Millis>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again then.
    Retry(Millis),
    /// The events behind it have their turn.
    GiveUp,
    /// Nothing more is sent to this webhook.
    Disable,
}

/// Decides after a failure at `now`. `jitter`, from 0 to 1, keeps the events of a receiver that was away from
/// coming back all at once.
pub fn after_failure(failing: &Failing, rule: &Rule, now: Millis, jitter: f64) -> Next {
    let too_long = |since: Option<Millis>| {
        since.is_some_and(|since| now.saturating_sub(since) >= rule.disable_after)
    };
    if too_long(failing.webhook_since) {
        return Next::Disable;
    }
    if too_long(failing.since) {
        return Next::GiveUp;
    }
    let pause = PAUSES[(failing.attempts as usize).min(PAUSES.len() - 1)];
    // Between four and six fifths of the pause.
    let pause = (pause as f64 * (0.8 + 0.4 * jitter.clamp(0.0, 1.0))) as Millis;
    let asked = failing.asked.unwrap_or(0).clamp(0, MOST_ASKED);
    Next::Retry(now.saturating_add(pause.max(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { disable_after: 5 * 24 * HOUR };
    const FRESH: Failing = Failing { attempts: 0, since: None, webhook_since: None, asked: None };

    #[test]
    fn pauses_grow_and_then_stay() {
        let pause = |attempts, jitter| match after_failure(
            &Failing { attempts, ..FRESH },
            &RULE,
            7,
            jitter,
        ) {
            Next::Retry(at) => at - 7,
            other => panic!("{other:?}"),
        };
        assert_eq!(pause(0, 0.5), 5 * SECOND);
        assert_eq!((pause(0, 0.0), pause(0, 1.0)), (4 * SECOND, 6 * SECOND));
        let all: Vec<_> = (0..9).map(|attempts| pause(attempts, 0.5)).collect();
        assert!(all.is_sorted() && all[8] == 24 * HOUR);
        assert_eq!(pause(u32::MAX, 0.5), 24 * HOUR);
        assert_eq!(pause(0, f64::NAN.max(9.0)), 6 * SECOND, "jitter is no lever");
    }

    #[test]
    fn a_receiver_may_ask_for_more_but_not_for_ever() {
        let asked = |asked| after_failure(&Failing { asked: Some(asked), ..FRESH }, &RULE, 0, 0.5);
        assert_eq!(asked(HOUR), Next::Retry(HOUR));
        assert_eq!(asked(1), Next::Retry(5 * SECOND));
        assert_eq!(asked(-1), Next::Retry(5 * SECOND));
        assert_eq!(asked(Millis::MAX), Next::Retry(24 * HOUR));
    }

    #[test]
    fn both_sides_of_the_end() {
        let end = RULE.disable_after;
        let at = |since, webhook_since| {
            let failing = Failing { attempts: 9, since, webhook_since, asked: None };
            after_failure(&failing, &RULE, end, 0.5)
        };
        assert!(matches!(at(Some(1), Some(1)), Next::Retry(_)));
        assert_eq!(at(Some(0), Some(0)), Next::Disable);
        assert_eq!(at(Some(0), Some(1)), Next::GiveUp, "others arrive");
        assert_eq!(at(Some(0), None), Next::GiveUp);
        assert_eq!(at(None, Some(0)), Next::Disable);
    }

    #[test]
    fn a_retry_before_the_end_comes_before_it_is_forgotten() {
        // Replayed with the middle jitter: how often it is tried in five days.
        let (mut now, mut attempts) = (0, 0);
        while let Next::Retry(at) = after_failure(
            &Failing { attempts, since: Some(0), webhook_since: Some(0), asked: None },
            &RULE,
            now,
            0.5,
        ) {
            (now, attempts) = (at, attempts + 1);
        }
        assert!((10..20).contains(&attempts), "{attempts}");
    }
}
