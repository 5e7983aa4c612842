//! Children that do not outlive the block that they belong to: [`TaskGroup`].

mod builder;
mod child;
mod count;
mod lend;
mod outcome;
mod room;
mod scope;
mod shared;
mod start;
mod waited;

use crate::time::Instant;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use self::child::Begun;
use self::room::Wait;
use self::shared::{By, Shared};
pub(crate) use self::waited::waited;
use crate::cancel::with_grace;
use crate::cancellation::{Cancellation, Reason};
use crate::context::{self, NO_RUNTIME};
use crate::origin::Origin;
use crate::task::current;
use std::sync::Arc;

pub(crate) use shared::outside;

pub use builder::GroupBuilder;
pub use child::Child;
pub use lend::{Scope, ScopedJoinHandle, scope};
pub use outcome::{Failure, GroupError};
pub use scope::GroupScope;
pub use start::{Ready, StartError, Starting};

/// A handle to a group of tasks: its block and its children may add children by it. Clones are the same group.
///
/// [`scope`](Self::scope) opens a group, and returns when its block and all children are done: each child's future is
/// dropped by then. The first one that fails, with an error or a panic, stops the others and the block (they are cancelled,
/// with that as the reason); the answer is then a [`GroupError`] with everything that failed. Children that ask for time
/// to tidy up ([`with_grace`]), or whose group does ([`GroupBuilder::grace`]), get it.
///
/// # How a child cannot outlive its group
/// When the task is cancelled, or a [`CancelScope`](crate::CancelScope) around the group stops, the group stops its
/// children, waits for them, and only then lets go. If the future of `scope` is dropped instead (by `abort`, `select!`, `timeout`, ...) it
/// cannot wait, since there is no async drop: then all children are aborted at once. An idle one is dropped by
/// the next worker that is free, one that is being polled at the end of its poll: a moment later. That moment is
/// waited for by the group around, if there is one: groups inside a group end before it does in any case. Elsewhere
/// [`ended`](Self::ended) waits for it.
///
/// # In a task of an event loop
/// A request to stop the task ([`TaskRef::cancel`](crate::event_loop::TaskRef::cancel)) stops the group; when all have ended
/// it goes on to whoever is around, and only the requests that were made are counted. If something has failed by then, that
/// is told first, and the request comes again at the task's next await. [`spawn_on`](Self::spawn_on) makes a child that is a
/// task of the loop; one of [`spawn`](Self::spawn) runs on the workers, where what needs a loop panics.
///
/// # Why children cannot borrow
/// A future can be forgotten without being dropped ([`std::mem::forget`]); then nobody would wait, and what is borrowed
/// would be gone under the children. So they are `'static`. Outside a runtime, where a thread can be blocked until they
/// are done, [`task::scope`](crate::scope) lends to its tasks.
///
/// # Source
/// `asyncio.TaskGroup`, `trio.Nursery`. Otherwise than there, a group that stops or has ended refuses new children
/// quietly: their futures are dropped, and [`Child`] says so.
///
/// # Examples
/// ```
/// use filch::task::TaskGroup;
///
/// # filch::block_on(async {
/// let total = TaskGroup::scope(async |group| {
///     let mut parts = Vec::new();
///     for n in 1..=10u64 {
///         parts.push(group.spawn(async move { Ok::<_, std::io::Error>(n * n) }));
///     }
///     let mut total = 0;
///     for part in parts {
///         total += part.await.unwrap();
///     }
///     Ok(total)
/// });
/// assert_eq!(total.await.unwrap(), 385);
/// # });
/// ```
pub struct TaskGroup<E> {
    shared: Arc<Shared>,
    error: PhantomData<fn(E)>,
}

