//! The handles of a task: its owner's, and one for whoever may abort it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::Waker;

use super::cell::{Cell, Header};
use super::current;
use super::state::{Forget, Wake};
use super::waker;
use crate::cancellation::{Cancellation, Reason};
use crate::done_list::DoneList;
use crate::error::{Cause, JoinError};
use crate::job::{Job, Schedule};
use crate::origin::{Id, Origin, Whose};
use crate::promise::Lead;
use crate::promise::callbacks::{Callback, Key};
use crate::sync_prim::keep;
use std::sync::Arc;

/// A counted reference to a task, whatever its future.
pub(crate) struct Task(NonNull<Header>);

// SAFETY: what a `Task` reaches is atomics, a lock, and constants; the future and the outcome are reached only by
// the runner and the join side. Both are `Send` by the bounds of `new`, or stay on their thread, as `new_local` says;
// and dropping the last `Task` drops neither (see the head of `cell`).
unsafe impl Send for Task {}
// SAFETY: as above: every method that takes `&self` works on atomics and the lock.
unsafe impl Sync for Task {}

/// A new task: not yet in any queue.
pub(crate) struct Spawned<T> {
    pub(crate) job: Job,
    pub(crate) owner: Task,
    pub(crate) joiner: Joiner<T>,
}

/// A joiner is the only one who registers a callback with its task.
const JOINER: Key = 0;

/// Makes a task for `future`.
#[inline]
pub(crate) fn new<F, S>(future: F, origin: Origin, scheduler: &Arc<S>) -> Spawned<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the future and its output are `Send`: it does not matter where they are run and dropped.
    unsafe { new_local(future, origin, scheduler) }
}

/// Makes a task for a future that must not leave its thread.
///
/// The output needs no care of the caller's: it goes to the [`Joiner`], which is `Send` only if the output is, or is
/// dropped by the runner.
///
/// # Safety
/// The task's jobs may be carried through other threads, but are run and dropped only on a thread where `future` may
/// be polled and dropped.
#[inline]
pub(crate) unsafe fn new_local<F, S>(
    future: F,
    origin: Origin,
    scheduler: &Arc<S>,
) -> Spawned<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let header = Cell::boxed(future, origin, scheduler);
    Spawned {
        // SAFETY: the cell is new and queued by birth, so this is its one job; the two references are those that a
        // new cell counts.
        job: unsafe { Job::new(header.cast()) },
        owner: Task(header),
        joiner: Joiner {
            task: Some(Task(header)),
            output: PhantomData,
        },
    }
}

impl Task {
    /// A reference to a task that something else keeps alive meanwhile.
    ///
    /// # Safety
    /// `header` begins a live cell.
    pub(super) unsafe fn of(header: NonNull<Header>) -> Task {
        // SAFETY: live, by the caller's promise.
        unsafe { header.as_ref() }.state.add_ref();
        Task(header)
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: our reference keeps it alive.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn id(&self) -> Id {
        self.header().id
    }

    /// Who this is.
    #[inline]
    pub(crate) fn origin(&self) -> Whose<'_> {
        self.header().whose()
    }

    /// Writes where the owner keeps this task. Only before the job of a new task is given away.
    #[inline]
    pub(crate) fn set_key(&mut self, key: u64, _unshared: &Job) {
        // SAFETY: nobody reads the key before the job is submitted, and its only job is still in our caller's hand.
        unsafe { (&raw mut (*self.0.as_ptr()).head.key).write(key) }
    }

    /// Lets go without giving the reference back: whoever called `Schedule::release` does.
    #[inline]
    pub(crate) fn let_go(self) {
        std::mem::forget(self);
    }

    /// Asks the task to stop: its future is dropped instead of polled again.
    pub(crate) fn abort(&self) {
        // SAFETY: our reference keeps it alive.
        unsafe { waker::schedule(self.0, |header| header.state.cancel()) }
    }

    /// As [`abort`](Self::abort), at the end of the runtime.
    pub(crate) fn shut_down(&self) {
        // SAFETY: our reference keeps it alive.
        unsafe { waker::schedule(self.0, |header| header.state.shut_down()) }
    }

    /// Asks the task to stop, and says why: its future is dropped instead of polled again, unless it is held. False if
    /// the task is done.
    pub(crate) fn cancel(&self, why: Cancellation) -> bool {
        let header = self.header();
        if header.state.is_done() {
            return false;
        }
        // Who was aborted keeps having no reason.
        let why = (!header.state.is_asked()).then_some(why);
        self.ask(why);
        true
    }

    /// Asks, with a reason if there is none yet.
    pub(super) fn ask(&self, why: Option<Cancellation>) {
        let header = self.header();
        if let Some(why) = why {
            header.side().note(why); // N1 (task/side)
        }
        self.step(|header| header.state.ask()); // N2 (task/side)
        if let Some(side) = header.side.get() {
            side.tell(); // N3 (task/side)
        }
    }

