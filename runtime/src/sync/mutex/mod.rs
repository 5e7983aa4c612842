//! A value that one task at a time may use: [`Mutex`].

mod guards;

use std::fmt;
use std::sync::Arc;

pub use self::guards::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
use self::guards::{OwnedUnlock, Unlock};
use super::cell::Guarded;
use super::raw_mutex::RawMutex;
use super::{Statistics, blocking};
use crate::sync_prim::const_fn;

/// A value that one task at a time may use, and that may be held across an `.await`.
///
/// For a value that is never held across one, `std::sync::Mutex` is cheaper. A panic of the holder unlocks it and leaves
/// the value as it is: there is no poison.
///
/// # Fair or barging
/// [`new`](Self::new) makes a fair mutex, as tokio's is: the unlock hands it to the task that has waited longest, so nobody
/// waits for more than one turn of each who came before; but each turn of a mutex that is fought for is a switch of tasks.
/// [`barging`](Self::barging) makes one whose unlock frees it and wakes the first waiter, and whoever comes first takes it. A
/// task that goes on running takes it again and again without a switch, which is several times faster; a waiter may lose,
/// but after 16 losses the mutex is handed to it. A waiter that is woken and then not polled keeps the others waiting in
/// either case.
///
/// # What debug builds tell
/// When a task waits for a mutex that it locked itself, and when somebody waits while the mutex was given a second ago to a
/// future that has not been polled since, debug builds say so: by `tracing` if that feature is on, else on stderr. `RwLock` does
/// the same, if the task has it for writing, and `Semaphore` the second.
///
/// # Source
/// `tokio::sync::Mutex`; asyncio's `Lock`. The choice of barging is new.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use filch::sync::Mutex;
///
/// # filch::block_on(async {
/// let count = Arc::new(Mutex::new(0));
/// let tasks: Vec<_> = (0..10).map(|_| {
///     let count = count.clone();
///     filch::spawn(async move { *count.lock().await += 1 })
/// }).collect();
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(*count.lock().await, 10);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    pub(super) raw: RawMutex,
    value: Guarded<T>,
}

/// The mutex is held by somebody: [`Mutex::try_lock`].
///
/// # Examples
/// ```
/// let mutex = filch::sync::Mutex::new(1);
/// let guard = mutex.try_lock().unwrap();
/// assert_eq!(mutex.try_lock().unwrap_err().to_string(), "operation would block");
/// # drop(guard);
/// ```
#[derive(Debug)]
pub struct TryLockError(pub(super) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation would block")
    }
}

impl std::error::Error for TryLockError {}

impl<T> Mutex<T> {
    /// A fair mutex that nobody holds.
    ///
    /// # Examples
    /// ```
    /// let mutex = filch::sync::Mutex::new(1);
    /// assert!(mutex.try_lock().is_ok());
    /// ```
    pub fn new(value: T) -> Mutex<T> {
        Mutex::const_new(value)
    }

    const_fn! {
        /// As [`new`](Self::new), for a `static`.
        ///
        /// # Examples
        /// ```
        /// static COUNT: filch::sync::Mutex<u32> = filch::sync::Mutex::const_new(0);
        /// *COUNT.blocking_lock() += 1;
        /// ```
        pub const fn const_new(value: T) -> Mutex<T> {
            Mutex { raw: RawMutex::new(false), value: Guarded::new(value) }
        }
    }

    const_fn! {
        /// A mutex that nobody holds, and that whoever comes first may take: see the type's head.
        ///
        /// # Source
        /// New: tokio has none. As `parking_lot`'s mutex, and Go's.
        ///
        /// # Examples
        /// ```
        /// # filch::block_on(async {
        /// let mutex = filch::sync::Mutex::barging(1);
        /// *mutex.lock().await += 1;
        /// assert_eq!(mutex.into_inner(), 2);
        /// # });
        /// ```
        pub const fn barging(value: T) -> Mutex<T> {
            Mutex { raw: RawMutex::new(true), value: Guarded::new(value) }
        }
    }

