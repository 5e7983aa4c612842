//! A child that says when it is ready.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use pin_project_lite::pin_project;

use super::TaskGroup;
use super::child::{Begun, Child, drop_future};
use super::outcome::{Failure, Kind};
use crate::cancel::cancel_reason;
use crate::cancellation::Cancellation;
use crate::job::quietly;
use crate::origin::Origin;
use crate::task::current;

/// Where the child and whoever waits for it meet.
struct Slot<V, E>(Mutex<Stage<V, E>>);

enum Stage<V, E> {
    Waiting(Option<Waker>),
    Outcome(Result<V, StartError<E>>),
    /// It was taken, or nobody waits.
    Over,
}

impl<V, E> Slot<V, E> {
    /// Sets the outcome; gives it back if there is one, or if nobody waits.
    fn set(&self, outcome: Result<V, StartError<E>>) -> Result<(), Result<V, StartError<E>>> {
        let mut stage = self.0.lock();
        let Stage::Waiting(waker) = &mut *stage else {
            drop(stage);
            return Err(outcome);
        };
        let waker = waker.take();
        *stage = Stage::Outcome(outcome);
        drop(stage);
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
        Ok(())
    }
}

/// By which a child of [`TaskGroup::start`] says that it is ready.
pub struct Ready<V, E>(Arc<Slot<V, E>>);

impl<V, E> Ready<V, E> {
    /// Says so, and hands `value` to whoever waits.
    ///
    /// # Errors
    /// The value, if nobody waits any more: the child is being cancelled.
    pub fn send(self, value: V) -> Result<(), V> {
        match self.0.set(Ok(value)) {
            Err(Ok(value)) => Err(value),
            _ => Ok(()),
        }
    }
}

impl<V, E> fmt::Debug for Ready<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

/// A child did not become ready.
#[derive(Debug)]
pub enum StartError<E> {
    /// It failed before. The group knows nothing of it.
    Failed(Failure<E>),
    /// It ended well, but never said that it is ready.
    Ended,
    /// It was cancelled before, or the group took no children any more.
    Cancelled(Option<Cancellation>),
}

impl<E> StartError<E> {
    /// The error of the child, if there is one.
    pub fn into_error(self) -> Option<E> {
        match self {
            StartError::Failed(failure) => failure.into_error().ok(),
            StartError::Ended | StartError::Cancelled(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for StartError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Failed(failure) => write!(f, "{failure}, before it was ready"),
            StartError::Ended => f.write_str("the child ended without saying that it is ready"),
            StartError::Cancelled(Some(why)) => {
                write!(f, "the child was cancelled before it was ready, {why}")
            }
            StartError::Cancelled(None) => {
                f.write_str("the child was cancelled before it was ready")
            }
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for StartError<E> {}

/// Waits until a child is ready: [`TaskGroup::start`].
#[must_use = "dropping it cancels the child"]
pub struct Starting<V, E> {
    slot: Arc<Slot<V, E>>,
    child: Child<()>,
}

impl<V, E> Future for Starting<V, E> {
    type Output = Result<V, StartError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Not under the lock: a clone may be anybody's code, as a drop is.
        let own = context.waker().clone();
        let mut stage = self.slot.0.lock();
        if let Stage::Waiting(waker) = &mut *stage {
            let old = waker.replace(own);
            drop(stage);
            quietly(|| drop(old));
            return Poll::Pending;
        }
        let last = std::mem::replace(&mut *stage, Stage::Over);
        drop(stage);
        quietly(|| drop(own));
        match last {
            Stage::Outcome(outcome) => Poll::Ready(outcome),
            _ => panic!("`Starting` polled after it gave the outcome"),
        }
    }
}

impl<V, E> Drop for Starting<V, E> {
    fn drop(&mut self) {
        let stage = std::mem::replace(&mut *self.slot.0.lock(), Stage::Over);
        if let Stage::Waiting(_) = stage {
            self.child.cancel("nobody waits for it to start");
        }
    }
}

impl<V, E> fmt::Debug for Starting<V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Starting").field(&self.child).finish()
    }
}

pin_project! {
    /// The child's future: what becomes of it before it is ready goes to whoever waits.
    struct Early<F, V, E> {
        #[pin]
        future: Option<F>,
        slot: Arc<Slot<V, E>>,
        // Of a drop of the future, after it had failed already: for the group, which drops this next.
        late: Option<Box<dyn Any + Send>>,
    }

    impl<F, V, E> PinnedDrop for Early<F, V, E> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(panic) = this.late.take() {
                resume_unwind(panic);
            }
            let outcome = match drop_future(this.future) {
                Ok(()) => Err(StartError::Cancelled(cancel_reason())),
                Err(panic) => match tell_panic(this.slot, panic) {
                    None => return,
                    Some(panic) => resume_unwind(panic),
                },
            };
            drop(this.slot.set(outcome));
        }
    }
}

