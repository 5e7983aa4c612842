//! A sender of a bounded channel that does not count.

use std::fmt;

use super::chan::Weak;
use super::sender::Sender;

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
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.chan.upgrade().map(|chan| Sender { chan })
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakSender::strong_count`.
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::WeakSender::weak_count`.
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
