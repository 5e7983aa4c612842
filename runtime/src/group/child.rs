//! A child of a group: the future that its task runs, and the handle to it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::outcome::{Failure, Kind};
use super::room::{Place, Wait};
use super::shared::{Inside, Shared, this_task};
use crate::cancellation::{Cancellation, Reason};
use crate::error::{Cause, JoinError};
use crate::join::JoinHandle;
use crate::origin::{Id, Origin, Whose};
use crate::task::current;
use std::sync::Arc;

pin_project! {
    /// The future of a child's task. It reports to the group, and leaves it once the child's own future is dropped.
    pub(super) struct Member<F, E>
    where
        E: Send,
        E: 'static,
    {
        #[pin]
        future: Option<F>,
        seat: Seat,
        error: std::marker::PhantomData<fn(E)>,
    }

    impl<F, E> PinnedDrop for Member<F, E>
    where
        E: Send,
        E: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Err(panic) = drop_future(this.future) {
                this.seat.fail::<E>(Kind::panic(panic));
            }
            this.seat.leave();
        }
    }
}

/// A member's place in its group.
struct Seat {
    /// None while the child's future is polled, and once it has left.
    group: Option<Arc<Shared>>,
    /// Where the group has its task, once it had to wait.
    key: Option<usize>,
    begun: Begun,
}

pub(super) enum Begun {
    /// The place, if it needs one, is there already.
    No(Option<Place>),
    /// Waits for a place since it was spawned.
    Waits(Wait),
    /// The place, where there is a limit.
    Yes(#[expect(dead_code, reason = "it is given back by its drop")] Option<Place>),
}

/// What went wrong in the drop of a future.
pub(super) fn drop_future<F>(mut future: Pin<&mut Option<F>>) -> Result<(), Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| future.set(None)))
}

impl Seat {
    fn group(&self) -> &Arc<Shared> {
        self.group.as_ref().expect("it has not left")
    }

    fn leave(&mut self) {
        // The place first, so that whoever sees the group at its end sees all places free.
        self.begun = Begun::Yes(None);
        if let Some(group) = self.group.take() {
            group.leave(self.key.take());
        }
    }

    fn fail<E: Send + 'static>(&self, kind: Kind<E>) {
        // A future that comes to no task, since there is no runtime, has told its panic to the panic hook.
        let (Some(group), Some(task)) = (&self.group, current::task()) else {
            return drop_quietly(kind);
        };
        let child = task.origin();
        let how = if matches!(kind, Kind::Error(_)) {
            "failed"
        } else {
            "panicked"
        };
        let reason = format!("{child} of the same group {how}");
        let why = Cancellation::new(reason.into(), Some(child), child.spawned_at);
        group.fail(Box::new(Failure::of_child(child, kind)), why);
    }

    /// The child has to wait for something: the group shall know where it is.
    fn waits(&mut self) {
        if self.key.is_none() {
            self.key = self.group().register(this_task());
        }
    }

    /// True if the child may run.
    #[inline]
    fn begin(&mut self, context: &mut Context<'_>) -> bool {
        if let Begun::Yes(_) = self.begun {
            return true;
        }
        if self.group().stops() {
            self.group().refuse(&this_task());
            return false;
        }
        let wait = match &mut self.begun {
            Begun::No(place) => {
                self.begun = Begun::Yes(place.take());
                return true;
            }
            Begun::Waits(wait) => wait,
            Begun::Yes(_) => return true,
        };
        match Pin::new(wait).poll(context) {
            Poll::Ready(Some(place)) => {
                self.begun = Begun::Yes(Some(place));
                true
            }
            Poll::Ready(None) => {
                self.group().refuse(&this_task());
                false
            }
            Poll::Pending => {
                self.waits();
                false
            }
        }
    }
}

impl<F, T, E> Future for Member<F, E>
where
    F: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    /// None: the group has what became of it, or nobody wants the value.
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut this = self.project();
        if !this.seat.begin(context) {
            return Poll::Pending;
        }
        let polled = {
            let future = this.future.as_mut().as_pin_mut();
            let future = future.expect("a task is not polled after it is ready");
            let _inside = Inside::begin(&mut this.seat.group);
            catch_unwind(AssertUnwindSafe(|| future.poll(context)))
        };
        let mut outcome = match polled {
            Ok(Poll::Pending) => {
                this.seat.waits();
                return Poll::Pending;
            }
            Ok(Poll::Ready(Ok(value))) => Ok(Some(value)),
            Ok(Poll::Ready(Err(error))) => Err(Kind::Error(error)),
            Err(panic) => Err(Kind::panic(panic)),
        };
        let mut also = None;
        match drop_future(this.future) {
            Ok(()) => {}
            Err(panic) if outcome.is_ok() => {
                drop_quietly(std::mem::replace(&mut outcome, Err(Kind::panic(panic))));
            }
            Err(panic) => also = Some(Kind::panic(panic)),
        }
        if matches!(outcome, Ok(Some(_))) && !current::is_joined() {
            // Nobody takes it, so that it shall not outlive the group.
            let value = std::mem::replace(&mut outcome, Ok(None));
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
                outcome = Err(Kind::panic(panic));
            }
        }
        let value = match outcome {
            Ok(value) => value,
            Err(kind) => {
                this.seat.fail(kind);
                None
            }
        };
        if let Some(kind) = also {
            this.seat.fail::<E>(kind);
        }
        this.seat.leave();
        Poll::Ready(value)
    }
}

