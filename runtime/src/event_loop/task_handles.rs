//! The handles of a loop's task: with its outcome, and without.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use super::awaitable::Leaf;
use super::task::{AnyTask, Outcome, TypedTask};
use super::task_panic::{TaskError, TaskPanic};
use super::{EventLoop, cancel};
use crate::origin::Id;
use crate::promise::{CallbackId, InvalidState, Promise};

/// A task of an [`EventLoop`]: awaited by any number of others, cancelled with a reason.
///
/// A handle: clones are the same task, and dropping them all changes nothing, since the loop owns its tasks. Awaiting it
/// gives a clone of the outcome. If a task of a loop awaits it and is cancelled, this one is asked to stop, too, and the
/// other goes on when it has: await a [`shield`](super::shield) to keep it out of that. A task of `spawn` that is cancelled
/// only lets go of it.
///
/// # Source
/// `asyncio.Task`.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let task = event_loop.create_task(async { 2 + 2 });
/// assert_eq!(event_loop.run_until_complete(task.clone()).unwrap(), 4);
/// assert_eq!(task.result().unwrap().unwrap(), 4);
/// ```
pub struct LoopTask<T>(pub(super) Arc<dyn TypedTask<T>>);

impl<T> Clone for LoopTask<T> {
    fn clone(&self) -> LoopTask<T> {
        LoopTask(self.0.clone())
    }
}

impl<T: Outcome> LoopTask<T> {
    /// The task without its type.
    pub fn task(&self) -> TaskRef {
        TaskRef(self.0.clone().untyped())
    }

    /// Asks the task to stop: see [`TaskRef::cancel`].
    pub fn cancel(&self, reason: impl Into<Arc<str>>) -> bool {
        self.task().cancel(reason)
    }

    /// True once it has an outcome.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// True if it ended because it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// The outcome, as often as you ask.
    ///
    /// # Errors
    /// [`InvalidState`] while it has none.
    pub fn result(&self) -> Result<Result<T, TaskError>, InvalidState> {
        let outcome = self.promise().result()?;
        self.0.retrieve();
        Ok(outcome)
    }

    /// Has `callback` called, as a callback of the loop, once the task is done; soon, if it is done already.
    pub fn add_done_callback<F>(&self, callback: F) -> CallbackId
    where
        F: FnOnce(&LoopTask<T>) + Send + 'static,
    {
        // A cycle until the task is done, which it will be: its loop sees to that, at the latest when it is closed. Weak, it
        // would miss a task that nobody holds, of which the loop lets go before the callback's turn.
        let task = self.clone();
        self.promise().add_done_callback(move |_| callback(&task))
    }

    /// Forgets a callback. True if it had not left yet.
    pub fn remove_done_callback(&self, callback: CallbackId) -> bool {
        self.promise().remove_done_callback(callback)
    }

    pub(super) fn promise(&self) -> Promise<T, TaskPanic> {
        self.0.clone().promise()
    }

    pub(super) fn retrieve(&self) {
        self.0.retrieve();
    }
}

impl<T: Outcome> IntoFuture for LoopTask<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Leaf<LoopTask<T>, T, TaskPanic>;

    fn into_future(self) -> Leaf<LoopTask<T>, T, TaskPanic> {
        Leaf::new(self)
    }
}

impl<T: Outcome> IntoFuture for &LoopTask<T> {
    type Output = Result<T, TaskError>;
    type IntoFuture = Leaf<LoopTask<T>, T, TaskPanic>;

    fn into_future(self) -> Leaf<LoopTask<T>, T, TaskPanic> {
        Leaf::new(self.clone())
    }
}

impl<T: Outcome> fmt::Debug for LoopTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task().fmt(f)
    }
}

/// A task of a loop, whatever its outcome's type: what [`current_task`](super::current_task) and
/// [`EventLoop::all_tasks`] give.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let task = event_loop.build_task().name("tea").create(async {
///     filch::asyncio::current_task().unwrap().name()
/// });
/// assert_eq!(event_loop.run_until_complete(task).unwrap(), "tea");
/// ```
#[derive(Clone)]
pub struct TaskRef(pub(super) Arc<dyn AnyTask>);

impl TaskRef {
    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.origin().id
    }

    /// The task's name; `Task-` and its id unless it was given one.
    pub fn name(&self) -> String {
        match &*self.0.name().lock() {
            Some(name) => name.to_string(),
            None => format!("Task-{}", self.id()),
        }
    }

    /// Gives it another name.
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        *self.0.name().lock() = Some(name.into());
    }

    /// Where it was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.0.origin().spawned_at
    }

    /// The loop that runs it; none if nobody but the loop's own tasks hold it any more.
    pub fn event_loop(&self) -> Option<EventLoop> {
        self.0.event_loop().upgrade()
    }

    /// True once it has an outcome.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// True if it ended because it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Asks the task to stop, and counts the request. False if it is done.
    ///
    /// What it awaits is asked first, if that is a task, a [`gather`](super::gather) or another thing of a loop, and what
    /// that makes of it decides. Else the innermost [`catch_cancel`](super::catch_cancel) that the task is in drops what
    /// is inside it and gives the task the word; without one the task's future is dropped, and the task is cancelled. A task
    /// that has not begun never does.
    ///
    /// # Source
    /// `asyncio.Task.cancel`. Nothing can be thrown into a Rust future: `catch_cancel` stands for `except CancelledError`,
    /// and drops for `finally`.
    pub fn cancel(&self, reason: impl Into<Arc<str>>) -> bool {
        cancel::request(&self.0, reason.into())
    }

    /// Waits until the task is done, whatever becomes of it.
    ///
    /// # Cancel safety
    /// Safe: dropping the future forgets the wait only.
    pub async fn wait(&self) {
        let mut wait = Wait(&*self.0, None);
        std::future::poll_fn(|context| {
            if self.0.poll_done(context.waker(), &mut wait.1) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Its panic, if it has ended so.
    pub fn panic(&self) -> Option<TaskPanic> {
        let panic = self.0.panic();
        if panic.is_some() {
            self.0.retrieve();
        }
        panic
    }

    /// How many requests to stop are open: [`cancel`](Self::cancel) calls without their [`uncancel`](Self::uncancel).
    pub fn cancelling(&self) -> usize {
        self.0.cancelling().lock().requests()
    }

    /// Takes back one request to stop; the answer is how many are left. A request that has not reached the task yet, and
    /// was the last, never does.
    pub fn uncancel(&self) -> usize {
        self.0.cancelling().lock().uncancel()
    }
}

/// A wait; it is forgotten when this is dropped.
struct Wait<'a>(&'a dyn AnyTask, Option<CallbackId>);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(callback) = self.1 {
            self.0.forget(callback);
        }
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &TaskRef) -> bool {
        self.id() == other.id()
    }
}

impl Eq for TaskRef {}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.is_done(), self.is_cancelled()) {
            (false, _) => "pending",
            (true, false) => "finished",
            (true, true) => "cancelled",
        };
        let place = self.made_at();
        write!(
            f,
            "<Task {state} name={:?} created at {place}>",
            self.name()
        )
    }
}
