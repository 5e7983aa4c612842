//! Receivers that are overtaken, as tokio has it: each test stands for the one of the same name in tokio's
//! `sync_broadcast.rs`.

use filch::sync::broadcast::channel;
use filch::sync::broadcast::error::RecvError;

#[path = "common/broadcasts.rs"]
mod broadcasts;
mod common;
#[path = "common/polled.rs"]
mod polled;
use broadcasts::{EMPTY, assert_next, lagged, send};
use polled::now;

#[test]
fn slow_receiver_within_capacity_does_not_lag() {
    let (tx, mut slow) = channel(2);
    let mut fast = tx.subscribe();
    send(&tx, 1..=2);
    assert_next(&mut fast, &[Ok(1), Ok(2), EMPTY]);
    assert_next(&mut slow, &[Ok(1), Ok(2), EMPTY]);
}

#[test]
fn capacity_overflow_reports_lagged_then_oldest_retained() {
    let (tx, mut rx) = channel(2);
    send(&tx, [10, 20, 30]);
    assert_next(&mut rx, &[lagged(1), Ok(20), Ok(30), EMPTY]);
}

#[test]
fn lagged_count_matches_number_of_overwritten_messages() {
    let (tx, mut rx) = channel(4);
    send(&tx, 1..=4);
    assert_next(&mut rx, &[Ok(1)]);
    send(&tx, 5..=8);
    assert_next(&mut rx, &[lagged(3), Ok(5), Ok(6), Ok(7), Ok(8), EMPTY]);
}

#[test]
fn lag_uses_power_of_two_buffer_length() {
    let (tx, mut rx) = channel(3);
    send(&tx, 1..=4);
    assert_eq!(rx.len(), 4);
    assert_next(&mut rx, &[Ok(1)]);
    send(&tx, [5]);
    assert_eq!(rx.len(), 4);
    send(&tx, [6]);
    assert_eq!(rx.len(), 5);
    assert_next(&mut rx, &[lagged(1), Ok(3), Ok(4), Ok(5), Ok(6), EMPTY]);
}

#[test]
fn async_recv_lagged_then_resumes_from_oldest_retained() {
    let (tx, mut rx) = channel(2);
    send(&tx, [10, 20, 30]);
    assert_eq!(now(rx.recv()), Err(RecvError::Lagged(1)));
    assert_eq!((now(rx.recv()), now(rx.recv())), (Ok(20), Ok(30)));
}

#[test]
fn lag_catch_up_then_lag_again() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=3);
    assert_next(&mut rx, &[lagged(1), Ok(2), Ok(3), EMPTY]);
    send(&tx, 4..=8);
    assert_next(&mut rx, &[lagged(3), Ok(7), Ok(8), EMPTY]);
}

#[test]
fn lag_is_per_receiver() {
    let (tx, mut fast) = channel(2);
    let mut slow = tx.subscribe();
    for n in 1..=4 {
        send(&tx, [n]);
        assert_next(&mut fast, &[Ok(n)]);
    }
    assert_next(&mut fast, &[EMPTY]);
    assert_next(&mut slow, &[lagged(2), Ok(3), Ok(4), EMPTY]);
}

#[test]
fn lag_again_before_reading_retained_messages() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=3);
    assert_next(&mut rx, &[lagged(1)]);
    send(&tx, 4..=5);
    assert_next(&mut rx, &[lagged(2), Ok(4), Ok(5), EMPTY]);
}

#[test]
fn single_slot_capacity_lag_semantics() {
    let (tx, mut rx) = channel(1);
    send(&tx, 1..=2);
    assert_next(&mut rx, &[lagged(1), Ok(2), EMPTY]);
    send(&tx, 3..=6);
    assert_next(&mut rx, &[lagged(3), Ok(6), EMPTY]);
}

#[test]
fn receiver_len_after_lag_error_advances_cursor() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=5);
    assert_eq!(rx.len(), 5);
    assert_next(&mut rx, &[lagged(3)]);
    assert_eq!(rx.len(), 2);
    assert_next(&mut rx, &[Ok(4)]);
    assert!(rx.len() == 1 && !rx.is_empty());
}
