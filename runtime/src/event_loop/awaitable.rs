//! What the combinators take: promises, tasks of loops, and futures made into such tasks.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::EventLoop;
use super::asking::Asking;
use super::build::create_task_at;
use super::cancel::Registered;
use super::requests::Target;
use super::task::Outcome;
use super::task_handles::{LoopTask, TaskRef};
use super::task_panic::TaskPanic;
use crate::promise::{Promise, PromiseError, PromiseFuture};

mod sealed {
    pub trait Sealed {}
}
pub(super) use sealed::Sealed;

/// A thing with an outcome to come, that can be asked to stop: a [`Promise`] or a [`LoopTask`].
///
/// Sealed: the methods are those of the types.
pub trait Awaitable: Sealed + Clone + Send + Sync + 'static {
    /// The value it gives.
    type Value: Outcome;
    /// The error it gives in place of one.
    type Error: Outcome;

    /// Nobody but its handles has it go on: it has no outcome when they are dropped.
    #[doc(hidden)]
    const NEEDS_HANDLE: bool = false;

    #[doc(hidden)]
    fn to_promise(&self) -> Promise<Self::Value, Self::Error>;

    #[doc(hidden)]
    fn ask_in(&self, reason: Arc<str>, asking: &mut Asking) -> bool;

    /// False if it is done already.
    #[doc(hidden)]
    fn ask_to_stop(&self, reason: Arc<str>) -> bool {
        let mut asking = Asking::default();
        let is_asked = self.ask_in(reason, &mut asking);
        asking.go_on();
        is_asked
    }

    /// Somebody has the outcome: a panic needs no telling.
    #[doc(hidden)]
    fn retrieved(&self) {}

    /// The reason, if this error means that it was cancelled.
    #[doc(hidden)]
    fn as_cancelled(error: &PromiseError<Self::Error>) -> Option<&Arc<str>> {
        match error {
            PromiseError::Cancelled { reason } => Some(reason),
            PromiseError::Failed(_) => None,
        }
    }

    #[doc(hidden)]
    fn as_task(&self) -> Option<TaskRef> {
        None
    }
}

impl<T: Outcome, E: Outcome> Sealed for Promise<T, E> {}
impl<T: Outcome> Sealed for LoopTask<T> {}

impl<T: Outcome, E: Outcome> Awaitable for Promise<T, E> {
    type Value = T;
    type Error = E;

    fn to_promise(&self) -> Promise<T, E> {
        self.clone()
    }

    fn ask_in(&self, reason: Arc<str>, _: &mut Asking) -> bool {
        self.cancel(reason)
    }
}

impl<T: Outcome> Awaitable for LoopTask<T> {
    type Value = T;
    type Error = TaskPanic;

    fn to_promise(&self) -> Promise<T, TaskPanic> {
        self.promise()
    }

    fn ask_in(&self, reason: Arc<str>, asking: &mut Asking) -> bool {
        asking.ask(&self.task().0, reason)
    }

    fn retrieved(&self) {
        self.retrieve();
    }

    fn as_task(&self) -> Option<TaskRef> {
        Some(self.task())
    }
}

/// What can be made an [`Awaitable`]: one is already; a future becomes a task of the loop.
///
/// # Source
/// `asyncio.ensure_future`.
pub trait Ensure {
    /// What it becomes.
    type Awaitable: Awaitable;

    /// Makes it one, on this loop if it takes a new task, which is said to be made at `place`.
    #[doc(hidden)]
    fn ensure_on(self, on: &EventLoop, place: &'static Location<'static>) -> Self::Awaitable;
}

impl<T: Outcome, E: Outcome> Ensure for Promise<T, E> {
    type Awaitable = Promise<T, E>;

    fn ensure_on(self, _: &EventLoop, _: &'static Location<'static>) -> Promise<T, E> {
        self
    }
}

impl<T: Outcome> Ensure for LoopTask<T> {
    type Awaitable = LoopTask<T>;

    fn ensure_on(self, _: &EventLoop, _: &'static Location<'static>) -> LoopTask<T> {
        self
    }
}

impl<F> Ensure for F
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    type Awaitable = LoopTask<F::Output>;

    fn ensure_on(self, on: &EventLoop, place: &'static Location<'static>) -> LoopTask<F::Output> {
        create_task_at(on, self, place)
    }
}

/// As a target of a request to stop.
pub(super) struct AsTarget<A>(pub(super) A);

impl<A: Awaitable> Target for AsTarget<A> {
    fn cancel(&self, reason: Arc<str>, asking: &mut Asking) -> bool {
        self.0.ask_in(reason, asking)
    }
}

/// Waits for an awaitable, in whose task a request to stop goes on to what is awaited.
///
/// # Cancel safety
/// Safe: dropping it forgets the wait only.
// The types of the outcome stand by themselves: were they `A`'s, whether a future that awaits one is `Send` would depend on
// what is true of `A` for one lifetime only, as where the value is a `&'static str`.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Leaf<A, V, E> {
    of: A,
    wait: PromiseFuture<V, E>,
    registered: Option<Registered>,
}

impl<A: Awaitable> Leaf<A, A::Value, A::Error> {
    pub(super) fn new(of: A) -> Self {
        Leaf {
            wait: of.to_promise().wait(),
            of,
            registered: None,
        }
    }
}

impl<A, V, E> Unpin for Leaf<A, V, E> {}

impl<A, V, E> Future for Leaf<A, V, E>
where
    A: Awaitable<Value = V, Error = E>,
    V: Outcome,
    E: Outcome,
{
    type Output = Result<V, PromiseError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match Pin::new(&mut this.wait).poll(context) {
            Poll::Pending => {
                let target = || {
                    let itself = this
                        .of
                        .as_task()
                        .filter(|task| super::task::is_current(&*task.0));
                    if let Some(itself) = itself {
                        panic!("Task cannot await on itself: {itself:?}");
                    }
                    Arc::new(AsTarget(this.of.clone())) as Arc<dyn Target>
                };
                this.registered = Registered::renew(this.registered.take(), target);
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                this.of.retrieved();
                let cancelled = outcome.as_ref().err().and_then(A::as_cancelled);
                let throws = this
                    .registered
                    .take()
                    .is_some_and(|place| place.ends(cancelled));
                if throws {
                    // The task is asked to stop; whoever catches that drops this.
                    return Poll::Pending;
                }
                Poll::Ready(outcome)
            }
        }
    }
}

impl<A, V, E> std::fmt::Debug for Leaf<A, V, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}
