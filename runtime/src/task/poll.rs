//! One run of a task: start, poll or cancel, then pause or finish. Whatever panics on the way hurts this task only.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::cell::{Cell, Header, Stage};
use super::state::{Finish, Pause, Start};
use super::waker;
use crate::budget;
use crate::error::Cause;
use crate::inherit::Worn;
use crate::job::{Job, JobHead, Release, Schedule, drop_payload};
use crate::origin::forget_memory;

/// Runs the task of this job. The answer is the next job of a task that woke itself while it ran.
///
/// # Safety
/// `head` begins a live `Cell<F, S>`, and the caller held its one job.
pub(super) unsafe fn run<F, S>(head: NonNull<JobHead>) -> Option<Job>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let header = head.cast::<Header>();
    // SAFETY: the caller's promise; it lives on while the task is not done: its owner holds it.
    let cell = unsafe { Cell::<F, S>::of(header) };
    let _entered = cell.header.id.enter(header.as_ptr().cast_const().cast());
    let worn = Worn::of(cell.header.inheritance());
    let outcome = match cell.header.state.start() {
        Start::Poll => {
            let waker = waker::borrowed(header);
            let mut context = Context::from_waker(&waker);
            let _budget = budget::whole();
            match catch_unwind(AssertUnwindSafe(|| {
                worn.check();
                poll(cell, &mut context)
            })) {
                Ok(Poll::Pending) => {
                    worn.keep(|| cell.header.inheritance());
                    return match cell.header.state.pause() {
                        // From here another runner may finish and free the task: nothing below touches it.
                        Pause::Idle => None,
                        // SAFETY: `Requeue` makes the one job of a queued task ours.
                        Pause::Requeue => Some(unsafe { Job::new(head) }),
                    };
                }
                Ok(Poll::Ready(value)) => Ok(value),
                Err(panic) => Err(Cause::Panicked(panic)),
            }
        }
        Start::Cancel => Err(Cause::Cancelled),
    };
    // SAFETY: RUNNING is ours by `start`, and we are done with `cell`.
    unsafe { finish::<F, S>(header, outcome) };
    None
}

/// Ends the task of a job that no queue takes, as only the end of a runtime makes them: as if it had been cancelled
/// and run.
///
/// # Safety
/// As [`run`].
pub(super) unsafe fn abandon<F, S>(head: NonNull<JobHead>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: live: the caller holds the job.
    let state = &unsafe { head.cast::<Header>().as_ref() }.state;
    let _already_queued = state.shut_down();
    // SAFETY: the caller's promise. A cancelled task is not polled, so no next job comes out.
    let none = unsafe { run::<F, S>(head) };
    debug_assert!(none.is_none());
}

#[inline]
fn poll<F, S>(cell: &Cell<F, S>, context: &mut Context<'_>) -> Poll<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    let poll_stage = |stage: &mut Stage<F>| {
        let Stage::Running(future) = stage else {
            unreachable!("a task that is not done has its future");
        };
        // SAFETY: pinned: the cell is boxed at spawn and stays there, and `finish` drops the future in place.
        unsafe { Pin::new_unchecked(future) }.poll(context)
    };
    // SAFETY: `start` answered `Poll`: RUNNING went 0 -> 1 by our step, so the stage is the runner's, and we are it.
    unsafe { cell.with_stage(poll_stage) }
}

/// Running -> done. Takes a pointer, not a reference: the memory may go before it returns.
///
/// # Safety
/// `header` begins a live `Cell<F, S>`, and the caller is its runner.
unsafe fn finish<F, S>(header: NonNull<Header>, outcome: Result<F::Output, Cause>)
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    // SAFETY: live, by the caller's promise, until `release`.
    let cell = unsafe { Cell::<F, S>::of(header) };
    let was_cancelled = matches!(outcome, Err(Cause::Cancelled));
    // SAFETY: RUNNING is ours, so the stage is. Assigning drops the future in place; if that panics the new stage
    // has been written all the same.
    let dropped = catch_unwind(AssertUnwindSafe(|| unsafe {
        cell.with_stage(|stage| *stage = Stage::Finished(outcome));
    }));
    match dropped {
        Ok(()) => {}
        // SAFETY: as above. What is replaced is `Cancelled`, which has no drop to panic.
        Err(panic) if was_cancelled => unsafe {
            cell.with_stage(|stage| *stage = Stage::Finished(Err(Cause::Panicked(panic))));
        },
        Err(panic) => drop_payload(panic),
    }
    // SAFETY: the task is not released before the line that does it, below.
    let scheduler = unsafe { cell.scheduler() };
    match cell.header.state.finish() {
        Finish::Nothing => {}
        // SAFETY: nobody else will ever want the outcome: JOIN_INTEREST was gone when DONE came.
        Finish::DropOutcome => unsafe { Cell::<F, S>::drop_outcome(header) },
        // Only the joiner registers here, and it registers a waker: no job comes.
        Finish::WakeJoiner => cell.header.joiner.take().complete(drop),
    }
    // From here the memory may go, and take anybody's wakers with it: to them this task is over.
    forget_memory();
    match scheduler.release(cell.header.head.key) {
        // SAFETY: the owner's reference is ours since it let go.
        Release::Caller => unsafe { Header::drop_ref(header) },
        // The memory may be gone already.
        Release::Owner => {}
    }
}