    /// Makes a step that may queue the task, and queues it then.
    pub(super) fn step(&self, step: impl FnOnce(&Header) -> Wake) {
        // SAFETY: our reference keeps it alive.
        unsafe { waker::schedule(self.0, step) }
    }

    /// Who asked the task to stop, if anybody said so.
    pub(crate) fn why_cancelled(&self) -> Option<Cancellation> {
        self.header().why_cancelled()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.header().state.is_done()
    }

    /// What its waker is known by.
    pub(crate) fn waker_address(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// Adds where those lead that wait for its outcome.
    pub(crate) fn leads(&self, into: &mut Vec<Lead>) {
        self.header().joiner.leads(into);
    }
}

/// The join side of a task whose output is `T`: its one taker.
pub(crate) struct Joiner<T> {
    /// None only while it is dropped.
    task: Option<Task>,
    /// Gives out a `T` once, by value: to be sent and shared it takes a `T` that can be sent.
    output: PhantomData<std::sync::Mutex<T>>,
}

impl<T> Joiner<T> {
    pub(crate) fn task(&self) -> &Task {
        self.task.as_ref().expect("here until dropped")
    }

    /// Has the waker woken when the task is done. False if it is done already.
    pub(crate) fn wait(&self, waker: &Waker) -> bool {
        let task = self.task();
        if task.is_done() {
            return false;
        }
        task.header().joiner.wait(JOINER, waker);
        // After the waker, not before: a finish in between has looked for a waker already.
        !task.header().state.join_waits()
    }

    /// Has the list told `number` when the task is done. False if it is done already: then the list never hears of it.
    pub(crate) fn tell(&self, list: &Arc<DoneList>, number: usize) -> bool {
        let task = self.task();
        let callback = Callback::Tell(list.clone(), number);
        task.header().joiner.add(JOINER, callback);
        // As in `wait`: a finish that came before has not looked for a callback, one that comes later will.
        !(task.header().state.join_waits() && keep("done_list_second_look"))
    }

    /// Takes the outcome of a task that is done; none if it was taken before.
    #[inline]
    pub(crate) fn take_outcome(&mut self) -> Option<Result<T, JoinError>> {
        let task = self.task();
        assert!(task.is_done(), "the outcome of a task that is not done");
        // SAFETY: this is the one joiner of a task with output `T`, by `new`, and we have it by `&mut`; DONE with its
        // JOIN_INTEREST makes the stage ours.
        let outcome = unsafe { Header::take_outcome::<T>(task.0) }?;
        Some(outcome.map_err(|cause| {
            let why = match &cause {
                Cause::Cancelled => task.header().why_cancelled(),
                Cause::Panicked(_) => None,
            };
            JoinError::new(task.origin(), cause, why)
        }))
    }
}

impl<T> Drop for Joiner<T> {
    /// The outcome is dropped by whoever comes last, the joiner or the task.
    #[inline]
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        let state = &task.header().state;
        if state.forget_join_fast() {
            return task.let_go();
        }
        match state.forget_join() {
            // SAFETY: the task is done and JOIN_INTEREST was ours, so the stage is.
            Forget::DropOutcome => unsafe { Header::drop_outcome(task.0) },
            Forget::DropWaker => drop(task.header().joiner.remove(JOINER)),
            Forget::Nothing => {}
        }
    }
}

impl Clone for Task {
    fn clone(&self) -> Task {
        self.header().state.add_ref();
        Task(self.0)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: our reference, given back once.
        unsafe { Header::drop_ref(self.0) }
    }
}

/// Aborts a task from anywhere, and outlives it.
///
/// # Source
/// `tokio::task::AbortHandle`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let task = filch::spawn(std::future::pending::<()>());
/// let handle = task.abort_handle();
/// handle.abort();
/// assert!(task.await.unwrap_err().is_cancelled());
/// assert!(handle.is_finished());
/// # });
/// ```
#[derive(Clone)]
pub struct AbortHandle(pub(crate) Task);

impl AbortHandle {
    /// Stops the task without a reason, also inside a grace period or a shield. Its future is dropped at its next wake-up, which
    /// comes at once, on a worker; a poll under way ends first. A task that is done stays as it is.
    pub fn abort(&self) {
        self.0.abort();
    }

    /// Asks the task to stop, and says why: [`JoinHandle::cancel`](crate::JoinHandle::cancel).
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Reason>) -> bool {
        self.0
            .cancel(current::asks(reason.into(), Location::caller()))
    }

    /// True once the task is done: its future is dropped and its outcome, if anybody wants it, is in place.
    pub fn is_finished(&self) -> bool {
        self.0.is_done()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.id()
    }
}

impl std::panic::UnwindSafe for AbortHandle {}
impl std::panic::RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .finish()
    }
}
