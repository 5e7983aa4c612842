//! "Current": which runtime this thread belongs to, and whether it drives one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::handle::Handle;

thread_local! {
    /// Counted, so that nobody's code runs while it is borrowed.
    static CURRENT: RefCell<Option<Rc<Handle>>> = const { RefCell::new(None) };
    /// Guards that live.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static DRIVES: Cell<bool> = const { Cell::new(false) };
    /// The number of its seat, where the thread is a worker of any runtime.
    static SEAT: Cell<usize> = const { Cell::new(usize::MAX) };
    static SERVES: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// What to do about a call outside a runtime.
pub(crate) const NO_RUNTIME: &str = "there is no filch runtime running on this thread: call this from a task, from \
     inside `Runtime::block_on`, or while the guard of `Handle::enter` lives (`#[filch::main]` starts a runtime)";

/// Makes the runtime that was current before current again when it is dropped.
///
/// # Panics
/// When guards are dropped in another order than the reverse of their making, unless the thread panics already.
#[must_use = "the runtime is current only while the guard lives"]
pub struct EnterGuard<'a> {
    before: Option<Rc<Handle>>,
    depth: usize,
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
        before: CURRENT
            .try_with(|current| current.replace(Some(Rc::new(handle.clone()))))
            .unwrap_or(None),
        depth: DEPTH
            .try_with(|depth| depth.replace(depth.get() + 1))
            .unwrap_or(0),
        _of: std::marker::PhantomData,
    }
}

impl Drop for EnterGuard<'_> {
    fn drop(&mut self) {
        let in_order = DEPTH.try_with(|depth| {
            let in_order = depth.get() == self.depth + 1;
            if in_order {
                depth.set(self.depth);
            }
            in_order
        });
        if in_order == Ok(false) {
            assert!(
                std::thread::panicking(),
                "`EnterGuard`s dropped out of order: guards of `enter` must be dropped in the reverse order of their making"
            );
            return;
        }
        let before = self.before.take();
        // Not inside `with`: the last handle of a runtime may be anybody's drop.
        let ended = CURRENT.try_with(|current| current.replace(before));
        drop(ended);
    }
}

/// Calls `f` with the current runtime. None if there is none.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Option<R> {
    let current = CURRENT.try_with(|current| current.borrow().clone());
    current.ok().flatten().map(|handle| f(&handle))
}

/// This thread is the worker on this seat, from here to its end.
pub(crate) fn sit(seat: usize) {
    SEAT.set(seat);
}

/// The seat of this thread, if it has one: where its timers lie. Beside another runtime's it would do no harm.
#[inline]
pub(crate) fn seat() -> usize {
    SEAT.try_with(Cell::get).unwrap_or(usize::MAX)
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

/// True if this thread is one of this runtime's own that run no tasks: a blocking thread, or the reactor's.
pub(crate) fn serves(handle: &Handle) -> bool {
    let is_mine = |mine: &RefCell<Option<Handle>>| {
        let mine = mine.borrow();
        mine.as_ref()
            .is_some_and(|mine| Arc::ptr_eq(&mine.0, &handle.0))
    };
    SERVES.try_with(is_mine).unwrap_or(false)
}

/// Counts this thread as one of a runtime's own until it is dropped.
#[must_use = "ends when dropped"]
pub(crate) struct Serving(Option<Handle>);

impl Serving {
    pub(crate) fn begin(handle: &Handle) -> Serving {
        Serving(SERVES.replace(Some(handle.clone())))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let before = self.0.take();
        let ended = SERVES.try_with(|serves| serves.replace(before));
        drop(ended);
    }
}