/// Tells whoever waits how the child failed; gives it back if it was ready before.
fn tell<V, E>(slot: &Slot<V, E>, kind: Kind<E>) -> Option<Failure<E>> {
    // A child that was never spawned tells nobody but the panic hook.
    let Some(task) = current::task() else {
        quietly(|| drop(kind));
        return None;
    };
    let failure = Failure::of_child(task.origin(), kind);
    match slot.set(Err(StartError::Failed(failure))) {
        Err(Err(StartError::Failed(failure))) => Some(failure),
        _ => None,
    }
}

fn tell_panic<V, E>(slot: &Slot<V, E>, panic: Box<dyn Any + Send>) -> Option<Box<dyn Any + Send>> {
    tell(slot, Kind::panic(panic)).and_then(|failure| failure.into_panic().ok())
}

impl<F, V, E> Future for Early<F, V, E>
where
    F: Future<Output = Result<(), E>>,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let future = this.future.as_mut().as_pin_mut();
            let future = future.expect("a task is not polled after it is ready");
            future.poll(context)
        }));
        if let Ok(Poll::Pending) = polled {
            return Poll::Pending;
        }
        // Before anybody hears of the end: what it has is free then.
        let dropped = drop_future(this.future);
        let polled = match (polled, dropped) {
            (Ok(Poll::Ready(Ok(()))), Err(panic)) => Err(panic),
            (polled, dropped) => {
                *this.late = dropped.err();
                polled
            }
        };
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(()))) => {
                drop(this.slot.set(Err(StartError::Ended)));
                Ok(())
            }
            Ok(Poll::Ready(Err(error))) => match tell(this.slot, Kind::Error(error)) {
                None => Ok(()),
                Some(failure) => failure.into_error().map_or(Ok(()), Err),
            },
            Err(panic) => match tell_panic(this.slot, panic) {
                None => Ok(()),
                Some(panic) => resume_unwind(panic),
            },
        };
        Poll::Ready(outcome)
    }
}

pub(super) fn start<V, F, B, E>(group: &TaskGroup<E>, child: F, origin: Origin) -> Starting<V, E>
where
    F: FnOnce(Ready<V, E>) -> B,
    B: Future<Output = Result<(), E>> + Send + 'static,
    V: Send + 'static,
    E: Send + 'static,
{
    let slot = Arc::new(Slot(Mutex::new(Stage::Waiting(None))));
    let future = child(Ready(slot.clone()));
    let early = Early {
        future: Some(future),
        slot: slot.clone(),
        late: None,
    };
    // A service: it takes no place.
    let child = group.spawn_from(early, Begun::No(None), origin);
    if let Some(why) = child.refusal() {
        let refused = Err(StartError::Cancelled(Some(why.clone())));
        let before = std::mem::replace(&mut *slot.0.lock(), Stage::Outcome(refused));
        drop(before);
    }
    Starting { slot, child }
}
