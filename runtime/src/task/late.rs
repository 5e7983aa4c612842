//! A box that few tasks need, and that comes late: nobody pays for it before, and whoever sees it sees it whole.

use crate::sync_prim::{AtomicPtr, Ordering, ordering};

/// A place for a boxed `T` that is filled at most once, by anyone.
pub(super) struct Late<T>(AtomicPtr<T>);

// SAFETY: who shares a `Late` may read its `T`, put one in from any thread, and drop it from any thread.
unsafe impl<T: Send + Sync> Send for Late<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Late<T> {}

impl<T> Late<T> {
    #[inline]
    pub(super) fn new(value: Option<Box<T>>) -> Late<T> {
        Late(AtomicPtr::new(
            value.map_or(std::ptr::null_mut(), Box::into_raw),
        ))
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        // Ordering: Acquire <- the Release in `get_or_make`: the box is whole. Model: `late_is_seen_whole`.
        let there = self.0.load(ordering("late_get", Ordering::Acquire));
        // SAFETY: a pointer that is not null came from a box, which stays until `self` is dropped.
        unsafe { there.as_ref() }
    }

    /// The box; made now if there is none. Of two that are made at once one is dropped.
    pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(there) = self.get() {
            return there;
        }
        let mine = Box::into_raw(Box::new(make()));
        // Ordering: Release -> the Acquire in `get`; Acquire on failure: as in `get`, for the box of another.
        let put = self.0.compare_exchange(
            std::ptr::null_mut(),
            mine,
            ordering("late_put", Ordering::Release),
            ordering("late_lost", Ordering::Acquire),
        );
        match put {
            // SAFETY: it is in place, so it stays until `self` is dropped.
            Ok(_) => unsafe { &*mine },
            Err(theirs) => {
                // SAFETY: `mine` came from a box, and nobody has seen it.
                drop(unsafe { Box::from_raw(mine) });
                // SAFETY: as in `get`.
                unsafe { &*theirs }
            }
        }
    }
}

impl<T> Drop for Late<T> {
    fn drop(&mut self) {
        // Ordering: Relaxed: whoever has `&mut` has seen all that was done before.
        let there = self.0.load(Ordering::Relaxed);
        if !there.is_null() {
            // SAFETY: it came from a box, and nobody borrows it any more.
            drop(unsafe { Box::from_raw(there) });
        }
    }
}
