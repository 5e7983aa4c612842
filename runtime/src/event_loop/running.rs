//! Free functions that act on the running loop: the one whose callback or task this thread runs.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use super::EventLoop;
use super::awaitable::{Awaitable, Ensure, Leaf};
use super::build::create_task_here;
use super::task::{self, Outcome};
use super::task_handles::{LoopTask, TaskRef};

/// What to do about a call outside a loop.
const NO_LOOP: &str = "no running event loop: call this from a task or a callback of an `EventLoop`. `#[filch::main]` and `filch::spawn` \
     run outside of one: start with `asyncio::run`, or use the loop's own methods";

#[track_caller]
pub(super) fn running() -> EventLoop {
    match EventLoop::current() {
        Some(event_loop) => event_loop,
        None => panic!("{NO_LOOP}"),
    }
}

/// The loop whose callback or task this thread runs now.
///
/// # Source
/// `asyncio.get_running_loop`.
pub fn get_running_loop() -> Option<EventLoop> {
    EventLoop::current()
}

/// The task of a loop whose step this thread runs now.
///
/// # Source
/// `asyncio.current_task`.
pub fn current_task() -> Option<TaskRef> {
    task::current().map(TaskRef)
}

/// The tasks of the running loop that are not done.
///
/// # Panics
/// Outside a loop.
#[track_caller]
pub fn all_tasks() -> Vec<TaskRef> {
    running().all_tasks()
}

/// Makes a task of the running loop.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.create_task`.
#[track_caller]
pub fn create_task<F>(future: F) -> LoopTask<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    match create_task_here(future) {
        Some(task) => task,
        None => panic!("{NO_LOOP}"),
    }
}

/// Makes a future a task of the running loop; a task or a promise stays what it is.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.ensure_future`.
#[track_caller]
pub fn ensure_future<A: Ensure>(what: A) -> A::Awaitable {
    what.ensure_on(&running(), Location::caller())
}

/// Waits for a promise or a task of a loop. A task of a loop that waits so and is asked to stop asks the promise in its place.
///
/// # Errors
/// As the promise.
///
/// # Cancel safety
/// Safe: dropping the future forgets the wait only.
pub fn wait_on<A: Awaitable>(what: A) -> Leaf<A, A::Value, A::Error> {
    Leaf::new(what)
}

/// Waits for this time, or lets the loop run one iteration if it is zero.
///
/// # Panics
/// If there is no current runtime.
///
/// # Cancel safety
/// Safe: there is nothing to lose.
///
/// # Source
/// `asyncio.sleep`.
pub async fn sleep(delay: Duration) {
    if delay.is_zero() {
        crate::spawn::yield_now().await;
    } else {
        crate::time::sleep(delay).await;
    }
}
