//! A value that the first who needs it makes: [`OnceCell`].
//!
//! The right to make it is the one permit of a semaphore; it comes back if the maker fails, panics or goes, and the
//! semaphore is closed when the value is there. Models: `sync::model::one_makes_the_value`,
//! `sync::model::a_maker_that_goes_leaves_it_to_the_next`.

use std::fmt;
use std::future::Future;

use super::{Semaphore, SemaphorePermit, Statistics, TryAcquireError};
use crate::once_value::OnceValue;
use crate::sync_prim::const_fn;

/// A value that is made once, by the first who asks for it, while the others wait.
///
/// # Source
/// `tokio::sync::OnceCell`.
///
/// # Examples
/// ```
/// use filch::sync::OnceCell;
///
/// static CONFIG: OnceCell<String> = OnceCell::const_new();
///
/// # filch::block_on(async {
/// let config = CONFIG.get_or_init(|| async { "read from a file".to_owned() }).await;
/// assert_eq!(config, "read from a file");
/// # });
/// ```
pub struct OnceCell<T> {
    value: OnceValue<T>,
    semaphore: Semaphore,
}

/// Why [`OnceCell::set`] did not set the value, which it gives back.
///
/// # Examples
/// ```
/// use filch::sync::{OnceCell, SetError};
///
/// let cell = OnceCell::new_with(Some(1));
/// assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value.
    AlreadyInitializedError(T),
    /// Somebody is making one.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// True if there is a value.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::new_with(Some(1));
    /// assert!(cell.set(2).unwrap_err().is_already_init_err());
    /// ```
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, SetError::AlreadyInitializedError(_))
    }

    /// True if somebody is making one.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::OnceCell;
    ///
    /// # filch::block_on(async {
    /// let cell = OnceCell::new();
    /// let make = async || {
    ///     assert!(cell.set(2).unwrap_err().is_initializing_err());
    ///     1
    /// };
    /// assert_eq!(cell.get_or_init(make).await, &1);
    /// # });
    /// ```
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, SetError::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::AlreadyInitializedError(_) => "AlreadyInitializedError",
            SetError::InitializingError(_) => "InitializingError",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for SetError<T> {}

impl<T> OnceCell<T> {
    /// A cell without a value.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::<u32>::new();
    /// assert_eq!(cell.get(), None);
    /// ```
    pub fn new() -> OnceCell<T> {
        OnceCell::const_new()
    }

    const_fn! {
        /// As [`new`](Self::new), for a `static`.
        ///
        /// # Examples
        /// ```
        /// static CELL: filch::sync::OnceCell<u32> = filch::sync::OnceCell::const_new();
        /// CELL.set(5).unwrap();
        /// ```
        pub const fn const_new() -> OnceCell<T> {
            OnceCell { value: OnceValue::new(), semaphore: Semaphore::const_new(1) }
        }
    }

    const_fn! {
        /// A cell with this value, for a `static`.
        ///
        /// # Examples
        /// ```
        /// static FIVE: filch::sync::OnceCell<u32> = filch::sync::OnceCell::const_new_with(5);
        /// assert_eq!(FIVE.get(), Some(&5));
        /// ```
        pub const fn const_new_with(value: T) -> OnceCell<T> {
            OnceCell { value: OnceValue::with(value), semaphore: Semaphore::new_closed() }
        }
    }

    /// A cell with this value, if it is one.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::OnceCell;
    ///
    /// assert_eq!(OnceCell::new_with(Some(5)).get(), Some(&5));
    /// assert!(!OnceCell::<u32>::new_with(None).initialized());
    /// ```
    pub fn new_with(value: Option<T>) -> OnceCell<T> {
        value.map_or_else(OnceCell::new, OnceCell::from)
    }

