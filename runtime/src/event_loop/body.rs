//! The future of a loop's task, in the task's own memory.

use std::future::Future;
use std::pin::Pin;

use parking_lot::Mutex;

/// A future that never moves, until it is dropped in its place.
pub(super) struct Body<F>(Mutex<Option<F>>);

impl<F: Future> Body<F> {
    pub(super) fn new(future: F) -> Body<F> {
        Body(Mutex::new(Some(future)))
    }

    /// Calls `f` with the future, if it has not been dropped.
    pub(super) fn with<R>(self: Pin<&Self>, f: impl FnOnce(Pin<&mut F>) -> R) -> Option<R> {
        self.with_slot(|slot| slot.as_pin_mut().map(f))
    }

    /// Drops the future. That is anybody's code, under the lock that only steps and this take: they are the driver's, one
    /// after the other.
    pub(super) fn clear(self: Pin<&Self>) {
        self.with_slot(|mut slot| slot.set(None));
    }

    fn with_slot<R>(self: Pin<&Self>, f: impl FnOnce(Pin<&mut Option<F>>) -> R) -> R {
        let mut slot = self.get_ref().0.lock();
        // SAFETY: `self` is pinned, and the slot is a part of it that nobody can move: the lock is private, and all that is
        // ever done with what is in it goes through this pin.
        f(unsafe { Pin::new_unchecked(&mut *slot) })
    }
}
