//! All outcomes, in the order of the arguments.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use parking_lot::Mutex;

use super::super::EventLoop;
use super::super::asking::Asking;
use super::super::awaitable::{Awaitable, Ensure, Leaf, Sealed};
use super::super::running;
use super::super::task::Outcome;
use super::super::task_handles::TaskRef;
use crate::promise::{Follow, Lead, Promise, PromiseError};

/// All outcomes, in the order of the arguments, as one `V`: what [`gather`] and [`gather_outcomes`] give. `E` is the error of
/// one of the `A`s.
///
/// A handle: clones are the same. Who drops them all forgets the wait.
// No type in it is named by way of `A`: see `Leaf`.
#[must_use = "nobody waits for what was gathered, nor hears of an error, unless you `.await` it"]
pub struct Gather<A, V, E>(Arc<Shared<A, V, E>>);

struct Shared<A, V, E> {
    outer: Promise<V, PromiseError<E>>,
    children: Vec<A>,
    left: Mutex<Left>,
    /// What all give together; they are done.
    collect: fn(&[A]) -> Result<V, PromiseError<E>>,
    /// The first error ends it.
    stops: bool,
}

struct Left {
    children: usize,
    cancelled: Option<Arc<str>>,
}

type Each<A> = Result<<A as Awaitable>::Value, PromiseError<<A as Awaitable>::Error>>;

/// The outcomes of children that are done.
fn outcomes<A: Awaitable>(children: &[A]) -> impl Iterator<Item = Each<A>> {
    children.iter().map(|child| {
        let outcome = child.to_promise().result();
        outcome.expect("all are done")
    })
}

/// Gathers the values of all: in the order of the arguments, once all are done; or the first error, and the others run on.
///
/// Futures become tasks of the running loop, which fail by a panic: an `Err` that one returns is a value. A child that is
/// cancelled is an error like others. Errors that come after the first are dropped.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.gather`.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let squares = event_loop.run_until_complete(async {
///     filch::asyncio::gather((1..4).map(|n| async move { n * n })).await.unwrap()
/// });
/// assert_eq!(squares.unwrap(), [1, 4, 9]);
/// ```
#[track_caller]
#[expect(clippy::type_complexity, reason = "it is the vector of the values")]
pub fn gather<I>(
    all: I,
) -> Gather<
    <I::Item as Ensure>::Awaitable,
    Vec<<<I::Item as Ensure>::Awaitable as Awaitable>::Value>,
    <<I::Item as Ensure>::Awaitable as Awaitable>::Error,
>
where
    I: IntoIterator<Item: Ensure>,
{
    new(all, true, |all| outcomes(all).collect(), Location::caller())
}

/// As [`gather`], but waits for all and gives each outcome, be it a value or an error. An error itself only if the whole was
/// cancelled.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.gather(..., return_exceptions=True)`.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let tea = event_loop.create_task(async { panic!("out of tea") });
/// let coffee = event_loop.create_task(async { 7 });
/// let all = event_loop.run_until_complete(async {
///     filch::asyncio::gather_outcomes([tea, coffee]).await.unwrap()
/// });
/// let all = all.unwrap();
/// assert!(all[0].is_err());
/// assert_eq!(*all[1].as_ref().unwrap(), 7);
/// ```
#[track_caller]
#[expect(clippy::type_complexity, reason = "it is the vector of the outcomes")]
pub fn gather_outcomes<I>(
    all: I,
) -> Gather<
    <I::Item as Ensure>::Awaitable,
    Vec<
        Result<
            <<I::Item as Ensure>::Awaitable as Awaitable>::Value,
            PromiseError<<<I::Item as Ensure>::Awaitable as Awaitable>::Error>,
        >,
    >,
    <<I::Item as Ensure>::Awaitable as Awaitable>::Error,
>
where
    I: IntoIterator<Item: Ensure>,
{
    new(
        all,
        false,
        |all| Ok(outcomes(all).collect()),
        Location::caller(),
    )
}

#[track_caller]
fn new<I, A, V, E>(
    all: I,
    stops: bool,
    collect: fn(&[A]) -> Result<V, PromiseError<E>>,
    place: &'static Location<'static>,
) -> Gather<A, V, E>
where
    I: IntoIterator<Item: Ensure<Awaitable = A>>,
    A: Awaitable<Error = E>,
    V: Outcome,
    E: Outcome,
{
    let on = running();
    let children: Vec<A> = all
        .into_iter()
        .map(|child| child.ensure_on(&on, place))
        .collect();
    let gather = Gather(Arc::new(Shared {
        outer: on.create_future(),
        left: Mutex::new(Left {
            children: children.len(),
            cancelled: None,
        }),
        children,
        collect,
        stops,
    }));
    if gather.0.children.is_empty() {
        gather.0.finish();
    }
    for (n, child) in gather.0.children.iter().enumerate() {
        child.to_promise().follow(Arc::new(Part {
            of: Arc::downgrade(&gather.0),
            outer: gather.0.outer.clone(),
            task: child.as_task(),
            n,
        }));
    }
    gather
}

