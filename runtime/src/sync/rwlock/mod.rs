//! A value that many may read, or one may write: [`RwLock`]. Model: `sync::model::a_writer_is_alone`.

mod read;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use self::read::{OwnedRwLockReadGuard, RwLockReadGuard};
pub use self::write::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLockMappedWriteGuard, RwLockWriteGuard,
};
use super::cell::Guarded;
use super::permits::Permits;
use super::{Statistics, TryLockError, blocking};
use crate::sync_prim::const_fn;

/// The most readers at a time. As in tokio, so that a permit each fits a semaphore on any machine.
const MAX_READS: u32 = u32::MAX >> 3;

/// A value that many tasks may read at the same time, or one may write.
///
/// Fair: whoever waits gets the lock in the order of arrival, so a reader that comes while a writer waits, waits behind it,
/// and a task that takes a second read lock while it has one may wait for ever. A panic of the holder unlocks it and leaves
/// the value as it is: there is no poison.
///
/// # Source
/// `tokio::sync::RwLock`.
///
/// # Examples
/// ```
/// use filch::sync::RwLock;
///
/// # filch::block_on(async {
/// let lock = RwLock::new(5);
/// {
///     let one = lock.read().await;
///     let two = lock.read().await;
///     assert_eq!(*one + *two, 10);
/// }
/// *lock.write().await += 1;
/// assert_eq!(*lock.read().await, 6);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    /// One permit to read, all to write.
    permits: Permits,
    max_reads: u32,
    /// Readers of several threads share it, so it must be `Sync` for the lock to be.
    _shared: PhantomData<T>,
    value: Guarded<T>,
}

/// The right to some permits of a lock: gives them back when it is dropped.
struct Hold<'a> {
    permits: &'a Permits,
    count: u32,
}

impl Hold<'_> {
    /// A writer's right becomes a reader's.
    fn downgrade(mut self) -> Self {
        self.permits.writer.clear();
        self.permits.release(self.count as usize - 1);
        self.count = 1;
        self
    }
}

impl Drop for Hold<'_> {
    #[inline]
    fn drop(&mut self) {
        self.permits.writer.clear();
        self.permits.release(self.count as usize);
    }
}

/// The same, and keeps the lock alive.
struct OwnedHold<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    count: u32,
}

impl<T: ?Sized> OwnedHold<T> {
    fn downgrade(mut self) -> Self {
        self.lock.permits.writer.clear();
        self.lock.permits.release(self.count as usize - 1);
        self.count = 1;
        self
    }
}

impl<T: ?Sized> Drop for OwnedHold<T> {
    fn drop(&mut self) {
        self.lock.permits.writer.clear();
        self.lock.permits.release(self.count as usize);
    }
}

impl<T> RwLock<T> {
    /// A lock that nobody holds.
    ///
    /// # Examples
    /// ```
    /// let lock = filch::sync::RwLock::new(1);
    /// assert!(lock.try_write().is_ok());
    /// ```
    pub fn new(value: T) -> RwLock<T> {
        RwLock::const_new(value)
    }

    /// A lock that nobody holds, and that so many may read at the same time.
    ///
    /// # Panics
    /// If `max_reads` is 0, or more than `u32::MAX >> 3`.
    ///
    /// # Examples
    /// ```
    /// let lock = filch::sync::RwLock::with_max_readers(5, 1);
    /// let reads = lock.try_read().unwrap();
    /// assert!(lock.try_read().is_err());
    /// # drop(reads);
    /// ```
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> RwLock<T> {
        RwLock::const_with_max_readers(value, max_reads)
    }

    const_fn! {
        /// As [`new`](Self::new), for a `static`.
        ///
        /// # Examples
        /// ```
        /// static LIMIT: filch::sync::RwLock<u32> = filch::sync::RwLock::const_new(5);
        /// assert_eq!(*LIMIT.blocking_read(), 5);
        /// ```
        pub const fn const_new(value: T) -> RwLock<T> {
            RwLock::const_with_max_readers(value, MAX_READS)
        }
    }

    const_fn! {
        /// As [`with_max_readers`](Self::with_max_readers), for a `static`.
        ///
        /// # Panics
        /// As [`with_max_readers`](Self::with_max_readers); in a `static`, the build fails.
        ///
        /// # Examples
        /// ```
        /// static LIMIT: filch::sync::RwLock<u32> = filch::sync::RwLock::const_with_max_readers(5, 1);
        /// let reads = LIMIT.try_read().unwrap();
        /// assert!(LIMIT.try_read().is_err());
        /// # drop(reads);
        /// ```
        #[track_caller]
        pub const fn const_with_max_readers(value: T, max_reads: u32) -> RwLock<T> {
            assert!(max_reads != 0, "a RwLock may not be created with 0 readers");
            assert!(max_reads <= MAX_READS, "a RwLock may not be created with more than `u32::MAX >> 3` readers");
            RwLock {
                permits: Permits::new(max_reads as usize),
                max_reads,
                _shared: PhantomData,
                value: Guarded::new(value),
            }
        }
    }

