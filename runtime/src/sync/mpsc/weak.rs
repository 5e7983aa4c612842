//! Senders that do not count.

use std::fmt;

use super::chan::Weak;
use super::sender::Sender;
use super::unbounded::UnboundedSender;

/// A sender that does not keep the stream open: [`Sender::downgrade`].
///
/// # Source
/// `tokio::sync::mpsc::WeakSender`.
pub struct WeakSender<T> {
    pub(super) chan: Weak<T>,
}

impl<T> WeakSender<T> {
    /// A sender, unless all are gone.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakSender::upgrade`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(tx);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.chan.upgrade().map(|chan| Sender { chan })
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakSender::strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert_eq!(weak.strong_count(), 1);
    /// drop(tx);
    /// assert_eq!(weak.strong_count(), 0);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakSender::weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert_eq!(weak.clone().weak_count(), 2);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        WeakSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

/// A sender that does not keep the stream open: [`UnboundedSender::downgrade`].
///
/// # Source
/// `tokio::sync::mpsc::WeakUnboundedSender`.
pub struct WeakUnboundedSender<T> {
    pub(super) chan: Weak<T>,
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, unless all are gone.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakUnboundedSender::upgrade`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let weak = tx.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(tx);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        self.chan.upgrade().map(|chan| UnboundedSender { chan })
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakUnboundedSender::strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let weak = tx.downgrade();
    /// assert_eq!(weak.strong_count(), 1);
    /// drop(tx);
    /// assert_eq!(weak.strong_count(), 0);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakUnboundedSender::weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let weak = tx.downgrade();
    /// assert_eq!(weak.clone().weak_count(), 2);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        WeakUnboundedSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender")
            .finish_non_exhaustive()
    }
}
