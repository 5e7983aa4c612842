//! What others wait for goes on though nobody is left to carry it: here and now, on the thread that finds that out.
//!
//! What goes on may set the next promise, whose carrier has come to its end, too: a chain of them goes one after the other,
//! and not one inside the other, since it may be longer than the stack.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;

use crate::job::Job;

thread_local! {
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
    /// Not dropped with its thread, as it is empty whenever nobody works through it.
    static LATER: RefCell<ManuallyDrop<VecDeque<Job>>> =
        const { RefCell::new(ManuallyDrop::new(VecDeque::new())) };
}

/// Runs the job of a [`Follow`](super::Follow), now or soon, on this thread.
pub(crate) fn run_here(job: Job) {
    if IS_BUSY.replace(true) {
        return LATER.with_borrow_mut(|later| later.push_back(job));
    }
    let mut next = Some(job);
    while let Some(job) = next {
        // A panic of it ends in it.
        let again = job.run();
        debug_assert!(again.is_none(), "only tasks come again");
        next = LATER.with_borrow_mut(|later| later.pop_front());
    }
    // Its memory.
    drop(ManuallyDrop::into_inner(LATER.take()));
    IS_BUSY.set(false);
}
