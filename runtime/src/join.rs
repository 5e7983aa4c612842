//! The promise side of a task: whoever holds the [`JoinHandle`] gets its outcome.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::JoinError;
use crate::origin::{Id, Whose};
use crate::task::{AbortHandle, Joiner, current};

/// Awaits a task's outcome. Dropping it detaches the task, which runs on.
///
/// # Errors
/// Awaiting gives a [`JoinError`] if the task panicked, was aborted, or its runtime shut down.
///
/// # Panics
/// If polled again after it gave the outcome.
///
/// # Cancel safety
/// Safe. Await `&mut handle` to keep the handle when the wait is cancelled; the outcome stays in the task.
///
/// # Source
/// `tokio::task::JoinHandle`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let task = filch::spawn(async { 6 * 7 });
/// assert_eq!(task.await.unwrap(), 42);
/// # });
/// ```
pub struct JoinHandle<T>(Joiner<T>);

impl<T> Unpin for JoinHandle<T> {}
impl<T> std::panic::UnwindSafe for JoinHandle<T> {}
impl<T> std::panic::RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    #[inline]
    pub(crate) fn new(joiner: Joiner<T>) -> JoinHandle<T> {
        JoinHandle(joiner)
    }

    /// Stops the task, as [`AbortHandle::abort`]. Awaiting it then tells whether it stopped or was done before.
    pub fn abort(&self) {
        self.0.task().abort();
    }

    /// Whose outcome it is.
    pub(crate) fn whose(&self) -> Whose<'_> {
        self.0.task().origin()
    }

    /// Asks the task to stop, and says why. False if the task is done.
    ///
    /// Its future is dropped at its next await, as [`abort`](Self::abort) does it; the poll under way, if there is one,
    /// ends first, and sees [`task::is_cancelled`](crate::is_cancelled). A task that has asked for time to tidy up
    /// ([`with_grace`](crate::with_grace), [`TaskBuilder::grace`](crate::TaskBuilder::grace)) or that is in a
    /// [`shield`](crate::CancelScope::shield) runs on until that is over. A task that has not begun never runs. The first
    /// reason stays: awaiting the handle gives a [`JoinError`] that says it, and who asked, from where.
    ///
    /// A closure of `spawn_blocking` that runs can look at [`is_cancelled`](crate::is_cancelled); one that does not, runs on.
    ///
    /// # Source
    /// `asyncio.Task.cancel(msg)`. There the task may catch the `CancelledError`; nothing can be thrown into a Rust future,
    /// so here it is told beside.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let task = filch::spawn(std::future::pending::<()>());
    /// assert!(task.cancel("shutting down"));
    /// let error = task.await.unwrap_err();
    /// assert_eq!(error.reason(), Some("shutting down"));
    /// # });
    /// ```
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) -> bool {
        let why = current::asks(reason.into(), Location::caller());
        self.0.task().cancel(why)
    }

    /// True once the task is done. A task that was asked to stop may still take a moment.
    pub fn is_finished(&self) -> bool {
        self.0.task().is_done()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.task().id()
    }

    /// A handle that can abort the task, and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.0.task().clone())
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0.wait(context.waker()) {
            return Poll::Pending;
        }
        match self.0.take_outcome() {
            Some(outcome) => Poll::Ready(outcome),
            None => panic!(
                "`JoinHandle` of {} polled after it gave the outcome",
                self.0.task().origin()
            ),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .finish()
    }
}
