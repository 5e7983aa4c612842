//! A place that a value comes to once, as `std::sync::OnceLock`, that can be made with a value in a `const`.
//!
//! | IS_SET | the value                | who may touch it                   |
//! |--------|--------------------------|------------------------------------|
//! | 0      | is not there             | who holds the lock writes it       |
//! | 1      | is there for good        | all read it; `&mut self` owns it   |
//!
//! The one edge is in `set`. Model: `sync::model::who_waits_for_a_value_gets_it`.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

use crate::sync_prim::{AtomicUsize, Mutex, Ordering, const_fn, ordering};

const IS_SET: usize = 1;

pub(crate) struct OnceValue<T> {
    word: AtomicUsize,
    /// For setters only: one who is refused finds the value there.
    setters: Mutex<()>,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `&OnceValue` reads the value on any thread (`Sync`), and moves one in on one thread that another may take out and
// drop (`Send`).
unsafe impl<T: Send + Sync> Sync for OnceValue<T> {}

impl<T> OnceValue<T> {
    const_fn! {
        pub(crate) const fn new() -> OnceValue<T> {
            OnceValue {
                word: AtomicUsize::new(0),
                setters: Mutex::new(()),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    const_fn! {
        pub(crate) const fn with(value: T) -> OnceValue<T> {
            OnceValue {
                word: AtomicUsize::new(IS_SET),
                setters: Mutex::new(()),
                value: UnsafeCell::new(MaybeUninit::new(value)),
            }
        }
    }

    #[inline]
    fn is_set(&self) -> bool {
        // Ordering: Acquire <- the Release in `set`: who finds the value sees it whole.
        self.word.load(ordering("once_get", Ordering::Acquire)) == IS_SET
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: IS_SET: the value is there, and nobody writes to it while `self` is shared.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: IS_SET: the value is there, and `self` is ours.
        Some(unsafe { self.value.get_mut().assume_init_mut() })
    }

    /// Gives the value back if there is one already.
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let _one_at_a_time = self.setters.lock();
        if self.is_set() {
            return Err(value);
        }
        // SAFETY: not IS_SET, so nobody reads it, and the lock is ours, so nobody else writes it or sets IS_SET.
        unsafe { (*self.value.get()).write(value) };
        // Ordering: Release -> the Acquire in `is_set`.
        self.word
            .store(IS_SET, ordering("once_set", Ordering::Release));
        Ok(())
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.is_set().then(|| {
            self.word.store(0, Ordering::Relaxed);
            // SAFETY: it was there, and as IS_SET is gone, nobody else reads or drops it.
            unsafe { self.value.get_mut().assume_init_read() }
        })
    }
}

impl<T> Drop for OnceValue<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