fn drop_quietly<T>(value: T) {
    crate::job::quietly(|| drop(value));
}

/// A child for the group, which has let it in.
pub(super) fn member<F, E>(group: Arc<Shared>, future: F, begun: Begun) -> Member<F, E>
where
    E: Send + 'static,
{
    Member {
        future: Some(future),
        seat: Seat {
            group: Some(group),
            key: None,
            begun,
        },
        error: std::marker::PhantomData,
    }
}

/// Awaits the value of a child of a [`TaskGroup`](super::TaskGroup). Dropping it changes nothing: the group waits for
/// the child all the same, and a value that nobody awaits is dropped with the child; if the handle goes in the very moment
/// in which the child ends, then a moment later, maybe after the group's end.
///
/// # Errors
/// Awaiting gives a [`JoinError`] if there is no value. The error or the panic of the child itself is with the group.
///
/// # Panics
/// If polled again after it gave the outcome.
///
/// # Cancel safety
/// Safe, as a [`JoinHandle`].
pub struct Child<T>(Handle<T>);

enum Handle<T> {
    Task(JoinHandle<Option<T>>),
    /// The group took no children any more.
    Refused {
        id: Id,
        spawned_at: &'static Location<'static>,
        why: Cancellation,
    },
}

impl<T> Child<T> {
    pub(super) fn new(join: JoinHandle<Option<T>>) -> Child<T> {
        Child(Handle::Task(join))
    }

    pub(super) fn refused(origin: &Origin, why: Cancellation) -> Child<T> {
        Child(Handle::Refused {
            id: origin.id,
            spawned_at: origin.spawned_at,
            why,
        })
    }

    /// Asks the child to stop, as [`JoinHandle::cancel`]. That is no failure: the group goes on.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Reason>) -> bool {
        match &self.0 {
            Handle::Task(join) => join.cancel(reason),
            Handle::Refused { .. } => false,
        }
    }

    /// Stops the child, as [`JoinHandle::abort`]. That is no failure: the group goes on.
    pub fn abort(&self) {
        if let Handle::Task(join) = &self.0 {
            join.abort();
        }
    }

    /// True once the child is done, or if it was never let in.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Handle::Task(join) => join.is_finished(),
            Handle::Refused { .. } => true,
        }
    }

    /// True if the group took no children any more, and its future was dropped.
    pub fn is_refused(&self) -> bool {
        matches!(self.0, Handle::Refused { .. })
    }

    /// Why the group took no child any more.
    pub(super) fn refusal(&self) -> Option<&Cancellation> {
        match &self.0 {
            Handle::Task(_) => None,
            Handle::Refused { why, .. } => Some(why),
        }
    }

    /// The id of the child's task.
    pub fn id(&self) -> Id {
        match &self.0 {
            Handle::Task(join) => join.id(),
            Handle::Refused { id, .. } => *id,
        }
    }
}

impl<T> Unpin for Child<T> {}

impl<T> Future for Child<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let join = match &mut self.0 {
            Handle::Task(join) => join,
            Handle::Refused {
                id,
                spawned_at,
                why,
            } => {
                let whose = Whose {
                    id: *id,
                    spawned_at,
                    name: None,
                };
                let error = JoinError::new(whose, Cause::Cancelled, Some(why.clone()));
                return Poll::Ready(Err(error));
            }
        };
        Pin::new(&mut *join).poll(context).map(|outcome| {
            outcome?.ok_or_else(|| {
                let whose = join.whose();
                let reason = "it failed, and its error is with its group";
                let why = Cancellation::new(reason.into(), Some(whose), whose.spawned_at);
                JoinError::new(whose, Cause::Cancelled, Some(why))
            })
        })
    }
}

impl<T> fmt::Debug for Child<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id()).finish()
    }
}
