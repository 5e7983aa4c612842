//! What a locked mutex gives: the value, until the guard is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Mutex;
use crate::sync::cell::{Exclusive, guard_traits};
use crate::sync::raw_mutex::RawMutex;

/// The right to the value: unlocks when it is dropped.
pub(super) struct Unlock<'a>(pub(super) &'a RawMutex);

impl Drop for Unlock<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.unlock();
    }
}

/// The same, and keeps the mutex alive.
pub(super) struct OwnedUnlock<T: ?Sized>(pub(super) Arc<Mutex<T>>);

impl<T: ?Sized> Drop for OwnedUnlock<T> {
    fn drop(&mut self) {
        self.0.raw.unlock();
    }
}

/// The value of a mutex, until this is dropped. From [`Mutex::lock`] and its like.
///
/// # Source
/// `tokio::sync::MutexGuard`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let mutex = filch::sync::Mutex::new(1);
/// let mut guard: filch::sync::MutexGuard<'_, i32> = mutex.lock().await;
/// *guard += 1;
/// assert_eq!(*guard, 2);
/// # });
/// ```
#[clippy::has_significant_drop]
#[must_use = "the mutex is unlocked at once when this is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    pub(super) mutex: &'a Mutex<T>,
    pub(super) value: Exclusive<Unlock<'a>, T>,
}

/// The value of a mutex that is kept alive, until this is dropped. From [`Mutex::lock_owned`] and its like.
///
/// # Source
/// `tokio::sync::OwnedMutexGuard`.
///
/// # Examples
/// ```
/// use filch::sync::{Mutex, OwnedMutexGuard};
///
/// let mutex = std::sync::Arc::new(Mutex::new(1));
/// let guard: OwnedMutexGuard<i32> = mutex.try_lock_owned().unwrap();
/// assert_eq!(*guard, 1);
/// ```
#[clippy::has_significant_drop]
#[must_use = "the mutex is unlocked at once when this is dropped"]
pub struct OwnedMutexGuard<T: ?Sized>(pub(super) Exclusive<OwnedUnlock<T>, T>);

/// A part of the value of a mutex, which is locked until this is dropped. From [`MutexGuard::map`].
///
/// # Source
/// `tokio::sync::MappedMutexGuard`.
///
/// # Examples
/// ```
/// use filch::sync::{MappedMutexGuard, Mutex, MutexGuard};
///
/// let mutex = Mutex::new((1, "one"));
/// let part: MappedMutexGuard<'_, i32> = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.0);
/// assert_eq!(*part, 1);
/// ```
#[clippy::has_significant_drop]
#[must_use = "the mutex is unlocked at once when this is dropped"]
pub struct MappedMutexGuard<'a, T: ?Sized>(Exclusive<Unlock<'a>, T>);

