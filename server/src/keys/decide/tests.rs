//! Each row of the table, and each limit on both sides.

use super::*;

const A: Branch = [0xA; 8];
const B: Branch = [0xB; 8];
const C: Branch = [0xC; 8];
const T: Millis = 1_700_000_000_000;
const W: Millis = 30_000;
const R: Millis = 40_000;
const IDLE: Millis = 1_800_000;
const WINDOWS: Windows = Windows { late: W, rotate_after: R, idle: IDLE, client_deadline: 20_000 };

/// Generation 5 on branch B since T; 4 was on branch A.
const ROW: Row = Row {
    hi: 5,
    branch: B,
    prev_branch: Some(A),
    advanced_at: T,
    revoked: false,
    key_exp: T + 8 * 3_600_000,
    rotating: true,
};

fn token(generation: u32, branch: Branch) -> Presented {
    Presented { generation, branch, stamped_at: T }
}

fn at(row: &Row, presented: Presented, now: Millis) -> Decision {
    decide(row, &presented, &WINDOWS, now)
}

#[test]
fn current_is_restamped_until_the_generation_is_r_old_then_offered_the_next() {
    for (age, renewal) in [
        (-1, Renewal::Restamp),
        (0, Renewal::Restamp),
        (R - 1, Renewal::Restamp),
        (R, Renewal::Offer),
        (R + 1, Renewal::Offer),
    ] {
        let decision = at(&ROW, token(5, B), T + age);
        assert_eq!(decision, Decision::Current { renewal }, "age {age}");
        let generation = if renewal == Renewal::Offer { 6 } else { 5 };
        let branch = (renewal == Renewal::Restamp).then_some(B);
        assert_eq!(decision.reply_token(&ROW), Some(ReplyToken { generation, branch }));
    }
}

#[test]
fn the_successor_is_confirmed_under_any_branch_and_at_any_age_of_the_generation() {
    for (branch, age) in [(C, 0), (C, R), (A, 1), (B, IDLE)] {
        let Decision::Confirm { next } = at(&ROW, token(6, branch), T + age) else {
            panic!("not confirmed: {branch:?} at {age}");
        };
        assert!(next.fits(&ROW));
        let row = next.apply(&ROW);
        let moved = Row { hi: 6, branch, prev_branch: Some(B), advanced_at: T + age, ..ROW };
        assert_eq!(row, moved);
        let reply = Decision::Confirm { next }.reply_token(&ROW);
        assert_eq!(reply, Some(ReplyToken { generation: 6, branch: Some(branch) }));
        assert!(!next.fits(&row), "a second writer must read again");
    }
}

#[test]
fn an_advance_fits_only_the_row_it_was_decided_on() {
    let decision = at(&ROW, token(6, C), T);
    let next = decision.advance().expect("a confirmation");
    assert!(next.fits(&Row { advanced_at: T + 1, ..ROW }));
    assert!(!next.fits(&Row { hi: 4, ..ROW }));
    assert!(!next.fits(&Row { branch: A, ..ROW }));
    assert!(!next.fits(&Row { revoked: true, ..ROW }));
}

#[test]
fn the_former_token_is_late_within_the_window_and_stale_after_it() {
    for (age, decision) in [
        (-1, Decision::Late),
        (0, Decision::Late),
        (W - 1, Decision::Late),
        (W, Decision::Late),
        (W + 1, Decision::Stale),
        (IDLE + 1, Decision::Stale),
    ] {
        assert_eq!(at(&ROW, token(4, A), T + age), decision, "age {age}");
    }
    assert_eq!(Decision::Late.reply_token(&ROW), None);
}

#[test]
fn anything_older_is_stale_at_once() {
    for generation in 0..=3 {
        for branch in [A, B, LAUNCH_BRANCH] {
            assert_eq!(at(&ROW, token(generation, branch), T), Decision::Stale);
        }
    }
}

