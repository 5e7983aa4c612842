//! Permits for the user: [`Semaphore`].

mod error;
mod permit;

use std::fmt;
use std::sync::Arc;

pub use self::error::{AcquireError, TryAcquireError};
pub use self::permit::{OwnedSemaphorePermit, SemaphorePermit};
use super::permits::{MAX_PERMITS, Permits};
use super::{Statistics, blocking};
use crate::sync_prim::const_fn;

/// Counts permits, and has tasks wait until there are enough of them.
///
/// Fair: permits go to those who wait in the order in which they came, so a task that wants many gets them before one that
/// came later and wants few.
///
/// # Source
/// `tokio::sync::Semaphore`; asyncio's `Semaphore`.
///
/// # Examples
/// No more than two at a time:
/// ```
/// use std::sync::Arc;
/// use filch::sync::Semaphore;
///
/// # filch::block_on(async {
/// let two = Arc::new(Semaphore::new(2));
/// let tasks: Vec<_> = (0..5).map(|n| {
///     let two = two.clone();
///     filch::spawn(async move {
///         let _permit = two.acquire().await.unwrap();
///         n * 10
///     })
/// }).collect();
/// for (n, task) in tasks.into_iter().enumerate() {
///     assert_eq!(task.await.unwrap(), n * 10);
/// }
/// assert_eq!(two.available_permits(), 2);
/// # });
/// ```
pub struct Semaphore {
    pub(super) permits: Permits,
}

impl Semaphore {
    /// The most permits a semaphore can have: `usize::MAX >> 3`, as in tokio.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// A semaphore with so many permits.
    ///
    /// # Panics
    /// If there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(3);
    /// assert_eq!(semaphore.available_permits(), 3);
    /// ```
    #[track_caller]
    pub fn new(permits: usize) -> Semaphore {
        Semaphore::const_new(permits)
    }

    const_fn! {
        /// As [`new`](Self::new), for a `static`.
        ///
        /// # Panics
        /// As [`new`](Self::new); in a `static`, the build fails.
        ///
        /// # Examples
        /// ```
        /// static ONE: filch::sync::Semaphore = filch::sync::Semaphore::const_new(1);
        /// let permit = ONE.try_acquire().unwrap();
        /// assert!(ONE.try_acquire().is_err());
        /// # drop(permit);
        /// ```
        #[track_caller]
        pub const fn const_new(permits: usize) -> Semaphore {
            Semaphore { permits: Permits::new(permits) }
        }
    }

    const_fn! {
        /// A closed semaphore without permits.
        pub(super) const fn new_closed() -> Semaphore {
            Semaphore { permits: Permits::new_closed() }
        }
    }

    /// How many permits are free now. None are while somebody waits.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(3);
    /// let permit = semaphore.try_acquire_many(2).unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # drop(permit);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Adds permits: to those who wait first.
    ///
    /// # Panics
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS) free ones.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let gate = std::sync::Arc::new(filch::sync::Semaphore::new(0));
    /// let guest = filch::spawn({
    ///     let gate = gate.clone();
    ///     async move { gate.acquire().await.unwrap().forget() }
    /// });
    /// gate.add_permits(1);
    /// guest.await.unwrap();
    /// assert_eq!(gate.available_permits(), 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.release(n);
    }

    /// Takes up to `n` free permits out of the semaphore for good. The answer is how many there were.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(5), 3);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`AcquireError`] once the semaphore is closed.
    ///
    /// # Cancel safety
    /// Safe, but the place in the line is lost.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let semaphore = filch::sync::Semaphore::new(2);
    /// let permit = semaphore.acquire().await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # });
    /// ```
    #[inline]
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.permits.acquire(1).await?;
        Ok(self.permit(1))
    }

    /// Waits for `n` permits.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire); those it has got already go to others.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let semaphore = filch::sync::Semaphore::new(3);
    /// let permit = semaphore.acquire_many(2).await.unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// # });
    /// ```
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.permits.acquire(n as usize).await?;
        Ok(self.permit(n))
    }

    /// Takes a permit if one is free.
    ///
    /// # Errors
    /// [`TryAcquireError`]: there is none, or the semaphore is closed.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    /// # drop(permit);
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if so many are free.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(4);
    /// let permit = semaphore.try_acquire_many(3).unwrap();
    /// assert_eq!(permit.num_permits(), 3);
    /// assert!(semaphore.try_acquire_many(2).is_err());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_acquire(n as usize)?;
        Ok(self.permit(n))
    }

    /// As [`acquire`](Self::acquire), on a thread that drives no runtime.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(1);
    /// let permit = semaphore.blocking_acquire().unwrap();
    /// # drop(permit);
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking::block_on(self.acquire())
    }

    /// As [`acquire_many`](Self::acquire_many), on a thread that drives no runtime.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(3);
    /// let permit = semaphore.blocking_acquire_many(2).unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking::block_on(self.acquire_many(n))
    }

    /// As [`acquire`](Self::acquire); the permit keeps the semaphore alive, so it can go to another task.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await.unwrap();
    /// filch::spawn(async move { drop(permit) }).await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// ```
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.acquire(1).await?;
        Ok(self.owned_permit(1))
    }

    /// As [`acquire_many`](Self::acquire_many), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(3));
    /// let permit = semaphore.acquire_many_owned(2).await.unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// # });
    /// ```
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.acquire(n as usize).await?;
        Ok(self.owned_permit(n))
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(semaphore.try_acquire_owned().is_err());
    /// # drop(permit);
    /// ```
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(3));
    /// let permit = semaphore.try_acquire_many_owned(2).unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_acquire(n as usize)?;
        Ok(self.owned_permit(n))
    }

    /// As [`acquire_owned`](Self::acquire_owned), on a thread that drives no runtime.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(1));
    /// let permit = semaphore.blocking_acquire_owned().unwrap();
    /// assert_eq!(permit.num_permits(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking::block_on(self.acquire_owned())
    }

    /// As [`acquire_many_owned`](Self::acquire_many_owned), on a thread that drives no runtime.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// If this thread drives a filch runtime.
    ///
    /// # Examples
    /// ```
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(3));
    /// let permit = semaphore.blocking_acquire_many_owned(2).unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking::block_on(self.acquire_many_owned(n))
    }

    /// Gives out no more permits, and tells all who wait. Permits that are out may still be given back.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(0));
    /// let waits = filch::spawn(semaphore.clone().acquire_owned());
    /// semaphore.close();
    /// assert!(waits.await.unwrap().is_err());
    /// # });
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// True once it is closed.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(1);
    /// assert!(!semaphore.is_closed());
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    /// How many wait for permits, and how many did at most.
    ///
    /// # Source
    /// New: tokio has none.
    ///
    /// # Examples
    /// ```
    /// let semaphore = filch::sync::Semaphore::new(1);
    /// assert_eq!(semaphore.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.permits.statistics()
    }

    #[inline]
    fn permit(&self, n: u32) -> SemaphorePermit<'_> {
        SemaphorePermit {
            semaphore: self,
            permits: n as usize,
        }
    }

    fn owned_permit(self: Arc<Self>, n: u32) -> OwnedSemaphorePermit {
        OwnedSemaphorePermit {
            semaphore: self,
            permits: n as usize,
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
