//! One outcome, kept from being cancelled by whoever waits for it.

use std::panic::Location;

use super::super::awaitable::{Awaitable, Ensure};
use super::super::running;
use crate::promise::{Promise, PromiseError};

/// A promise of the same outcome, that can be cancelled without cancelling `what`.
///
/// A future becomes a task of the running loop, which runs on when whoever awaits the shield is cancelled. If `what` itself is
/// cancelled, so is the shield. What is done already gives its own promise.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.shield`.
///
/// # Examples
/// ```
/// use filch::asyncio::{catch_cancel, current_task, shield};
///
/// let event_loop = filch::EventLoop::new();
/// let tea = event_loop.create_future::<u32, String>();
/// let made = tea.clone();
/// event_loop.run_until_complete(async move {
///     current_task().unwrap().cancel("in a hurry");
///     assert!(catch_cancel(shield(tea).wait()).await.is_err());
/// }).unwrap();
/// assert!(!made.is_cancelled());
/// ```
#[track_caller]
pub fn shield<A: Ensure>(
    what: A,
) -> Promise<<A::Awaitable as Awaitable>::Value, <A::Awaitable as Awaitable>::Error> {
    let on = running();
    let inner = what.ensure_on(&on, Location::caller());
    let promise = inner.to_promise();
    if promise.is_done() {
        inner.retrieved();
        return promise;
    }
    let outer = on.create_future();
    let (shielded, task) = (outer.clone(), inner.as_task());
    promise.add_done_callback(move |inner| {
        if let Some(task) = task {
            task.0.retrieve();
        }
        let Ok(outcome) = inner.result() else {
            return;
        };
        // The shield may be cancelled.
        let _ = match outcome {
            Ok(value) => shielded.set_result(value),
            Err(PromiseError::Failed(error)) => shielded.set_error(error),
            Err(PromiseError::Cancelled { reason }) => {
                shielded.cancel(reason);
                Ok(())
            }
        };
    });
    outer
}