#[test]
fn another_branch_of_the_newest_or_the_former_generation_is_a_fork() {
    for age in [0, W, W + 1, R] {
        assert_eq!(at(&ROW, token(5, A), T + age), Decision::Fork);
        assert_eq!(at(&ROW, token(5, C), T + age), Decision::Fork);
        assert_eq!(at(&ROW, token(4, B), T + age), Decision::Fork);
        assert_eq!(at(&ROW, token(4, C), T + age), Decision::Fork);
    }
}

#[test]
fn a_jump_moves_forward_and_forgets_the_former_branch() {
    for generation in [7, 8, u32::MAX] {
        let decision = at(&ROW, token(generation, C), T + 1);
        let Decision::Ahead { next } = decision else { panic!("{decision:?}") };
        assert!(next.fits(&ROW));
        let row = next.apply(&ROW);
        let jumped =
            Row { hi: generation, branch: C, prev_branch: None, advanced_at: T + 1, ..ROW };
        assert_eq!(row, jumped);
        assert_eq!(decision.reply_token(&ROW), Some(ReplyToken { generation, branch: Some(C) }));
    }
}

#[test]
fn after_a_jump_any_former_branch_is_late_and_then_stale() {
    let row = Row { prev_branch: None, ..ROW };
    for branch in [A, B, C] {
        assert_eq!(at(&row, token(4, branch), T + W), Decision::Late);
        assert_eq!(at(&row, token(4, branch), T + W + 1), Decision::Stale);
    }
    assert_eq!(at(&row, token(3, A), T), Decision::Stale);
    assert_eq!(at(&row, token(5, A), T), Decision::Fork);
}

#[test]
fn the_launch_token_is_generation_zero() {
    let row = Row { hi: 0, branch: LAUNCH_BRANCH, prev_branch: None, ..ROW };
    let restamp = Decision::Current { renewal: Renewal::Restamp };
    assert_eq!(at(&row, token(0, LAUNCH_BRANCH), T), restamp);
    assert_eq!(at(&row, token(0, A), T), Decision::Fork);
    let row = Row { hi: 1, branch: A, prev_branch: Some(LAUNCH_BRANCH), ..ROW };
    assert_eq!(at(&row, token(0, LAUNCH_BRANCH), T + W), Decision::Late);
    assert_eq!(at(&row, token(0, LAUNCH_BRANCH), T + W + 1), Decision::Stale);
}

#[test]
fn a_revoked_family_is_dead_whatever_is_presented() {
    let row = Row { revoked: true, ..ROW };
    for generation in 0..=9 {
        for branch in [A, B, C] {
            assert_eq!(at(&row, token(generation, branch), T), Decision::Dead(Death::Revoked));
        }
    }
}

#[test]
fn the_absolute_end_is_exclusive_and_no_use_extends_it() {
    let row = Row { key_exp: T + 10, ..ROW };
    for presented in [token(5, B), token(6, C), token(4, A), token(9, C)] {
        assert!(at(&row, presented, T + 9).runs());
        assert_eq!(at(&row, presented, T + 10), Decision::Dead(Death::Expired));
        assert_eq!(at(&row, presented, T + 11), Decision::Dead(Death::Expired));
    }
}

#[test]
fn the_idle_limit_is_inclusive_and_counts_from_the_stamp() {
    let fresh = Presented { stamped_at: T + 1000, ..token(5, B) };
    assert!(at(&ROW, fresh, T + 1000 + IDLE).runs());
    assert_eq!(at(&ROW, fresh, T + 1000 + IDLE + 1), Decision::Dead(Death::Idle));
    let offered = Presented { stamped_at: T + R, ..token(6, C) };
    assert!(at(&ROW, offered, T + R + IDLE).runs());
    assert_eq!(at(&ROW, offered, T + R + IDLE + 1), Decision::Dead(Death::Idle));
}

#[test]
fn a_retry_with_the_old_stamp_is_not_idle_just_after_the_row_moved() {
    let presented = Presented { stamped_at: T - IDLE, ..token(5, B) };
    assert!(at(&ROW, presented, T + IDLE).runs());
    assert_eq!(at(&ROW, presented, T + IDLE + 1), Decision::Dead(Death::Idle));
}

