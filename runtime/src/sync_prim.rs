//! Atomics, locks and cells: std's and parking_lot's, or loom's when a model runs.
//!
//! `Arc` stays std's: models are about our own words, not about its count.
//!
//! This is the only file that names `cfg(filch_loom)`. Under that cfg, [`ordering`], [`store_load_fence`] and
//! [`keep`] weaken the place named by the variable `FILCH_WEAKEN`, so that a model can be shown to notice.

#[cfg(not(filch_loom))]
mod imp {
    pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// `std::cell::UnsafeCell` with loom's interface.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }

    /// True in models.
    pub(crate) const MODEL: bool = false;

    /// The ordering as given: `label` matters to models only.
    #[inline(always)]
    pub(crate) const fn ordering(_label: &str, strong: Ordering) -> Ordering {
        strong
    }

    /// Keeps every load after it behind every store before it, in one order with all other such fences.
    #[inline(always)]
    pub(crate) fn store_load_fence(_label: &str) {
        fence(Ordering::SeqCst);
    }

    /// True: the step is taken. A model may leave it out.
    #[inline(always)]
    pub(crate) const fn keep(_label: &str) -> bool {
        true
    }

    /// A `const fn` that is none in models: what loom has is not made at compile time.
    macro_rules! const_fn {
        ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => { $(#[$meta])* $vis const fn $($rest)* };
    }
    pub(crate) use const_fn;
}

#[cfg(filch_loom)]
mod imp {
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::sync::{MutexGuard, RwLockReadGuard};

    /// loom's cell; its drop is an access, too.
    #[derive(Debug)]
    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            UnsafeCell(loom::cell::UnsafeCell::new(value))
        }
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(f)
        }
    }

    impl<T> Drop for UnsafeCell<T> {
        fn drop(&mut self) {
            self.0.with_mut(|_| ());
        }
    }

    /// loom's mutex with parking_lot's interface.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("models do not panic under a lock")
        }
        pub(crate) fn get_mut(&mut self) -> &mut T {
            let inside = self.0.get_mut();
            inside.expect("models do not panic under a lock")
        }
    }

    /// loom's lock with parking_lot's interface.
    #[derive(Debug)]
    pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            RwLock(loom::sync::RwLock::new(value))
        }
        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().expect("models do not panic under a lock")
        }
        pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
            self.0.write().expect("models do not panic under a lock")
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Self {
            Mutex::new(T::default())
        }
    }

    /// True in models.
    pub(crate) const MODEL: bool = true;

    fn weakened(label: &str) -> bool {
        std::env::var("FILCH_WEAKEN").is_ok_and(|name| name == label)
    }

    /// `strong`, or `Relaxed` where `FILCH_WEAKEN` names this place.
    pub(crate) fn ordering(label: &str, strong: Ordering) -> Ordering {
        if weakened(label) {
            Ordering::Relaxed
        } else {
            strong
        }
    }

    /// A sequentially consistent fence, or nothing where `FILCH_WEAKEN` names this place.
    pub(crate) fn store_load_fence(label: &str) {
        if !weakened(label) {
            fence(Ordering::SeqCst);
        }
    }

    /// True unless `FILCH_WEAKEN` names this step.
    pub(crate) fn keep(label: &str) -> bool {
        !weakened(label)
    }

    /// The same function without its `const`.
    macro_rules! const_fn {
        ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => { $(#[$meta])* $vis fn $($rest)* };
    }
    pub(crate) use const_fn;
}

pub(crate) use imp::*;