    /// The value.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(filch::sync::RwLock::new(5).into_inner(), 5);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until it may be read: nobody writes, and nobody who came before waits.
    ///
    /// # Cancel safety
    /// Safe, but the place in the line is lost.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = filch::sync::RwLock::new(1);
    /// assert_eq!(*lock.read().await, 1);
    /// # });
    /// ```
    #[inline]
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        self.wait_for(1).await;
        self.read_guard()
    }

    /// As [`read`](Self::read), on a thread that drives no runtime.
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
    /// let from_outside = lock.clone();
    /// let read = filch::task::spawn_blocking(move || *from_outside.blocking_read());
    /// assert_eq!(read.await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        blocking::block_on(self.read())
    }

    /// As [`read`](Self::read); the guard keeps the lock alive, so it can go to another task.
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
    /// let reads = lock.clone().read_owned().await;
    /// filch::spawn(async move { assert_eq!(*reads, 1) }).await.unwrap();
    /// # });
    /// ```
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        self.wait_for(1).await;
        self.owned_read_guard()
    }

    /// Takes it for reading if that needs no wait.
    ///
    /// # Errors
    /// [`TryLockError`]: somebody writes, or somebody waits.
    ///
    /// # Examples
    /// ```
    /// let lock = filch::sync::RwLock::new(1);
    /// let writes = lock.try_write().unwrap();
    /// assert!(lock.try_read().is_err());
    /// # drop(writes);
    /// ```
    #[inline]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.try_take(1)?;
        Ok(self.read_guard())
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the lock alive.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    ///
    /// # Examples
    /// ```
    /// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
    /// let reads = lock.clone().try_read_owned().unwrap();
    /// assert!(lock.try_write_owned().is_err());
    /// # drop(reads);
    /// ```
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.try_take(1)?;
        Ok(self.owned_read_guard())
    }

    /// Waits until it may be written: nobody has it, and nobody who came before waits.
    ///
    /// # Cancel safety
    /// Safe, but the place in the line is lost.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = filch::sync::RwLock::new(1);
    /// *lock.write().await = 2;
    /// assert_eq!(lock.into_inner(), 2);
    /// # });
    /// ```
    #[inline]
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.wait_for(self.max_reads).await;
        self.write_guard()
    }

    /// As [`write`](Self::write), on a thread that drives no runtime.
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let lock = filch::sync::RwLock::new(1);
    /// *lock.blocking_write() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        blocking::block_on(self.write())
    }

    /// As [`write`](Self::write); the guard keeps the lock alive, so it can go to another task.
    ///
    /// # Cancel safety
    /// As [`write`](Self::write).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
    /// let mut writes = lock.clone().write_owned().await;
    /// filch::spawn(async move { *writes += 1 }).await.unwrap();
    /// assert_eq!(*lock.read().await, 2);
    /// # });
    /// ```
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        self.wait_for(self.max_reads).await;
        self.owned_write_guard()
    }

    /// Takes it for writing if that needs no wait.
    ///
    /// # Errors
    /// [`TryLockError`]: somebody has it, or somebody waits.
    ///
    /// # Examples
    /// ```
    /// let lock = filch::sync::RwLock::new(1);
    /// let reads = lock.try_read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// # drop(reads);
    /// ```
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.try_take(self.max_reads)?;
        Ok(self.write_guard())
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the lock alive.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    ///
    /// # Examples
    /// ```
    /// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
    /// let writes = lock.clone().try_write_owned().unwrap();
    /// assert!(lock.try_read_owned().is_err());
    /// # drop(writes);
    /// ```
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.try_take(self.max_reads)?;
        Ok(self.owned_write_guard())
    }

    /// The value, without a lock: nobody else has it.
    ///
    /// # Examples
    /// ```
    /// let mut lock = filch::sync::RwLock::new(1);
    /// *lock.get_mut() = 2;
    /// assert_eq!(lock.into_inner(), 2);
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
    /// let lock = filch::sync::RwLock::new(1);
    /// assert_eq!(lock.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.permits.statistics()
    }

    #[inline]
    async fn wait_for(&self, count: u32) {
        let got = self.permits.acquire(count as usize).await;
        debug_assert!(got.is_ok(), "nobody closes the permits of a lock");
    }

    #[inline]
    fn try_take(&self, count: u32) -> Result<(), TryLockError> {
        let taken = self.permits.try_acquire(count as usize);
        taken.map_err(|_| TryLockError(()))
    }

    /// The caller has taken one permit.
    #[inline]
    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        let permits = &self.permits;
        let hold = Hold { permits, count: 1 };
        // SAFETY: `hold` has a permit, so nobody has all of them, and the guard borrows the lock.
        RwLockReadGuard(unsafe { self.value.shared(hold) })
    }

    /// The caller has taken one permit.
    fn owned_read_guard(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        let lock = self.clone();
        let hold = OwnedHold { lock, count: 1 };
        // SAFETY: as above, and `hold` keeps the lock in its place.
        OwnedRwLockReadGuard(unsafe { self.value.shared(hold) })
    }

    /// The caller has taken all permits.
    #[inline]
    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        self.permits.writer.set();
        let hold = Hold {
            permits: &self.permits,
            count: self.max_reads,
        };
        // SAFETY: `hold` has all permits, and the guard borrows the lock.
        RwLockWriteGuard::new(unsafe { self.value.exclusive(hold) })
    }

    /// The caller has taken all permits.
    fn owned_write_guard(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        self.permits.writer.set();
        let hold = OwnedHold {
            lock: self.clone(),
            count: self.max_reads,
        };
        // SAFETY: `hold` has all permits, and keeps the lock in its place.
        OwnedRwLockWriteGuard(unsafe { self.value.exclusive(hold) })
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(value) => all.field("data", &&*value),
            Err(_) => all.field("data", &format_args!("<locked>")),
        };
        all.finish()
    }
}
