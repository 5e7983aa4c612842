//! What a lock gives to a writer.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::{Hold, OwnedHold, OwnedRwLockReadGuard, RwLock, RwLockReadGuard};
use crate::sync::cell::{Exclusive, guard_traits};

/// The value of a lock for writing, until this is dropped. From [`RwLock::write`] and its like.
///
/// # Source
/// `tokio::sync::RwLockWriteGuard`.
///
/// # Examples
/// ```
/// let lock = filch::sync::RwLock::new(1);
/// let mut writes: filch::sync::RwLockWriteGuard<'_, i32> = lock.try_write().unwrap();
/// *writes = 2;
/// ```
#[clippy::has_significant_drop]
#[must_use = "the lock is free again at once when this is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    value: Exclusive<Hold<'a>, T>,
    /// It can become a reader, so it goes to another thread only if the lock may be shared with that.
    _lock: PhantomData<&'a RwLock<T>>,
}

/// The value of a lock that is kept alive, for writing, until this is dropped. From [`RwLock::write_owned`] and its like.
///
/// # Source
/// `tokio::sync::OwnedRwLockWriteGuard`.
///
/// # Examples
/// ```
/// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
/// let mut writes: filch::sync::OwnedRwLockWriteGuard<i32> = lock.try_write_owned().unwrap();
/// *writes = 2;
/// ```
#[clippy::has_significant_drop]
#[must_use = "the lock is free again at once when this is dropped"]
pub struct OwnedRwLockWriteGuard<T: ?Sized>(pub(super) Exclusive<OwnedHold<T>, T>);

/// A part of the value of a lock for writing, until this is dropped. From [`RwLockWriteGuard::map`].
///
/// # Source
/// `tokio::sync::RwLockMappedWriteGuard`.
///
/// # Examples
/// ```
/// use filch::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
///
/// let lock = RwLock::new((1, "one"));
/// let mut part: RwLockMappedWriteGuard<'_, i32> =
///     RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.0);
/// *part = 2;
/// ```
#[clippy::has_significant_drop]
#[must_use = "the lock is free again at once when this is dropped"]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized> {
    value: Exclusive<Hold<'a>, T>,
    _lock: PhantomData<&'a RwLock<T>>,
}

