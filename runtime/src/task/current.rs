//! The task that this thread polls, as its own code sees it.

use std::panic::Location;
use std::ptr::NonNull;
use std::task::Waker;

use super::cell::Header;
use super::handles::Task;
use super::state::Wake;
use crate::cancellation::{Cancellation, Reason};
use crate::origin::current_memory;
use crate::promise::callbacks::Key;

/// Calls `f` with the current task. None outside a task.
#[inline]
fn with<R>(f: impl FnOnce(NonNull<Header>) -> R) -> Option<R> {
    NonNull::new(current_memory().cast_mut().cast()).map(f)
}

/// A reference to the current task.
pub(crate) fn task() -> Option<Task> {
    // SAFETY: `poll::run` set this for the time of one run, in which the runner keeps the cell alive; it takes it back
    // before it gives up its hold.
    with(|header| unsafe { Task::of(header) })
}

/// True if the current task was asked to stop.
#[inline]
pub(crate) fn is_cancelled() -> bool {
    // SAFETY: as in `task`.
    with(|header| unsafe { header.as_ref() }.state.is_asked()).unwrap_or(false)
}

/// True if somebody may want the outcome of the current task.
pub(crate) fn is_joined() -> bool {
    // SAFETY: as in `task`.
    with(|header| unsafe { header.as_ref() }.state.is_joined()).unwrap_or(false)
}

/// A request of the current task, if it is one, from this line.
pub(crate) fn asks(reason: Reason, at: &'static Location<'static>) -> Cancellation {
    let task = task();
    Cancellation::new(reason, task.as_ref().map(Task::origin), at)
}

/// A wait for a task to be asked to stop.
pub(crate) struct Watch {
    task: Task,
    key: Key,
}

impl Watch {
    pub(crate) fn new(task: Task) -> Watch {
        let key = task.header().side().key();
        Watch { task, key }
    }

    /// Has the waker woken when the task is asked to stop. False if it was asked before.
    pub(crate) fn wait(&self, waker: &Waker) -> bool {
        let header = self.task.header();
        header.side().watch(&header.state, self.key, waker)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.header().side().unwatch(self.key);
    }
}

/// While it lives, a request to stop waits; an abort does not.
pub(crate) struct Hold(Task);

impl Hold {
    pub(crate) fn new(task: Task) -> Hold {
        let header = task.header();
        header.side().hold(&header.state);
        Hold(task)
    }

    pub(crate) fn task(&self) -> &Task {
        &self.0
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.step(|header| match header.side.get() {
            Some(side) => side.release(&header.state),
            None => Wake::Nothing,
        });
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;
    use crate::job::{Job, Release, Schedule};
    use crate::origin::Origin;
    use std::sync::Arc;
    use std::sync::Mutex;

    /// Looks for the current task when its owner lets go of it, which may be the end of its memory.
    #[derive(Default)]
    struct Looks {
        owner: Mutex<Option<Task>>,
        seen: Mutex<Vec<bool>>,
    }

    // SAFETY: `owner` keeps the reference until `release`, and the test keeps the `Arc`.
    unsafe impl Schedule for Looks {
        fn submit_here(&self, job: Job) -> Result<(), Job> {
            Err(job)
        }
        fn submit(self: &Arc<Self>, job: Job) {
            drop(job);
        }
        fn release(&self, _: u64) -> Release {
            self.seen.lock().unwrap().push(task().is_some());
            let owner = self.owner.lock().unwrap().take();
            owner.expect("released once").let_go();
            Release::Caller
        }
    }

    #[test]
    fn there_is_no_current_task_once_its_memory_may_go() {
        let looks = Arc::new(Looks::default());
        let theirs = looks.clone();
        let future = async move { theirs.seen.lock().unwrap().push(task().is_some()) };
        let spawned = super::super::new(future, Origin::at(Location::caller()), &looks);
        *looks.owner.lock().unwrap() = Some(spawned.owner);
        drop(spawned.joiner);
        assert!(spawned.job.run().is_none());
        assert_eq!(*looks.seen.lock().unwrap(), [true, false]);
        assert!(task().is_none());
    }
}
