//! The promise side of a task: whoever holds the [`JoinHandle`] gets its outcome.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::budget;
use crate::error::JoinError;
use crate::origin::Id;
use crate::task::{AbortHandle, Joiner};

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

    /// Asks the task to stop, as [`AbortHandle::abort`]. Awaiting it then tells whether it stopped or was done before.
    pub fn abort(&self) {
        self.0.task().abort();
    }

    /// True once the task is done. A task that was asked to stop may still take a moment.
    pub fn is_finished(&self) -> bool {
        self.0.task().is_done()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.task().origin().id
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