/// A part of the value of a lock that is kept alive, for writing, until this is dropped. From
/// [`OwnedRwLockWriteGuard::map`].
///
/// # Source
/// `tokio::sync::OwnedRwLockMappedWriteGuard`.
///
/// # Examples
/// ```
/// use filch::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
///
/// let lock = std::sync::Arc::new(RwLock::new((1, "one")));
/// let mut part: OwnedRwLockMappedWriteGuard<(i32, &str), i32> =
///     OwnedRwLockWriteGuard::map(lock.try_write_owned().unwrap(), |pair| &mut pair.0);
/// *part = 2;
/// ```
#[clippy::has_significant_drop]
#[must_use = "the lock is free again at once when this is dropped"]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T>(Exclusive<OwnedHold<T>, U>);

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    #[inline]
    pub(super) fn new(value: Exclusive<Hold<'a>, T>) -> Self {
        RwLockWriteGuard {
            value,
            _lock: PhantomData,
        }
    }

    /// Goes on with a part of the value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// # filch::block_on(async {
    /// let pair = RwLock::new((1, "one"));
    /// *RwLockWriteGuard::map(pair.write().await, |pair| &mut pair.0) = 2;
    /// assert_eq!(*pair.read().await, (2, "one"));
    /// # });
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::new(this.value.map(f))
    }

    /// Goes on with a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let all = lock.try_write().unwrap();
    /// let all = RwLockWriteGuard::try_map(all, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*RwLockWriteGuard::try_map(all, |list| list.get_mut(1)).unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let part = this.value.try_map(f).map_err(RwLockWriteGuard::new)?;
        Ok(RwLockMappedWriteGuard::new(part))
    }

    /// Goes on as a reader of a part of the value; no writer comes in between.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let writes = lock.try_write().unwrap();
    /// let reads = RwLockWriteGuard::downgrade_map(writes, |pair| &pair.0);
    /// assert_eq!(*reads, 1);
    /// assert!(lock.try_read().is_ok());
    /// ```
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard(this.value.downgrade_map(f, Hold::downgrade))
    }

    /// Goes on as a reader of a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none: still for writing.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(vec![1, 2]);
    /// let all = lock.try_write().unwrap();
    /// let all = RwLockWriteGuard::try_downgrade_map(all, |list| list.get(7)).unwrap_err();
    /// assert_eq!(*RwLockWriteGuard::try_downgrade_map(all, |list| list.get(1)).unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let part = this.value.try_downgrade_map(f, Hold::downgrade);
        Ok(RwLockReadGuard(part.map_err(RwLockWriteGuard::new)?))
    }

    /// The same as a mapped guard, of the whole value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((1, "one"));
    /// let writes = lock.try_write().unwrap();
    /// let all = RwLockWriteGuard::into_mapped(writes);
    /// assert_eq!(*all, (1, "one"));
    /// ```
    #[inline]
    pub fn into_mapped(this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard::new(this.value)
    }

    /// Goes on as a reader; no writer comes in between.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = filch::sync::RwLock::new(1);
    /// let mut writes = lock.write().await;
    /// *writes = 2;
    /// let reads = writes.downgrade();
    /// assert_eq!(*lock.read().await, *reads);
    /// # });
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockWriteGuard::downgrade_map(self, |value| value)
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// Goes on with a part of the value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new((1, "one")));
    /// let writes = lock.try_write_owned().unwrap();
    /// *OwnedRwLockWriteGuard::map(writes, |pair| &mut pair.0) = 2;
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedRwLockMappedWriteGuard(this.0.map(f))
    }

    /// Goes on with a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new(vec![1, 2]));
    /// let all = lock.try_write_owned().unwrap();
    /// let all = OwnedRwLockWriteGuard::try_map(all, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*OwnedRwLockWriteGuard::try_map(all, |list| list.get_mut(1)).unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let part = this.0.try_map(f).map_err(OwnedRwLockWriteGuard)?;
        Ok(OwnedRwLockMappedWriteGuard(part))
    }

    /// Goes on as a reader of a part of the value; no writer comes in between.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new((1, "one")));
    /// let writes = lock.try_write_owned().unwrap();
    /// let reads = OwnedRwLockWriteGuard::downgrade_map(writes, |pair| &pair.0);
    /// assert_eq!(*reads, 1);
    /// ```
    #[inline]
    pub fn downgrade_map<F, U: ?Sized>(this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        OwnedRwLockReadGuard(this.0.downgrade_map(f, OwnedHold::downgrade))
    }

    /// Goes on as a reader of a part of the value, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none: still for writing.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new(vec![1, 2]));
    /// let all = lock.try_write_owned().unwrap();
    /// let all = OwnedRwLockWriteGuard::try_downgrade_map(all, |list| list.get(7)).unwrap_err();
    /// assert_eq!(*OwnedRwLockWriteGuard::try_downgrade_map(all, |list| list.get(1)).unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_downgrade_map<F, U: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        let part = this.0.try_downgrade_map(f, OwnedHold::downgrade);
        Ok(OwnedRwLockReadGuard(part.map_err(OwnedRwLockWriteGuard)?))
    }

    /// The same as a mapped guard, of the whole value.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new((1, "one")));
    /// let writes = lock.try_write_owned().unwrap();
    /// let all = OwnedRwLockWriteGuard::into_mapped(writes);
    /// assert_eq!(*all, (1, "one"));
    /// ```
    #[inline]
    pub fn into_mapped(this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard(this.0)
    }

    /// Goes on as a reader; no writer comes in between.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let lock = std::sync::Arc::new(filch::sync::RwLock::new(1));
    /// let reads = lock.clone().write_owned().await.downgrade();
    /// assert_eq!(*lock.read().await, *reads);
    /// # });
    /// ```
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockWriteGuard::downgrade_map(self, |value| value)
    }

    /// The lock it is of.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new(1));
    /// let writes = lock.clone().try_write_owned().unwrap();
    /// assert!(std::sync::Arc::ptr_eq(OwnedRwLockWriteGuard::rwlock(&writes), &lock));
    /// ```
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.0.right().lock
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    #[inline]
    fn new(value: Exclusive<Hold<'a>, T>) -> Self {
        RwLockMappedWriteGuard {
            value,
            _lock: PhantomData,
        }
    }

    /// Goes on with a part of the part.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(((1, 2), 3));
    /// let inner = RwLockWriteGuard::map(lock.try_write().unwrap(), |all| &mut all.0);
    /// *RwLockMappedWriteGuard::map(inner, |inner| &mut inner.0) = 7;
    /// assert_eq!(lock.into_inner(), ((7, 2), 3));
    /// ```
    #[inline]
    pub fn map<F, U: ?Sized>(this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard::new(this.value.map(f))
    }

    /// Goes on with a part of the part, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new((vec![1, 2], 3));
    /// let list = RwLockWriteGuard::map(lock.try_write().unwrap(), |all| &mut all.0);
    /// let list = RwLockMappedWriteGuard::try_map(list, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*list, [1, 2]);
    /// ```
    #[inline]
    pub fn try_map<F, U: ?Sized>(this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        let part = this.value.try_map(f).map_err(RwLockMappedWriteGuard::new)?;
        Ok(RwLockMappedWriteGuard::new(part))
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// Goes on with a part of the part.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new(((1, 2), 3)));
    /// let writes = lock.clone().try_write_owned().unwrap();
    /// let inner = OwnedRwLockWriteGuard::map(writes, |all| &mut all.0);
    /// *OwnedRwLockMappedWriteGuard::map(inner, |inner| &mut inner.0) = 7;
    /// assert_eq!(*lock.try_read().unwrap(), ((7, 2), 3));
    /// ```
    #[inline]
    pub fn map<F, V: ?Sized>(this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        OwnedRwLockMappedWriteGuard(this.0.map(f))
    }

    /// Goes on with a part of the part, if there is one.
    ///
    /// # Errors
    /// The guard itself, if `f` finds none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new((vec![1, 2], 3)));
    /// let writes = lock.clone().try_write_owned().unwrap();
    /// let list = OwnedRwLockWriteGuard::map(writes, |all| &mut all.0);
    /// let list = OwnedRwLockMappedWriteGuard::try_map(list, |list| list.get_mut(7)).unwrap_err();
    /// assert_eq!(*list, [1, 2]);
    /// ```
    #[inline]
    pub fn try_map<F, V: ?Sized>(
        this: Self,
        f: F,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        let part = this.0.try_map(f).map_err(OwnedRwLockMappedWriteGuard)?;
        Ok(OwnedRwLockMappedWriteGuard(part))
    }

    /// The lock it is of.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = std::sync::Arc::new(RwLock::new((1, 2)));
    /// let writes = lock.clone().try_write_owned().unwrap();
    /// let part = OwnedRwLockWriteGuard::map(writes, |pair| &mut pair.0);
    /// assert!(std::sync::Arc::ptr_eq(OwnedRwLockMappedWriteGuard::rwlock(&part), &lock));
    /// ```
    #[inline]
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        &this.0.right().lock
    }
}

guard_traits!(RwLockWriteGuard<'_, T>, T, value, mut, T);
guard_traits!(OwnedRwLockWriteGuard<T>, T, 0, mut, T);
guard_traits!(RwLockMappedWriteGuard<'_, T>, T, value, mut, T);
guard_traits!(OwnedRwLockMappedWriteGuard<T, U>, U, 0, mut, T, U);
