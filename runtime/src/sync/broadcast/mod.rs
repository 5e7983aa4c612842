//! Messages from many tasks to many, each message to each receiver.
//!
//! A receiver sees what is sent from its making on. The channel keeps the last messages, as many as its capacity; a
//! receiver that is further behind has lost some, is told how many, and goes on with the oldest that is there. Sending
//! never waits.
//!
//! The last receiver of a message gets the message itself, the others clones. A clone is made while the place of its message
//! is locked: it should be short, and may not use the channel.
//!
//! # Source
//! `tokio::sync::broadcast`.
//!
//! # Examples
//! ```
//! use filch::sync::broadcast;
//!
//! # filch::block_on(async {
//! let (tx, mut rx) = broadcast::channel(16);
//! let mut other = tx.subscribe();
//! tx.send(10).unwrap();
//! assert_eq!(rx.recv().await, Ok(10));
//! assert_eq!(other.recv().await, Ok(10));
//! # });
//! ```

pub mod error;
mod receiver;
mod ring;
mod weak;

use std::fmt;
use std::sync::Arc;

use self::error::SendError;
pub use self::receiver::Receiver;
use self::ring::Ring;
pub use self::weak::WeakSender;
use super::Statistics;
use crate::sync_prim::Ordering;

/// Sends messages to all receivers: [`channel`].
///
/// # Source
/// `tokio::sync::broadcast::Sender`.
pub struct Sender<T> {
    ring: Arc<Ring<T>>,
}

/// A channel that keeps the last messages for slow receivers: as many as `capacity`, or a few more (the next power of
/// two).
///
/// # Panics
/// If `capacity` is 0, or more than `usize::MAX / 2`.
///
/// # Source
/// `tokio::sync::broadcast::channel`.
///
/// # Examples
/// ```
/// use filch::sync::broadcast::{self, error::RecvError};
///
/// # filch::block_on(async {
/// let (tx, mut rx) = broadcast::channel(2);
/// for n in 1..=3 {
///     tx.send(n).unwrap();
/// }
/// assert_eq!(rx.recv().await, Err(RecvError::Lagged(1)));
/// assert_eq!(rx.recv().await, Ok(2));
/// assert_eq!(rx.recv().await, Ok(3));
/// # });
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let ring = ring(capacity, 1);
    let tx = Sender { ring: ring.clone() };
    (tx, Receiver { ring, next: 0 })
}

#[track_caller]
fn ring<T>(capacity: usize, receivers: usize) -> Arc<Ring<T>> {
    assert!(capacity > 0, "broadcast channel capacity cannot be zero");
    assert!(
        capacity <= usize::MAX >> 1,
        "broadcast channel capacity exceeded `usize::MAX / 2`"
    );
    Ring::new(capacity, receivers)
}

impl<T> Sender<T> {
    /// A sender without a receiver so far; see [`channel`].
    ///
    /// # Panics
    /// As [`channel`].
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::new`.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::broadcast::Sender::<u32>::new(4);
    /// assert!(tx.send(1).is_err());
    /// let _rx = tx.subscribe();
    /// assert_eq!(tx.send(2).unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Sender {
            ring: ring(capacity, 0),
        }
    }

    /// Sends a message to all receivers there are; the answer is how many. Never waits.
    ///
    /// That it was sent does not say that anybody will see it.
    ///
    /// # Errors
    /// [`SendError`] with the message if there is no receiver. There may be one later: [`subscribe`](Self::subscribe).
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::send`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel(4);
    /// assert_eq!(tx.send("a").unwrap(), 1);
    /// drop(rx);
    /// assert_eq!(tx.send("b").unwrap_err().0, "b");
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.ring.send(value).map_err(SendError)
    }

    /// A receiver for what is sent from now on.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::subscribe`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel(4);
    /// tx.send(1).unwrap();
    /// let mut late = tx.subscribe();
    /// tx.send(2).unwrap();
    /// assert_eq!(late.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.ring)
    }

    /// A sender that does not keep the channel open.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::downgrade`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let weak = tx.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(tx);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use = "the sender itself stays as it is"]
    pub fn downgrade(&self) -> WeakSender<T> {
        self.ring.weak.fetch_add(1, Ordering::Relaxed);
        WeakSender {
            ring: self.ring.clone(),
        }
    }

    /// How many messages are kept that some receiver has not seen.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::len`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::broadcast::channel(4);
    /// tx.send(1).unwrap();
    /// tx.send(2).unwrap();
    /// rx.try_recv().unwrap();
    /// assert_eq!(tx.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// True if every receiver has seen every message that is kept.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::is_empty`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::broadcast::channel(4);
    /// assert!(tx.is_empty());
    /// tx.send(1).unwrap();
    /// assert!(!tx.is_empty());
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// assert!(tx.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many receivers there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::receiver_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let _other = rx.resubscribe();
    /// assert_eq!(tx.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.ring.receivers()
    }

    /// True if both send to the same channel.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let (other, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// assert!(tx.same_channel(&tx.clone()) && !tx.same_channel(&other));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::closed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::broadcast::channel::<u32>(4);
    /// filch::spawn(async move { drop(rx) });
    /// tx.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        // One may have come and gone while nobody looked, or come again.
        while !self.ring.deserted.is_raised() {
            self.ring.deserted.wait().await;
        }
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let _other = tx.clone();
    /// assert_eq!(tx.strong_count(), 2);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.ring.senders.load(Ordering::Relaxed)
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Sender::weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let _weak = tx.downgrade();
    /// assert_eq!((tx.strong_count(), tx.weak_count()), (1, 1));
    /// ```
    pub fn weak_count(&self) -> usize {
        self.ring.weak.load(Ordering::Relaxed)
    }

    /// How many receivers wait for a message.
    ///
    /// # Examples
    /// ```
    /// let tx = filch::sync::broadcast::Sender::<u32>::new(4);
    /// assert_eq!(tx.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.ring.statistics()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.ring.senders.fetch_add(1, Ordering::Relaxed);
        Sender {
            ring: self.ring.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Ordering: AcqRel with itself: the last one has the lock after all others. That it saw them leave tells a lock nothing.
        if self.ring.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ring.close();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Sender")
    }
}