    /// The value.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(filch::sync::Mutex::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the value, and has it until the guard is dropped.
    ///
    /// # Cancel safety
    /// Safe, but the place in the line is lost.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mutex = filch::sync::Mutex::new(1);
    /// let mut value = mutex.lock().await;
    /// *value = 2;
    /// # });
    /// ```
    #[inline]
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.raw.lock().await;
        self.guard()
    }

    /// As [`lock`](Self::lock), on a thread that drives no runtime.
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let mutex = std::sync::Arc::new(filch::sync::Mutex::new(1));
    /// # filch::block_on(async {
    /// let from_outside = mutex.clone();
    /// filch::task::spawn_blocking(move || *from_outside.blocking_lock() += 1).await.unwrap();
    /// assert_eq!(*mutex.lock().await, 2);
    /// # });
    /// ```
    #[track_caller]
    #[doc(alias = "lock_blocking")]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        blocking::block_on(self.lock())
    }

    /// As [`lock_owned`](Self::lock_owned), on a thread that drives no runtime.
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let mutex = std::sync::Arc::new(filch::sync::Mutex::new(1));
    /// let guard = mutex.clone().blocking_lock_owned();
    /// std::thread::spawn(move || drop(guard)).join().unwrap();
    /// assert_eq!(*mutex.blocking_lock(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        blocking::block_on(self.lock_owned())
    }

    /// As [`lock`](Self::lock); the guard keeps the mutex alive, so it can go to another task.
    ///
    /// # Cancel safety
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mutex = std::sync::Arc::new(filch::sync::Mutex::new(1));
    /// let mut guard = mutex.clone().lock_owned().await;
    /// filch::spawn(async move { *guard += 1 }).await.unwrap();
    /// assert_eq!(*mutex.lock().await, 2);
    /// # });
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        self.raw.lock().await;
        self.owned_guard()
    }

    /// Takes the value if nobody has it. While anybody waits for a fair mutex, somebody has it.
    ///
    /// # Errors
    /// [`TryLockError`]: somebody has it.
    ///
    /// # Examples
    /// ```
    /// let mutex = filch::sync::Mutex::new(1);
    /// assert_eq!(*mutex.try_lock().unwrap(), 1);
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        if self.raw.try_lock() {
            Ok(self.guard())
        } else {
            Err(TryLockError(()))
        }
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex alive.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock).
    ///
    /// # Examples
    /// ```
    /// let mutex = std::sync::Arc::new(filch::sync::Mutex::new(1));
    /// let guard = mutex.clone().try_lock_owned().unwrap();
    /// assert!(mutex.try_lock_owned().is_err());
    /// # drop(guard);
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        if self.raw.try_lock() {
            Ok(self.owned_guard())
        } else {
            Err(TryLockError(()))
        }
    }

    /// The value, without a lock: nobody else has the mutex.
    ///
    /// # Examples
    /// ```
    /// let mut mutex = filch::sync::Mutex::new(1);
    /// *mutex.get_mut() = 10;
    /// assert_eq!(mutex.into_inner(), 10);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// How many wait for it, and how many did at most.
    ///
    /// # Source
    /// New: tokio has none.
    ///
    /// # Examples
    /// ```
    /// let mutex = filch::sync::Mutex::new(1);
    /// assert_eq!(mutex.statistics().most_waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.raw.statistics()
    }

    /// The caller has locked `raw`.
    #[inline]
    fn guard(&self) -> MutexGuard<'_, T> {
        let right = Unlock(&self.raw);
        MutexGuard {
            mutex: self,
            // SAFETY: the lock is ours until `right` is dropped, and the guard borrows the mutex.
            value: unsafe { self.value.exclusive(right) },
        }
    }

    /// The caller has locked `raw`.
    fn owned_guard(self: Arc<Self>) -> OwnedMutexGuard<T> {
        let right = OwnedUnlock(self.clone());
        // SAFETY: the lock is ours until `right` is dropped, and that keeps the mutex in its place.
        OwnedMutexGuard(unsafe { self.value.exclusive(right) })
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(value) => all.field("data", &&*value),
            Err(_) => all.field("data", &format_args!("<locked>")),
        };
        all.finish()
    }
}
