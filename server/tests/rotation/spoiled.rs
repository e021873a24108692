//! The rule with one thing wrong each time. The proofs must notice every one of them.

use latchkey_server::keys::decide::{
    Death, Decision, Millis, Presented, Renewal, Row, Windows, decide,
};

/// Compares generations only.
pub fn without_branches(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    let branch = if token.generation == row.hi {
        row.branch
    } else {
        row.prev_branch.unwrap_or(token.branch)
    };
    decide(row, &Presented { branch, ..*token }, windows, now)
}

/// Hands the newest token to whoever comes with the former one: the grace window of many others.
pub fn late_renews(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    match decide(row, token, windows, now) {
        Decision::Late => Decision::Current { renewal: Renewal::Restamp },
        other => other,
    }
}

/// Never closes the late window.
pub fn late_for_ever(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    decide(row, token, &Windows { late: Millis::MAX, ..*windows }, now)
}

/// Refuses an idle token before looking whether it exposes somebody.
pub fn ages_first(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    let unused_for = now - token.stamped_at.max(row.advanced_at);
    if row.rotating && !row.revoked && unused_for > windows.idle {
        return Decision::Dead(Death::Idle);
    }
    decide(row, token, windows, now)
}

/// Takes the unknown branch after a jump for another one.
pub fn unknown_is_fork(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    let former = row.hi.checked_sub(1) == Some(token.generation);
    match decide(row, token, windows, now) {
        Decision::Late if former && row.prev_branch.is_none() => Decision::Fork,
        other => other,
    }
}

/// Refuses what is newer than the row can have offered.
pub fn no_jump(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    match decide(row, token, windows, now) {
        Decision::Ahead { .. } => Decision::Fork,
        other => other,
    }
}

/// Forgets that the family was ended.
pub fn revocation_ignored(
    row: &Row,
    token: &Presented,
    windows: &Windows,
    now: Millis,
) -> Decision {
    decide(&Row { revoked: false, ..*row }, token, windows, now)
}

/// Refuses a second holder, but lets the family live.
pub fn nothing_revoked(row: &Row, token: &Presented, windows: &Windows, now: Millis) -> Decision {
    match decide(row, token, windows, now) {
        Decision::Stale | Decision::Fork => Decision::Dead(Death::Expired),
        other => other,
    }
}
