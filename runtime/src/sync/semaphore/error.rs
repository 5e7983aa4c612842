//! Why there is no permit.

use std::fmt;

/// The semaphore is closed: [`Semaphore::acquire`](super::Semaphore::acquire) gives no more permits.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let semaphore = filch::sync::Semaphore::new(1);
/// semaphore.close();
/// assert_eq!(semaphore.acquire().await.unwrap_err().to_string(), "semaphore closed");
/// # });
/// ```
#[derive(Debug)]
pub struct AcquireError(());

impl AcquireError {
    pub(in crate::sync) fn closed() -> AcquireError {
        AcquireError(())
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl std::error::Error for AcquireError {}

/// Why [`Semaphore::try_acquire`](super::Semaphore::try_acquire) gave no permit.
///
/// # Examples
/// ```
/// use filch::sync::{Semaphore, TryAcquireError};
///
/// let semaphore = Semaphore::new(0);
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are not enough free permits now.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Closed => "semaphore closed",
            TryAcquireError::NoPermits => "no permits available",
        })
    }
}

impl std::error::Error for TryAcquireError {}
