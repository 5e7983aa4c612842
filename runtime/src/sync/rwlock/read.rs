//! What a lock gives to a reader.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{Hold, OwnedHold, RwLock};
use crate::sync::cell::{Shared, guard_traits};

/// The value of a lock for reading, until this is dropped. From [`RwLock::read`] and its like.
///
/// # Source
/// `tokio::sync::RwLockReadGuard`.
///
/// # Examples
/// ```
/// let lock = filch::sync::RwLock::new(1);
/// let reads: filch::sync::RwLockReadGuard<'_, i32> = lock.try_read().unwrap();
/// assert_eq!(*reads, 1);
/// ```
#[clippy::has_significant_drop]
#[must_use = "the lock is free again at once when this is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized>(pub(super) Shared<Hold<'a>, T>);

/// The value of a lock that is kept alive, or a part of the value, for reading, until this is dropped. From
/// [`RwLock::read_owned`] and its like.
///
/// # Source
/// `tokio::sync::OwnedRwLockReadGuard`.
///
/// # Examples
/// ```
/// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
/// let reads: filch::sync::OwnedRwLockReadGuard<i32> = lock.try_read_owned().unwrap();
/// assert_eq!(*reads, 1);
/// ```
#[clippy::has_significant_drop]
#[must_use = "the lock is free again at once when this is dropped"]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T>(pub(super) Shared<OwnedHold<T>, U>);

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// Goes on with a part of the value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockReadGuard};
    ///
    /// # filch::block_on(async {
    /// let pair = RwLock::new((1, "one"));
    /// let number = RwLockReadGuard::map(pair.read().await, |pair| &pair.0);
    /// assert_eq!(*number, 1);
    /// # });
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard(this.0.map(f))
    }

    /// Goes on with a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockReadGuard};
    ///
    /// # filch::block_on(async {
    /// let list = RwLock::new(vec![1, 2]);
    /// let all = RwLockReadGuard::try_map(list.read().await, |list| list.get(7)).unwrap_err();
    /// assert_eq!(*RwLockReadGuard::try_map(all, |list| list.get(1)).unwrap(), 2);
    /// # });
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let part = this.0.try_map(f).map_err(RwLockReadGuard)?;
        Ok(RwLockReadGuard(part))
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Goes on with a part of the value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// # filch::block_on(async {
    /// let pair = std::sync::Arc::new(RwLock::new((1, "one")));
    /// let number = OwnedRwLockReadGuard::map(pair.read_owned().await, |pair| &pair.0);
    /// assert_eq!(*number, 1);
    /// # });
    /// ```
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        OwnedRwLockReadGuard(this.0.map(f))
    }

    /// Goes on with a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new(vec![1, 2]));
    /// let all = lock.try_read_owned().unwrap();
    /// let all = OwnedRwLockReadGuard::try_map(all, |list| list.get(7)).unwrap_err();
    /// assert_eq!(*OwnedRwLockReadGuard::try_map(all, |list| list.get(1)).unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_map<F, V: ?Sized>(this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        let part = this.0.try_map(f).map_err(OwnedRwLockReadGuard)?;
        Ok(OwnedRwLockReadGuard(part))
    }

    /// The lock it is of.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new(1));
    /// let reads = lock.clone().try_read_owned().unwrap();
    /// assert!(std::sync::Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&reads), &lock));
    /// ```
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.0.right().lock
    }
}

guard_traits!(RwLockReadGuard<'_, T>, T, 0, T);
guard_traits!(OwnedRwLockReadGuard<T, U>, U, 0, T, U);
