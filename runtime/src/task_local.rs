//! Values that belong to a task rather than to a thread.
//!
//! A key is a thread's variable that is empty but while a future with a value for it is being polled: [`LocalKey::scope`]
//! puts the value in before each poll and takes it out after.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

use crate::inherit::{self, CopyValue, Heirloom};

/// A key for values that a future has while it is polled: made by `task_local!`.
///
/// # Source
/// `tokio::task::LocalKey`; the role of asyncio's `contextvars.ContextVar`, which a key with `#[inherit]` resembles more.
///
/// # Examples
/// ```
/// filch::task_local! {
///     static ONE: u32;
/// }
///
/// # filch::block_on(async {
/// let seen = ONE.scope(1, async { ONE.get() + ONE.with(|one| *one) }).await;
/// assert_eq!(seen, 2);
/// assert!(ONE.try_get().is_err());
/// # });
/// ```
pub struct LocalKey<T: 'static> {
    #[doc(hidden)]
    pub inner: thread::LocalKey<RefCell<Option<T>>>,
    /// For a key whose values follow `spawn`.
    #[doc(hidden)]
    pub copy: Option<CopyValue>,
}

impl<T: 'static> LocalKey<T> {
    /// A future that has `value` under this key while `future` is polled, and while it is dropped.
    ///
    /// What `future` spawns does not see the value, unless the key has `#[inherit]`.
    ///
    /// # Panics
    /// When it is polled inside the closure of [`with`](Self::with) of the same key.
    ///
    /// # Cancel safety
    /// As safe as `future`.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture {
            key: self,
            slot: Some(value),
            future: Some(future),
            _pinned: PhantomPinned,
        }
    }

    /// Calls `f`, which has `value` under this key.
    ///
    /// # Panics
    /// If `f` does; and inside the closure of [`with`](Self::with) of the same key.
    ///
    /// # Examples
    /// ```
    /// filch::task_local! {
    ///     static ONE: u32;
    /// }
    /// assert_eq!(ONE.sync_scope(1, || ONE.get()), 1);
    /// ```
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut slot = Some(value);
        match self.enter(&mut slot, f) {
            Ok(answer) => answer,
            Err(no_scope) => no_scope.panic(),
        }
    }

    /// Calls `f` with the value in `slot` under this key; what is there after that comes back into `slot`.
    fn enter<R>(&'static self, slot: &mut Option<T>, f: impl FnOnce() -> R) -> Result<R, NoScope> {
        struct Exchanged<'a, T: 'static> {
            key: &'static LocalKey<T>,
            slot: &'a mut Option<T>,
        }

        impl<T> Drop for Exchanged<'_, T> {
            fn drop(&mut self) {
                // Neither can fail, as it has not before: nobody keeps a borrow beyond the call of a closure.
                let exchanged = self.key.exchange(self.slot);
                debug_assert!(exchanged.is_ok());
            }
        }

        self.exchange(slot)?;
        let _exchanged = Exchanged { key: self, slot };
        let address = std::ptr::from_ref(self).addr();
        let _inheritable = self.copy.map(|copy| inherit::enter(address, copy));
        Ok(f())
    }

    fn exchange(&'static self, slot: &mut Option<T>) -> Result<(), NoScope> {
        self.inner
            .try_with(|inner| match inner.try_borrow_mut() {
                Ok(mut inner) => {
                    mem::swap(slot, &mut *inner);
                    Ok(())
                }
                Err(_) => Err(NoScope::Borrowed),
            })
            .unwrap_or(Err(NoScope::Gone))
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    /// If there is none: see [`try_with`](Self::try_with).
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(answer) => answer,
            Err(_) => panic!("cannot access a task-local storage value without setting it first"),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Errors
    /// If there is none: this is called outside every scope of the key.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        let answer = self.inner.try_with(|inner| inner.borrow().as_ref().map(f));
        answer.ok().flatten().ok_or(AccessError(()))
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the value.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the value.
    ///
    /// # Errors
    /// If there is none.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("LocalKey { .. }")
    }
}

/// A value of an inheriting key on its way into a task.
struct Copied<T: 'static> {
    key: &'static LocalKey<T>,
    slot: Option<T>,
}

impl<T: Send> Heirloom for Copied<T> {
    fn exchange(&mut self) -> bool {
        self.key.exchange(&mut self.slot).is_ok()
    }
}

/// What a value needs in order to follow `spawn`. Only for the words of the compiler's error.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the values of a key with `#[inherit]` must be `Clone + Send`, and `{Self}` is not",
    label = "not `Clone + Send`",
    note = "each task that is spawned gets a clone of the value",
    note = "an `Arc` of something that is `Send + Sync` will do; without `#[inherit]` any type will"
)]
pub trait Inheritable: Clone + Send {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send> Inheritable for T {}

/// Copies the value that the key has here: what an inheriting key does when a task is spawned.
#[doc(hidden)]
pub fn copy_value<T: Inheritable>(key: &'static LocalKey<T>) -> Option<Box<dyn Heirloom>> {
    let slot = Some(key.try_get().ok()?);
    Some(Box::new(Copied { key, slot }))
}

pin_project! {
    /// A future with a task-local value: [`LocalKey::scope`].
    ///
    /// # Panics
    /// If polled again after it was ready.
    ///
    /// # Source
    /// `tokio::task::futures::TaskLocalFuture`.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TaskLocalFuture<T: 'static, F> {
        key: &'static LocalKey<T>,
        slot: Option<T>,
        #[pin]
        future: Option<F>,
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut future = this.future;
            if mem::needs_drop::<F>() && future.is_some() {
                // With its value, if that can be: else without, as a field.
                let _ = this.key.enter(this.slot, || future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out; the future has none from then on. `None` if it was taken before.
    ///
    /// # Examples
    /// ```
    /// filch::task_local! {
    ///     static KEY: u32;
    /// }
    ///
    /// # filch::block_on(async {
    /// let mut future = Box::pin(KEY.scope(42, async {}));
    /// future.as_mut().await;
    /// assert_eq!(future.as_mut().take_value(), Some(42));
    /// # });
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().slot.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut future = this.future;
        let polled = this.key.enter(this.slot, || {
            let polled = future.as_mut().as_pin_mut()?.poll(context);
            if polled.is_ready() {
                // Here, while it has its value.
                future.set(None);
            }
            Some(polled)
        });
        match polled {
            Ok(Some(polled)) => polled,
            Ok(None) => panic!("`TaskLocalFuture` polled after completion"),
            Err(no_scope) => no_scope.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TaskLocalFuture");
        match &self.slot {
            Some(value) => debug.field("value", value),
            None => debug.field("value", &format_args!("<missing>")),
        };
        debug.finish()
    }
}

/// A task-local value was asked for where there is none.
///
/// # Source
/// `tokio::task::AccessError`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task-local value not set")
    }
}

impl std::error::Error for AccessError {}

/// Why a scope cannot be entered.
enum NoScope {
    Borrowed,
    Gone,
}

impl NoScope {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            NoScope::Borrowed => {
                panic!("cannot enter a task-local scope while the task-local storage is borrowed")
            }
            NoScope::Gone => panic!(
                "cannot enter a task-local scope during or after destruction of the underlying thread-local"
            ),
        }
    }
}
