//! Waiters of a promise that nobody will set are dropped, and other promises with them, and so on.
//!
//! A callback that sets the next promise keeps it: a chain of them goes like a linked list, one drop inside the other, and
//! may be longer than the stack. So only the first few are dropped inside one another; the rest wait in a list, which the
//! last of these few works through.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use super::callbacks::Done;
use crate::job::quietly;

/// How many promises may be dropped inside one another. Unit: promises. Fewer: code that is dropped finds more often that what
/// it drops goes later; more: more stack, of which each takes some 1 KiB unoptimized.
const NESTED: usize = 16;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Not dropped with its thread, as what is dropped then may hold a chain, too: it is empty whenever nobody works through it.
    static LATER: RefCell<ManuallyDrop<Vec<Done>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// Drops the waiters, now or soon, on this thread.
pub(super) fn drop_waiters(waiters: Done) {
    let depth = DEPTH.get();
    if depth == NESTED {
        return LATER.with_borrow_mut(|later| later.push(waiters));
    }
    DEPTH.set(depth + 1);
    quietly(|| drop(waiters));
    if depth + 1 == NESTED {
        while let Some(waiters) = LATER.with_borrow_mut(|later| later.pop()) {
            quietly(|| drop(waiters));
        }
        // Its memory.
        drop(ManuallyDrop::into_inner(LATER.take()));
    }
    DEPTH.set(depth);
}
