//! One value that changes, and many tasks that look at the latest.
//!
//! A receiver sees the value as it is now, and can wait until it is another one. It need not see each value there was:
//! only the last counts.
//!
//! [`Ref`] holds a lock: let go of it before the next await, and before you send.
//!
//! # Source
//! `tokio::sync::watch`.
//!
//! # Examples
//! ```
//! use filch::sync::watch;
//!
//! # filch::block_on(async {
//! let (tx, mut rx) = watch::channel("starting");
//! let seen = filch::spawn(async move {
//!     rx.changed().await.unwrap();
//!     *rx.borrow_and_update()
//! });
//! tx.send("running").unwrap();
//! assert_eq!(seen.await.unwrap(), "running");
//! # });
//! ```

pub mod error;
mod receiver;
mod shared;

use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use self::error::SendError;
pub use self::receiver::Receiver;
use self::shared::{Shared, Version};
use super::Statistics;
use crate::budget::cooperative;
use crate::sync_prim::{Ordering, RwLockReadGuard};

/// Changes the value: [`channel`].
///
/// # Source
/// `tokio::sync::watch::Sender`.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// A look at the value. Nobody can change it while this lives.
///
/// # Source
/// `tokio::sync::watch::Ref`.
#[derive(Debug)]
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// True if the receiver had not seen this value; false for a sender.
    ///
    /// # Source
    /// `tokio::sync::watch::Ref::has_changed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::watch::channel(1);
    /// assert!(!rx.borrow().has_changed());
    /// tx.send(2).unwrap();
    /// assert!(rx.borrow_and_update().has_changed());
    /// assert!(!rx.borrow().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A channel with a first value, which the receiver counts as seen.
///
/// # Source
/// `tokio::sync::watch::channel`.
///
/// # Examples
/// ```
/// let (tx, rx) = filch::sync::watch::channel(1);
/// assert_eq!(*rx.borrow(), 1);
/// tx.send(2).unwrap();
/// assert_eq!(*rx.borrow(), 2);
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::new(init, 1);
    let rx = Receiver::new(shared.clone(), Version::FIRST);
    (Sender { shared }, rx)
}

impl<T> Sender<T> {
    /// A sender without a receiver so far.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::new`.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::watch::Sender::new(1);
    /// assert!(tx.send(2).is_err());
    /// assert_eq!(tx.send_replace(3), 1);
    /// assert_eq!(*tx.subscribe().borrow(), 3);
    /// ```
    pub fn new(init: T) -> Self {
        Sender {
            shared: Shared::new(init, 0),
        }
    }

    /// Sets the value, and wakes the receivers that wait.
    ///
    /// # Errors
    /// [`SendError`] with the value if there is no receiver; the old value stays. [`send_replace`](Self::send_replace)
    /// changes it all the same.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::send`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(1);
    /// tx.send(2).unwrap();
    /// drop(rx);
    /// assert_eq!(tx.send(3).unwrap_err().0, 3);
    /// assert_eq!(*tx.borrow(), 2);
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in place, and wakes the receivers that wait, whether there are any or not.
    ///
    /// # Panics
    /// If `modify` does: nobody is told of a change then.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::send_modify`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(vec![1]);
    /// tx.send_modify(|all| all.push(2));
    /// assert_eq!(*rx.borrow(), [1, 2]);
    /// ```
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), but nobody is told unless `modify` says true, which is the answer, too.
    ///
    /// # Panics
    /// As [`send_modify`](Self::send_modify).
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::send_if_modified`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(1);
    /// let most = |new| tx.send_if_modified(|old| new > *old && { *old = new; true });
    /// assert!(!most(0));
    /// assert!(!rx.has_changed().unwrap());
    /// assert!(most(5));
    /// assert!(rx.has_changed().unwrap());
    /// ```
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        let mut value = self.shared.value.write();
        // Caught, so that no lock is left poisoned, whichever it is.
        match catch_unwind(AssertUnwindSafe(|| modify(&mut value))) {
            Ok(true) => self.shared.raise(),
            Ok(false) => return false,
            Err(panic) => {
                drop(value);
                resume_unwind(panic);
            }
        }
        drop(value);
        self.shared.wake_all();
        true
    }

    /// Sets the value, whether there are receivers or not; the answer is the one that was there.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::send_replace`.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::watch::Sender::new(1);
    /// assert_eq!(tx.send_replace(2), 1);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|old| std::mem::swap(old, &mut value));
        value
    }

    /// The value.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::borrow`.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::watch::Sender::new(1);
    /// assert_eq!(*tx.borrow(), 1);
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref {
            value: self.shared.value.read(),
            has_changed: false,
        }
    }

    /// True if there is no receiver.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::watch::channel(0);
    /// assert!(!tx.is_closed());
    /// drop(rx);
    /// assert!(tx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::closed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::watch::channel(());
    /// filch::spawn(async move { drop(rx) });
    /// tx.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        cooperative(async {
            while !self.is_closed() {
                self.shared.deserted.wait().await;
            }
        })
        .await;
    }

    /// A receiver that counts the present value as seen.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::subscribe`.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::watch::Sender::new(1);
    /// let rx = tx.subscribe();
    /// assert!(!rx.has_changed().unwrap());
    /// tx.send(2).unwrap();
    /// assert!(rx.has_changed().unwrap());
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        let version = self.shared.state().version;
        self.shared.enter();
        Receiver::new(self.shared.clone(), version)
    }

    /// How many receivers there are.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::receiver_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::watch::channel(0);
    /// let _other = tx.subscribe();
    /// assert_eq!(tx.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.load(Ordering::Relaxed)
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::sender_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::watch::channel(0);
    /// let _other = tx.clone();
    /// assert_eq!(tx.sender_count(), 2);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders.load(Ordering::Relaxed)
    }

    /// True if both change the same value.
    ///
    /// # Source
    /// `tokio::sync::watch::Sender::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::watch::channel(0);
    /// assert!(tx.same_channel(&tx.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many receivers wait for a change.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::watch::Sender::new(1);
    /// assert_eq!(tx.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Sender {
            shared: self.shared.clone(),
        }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Sender::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Ordering: AcqRel: the last one, which says that the channel is closed, comes after all others' writes.
        let acq_rel = Ordering::AcqRel;
        if self.shared.senders.fetch_sub(1, acq_rel) == 1 {
            self.shared.close();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("value", &*self.borrow())
            .field("receivers", &self.receiver_count())
            .finish()
    }
}
