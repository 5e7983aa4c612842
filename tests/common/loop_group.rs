//! What the tests of groups in a task of a loop share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::asyncio::{LoopTask, Outcome, TaskError, catch_cancel, get_running_loop, sleep};
use filch::task::{GroupError, TaskGroup};
use filch::{EventLoop, PromiseError};

use crate::asyncio_common::ms;

pub(crate) type Group = TaskGroup<String>;
pub(crate) type Ended = Result<(), String>;

pub(crate) fn here() -> EventLoop {
    get_running_loop().unwrap()
}

/// Why it was cancelled.
pub(crate) fn reason<T: std::fmt::Debug>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(PromiseError::Cancelled { reason }) => reason.to_string(),
        other => panic!("not cancelled: {other:?}"),
    }
}

/// The errors of a group, sorted.
pub(crate) fn errors<T: std::fmt::Debug>(outcome: Result<T, GroupError<String>>) -> Vec<String> {
    let error = outcome.unwrap_err();
    let mut all: Vec<_> = error.errors().cloned().collect();
    all.sort();
    all
}

/// For longer than any test.
pub(crate) async fn sleeps() -> Ended {
    sleep(ms(60_000)).await;
    Ok(())
}

pub(crate) async fn fails(after: u64, error: &str) -> Ended {
    let error = error.to_owned();
    sleep(ms(after)).await;
    Err(error)
}

/// `finally: raise`: panics when it is dropped, as the block of a group is that stops.
pub(crate) struct Raises(pub(crate) &'static str);

impl Drop for Raises {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// The panics of a group, as text, sorted.
pub(crate) fn panics<T: std::fmt::Debug>(outcome: Result<T, GroupError<String>>) -> Vec<String> {
    let error = outcome.unwrap_err();
    let mut all: Vec<_> = error.panics().map(|panic| panic.to_string()).collect();
    all.sort();
    all
}

/// What a test counts.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn add(&self, some: usize) {
        self.0.fetch_add(some, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// `except CancelledError: count; raise`.
pub(crate) async fn counts_when_cancelled(count: Count, some: usize) -> Ended {
    let heard = catch_cancel(sleeps()).await.unwrap_err();
    count.add(some);
    heard.raise().await
}

/// Lets the task begin and come to its wait, asks it to stop, and gives its outcome.
pub(crate) async fn cancel_in_a_while<T: Outcome>(
    task: LoopTask<T>,
    why: &str,
) -> Result<T, TaskError> {
    sleep(ms(1)).await;
    assert!(!task.is_done());
    assert!(task.cancel(why));
    task.await
}
