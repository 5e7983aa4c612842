//! "Current": which runtime this thread belongs to, and whether it drives one.

use std::cell::{Cell, RefCell};

use crate::handle::Handle;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
    static DRIVES: Cell<bool> = const { Cell::new(false) };
}

/// What to do about a call outside a runtime.
pub(crate) const NO_RUNTIME: &str = "there is no filch runtime running on this thread: call this from a task, from \
     inside `Runtime::block_on`, or while the guard of `Handle::enter` lives (`#[filch::main]` starts a runtime)";

/// Makes the runtime that was current before current again when it is dropped.
///
/// Guards must be dropped in the reverse order of their making.
#[must_use = "the runtime is current only while the guard lives"]
pub struct EnterGuard<'a> {
    before: Option<Handle>,
    /// A guard belongs to its thread, and to the handle it came from.
    _of: std::marker::PhantomData<(&'a Handle, *const ())>,
}

impl std::fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnterGuard")
    }
}

/// Makes this runtime current.
pub(crate) fn enter(handle: &Handle) -> EnterGuard<'_> {
    EnterGuard {
        before: CURRENT.replace(Some(handle.clone())),
        _of: std::marker::PhantomData,
    }
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        let before = self.before.take();
        // Not inside `with`: the last handle of a runtime may be anybody's drop.
        let ended = CURRENT.try_with(|current| current.replace(before));
        drop(ended);
    }
}

/// Calls `f` with the current runtime. None if there is none.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Option<R> {
    CURRENT
        .try_with(|current| current.borrow().as_ref().map(f))
        .unwrap_or(None)
}

/// True if this thread drives a runtime: it is a worker, or inside `block_on`.
pub(crate) fn drives() -> bool {
    DRIVES.try_with(Cell::get).unwrap_or(false)
}

/// Counts this thread as driving a runtime until it is dropped.
#[must_use = "ends when dropped"]
pub(crate) struct Driving(bool);

impl Driving {
    pub(crate) fn begin() -> Driving {
        Driving(DRIVES.replace(true))
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        let _ = DRIVES.try_with(|drives| drives.set(self.0));
    }
}
