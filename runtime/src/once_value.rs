//! A place that a value comes to once, as `std::sync::OnceLock`, that can be made with a value in a `const`.
//!
//! | word    | the value         | who may touch it                    | which way           |
//! |---------|-------------------|-------------------------------------|---------------------|
//! | EMPTY   | is not there      | nobody                              | to SETTING, in `set` |
//! | SETTING | is on its way in  | the setter that made it SETTING     | to SET, in `set`     |
//! | SET     | is there for good | all read it; `&mut self` owns it    | stays               |
//!
//! Model: `sync::model::who_waits_for_a_value_gets_it`.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use crate::sync_prim::{AtomicUsize, Ordering, const_fn, ordering};

const EMPTY: usize = 0;
const SETTING: usize = 1;
const SET: usize = 2;

pub(crate) struct OnceValue<T> {
    word: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `&OnceValue` reads the value on any thread (`Sync`), and moves one in on one thread that another may take out and
// drop (`Send`).
unsafe impl<T: Send + Sync> Sync for OnceValue<T> {}

impl<T> OnceValue<T> {
    const_fn! {
        pub(crate) const fn new() -> OnceValue<T> {
            OnceValue {
                word: AtomicUsize::new(EMPTY),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    const_fn! {
        pub(crate) const fn with(value: T) -> OnceValue<T> {
            OnceValue {
                word: AtomicUsize::new(SET),
                value: UnsafeCell::new(MaybeUninit::new(value)),
            }
        }
    }

    #[inline]
    fn is_set(&self) -> bool {
        // Ordering: Acquire <- the Release in `set`: who finds the value sees it whole.
        self.word.load(ordering("once_get", Ordering::Acquire)) == SET
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: SET: the value is there, and nobody writes to it while `self` is shared.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: SET: the value is there, and `self` is ours.
        Some(unsafe { self.value.get_mut().assume_init_mut() })
    }

    /// Gives the value back if there is one already, or if another is on its way in: setters that want to read it then take
    /// turns.
    #[inline]
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        // Relaxed: nothing is read there, and what is written goes with the store below.
        let (is, will_be) = (Ordering::Relaxed, Ordering::Relaxed);
        if (self.word.compare_exchange(EMPTY, SETTING, is, will_be)).is_err() {
            return Err(value);
        }
        // SAFETY: it is we who made it SETTING, so nobody reads it, and nobody else writes it.
        unsafe { (*self.value.get()).write(value) };
        // Ordering: Release -> the Acquire in `is_set`.
        self.word
            .store(SET, ordering("once_set", Ordering::Release));
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.is_set().then(|| {
            self.word.store(EMPTY, Ordering::Relaxed);
            // SAFETY: it was there, and as it is SET no longer, nobody else reads or drops it.
            unsafe { self.value.get_mut().assume_init_read() }
        })
    }
}

impl<T> Drop for OnceValue<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