/// What a child leads to.
struct Part<A, V, E> {
    of: Weak<Shared<A, V, E>>,
    outer: Promise<V, PromiseError<E>>,
    task: Option<TaskRef>,
    n: usize,
}

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> Follow for Part<A, V, E> {
    fn done(&self, child: &dyn Any) {
        // Errors after the first are dropped, also when whoever has that one has gone on.
        if self.outer.is_done() {
            if let Some(child) = child.downcast_ref::<Promise<A::Value, E>>() {
                child.mark_retrieved();
            }
            if let Some(task) = &self.task {
                task.0.retrieve();
            }
        }
        done(&self.of, self.n);
    }

    fn leads(&self, into: &mut Vec<Lead>) {
        if let Some(shared) = self.of.upgrade() {
            shared.outer.leads(into);
        }
    }
}

/// The child with this number is done.
fn done<A, V, E>(shared: &Weak<Shared<A, V, E>>, child: usize)
where
    A: Awaitable<Error = E>,
    V: Outcome,
    E: Outcome,
{
    let Some(shared) = shared.upgrade() else {
        return;
    };
    shared.children[child].retrieved();
    let is_last = {
        let mut left = shared.left.lock();
        left.children -= 1;
        left.children == 0
    };
    if shared.outer.is_done() {
        return;
    }
    if shared.stops {
        let outcome = shared.children[child].to_promise().result();
        if let Ok(Err(error)) = outcome {
            // Another may have been the first.
            let _ = shared.outer.set_error(error);
            return;
        }
    }
    if is_last {
        shared.finish();
    }
}

impl<A, V: Outcome, E: Outcome> Shared<A, V, E> {
    /// All are done.
    fn finish(&self) {
        // The lock is free then: clones of values are anybody's code.
        let cancelled = self.left.lock().cancelled.clone();
        let outcome = match cancelled {
            Some(reason) => Err(PromiseError::Cancelled { reason }),
            None => (self.collect)(&self.children),
        };
        // It may have been cancelled, if it has no children.
        let _ = match outcome {
            Ok(value) => self.outer.set_result(value),
            Err(error) => self.outer.set_error(error),
        };
    }
}

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> Gather<A, V, E> {
    /// Cancels all children that are not done. False if there are none; else the whole ends with a cancelled child's error.
    pub fn cancel(&self, reason: impl Into<Arc<str>>) -> bool {
        self.ask_to_stop(reason.into())
    }

    fn cancel_in(&self, reason: Arc<str>, asking: &mut Asking) -> bool {
        if self.0.outer.is_done() {
            return false;
        }
        let before = self.0.left.lock().cancelled.replace(reason.clone());
        let mut any = false;
        for child in &self.0.children {
            any |= child.ask_in(reason.clone(), asking);
        }
        if !any {
            self.0.left.lock().cancelled = before;
        }
        any
    }

    /// True once the outcome is there.
    pub fn is_done(&self) -> bool {
        self.0.outer.is_done()
    }

    /// What is gathered, in order.
    pub fn children(&self) -> &[A] {
        &self.0.children
    }
}

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> Sealed for Gather<A, V, E> {}

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> Awaitable for Gather<A, V, E> {
    type Value = V;
    type Error = PromiseError<E>;

    const NEEDS_HANDLE: bool = true;

    fn to_promise(&self) -> Promise<V, PromiseError<E>> {
        self.0.outer.clone()
    }

    fn ask_in(&self, reason: Arc<str>, asking: &mut Asking) -> bool {
        self.cancel_in(reason, asking)
    }

    fn as_cancelled(error: &PromiseError<PromiseError<E>>) -> Option<&Arc<str>> {
        match error {
            PromiseError::Cancelled { reason }
            | PromiseError::Failed(PromiseError::Cancelled { reason }) => Some(reason),
            PromiseError::Failed(PromiseError::Failed(_)) => None,
        }
    }
}

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> Ensure for Gather<A, V, E> {
    type Awaitable = Gather<A, V, E>;

    fn ensure_on(self, _: &EventLoop, _: &'static Location<'static>) -> Self {
        self
    }
}

/// Waits for all: `gather.await`. A task that waits so and is asked to stop cancels the children.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Gathering<A, V, E>(Leaf<Gather<A, V, E>, V, PromiseError<E>>);

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> Future for Gathering<A, V, E> {
    type Output = Result<V, PromiseError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let flat = |error| match error {
            PromiseError::Failed(error) => error,
            PromiseError::Cancelled { reason } => PromiseError::Cancelled { reason },
        };
        let outcome = Pin::new(&mut self.0).poll(context);
        outcome.map(|outcome| outcome.map_err(flat))
    }
}

impl<A: Awaitable<Error = E>, V: Outcome, E: Outcome> IntoFuture for Gather<A, V, E> {
    type Output = Result<V, PromiseError<E>>;
    type IntoFuture = Gathering<A, V, E>;

    fn into_future(self) -> Gathering<A, V, E> {
        Gathering(Leaf::new(self))
    }
}

impl<A, V, E> Clone for Gather<A, V, E> {
    fn clone(&self) -> Self {
        Gather(self.0.clone())
    }
}

impl<A, V, E> fmt::Debug for Gather<A, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather")
            .field("children", &self.0.children.len())
            .field("left", &self.0.left.lock().children)
            .finish()
    }
}
