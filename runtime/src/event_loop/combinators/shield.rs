//! One outcome, kept from being cancelled by whoever waits for it.

use std::any::Any;
use std::panic::Location;
use std::sync::Arc;

use super::super::awaitable::{Awaitable, Ensure};
use super::super::running;
use super::super::task::Outcome;
use super::super::task_handles::TaskRef;
use crate::promise::{Follow, Lead, Promise, PromiseError, WeakPromise};

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
#[must_use = "a shield keeps nothing from being cancelled unless it is what you `.await`"]
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
    // What goes on by its handles alone is kept by the shield. Its way to the shield is weak then: else they would keep each other.
    let way = if A::Awaitable::NEEDS_HANDLE {
        outer.follow(Arc::new(Keep(inner.clone())));
        Way::Weak(outer.downgrade())
    } else {
        Way::Strong(outer.clone())
    };
    let task = inner.as_task();
    promise.follow(Arc::new(Shield { way, task }));
    outer
}

/// What the shielded one leads to.
struct Shield<T, E> {
    way: Way<T, E>,
    task: Option<TaskRef>,
}

enum Way<T, E> {
    Strong(Promise<T, E>),
    Weak(WeakPromise<T, E>),
}

impl<T, E> Way<T, E> {
    fn outer(&self) -> Option<Promise<T, E>> {
        match self {
            Way::Strong(outer) => Some(outer.clone()),
            Way::Weak(outer) => outer.upgrade(),
        }
    }
}

impl<T: Outcome, E: Outcome> Follow for Shield<T, E> {
    fn done(&self, inner: &dyn Any) {
        // A shield that was cancelled has let go: an error stays unasked for, and is told as any other.
        let Some(outer) = self.way.outer().filter(|outer| !outer.is_done()) else {
            return;
        };
        if let Some(task) = &self.task {
            task.0.retrieve();
        }
        let inner = inner.downcast_ref::<Promise<T, E>>();
        let Some(Ok(outcome)) = inner.map(Promise::result) else {
            return;
        };
        // It may be cancelled this moment.
        let _ = match outcome {
            Ok(value) => outer.set_result(value),
            Err(PromiseError::Failed(error)) => outer.set_error(error),
            Err(PromiseError::Cancelled { reason }) => {
                outer.cancel(reason);
                Ok(())
            }
        };
    }

    fn leads(&self, into: &mut Vec<Lead>) {
        if let Some(outer) = self.way.outer() {
            outer.leads(into);
        }
    }
}

/// Keeps it until the shield is done, or gone.
struct Keep<A>(A);

impl<A: Awaitable> Follow for Keep<A> {
    fn done(&self, _shield: &dyn Any) {}

    fn leads(&self, _into: &mut Vec<Lead>) {}
}
