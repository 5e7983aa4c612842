//! A value that is set once and that others wait for: [`SetOnce`].
//!
//! set   the value is there, then `notify_waiters`
//! wait  `notified`, then a look at the value, then the wait
//!
//! A `notified` that was made before the `notify_waiters` hears it; one that was made after it looks at a value that is
//! there. Model: `sync::model::who_waits_for_a_value_gets_it`.

use std::fmt;

use super::{Notify, Statistics};
use crate::once_value::OnceValue;
use crate::sync_prim::{Mutex, const_fn, keep};

/// A value that is set once, and that any number of tasks wait for.
///
/// # Source
/// `tokio::sync::SetOnce`.
///
/// # Examples
/// ```
/// use filch::sync::SetOnce;
///
/// static PORT: SetOnce<u16> = SetOnce::const_new();
///
/// # filch::block_on(async {
/// let asks = filch::spawn(async { *PORT.wait().await });
/// PORT.set(80).unwrap();
/// assert_eq!(asks.await.unwrap(), 80);
/// # });
/// ```
pub struct SetOnce<T> {
    value: OnceValue<T>,
    /// Who is refused finds the value there.
    setters: Mutex<()>,
    notify: Notify,
}

/// There was a value already: [`SetOnce::set`] gives back the one it was given.
///
/// # Examples
/// ```
/// use filch::sync::{SetOnce, SetOnceError};
///
/// let once = SetOnce::from(1);
/// assert_eq!(once.set(2), Err(SetOnceError(2)));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOnceError")
    }
}

impl<T: fmt::Debug> std::error::Error for SetOnceError<T> {}

impl<T> SetOnce<T> {
    /// Without a value.
    ///
    /// # Examples
    /// ```
    /// let once = filch::sync::SetOnce::<u32>::new();
    /// assert_eq!(once.get(), None);
    /// ```
    pub fn new() -> SetOnce<T> {
        SetOnce::const_new()
    }

    const_fn! {
        /// As [`new`](Self::new), for a `static`.
        ///
        /// # Examples
        /// ```
        /// static ONCE: filch::sync::SetOnce<u32> = filch::sync::SetOnce::const_new();
        /// ONCE.set(5).unwrap();
        /// ```
        pub const fn const_new() -> SetOnce<T> {
            SetOnce { value: OnceValue::new(), setters: Mutex::new(()), notify: Notify::const_new() }
        }
    }

    const_fn! {
        /// With this value, for a `static`.
        ///
        /// # Examples
        /// ```
        /// static FIVE: filch::sync::SetOnce<u32> = filch::sync::SetOnce::const_new_with(5);
        /// assert_eq!(FIVE.get(), Some(&5));
        /// ```
        pub const fn const_new_with(value: T) -> SetOnce<T> {
            SetOnce { value: OnceValue::with(value), setters: Mutex::new(()), notify: Notify::const_new() }
        }
    }

    /// With this value, if it is one.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::SetOnce;
    ///
    /// assert_eq!(SetOnce::new_with(Some(5)).get(), Some(&5));
    /// assert!(!SetOnce::<u32>::new_with(None).initialized());
    /// ```
    pub fn new_with(value: Option<T>) -> SetOnce<T> {
        value.map_or_else(SetOnce::new, SetOnce::from)
    }

    /// True if there is a value.
    ///
    /// # Examples
    /// ```
    /// let once = filch::sync::SetOnce::new();
    /// assert!(!once.initialized());
    /// once.set(5).unwrap();
    /// assert!(once.initialized());
    /// ```
    pub fn initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, if there is one.
    ///
    /// # Examples
    /// ```
    /// let once = filch::sync::SetOnce::from(5);
    /// assert_eq!(once.get(), Some(&5));
    /// ```
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value, and tells all who wait.
    ///
    /// # Errors
    /// [`SetOnceError`], with the value, if there was one before.
    ///
    /// # Examples
    /// ```
    /// let once = filch::sync::SetOnce::new();
    /// once.set(1).unwrap();
    /// assert_eq!(once.set(2).unwrap_err().0, 2);
    /// assert_eq!(once.get(), Some(&1));
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        {
            let _one_at_a_time = self.setters.lock();
            self.value.set(value).map_err(SetOnceError)?;
        }
        if keep("set_once_notify") {
            self.notify.notify_waiters();
        }
        Ok(())
    }

    /// The value, if there is one.
    ///
    /// # Examples
    /// ```
    /// let once = filch::sync::SetOnce::from("five".to_owned());
    /// assert_eq!(once.into_inner().unwrap(), "five");
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let once = filch::sync::SetOnce::new();
    /// let (value, set) = filch::join!(once.wait(), async { once.set(5) });
    /// assert_eq!((*value, set), (5, Ok(())));
    /// # });
    /// ```
    pub async fn wait(&self) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            let notified = self.notify.notified();
            // A value that came before `notified` was made is not told.
            match self.get() {
                Some(value) if keep("set_once_look") => return value,
                _ => notified.await,
            }
        }
    }

    /// How many wait for the value, and how many did at most.
    ///
    /// # Source
    /// New: tokio has none.
    ///
    /// # Examples
    /// ```
    /// let once = filch::sync::SetOnce::from(5);
    /// assert_eq!(once.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.notify.statistics()
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> SetOnce<T> {
        SetOnce::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> SetOnce<T> {
        SetOnce::const_new_with(value)
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> SetOnce<T> {
        SetOnce::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &SetOnce<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce")
            .field("value", &self.get())
            .finish()
    }
}