#[test]
fn two_holders_are_found_even_when_the_key_is_idle_or_expired() {
    let row = Row { key_exp: T, ..ROW };
    for now in [T, T + IDLE + 1] {
        assert_eq!(at(&row, token(5, C), now), Decision::Fork);
        assert_eq!(at(&row, token(3, A), now), Decision::Stale);
    }
    assert_eq!(at(&row, token(4, A), T + W + 1), Decision::Stale);
    assert_eq!(at(&row, token(4, A), T + W), Decision::Dead(Death::Expired));
}

#[test]
fn without_rotation_generation_zero_lives_until_the_end() {
    let zero = Row { hi: 0, branch: LAUNCH_BRANCH, prev_branch: None, rotating: false, ..ROW };
    let restamp = Decision::Current { renewal: Renewal::Restamp };
    for age in [0, R, IDLE + 1, 8 * 3_600_000 - 1] {
        assert_eq!(at(&zero, token(0, LAUNCH_BRANCH), T + age), restamp);
    }
    let end = at(&zero, token(0, LAUNCH_BRANCH), zero.key_exp);
    assert_eq!(end, Decision::Dead(Death::Expired));
    for presented in [token(1, A), token(2, A), token(0, A)] {
        assert_eq!(at(&zero, presented, T), Decision::Fork);
    }
}

#[test]
fn extreme_numbers_neither_overflow_nor_renew_past_the_last_generation() {
    let row = Row { hi: u32::MAX, ..ROW };
    let restamp = Decision::Current { renewal: Renewal::Restamp };
    assert_eq!(at(&row, token(u32::MAX, B), T + R), restamp);
    assert_eq!(at(&row, token(0, B), T), Decision::Stale);
    for now in [Millis::MIN, Millis::MAX] {
        for stamped_at in [Millis::MIN, Millis::MAX] {
            for generation in [0, 4, 5, 6, 7, u32::MAX] {
                let presented = Presented { generation, branch: B, stamped_at };
                let row = Row { advanced_at: -now.saturating_add(1), ..ROW };
                assert!(!at(&row, presented, now).name().is_empty());
            }
        }
    }
}

#[test]
fn a_decision_says_what_it_does() {
    let next = *at(&ROW, token(6, C), T).advance().expect("a confirmation");
    // (decision, name, runs, stands on a cached row, revokes)
    let all = [
        (Decision::Current { renewal: Renewal::Offer }, "current", true, true, false),
        (Decision::Confirm { next }, "confirm", true, false, false),
        (Decision::Late, "late", true, true, false),
        (Decision::Ahead { next }, "ahead", true, false, false),
        (Decision::Stale, "stale", false, false, true),
        (Decision::Fork, "fork", false, false, true),
        (Decision::Dead(Death::Idle), "dead", false, false, false),
    ];
    for (decision, name, runs, is_yes, revokes) in all {
        let said = (decision.name(), decision.runs(), decision.is_yes(), decision.revokes());
        assert_eq!(said, (name, runs, is_yes, revokes));
    }
}

#[test]
fn a_launch_token_starts_its_key_until_exp_and_a_session_token_never() {
    let launch = Launch { first_use_until: T, key_exp: T + 10, rotating: true };
    let Start::Insert(row) = start(Some(&launch), T) else { panic!("not started at its limit") };
    let fresh = Row { hi: 0, branch: LAUNCH_BRANCH, prev_branch: None, key_exp: T + 10, ..ROW };
    assert_eq!(row, fresh);
    assert_eq!(start(Some(&launch), T + 1), Start::Missed);
    let short = Launch { first_use_until: T + 20, ..launch };
    assert!(matches!(start(Some(&short), T + 9), Start::Insert(_)));
    assert_eq!(start(Some(&short), T + 10), Start::Expired);
    assert_eq!(start(None, T), Start::Unknown);
    assert_eq!(start(Some(&launch), T).name(), "start");
    assert_eq!(start(None, T).name(), "dead");
}
