//! What a broadcast's receiver gets, one after the other.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use filch::sync::broadcast::error::TryRecvError;
use filch::sync::broadcast::{Receiver, Sender};

pub(crate) const EMPTY: Result<i32, TryRecvError> = Err(TryRecvError::Empty);
pub(crate) const CLOSED: Result<i32, TryRecvError> = Err(TryRecvError::Closed);

pub(crate) fn lagged(missed: u64) -> Result<i32, TryRecvError> {
    Err(TryRecvError::Lagged(missed))
}

pub(crate) fn send(tx: &Sender<i32>, messages: impl IntoIterator<Item = i32>) {
    for message in messages {
        tx.send(message).unwrap();
    }
}

/// What comes next, one after the other.
#[track_caller]
pub(crate) fn assert_next(rx: &mut Receiver<i32>, expected: &[Result<i32, TryRecvError>]) {
    for (n, expected) in expected.iter().enumerate() {
        assert_eq!(rx.try_recv(), *expected, "at {n}");
    }
}
