//! A value behind a lock, and what reaches it: a pointer together with the right to use it.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

/// A value that only who has a right to it may use.
pub(super) struct Guarded<T: ?Sized>(UnsafeCell<T>);

// SAFETY: the value is reached by `&mut`, by value, or through `Exclusive` and `Shared`, whose makers promise that there
// is one of the first or many of the second. So `&Guarded<T>` can move the value's use to another thread, which wants
// `Send`; locks that hand out `Shared` ask for `Sync` themselves.
unsafe impl<T: ?Sized + Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub(super) const fn new(value: T) -> Guarded<T> {
        Guarded(UnsafeCell::new(value))
    }

    pub(super) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> Guarded<T> {
    pub(super) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    /// # Safety
    /// Until `right` is dropped, the value stays where it is, and nobody else reaches it.
    #[inline]
    pub(super) unsafe fn exclusive<R>(&self, right: R) -> Exclusive<R, T> {
        Exclusive {
            // SAFETY: a pointer out of a cell is not null.
            value: unsafe { NonNull::new_unchecked(self.0.get()) },
            right,
            _invariant: PhantomData,
        }
    }

    /// # Safety
    /// Until `right` is dropped, the value stays where it is, and nobody reaches it but by [`Shared`].
    #[inline]
    pub(super) unsafe fn shared<R>(&self, right: R) -> Shared<R, T> {
        Shared {
            // SAFETY: as above.
            value: unsafe { NonNull::new_unchecked(self.0.get()) },
            right,
        }
    }
}

/// The only way to a value, or to a part of it, until the right is dropped.
pub(super) struct Exclusive<R, T: ?Sized> {
    value: NonNull<T>,
    right: R,
    /// As `&mut T`: what can be written must not become another type.
    _invariant: PhantomData<*mut T>,
}

// SAFETY: it is used as a `&mut T` and an `R` are, so it moves to another thread when both do.
unsafe impl<R: Send, T: ?Sized + Send> Send for Exclusive<R, T> {}
// SAFETY: `&Exclusive` gives `&T` and `&R`. As tokio's guards do, it asks for `Send` too.
unsafe impl<R: Sync, T: ?Sized + Send + Sync> Sync for Exclusive<R, T> {}

impl<R, T: ?Sized> Exclusive<R, T> {
    #[inline]
    pub(super) fn get_mut(&mut self) -> &mut T {
        // SAFETY: the maker's promise, and `self` is borrowed for as long as the answer.
        unsafe { self.value.as_mut() }
    }

    pub(super) fn right(&self) -> &R {
        &self.right
    }

    /// The way to a part only, which `f` finds. The right is dropped if it panics.
    pub(super) fn map<U: ?Sized>(mut self, f: impl FnOnce(&mut T) -> &mut U) -> Exclusive<R, U> {
        let value = NonNull::from(f(self.get_mut()));
        Exclusive {
            value,
            right: self.right,
            _invariant: PhantomData,
        }
    }

    /// The same, if there is such a part.
    pub(super) fn try_map<U: ?Sized>(
        mut self,
        f: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<Exclusive<R, U>, Self> {
        match f(self.get_mut()).map(NonNull::from) {
            None => Err(self),
            Some(value) => Ok(Exclusive {
                value,
                right: self.right,
                _invariant: PhantomData,
            }),
        }
    }

    /// A way to a part for reading, by the right that `lower` makes of this one.
    pub(super) fn downgrade_map<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> &U,
        lower: impl FnOnce(R) -> R,
    ) -> Shared<R, U> {
        let value = NonNull::from(f(&self));
        Shared {
            value,
            right: lower(self.right),
        }
    }

    /// The same, if there is such a part.
    pub(super) fn try_downgrade_map<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> Option<&U>,
        lower: impl FnOnce(R) -> R,
    ) -> Result<Shared<R, U>, Self> {
        match f(&self).map(NonNull::from) {
            None => Err(self),
            Some(value) => Ok(Shared {
                value,
                right: lower(self.right),
            }),
        }
    }
}

impl<R, T: ?Sized> Deref for Exclusive<R, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `get_mut`.
        unsafe { self.value.as_ref() }
    }
}

/// A way to a value, or to a part of it, for reading, until the right is dropped.
pub(super) struct Shared<R, T: ?Sized> {
    value: NonNull<T>,
    right: R,
}

// SAFETY: it is used as a `&T` and an `R` are.
unsafe impl<R: Send, T: ?Sized + Sync> Send for Shared<R, T> {}
// SAFETY: as above. As tokio's guards do, it asks for `Send` too.
unsafe impl<R: Sync, T: ?Sized + Send + Sync> Sync for Shared<R, T> {}

impl<R, T: ?Sized> Shared<R, T> {
    pub(super) fn right(&self) -> &R {
        &self.right
    }

    /// The way to a part only, which `f` finds. The right is dropped if it panics.
    pub(super) fn map<U: ?Sized>(self, f: impl FnOnce(&T) -> &U) -> Shared<R, U> {
        Shared {
            value: NonNull::from(f(&self)),
            right: self.right,
        }
    }

    /// The same, if there is such a part.
    pub(super) fn try_map<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<Shared<R, U>, Self> {
        match f(&self).map(NonNull::from) {
            None => Err(self),
            Some(value) => Ok(Shared {
                value,
                right: self.right,
            }),
        }
    }
}

impl<R, T: ?Sized> Deref for Shared<R, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the maker's promise, and `self` is borrowed for as long as the answer.
        unsafe { self.value.as_ref() }
    }
}

/// `Deref`, `DerefMut` after the word `mut`, `Debug` and `Display` of a guard: its type, what it leads to, its field with
/// the access, and its type parameters.
macro_rules! guard_traits {
    ($Guard:ty, $Target:ident, $field:tt, mut, $($T:ident),+) => {
        impl<$($T: ?Sized),+> DerefMut for $Guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $Target {
                self.$field.get_mut()
            }
        }
        $crate::sync::cell::guard_traits!($Guard, $Target, $field, $($T),+);
    };
    ($Guard:ty, $Target:ident, $field:tt, $($T:ident),+) => {
        impl<$($T: ?Sized),+> Deref for $Guard {
            type Target = $Target;
            #[inline]
            fn deref(&self) -> &$Target {
                &self.$field
            }
        }

        impl<$($T: ?Sized),+> fmt::Debug for $Guard
        where
            $Target: fmt::Debug,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($T: ?Sized),+> fmt::Display for $Guard
        where
            $Target: fmt::Display,
        {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    };
}
pub(super) use guard_traits;
