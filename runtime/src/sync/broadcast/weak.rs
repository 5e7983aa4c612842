//! A sender that does not count.

use std::fmt;
use std::sync::Arc;

use super::Sender;
use super::ring::Ring;
use crate::sync_prim::Ordering;

/// A sender that does not keep the channel open: [`Sender::downgrade`].
///
/// # Source
/// `tokio::sync::broadcast::WeakSender`.
pub struct WeakSender<T> {
    pub(super) ring: Arc<Ring<T>>,
}

impl<T> WeakSender<T> {
    /// A sender, unless all are gone.
    ///
    /// # Source
    /// `tokio::sync::broadcast::WeakSender::upgrade`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(tx);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let more = |count| (count > 0).then_some(count + 1);
        let relaxed = Ordering::Relaxed;
        let counted = self.ring.senders.fetch_update(relaxed, relaxed, more);
        counted.ok().map(|_| Sender {
            ring: self.ring.clone(),
        })
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::WeakSender::strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert_eq!(weak.strong_count(), 1);
    /// drop(tx);
    /// assert_eq!(weak.strong_count(), 0);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.ring.senders.load(Ordering::Relaxed)
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::WeakSender::weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert_eq!(weak.clone().weak_count(), 2);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.ring.weak.load(Ordering::Relaxed)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        self.ring.weak.fetch_add(1, Ordering::Relaxed);
        WeakSender {
            ring: self.ring.clone(),
        }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.ring.weak.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::WeakSender")
    }
}
