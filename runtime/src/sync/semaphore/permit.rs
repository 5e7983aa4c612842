//! What was acquired: given back when it is dropped.

use std::fmt;
use std::sync::Arc;

use super::Semaphore;

/// Permits of a semaphore; dropping this gives them back. From [`Semaphore::acquire`] and its like.
///
/// # Source
/// `tokio::sync::SemaphorePermit`.
///
/// # Examples
/// ```
/// let semaphore = filch::sync::Semaphore::new(1);
/// let permit: filch::sync::SemaphorePermit<'_> = semaphore.try_acquire().unwrap();
/// drop(permit);
/// assert_eq!(semaphore.available_permits(), 1);
/// ```
#[must_use = "the permits go back at once when this is dropped"]
#[clippy::has_significant_drop]
pub struct SemaphorePermit<'a> {
    pub(super) semaphore: &'a Semaphore,
    pub(super) permits: usize,
}

/// Permits of a semaphore that is kept alive by them. From [`Semaphore::acquire_owned`] and its like.
///
/// # Source
/// `tokio::sync::OwnedSemaphorePermit`.
///
/// # Examples
/// ```
/// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(1));
/// let permit: filch::sync::OwnedSemaphorePermit = semaphore.clone().try_acquire_owned().unwrap();
/// drop(permit);
/// assert_eq!(semaphore.available_permits(), 1);
/// ```
#[must_use = "the permits go back at once when this is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedSemaphorePermit {
    pub(super) semaphore: Arc<Semaphore>,
    pub(super) permits: usize,
}

/// What both kinds can do. `$try` acquires the kind from `semaphore`, an `Arc`, for the examples.
macro_rules! permit {
    ($kind:ty, $try:literal, $Kept:ty, $same:expr) => {
        impl $kind {
            /// Gives the permits back to nobody: the semaphore has fewer of them from now on.
            ///
            /// # Examples
            /// ```
            /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(10));
            #[doc = concat!("let permit = ", $try, ".unwrap();")]
            /// permit.forget();
            /// assert_eq!(semaphore.available_permits(), 9);
            /// ```
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Takes over the permits of another.
            ///
            /// # Panics
            /// If they are of another semaphore.
            ///
            /// # Examples
            /// ```
            /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(10));
            #[doc = concat!("let mut permit = ", $try, ".unwrap();")]
            #[doc = concat!("permit.merge(", $try, ".unwrap());")]
            /// assert_eq!(permit.num_permits(), 2);
            /// drop(permit);
            /// assert_eq!(semaphore.available_permits(), 10);
            /// ```
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                assert!(
                    $same(&self.semaphore, &other.semaphore),
                    "merging permits from different semaphore instances"
                );
                self.permits = match self.permits.checked_add(other.permits) {
                    Some(sum) => sum,
                    None => panic!("number of permits overflowed"),
                };
                other.permits = 0;
            }

            /// Splits `n` permits off. None if there are not so many.
            ///
            /// # Examples
            /// ```
            /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(10));
            #[doc = concat!("let mut permit = ", $try, ".unwrap();")]
            #[doc = concat!("permit.merge(", $try, ".unwrap());")]
            /// let half = permit.split(1).unwrap();
            /// assert_eq!((permit.num_permits(), half.num_permits()), (1, 1));
            /// assert!(permit.split(2).is_none());
            /// ```
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.permits = self.permits.checked_sub(n)?;
                Some(Self {
                    semaphore: Clone::clone(&self.semaphore),
                    permits: n,
                })
            }

            /// The semaphore they are of.
            ///
            /// # Examples
            /// ```
            /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(2));
            #[doc = concat!("let permit = ", $try, ".unwrap();")]
            /// permit.semaphore().close();
            /// assert!(semaphore.is_closed());
            /// ```
            pub fn semaphore(&self) -> $Kept {
                &self.semaphore
            }

            /// How many permits these are.
            ///
            /// # Examples
            /// ```
            /// let semaphore = std::sync::Arc::new(filch::sync::Semaphore::new(2));
            #[doc = concat!("let permit = ", $try, ".unwrap();")]
            /// assert_eq!(permit.num_permits(), 1);
            /// ```
            pub fn num_permits(&self) -> usize {
                self.permits
            }
        }
    };
}

permit!(
    SemaphorePermit<'_>,
    "semaphore.try_acquire()",
    &Semaphore,
    |one: &&Semaphore, other: &&Semaphore| std::ptr::eq(*one, *other)
);
permit!(
    OwnedSemaphorePermit,
    "semaphore.clone().try_acquire_owned()",
    &Arc<Semaphore>,
    Arc::ptr_eq
);

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.permits);
    }
}

impl Drop for OwnedSemaphorePermit {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.release(self.permits);
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit")
            .field("semaphore", &self.semaphore)
            .field("permits", &self.permits)
            .finish()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSemaphorePermit")
            .field("semaphore", &self.semaphore)
            .field("permits", &self.permits)
            .finish()
    }
}