impl<E: Send + 'static> TaskGroup<E> {
    /// Opens a group, awaits `block` with a handle to it, and then the end of all children.
    ///
    /// Nothing happens before the first poll. A task that is cancelled here runs on until the children have ended; an
    /// abort does not wait, see above.
    ///
    /// # Errors
    /// [`GroupError`]: what failed of the block and the children, be it an error or a panic (also one of the block,
    /// which is caught here, so that none is lost); or the group was cancelled before the block was done; or its deadline
    /// passed, or whatever is around stopped it, before all were done: then the value of a block that was is dropped.
    ///
    /// # Cancel safety
    /// Dropping it aborts the children. Nothing else is lost.
    ///
    /// # Examples
    /// ```
    /// use filch::task::TaskGroup;
    ///
    /// # filch::block_on(async {
    /// let answer = TaskGroup::scope(async |group| {
    ///     let child = group.spawn(async { Ok::<_, ()>(6 * 7) });
    ///     Ok(child.await.unwrap())
    /// });
    /// assert_eq!(answer.await.unwrap(), 42);
    /// # });
    /// ```
    #[track_caller]
    pub fn scope<F, B, T>(block: F) -> GroupScope<F, B, T, E>
    where
        F: FnOnce(TaskGroup<E>) -> B,
        B: Future<Output = Result<T, E>>,
    {
        TaskGroup::builder().scope(block)
    }

    /// Options for a group.
    pub fn builder() -> GroupBuilder<E> {
        GroupBuilder::new()
    }

    /// Spawns a child; it starts at once, or, where there is a [`limit`](GroupBuilder::limit), when it is its turn, in the
    /// order of these calls. For a service beside them, which runs as long as the group, there is [`start`](Self::start).
    ///
    /// A group that stops or has ended takes no child: the future is dropped, and the handle says why.
    ///
    /// # Panics
    /// If there is no current runtime.
    ///
    /// # Source
    /// `trio.Nursery.start_soon`; asyncio's `TaskGroup.create_task`, but on the workers: see [`spawn_on`](Self::spawn_on).
    #[track_caller]
    #[inline]
    pub fn spawn<F, T>(&self, future: F) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_from(future, self.turn(), Origin::at(Location::caller()))
    }

    /// As [`spawn`](Self::spawn), with a name that errors say.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_named<F, T>(&self, name: &str, future: F) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let origin = Origin::at(Location::caller()).named(name);
        self.spawn_from(future, self.turn(), origin)
    }

    /// Spawns a child as soon as it may run: in a group with a limit, whoever makes children waits with them. Elsewhere as
    /// [`spawn`](Self::spawn), at once.
    ///
    /// A child that waits here for room in its own group keeps the room that it has itself: with a limit of 1 for ever.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn), when it is awaited.
    ///
    /// # Cancel safety
    /// Dropping it drops `future`, which then has not begun. The turn in the queue is lost.
    ///
    /// # Source
    /// `trio.CapacityLimiter` around `start_soon`.
    #[track_caller]
    #[expect(
        clippy::async_yields_async,
        reason = "the child is awaited, or not, by whoever made it"
    )]
    pub fn wait_spawn<F, T>(
        &self,
        future: F,
    ) -> impl Future<Output = Child<T>> + Send + use<F, T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let at = Location::caller();
        let group = self.clone();
        async move {
            let place = match group.shared.is_limited() {
                true => Wait::new(group.shared.clone()).await,
                false => None,
            };
            group.spawn_from(future, Begun::No(place), Origin::at(at))
        }
    }

    /// A new child's place, or its turn for one.
    #[inline]
    fn turn(&self) -> Begun {
        match self.shared.is_limited() {
            true => Begun::Waits(Wait::new(self.shared.clone())),
            false => Begun::No(None),
        }
    }

    #[track_caller]
    #[inline]
    fn spawn_from<F, T>(&self, future: F, begun: Begun, origin: Origin) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        match self.shared.grace {
            None => self.let_in(future, begun, origin),
            // Inside the member, which refuses to begin in a group that stops: so that one takes no time.
            Some(period) => self.let_in(with_grace(period, future), begun, origin),
        }
    }

    #[track_caller]
    #[inline]
    fn let_in<F, T>(&self, future: F, begun: Begun, origin: Origin) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        if self.shared.stops() || !self.shared.count.enter() {
            return self.refuse(&origin);
        }
        let member = child::member::<F, E>(self.shared.clone(), future, begun);
        match context::with_current(|handle| handle.spawn_from(member, origin)) {
            Some(join) => Child::new(join),
            None => panic!("{NO_RUNTIME}"),
        }
    }

    /// Spawns a child that stands for something that runs already: it is polled also if the group stops before that, and
    /// has no need of a place. How long it may take to end is its own business.
    #[track_caller]
    pub(crate) fn spawn_begun<F, T>(&self, future: F, origin: Origin) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        self.let_in(future, Begun::Yes(None), origin)
    }

    #[cold]
    fn refuse<T>(&self, origin: &Origin) -> Child<T> {
        let ended = || current::asks("the group has ended".into(), origin.spawned_at);
        let stop = self.shared.why();
        Child::refused(origin, stop.map_or_else(ended, |stop| stop.why))
    }

    /// Spawns a child that says when it is ready, and waits for that: the value that it sent with [`Ready::send`].
    ///
    /// Before it is ready, its failure is the caller's, and stops nobody else; afterwards it is the group's. The
    /// child starts at once, also where there is a [`limit`](GroupBuilder::limit): it is a service, and does not count there.
    /// Dropping what is returned before the child is ready cancels the child.
    ///
    /// # Errors
    /// [`StartError`]: the child failed, ended or was cancelled before it was ready.
    ///
    /// # Panics
    /// If there is no current runtime.
    ///
    /// # Cancel safety
    /// Safe, if you keep it: the value stays until it is taken. Dropping it cancels a child that is not ready.
    ///
    /// # Source
    /// `trio.Nursery.start`.
    ///
    /// # Examples
    /// ```
    /// use filch::task::TaskGroup;
    ///
    /// # filch::block_on(async {
    /// let served = TaskGroup::scope(async |group| {
    ///     let port = group.start(|ready| async move {
    ///         let _ = ready.send(8080u16); // once it listens
    ///         Ok::<_, ()>(())
    ///     });
    ///     Ok(port.await.unwrap())
    /// });
    /// assert_eq!(served.await.unwrap(), 8080);
    /// # });
    /// ```
    #[track_caller]
    pub fn start<V, F, B>(&self, child: F) -> Starting<V, E>
    where
        F: FnOnce(Ready<V, E>) -> B,
        B: Future<Output = Result<(), E>> + Send + 'static,
        V: Send + 'static,
    {
        let origin = Origin::at(Location::caller());
        start::start(self, child, origin)
    }

    /// As [`start`](Self::start), with a name that errors say.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    #[track_caller]
    pub fn start_named<V, F, B>(&self, name: &str, child: F) -> Starting<V, E>
    where
        F: FnOnce(Ready<V, E>) -> B,
        B: Future<Output = Result<(), E>> + Send + 'static,
        V: Send + 'static,
    {
        let origin = Origin::at(Location::caller()).named(name);
        start::start(self, child, origin)
    }

    /// Stops the block and all children, which are told why. False if they were told before.
    ///
    /// Children that have begun get the time that they, or the group's [`grace`](GroupBuilder::grace), ask for. One that has not
    /// begun, as it waits for its turn under a limit or for a worker, gets none: it never does.
    ///
    /// If the block is done, or comes to its end without another await, its value still counts.
    ///
    /// # Source
    /// `asyncio.TaskGroup.cancel`; `trio.Nursery.cancel_scope.cancel`.
    ///
    /// # Examples
    /// ```
    /// use filch::task::TaskGroup;
    ///
    /// # filch::block_on(async {
    /// let found = TaskGroup::<()>::scope(async |group| {
    ///     group.spawn(std::future::pending::<Result<(), _>>());
    ///     group.cancel("the first answer will do");
    ///     Ok(7)
    /// });
    /// assert_eq!(found.await.unwrap(), 7);
    /// # });
    /// ```
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Reason>) -> bool {
        let why = current::asks(reason.into(), Location::caller());
        self.shared.stop(why, By::Handle)
    }

    /// True once the block and the children were told to stop, for whatever reason.
    pub fn is_cancelled(&self) -> bool {
        self.shared.stops()
    }

    /// Why the block and the children were told to stop.
    pub fn cancellation(&self) -> Option<Cancellation> {
        self.shared.why().map(|stop| stop.why)
    }

    /// When it stops them.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.scope.deadline()
    }

    /// Sets another deadline, or none.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.shared.scope.set_deadline(deadline);
    }

    /// How many there are in it: children that are not done, and the block.
    pub fn len(&self) -> usize {
        self.shared.count.len()
    }

    /// True once the block and all children are gone.
    pub fn is_empty(&self) -> bool {
        self.shared.count.is_over()
    }

    /// Waits until the block and all children are gone, also if the future of `scope` was dropped.
    ///
    /// Not from inside the group, which would wait for itself.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<E> {
        Ended::new(self.shared.clone())
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> TaskGroup<E> {
        TaskGroup {
            shared: self.shared.clone(),
            error: PhantomData,
        }
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("len", &self.shared.count.len())
            .field("is_cancelled", &self.shared.stops())
            .finish()
    }
}

/// Waits until all members have left.
struct Ended {
    group: Arc<Shared>,
    key: u64,
}

impl Ended {
    fn new(group: Arc<Shared>) -> Ended {
        let key = group.key();
        Ended { group, key }
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.group.count.wait(self.key, context.waker()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.group.count.forget(self.key);
    }
}