    /// True if there is a value.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::new();
    /// assert!(!cell.initialized());
    /// cell.set(5).unwrap();
    /// assert!(cell.initialized());
    /// ```
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, if there is one.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::from(5);
    /// assert_eq!(cell.get(), Some(&5));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if there is one.
    ///
    /// # Examples
    /// ```
    /// let mut cell = filch::sync::OnceCell::from(5);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.get(), Some(&6));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value, if there is none and nobody is making one.
    ///
    /// # Errors
    /// [`SetError`], with the value.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::new();
    /// cell.set(5).unwrap();
    /// assert_eq!(cell.get(), Some(&5));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.semaphore.try_acquire() {
            Ok(permit) => {
                let set = self.set_value(value, permit);
                set.map_err(SetError::AlreadyInitializedError)
            }
            Err(TryAcquireError::NoPermits) => Err(SetError::InitializingError(value)),
            Err(TryAcquireError::Closed) => Err(SetError::AlreadyInitializedError(value)),
        }
    }

    /// The value; if there is none, `f` makes it, or somebody else is waited for who makes it already.
    ///
    /// # Panics
    /// If `f` does. The next who waits makes the value then.
    ///
    /// # Cancel safety
    /// Safe: dropped while it makes the value, it leaves that to the next.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let cell = filch::sync::OnceCell::new();
    /// assert_eq!(*cell.get_or_init(|| async { 5 }).await, 5);
    /// assert_eq!(*cell.get_or_init(|| async { 6 }).await, 5);
    /// # });
    /// ```
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        match self.get_or_permit().await {
            Ok(value) => value,
            Err(permit) => {
                let value = f().await;
                self.set_and_get(value, permit)
            }
        }
    }

    /// As [`get_or_init`](Self::get_or_init), with an `f` that may fail; the next who waits tries again then.
    ///
    /// # Errors
    /// Those of `f`.
    ///
    /// # Panics
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Cancel safety
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let cell = filch::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(|| async { Err::<u32, _>("no") }).await, Err("no"));
    /// assert_eq!(cell.get_or_try_init(|| async { Ok::<_, &str>(5) }).await, Ok(&5));
    /// # });
    /// ```
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.get_or_permit().await {
            Ok(value) => Ok(value),
            Err(permit) => {
                let value = f().await?;
                Ok(self.set_and_get(value, permit))
            }
        }
    }

    /// The value, or the right to make it.
    async fn get_or_permit(&self) -> Result<&T, SemaphorePermit<'_>> {
        loop {
            if let Some(value) = self.get() {
                return Ok(value);
            }
            // Closed: the value is there, and the next turn gets it.
            if let Ok(permit) = self.semaphore.acquire().await {
                return Err(permit);
            }
        }
    }

    /// Sets the value by the only permit.
    fn set_value(&self, value: T, permit: SemaphorePermit<'_>) -> Result<(), T> {
        let set = self.value.set(value);
        self.semaphore.close();
        permit.forget();
        set
    }

    fn set_and_get(&self, value: T, permit: SemaphorePermit<'_>) -> &T {
        let set = self.set_value(value, permit);
        debug_assert!(set.is_ok(), "who has the permit finds no value");
        match self.get() {
            Some(value) => value,
            None => unreachable!("the value was set"),
        }
    }

    /// The value, if there is one.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::from("five".to_owned());
    /// assert_eq!(cell.into_inner().unwrap(), "five");
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Takes the value out, and leaves a new cell.
    ///
    /// # Examples
    /// ```
    /// let mut cell = filch::sync::OnceCell::new_with(Some(5));
    /// assert_eq!(cell.take(), Some(5));
    /// cell.set(6).unwrap();
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }

    /// How many wait for the value that somebody makes, and how many did at most.
    ///
    /// # Source
    /// New: tokio has none.
    ///
    /// # Examples
    /// ```
    /// let cell = filch::sync::OnceCell::from(5);
    /// assert_eq!(cell.statistics().most_waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.semaphore.statistics()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> OnceCell<T> {
        OnceCell::const_new_with(value)
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> OnceCell<T> {
        OnceCell::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &OnceCell<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish()
    }
}
