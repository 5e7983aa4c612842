//! The promise side of a task: whoever holds the [`JoinHandle`] gets its outcome.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::budget;
use crate::cancellation::Reason;
use crate::done_list::DoneList;
use crate::error::JoinError;
use crate::origin::{Id, Whose};
use crate::task::{AbortHandle, Joiner, Task, current};
use std::sync::Arc;

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

    /// The task.
    pub(crate) fn task(&self) -> &Task {
        self.0.task()
    }

    /// Whose outcome it is.
    pub(crate) fn whose(&self) -> Whose<'_> {
        self.0.task().origin()
    }

    /// Asks the task to stop, and says why. False if the task is done.
    ///
    /// Its future is dropped at its next await, as [`abort`](Self::abort) does it; the poll under way, if there is one,
    /// ends first, and sees [`task::is_cancelled`](crate::is_cancelled). A task that has asked for time to tidy up
    /// ([`with_grace`](crate::with_grace), [`task::Builder::grace`](crate::TaskBuilder::grace)) or that is in a
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
    pub fn cancel(&self, reason: impl Into<Reason>) -> bool {
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

    /// Has the list told `number` when the task is done. False if it is done already: then the list never hears of it.
    pub(crate) fn tell(&self, list: &Arc<DoneList>, number: usize) -> bool {
        self.0.tell(list, number)
    }

    /// The outcome of a task that is done.
    #[track_caller]
    pub(crate) fn into_outcome(mut self) -> Result<T, JoinError> {
        self.0.take_outcome().expect("taken once")
    }

    /// Ties the task to this handle: dropping it aborts the task.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let task = filch::spawn(std::future::pending::<()>());
    /// let alive = task.abort_handle();
    /// drop(task.abort_on_drop());
    /// while !alive.is_finished() {
    ///     filch::task::yield_now().await;
    /// }
    /// # });
    /// ```
    pub fn abort_on_drop(self) -> AbortOnDropHandle<T> {
        AbortOnDropHandle::new(self)
    }

    /// A handle that can abort the task, and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.0.task().clone())
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_left(context));
        if self.0.wait(context.waker()) {
            return Poll::Pending;
        }
        budget::spend();
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

/// Awaits a task's outcome, and aborts the task when it is dropped before.
///
/// # Errors
/// As [`JoinHandle`].
///
/// # Panics
/// As [`JoinHandle`].
///
/// # Cancel safety
/// Awaited by value it aborts the task when the wait is cancelled; await `&mut handle` to keep it.
///
/// # Source
/// `tokio_util::task::AbortOnDropHandle`.
///
/// # Examples
/// ```
/// use filch::task::AbortOnDropHandle;
///
/// # filch::block_on(async {
/// let task = AbortOnDropHandle::new(filch::spawn(async { 6 * 7 }));
/// assert_eq!(task.await.unwrap(), 42);
/// # });
/// ```
#[must_use = "dropping the handle aborts the task at once"]
pub struct AbortOnDropHandle<T>(
    /// None once it is detached.
    Option<JoinHandle<T>>,
);

impl<T> AbortOnDropHandle<T> {
    /// Ties the task to the handle that it returns.
    pub fn new(handle: JoinHandle<T>) -> AbortOnDropHandle<T> {
        AbortOnDropHandle(Some(handle))
    }

    fn inner(&self) -> &JoinHandle<T> {
        self.0.as_ref().expect("here until detached")
    }

    /// Asks the task to stop, as [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.inner().abort();
    }

    /// True once the task is done.
    pub fn is_finished(&self) -> bool {
        self.inner().is_finished()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.inner().id()
    }

    /// A handle that can abort the task, and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        self.inner().abort_handle()
    }

    /// A plain handle: the task runs on when that is dropped.
    pub fn detach(mut self) -> JoinHandle<T> {
        self.0.take().expect("here until detached")
    }
}

impl<T> Future for AbortOnDropHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.0.as_mut().expect("here until detached");
        Pin::new(inner).poll(context)
    }
}

impl<T> AsRef<JoinHandle<T>> for AbortOnDropHandle<T> {
    fn as_ref(&self) -> &JoinHandle<T> {
        self.inner()
    }
}

impl<T> Drop for AbortOnDropHandle<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

impl<T> fmt::Debug for AbortOnDropHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortOnDropHandle")
            .field("id", &self.id())
            .finish()
    }
}
