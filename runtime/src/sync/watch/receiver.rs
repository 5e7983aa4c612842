//! The end that looks.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::Ref;
use super::error::RecvError;
use super::shared::{Changed, Closed, Shared, Version, look};
use crate::budget::{poll_left, spend};
use crate::sync::at_once;

/// Looks at the value, and waits until it is another one: [`channel`](super::channel).
///
/// A clone has seen what this one has.
///
/// # Source
/// `tokio::sync::watch::Receiver`.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: Version,
}

impl<T> Receiver<T> {
    /// One that is counted.
    pub(super) fn new(shared: Arc<Shared<T>>, seen: Version) -> Receiver<T> {
        Receiver { shared, seen }
    }

    /// The value. It does not count as seen.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::borrow`.
    ///
    /// # Examples
    /// ```
    /// let (_tx, rx) = filch::sync::watch::channel(1);
    /// assert_eq!(*rx.borrow(), 1);
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        let value = self.shared.value.read();
        // It cannot be raised while the value is locked.
        let has_changed = self.shared.state().version != self.seen;
        Ref { value, has_changed }
    }

    /// The value, which counts as seen from now on.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::borrow_and_update`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::watch::channel(1);
    /// tx.send(2).unwrap();
    /// assert_eq!(*rx.borrow_and_update(), 2);
    /// assert!(!rx.has_changed().unwrap());
    /// ```
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.value.read();
        // As in `borrow`.
        let version = self.shared.state().version;
        let has_changed = version != self.seen;
        self.seen = version;
        Ref { value, has_changed }
    }

    /// True if there is a value that this receiver has not seen.
    ///
    /// # Errors
    /// [`RecvError`] if every sender is gone, seen or not.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::has_changed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(1);
    /// assert!(!rx.has_changed().unwrap());
    /// tx.send(2).unwrap();
    /// assert!(rx.has_changed().unwrap());
    /// drop(tx);
    /// assert!(rx.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let state = self.shared.state();
        if state.closed {
            return Err(RecvError(()));
        }
        Ok(state.version != self.seen)
    }

    /// Counts the present value as not seen.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::mark_changed`.
    ///
    /// # Examples
    /// ```
    /// let (_tx, mut rx) = filch::sync::watch::channel(1);
    /// rx.mark_changed();
    /// assert!(rx.has_changed().unwrap());
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.seen.before();
    }

    /// Counts the present value as seen.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::mark_unchanged`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::watch::channel(1);
    /// tx.send(2).unwrap();
    /// rx.mark_unchanged();
    /// assert!(!rx.has_changed().unwrap());
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.state().version;
    }

    /// Waits for a value that this receiver has not seen, and counts it as seen; at once if there is one.
    ///
    /// # Errors
    /// [`RecvError`] if every sender is gone and the last value is seen.
    ///
    /// # Cancel safety
    /// Safe: one that is dropped before it is done counts nothing as seen.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::changed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::watch::channel("a");
    /// filch::spawn(async move { tx.send("b") });
    /// rx.changed().await.unwrap();
    /// assert_eq!(*rx.borrow(), "b");
    /// assert!(rx.changed().await.is_err());
    /// # });
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let changed = match at_once(|| look(&self.shared, &mut self.seen)) {
            Some(changed) => changed,
            None => Changed::new(&self.shared, &mut self.seen).await,
        };
        changed.map_err(|Closed| RecvError(()))
    }

    /// Waits until the value is as `f` wants it: looks at the present one first, seen or not, then at each new one.
    ///
    /// # Errors
    /// [`RecvError`] if every sender is gone and the last value is not as wanted.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// # Cancel safety
    /// Safe. What `f` did not want counts as seen.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::wait_for`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::watch::channel(0);
    /// filch::spawn(async move {
    ///     for n in 1..=5 {
    ///         tx.send(n).unwrap();
    ///     }
    /// });
    /// assert_eq!(*rx.wait_for(|n| *n >= 5).await.unwrap(), 5);
    /// # });
    /// ```
    pub async fn wait_for(
        &mut self,
        mut f: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        // A unit of the budget for each wait, or for the look if there is no wait.
        poll_fn(|context| poll_left(context)).await;
        let (mut closed, mut waited) = (false, false);
        loop {
            {
                let value = self.shared.value.read();
                // As in `borrow`.
                let version = self.shared.state().version;
                let has_changed = version != self.seen;
                self.seen = version;
                if !closed || has_changed {
                    // Caught, so that no lock is left poisoned, whichever it is.
                    match catch_unwind(AssertUnwindSafe(|| f(&value))) {
                        Ok(true) => {
                            if !waited {
                                spend();
                            }
                            return Ok(Ref { value, has_changed });
                        }
                        Ok(false) => {}
                        Err(panic) => {
                            drop(value);
                            resume_unwind(panic);
                        }
                    }
                }
            }
            if closed {
                return Err(RecvError(()));
            }
            // The last value may have come with the end: it is looked at once more.
            closed = Changed::new(&self.shared, &mut self.seen).await.is_err();
            waited = true;
        }
    }

    /// True if every sender is gone.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(0);
    /// assert!(!rx.is_closed());
    /// drop(tx);
    /// assert!(rx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.state().closed
    }

    /// True if both look at the same value.
    ///
    /// # Source
    /// `tokio::sync::watch::Receiver::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(0);
    /// assert!(rx.same_channel(&tx.subscribe()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.enter();
        Receiver::new(self.shared.clone(), self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("value", &*self.shared.value.read())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