/// A part of the value of a mutex that is kept alive, and locked until this is dropped. From [`OwnedMutexGuard::map`].
///
/// # Source
/// `tokio::sync::OwnedMappedMutexGuard`.
///
/// # Examples
/// ```
/// use filch::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
///
/// let mutex = std::sync::Arc::new(Mutex::new((1, "one")));
/// let guard = mutex.try_lock_owned().unwrap();
/// let part: OwnedMappedMutexGuard<(i32, &str), i32> = OwnedMutexGuard::map(guard, |pair| &mut pair.0);
/// assert_eq!(*part, 1);
/// ```
#[clippy::has_significant_drop]
#[must_use = "the mutex is unlocked at once when this is dropped"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T>(Exclusive<OwnedUnlock<T>, U>);

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Goes on with a part of the value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, MutexGuard};
    ///
    /// # filch::block_on(async {
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock().await, |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(*pair.lock().await, (2, "one"));
    /// # });
    /// ```
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard(this.value.map(f))
    }

    /// Goes on with a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, MutexGuard};
    ///
    /// # filch::block_on(async {
    /// let list = Mutex::new(vec![1, 2]);
    /// let second = MutexGuard::try_map(list.lock().await, |list| list.get_mut(1)).unwrap();
    /// assert_eq!(*second, 2);
    /// drop(second);
    /// let all = MutexGuard::try_map(list.lock().await, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*all, [1, 2]);
    /// # });
    /// ```
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let mutex = this.mutex;
        match this.value.try_map(f) {
            Ok(part) => Ok(MappedMutexGuard(part)),
            Err(value) => Err(MutexGuard { mutex, value }),
        }
    }

    /// The mutex it is of.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, MutexGuard};
    ///
    /// # filch::block_on(async {
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.lock().await;
    /// assert!(std::ptr::eq(MutexGuard::mutex(&guard), &mutex));
    /// # });
    /// ```
    #[inline]
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Goes on with a part of the value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, OwnedMutexGuard};
    ///
    /// # filch::block_on(async {
    /// let pair = std::sync::Arc::new(Mutex::new((1, "one")));
    /// let mut number = OwnedMutexGuard::map(pair.clone().lock_owned().await, |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(*pair.lock().await, (2, "one"));
    /// # });
    /// ```
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedMappedMutexGuard(this.0.map(f))
    }

    /// Goes on with a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, OwnedMutexGuard};
    ///
    /// let list = std::sync::Arc::new(Mutex::new(vec![1, 2]));
    /// let all = list.try_lock_owned().unwrap();
    /// let all = OwnedMutexGuard::try_map(all, |list| list.get_mut(7)).unwrap_err();
    /// let second = OwnedMutexGuard::try_map(all, |list| list.get_mut(1)).unwrap();
    /// assert_eq!(*second, 2);
    /// ```
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let part = this.0.try_map(f).map_err(OwnedMutexGuard)?;
        Ok(OwnedMappedMutexGuard(part))
    }

    /// The mutex it is of.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, OwnedMutexGuard};
    ///
    /// let mutex = std::sync::Arc::new(Mutex::new(1));
    /// let guard = mutex.clone().try_lock_owned().unwrap();
    /// assert!(std::sync::Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &mutex));
    /// ```
    #[inline]
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        &this.0.right().0
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Goes on with a part of the part.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// # filch::block_on(async {
    /// let nested = Mutex::new(((1, 2), 3));
    /// let inner = MutexGuard::map(nested.lock().await, |all| &mut all.0);
    /// let one = MappedMutexGuard::map(inner, |inner| &mut inner.0);
    /// assert_eq!(*one, 1);
    /// # });
    /// ```
    #[inline]
    pub fn map<U, F>(this: Self, f: F) -> MappedMutexGuard<'a, U>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> &mut U,
    {
        MappedMutexGuard(this.0.map(f))
    }

    /// Goes on with a part of the part, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// let nested = Mutex::new((vec![1, 2], 3));
    /// let list = MutexGuard::map(nested.try_lock().unwrap(), |all| &mut all.0);
    /// let list = MappedMutexGuard::try_map(list, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*MappedMutexGuard::try_map(list, |list| list.get_mut(1)).unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_map<U, F>(this: Self, f: F) -> Result<MappedMutexGuard<'a, U>, Self>
    where
        U: ?Sized,
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let part = this.0.try_map(f).map_err(MappedMutexGuard)?;
        Ok(MappedMutexGuard(part))
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// Goes on with a part of the part.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
    ///
    /// let nested = std::sync::Arc::new(Mutex::new(((1, 2), 3)));
    /// let inner = OwnedMutexGuard::map(nested.try_lock_owned().unwrap(), |all| &mut all.0);
    /// let one = OwnedMappedMutexGuard::map(inner, |inner| &mut inner.0);
    /// assert_eq!(*one, 1);
    /// ```
    #[inline]
    pub fn map<S, F>(this: Self, f: F) -> OwnedMappedMutexGuard<T, S>
    where
        S: ?Sized,
        F: FnOnce(&mut U) -> &mut S,
    {
        OwnedMappedMutexGuard(this.0.map(f))
    }

    /// Goes on with a part of the part, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
    ///
    /// let nested = std::sync::Arc::new(Mutex::new((vec![1, 2], 3)));
    /// let list = OwnedMutexGuard::map(nested.try_lock_owned().unwrap(), |all| &mut all.0);
    /// let list = OwnedMappedMutexGuard::try_map(list, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*list, [1, 2]);
    /// ```
    #[inline]
    pub fn try_map<S, F>(this: Self, f: F) -> Result<OwnedMappedMutexGuard<T, S>, Self>
    where
        S: ?Sized,
        F: FnOnce(&mut U) -> Option<&mut S>,
    {
        let part = this.0.try_map(f).map_err(OwnedMappedMutexGuard)?;
        Ok(OwnedMappedMutexGuard(part))
    }
}

guard_traits!(MutexGuard<'_, T>, T, value, mut, T);
guard_traits!(OwnedMutexGuard<T>, T, 0, mut, T);
guard_traits!(MappedMutexGuard<'_, T>, T, 0, mut, T);
guard_traits!(OwnedMappedMutexGuard<T, U>, U, 0, mut, T, U);
