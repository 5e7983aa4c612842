//! The end that sends.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::chan::{Chan, Refused};
use super::error::{SendError, SendTimeoutError, TrySendError};
use crate::sync::Statistics;
use crate::sync::at_once;
use crate::sync::blocking::block_on;
use crate::sync_prim::Ordering;
use crate::time::timeout;

/// Sends messages: [`channel`](super::channel). Clones send to the same channel.
///
/// # Source
/// `async_channel::Sender`.
pub struct Sender<T> {
    chan: Arc<Chan<T>>,
}

impl<T> Sender<T> {
    pub(super) fn first(chan: Arc<Chan<T>>) -> Sender<T> {
        Sender { chan }
    }

    /// Sends a message, once there is room for it; at once if the channel has no bound.
    ///
    /// # Errors
    /// [`SendError`] with the message if the channel was closed, or if every receiver is gone.
    ///
    /// # Cancel safety
    /// A send that is dropped before it is done has not sent the message, which is dropped.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::mpmc::channel(1);
    /// tx.send(1).await.unwrap();
    /// drop(rx);
    /// assert_eq!(tx.send(2).await.unwrap_err().0, 2);
    /// # });
    /// ```
    pub async fn send(&self, message: T) -> Result<(), SendError<T>> {
        let mut message = Some(message);
        let sent = at_once(|| match self.chan.try_send(message.take()?) {
            Ok(()) => Some(Ok(())),
            Err((back, Refused::Closed)) => Some(Err(SendError(back))),
            Err((back, Refused::Full)) => {
                message = Some(back);
                None
            }
        });
        if let Some(sent) = sent {
            return sent;
        }
        let message = message.expect("it comes back unless it was sent");
        self.chan.send(message).await.map_err(SendError)
    }

    /// Sends a message if there is room now. Never waits.
    ///
    /// # Errors
    /// [`TrySendError::Full`]: no room now. [`TrySendError::Closed`]: as for [`send`](Self::send). Both give the message
    /// back.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpmc::{self, error::TrySendError};
    ///
    /// let (tx, _rx) = mpmc::channel(1);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let sent = self.chan.try_send(message);
        sent.map_err(|(message, refused)| match refused {
            Refused::Full => TrySendError::Full(message),
            Refused::Closed => TrySendError::Closed(message),
        })
    }

    /// As [`send`](Self::send), but no longer than `limit`.
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`]: no room in time. [`SendTimeoutError::Closed`]: the channel is closed. Both give the
    /// message back.
    ///
    /// # Panics
    /// If there is no current runtime: it has the clock.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Source
    /// As `tokio::sync::mpsc::Sender::send_timeout`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use filch::sync::mpmc::{self, error::SendTimeoutError};
    ///
    /// # filch::block_on(async {
    /// let (tx, _rx) = mpmc::channel(1);
    /// let limit = Duration::from_millis(2);
    /// tx.send_timeout(1, limit).await.unwrap();
    /// assert_eq!(tx.send_timeout(2, limit).await, Err(SendTimeoutError::Timeout(2)));
    /// # });
    /// ```
    pub async fn send_timeout(
        &self,
        message: T,
        limit: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        let mut sending = pin!(self.chan.send(message));
        match timeout(limit, sending.as_mut()).await {
            Ok(sent) => sent.map_err(SendTimeoutError::Closed),
            Err(_elapsed) => match sending.take_back() {
                Some(message) => Err(SendTimeoutError::Timeout(message)),
                None => Ok(()),
            },
        }
    }

    /// As [`send`](Self::send), blocking the thread.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// If the thread drives a runtime: await instead.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(1);
    /// tx.blocking_send(1).unwrap();
    /// assert_eq!(rx.blocking_recv(), Some(1));
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        block_on(self.send(message))
    }

    /// Lets nobody send any more; what was sent is still received. False if the channel was closed before.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(1);
    /// tx.try_send(1).unwrap();
    /// assert!(tx.close());
    /// assert_eq!(rx.blocking_recv(), Some(1));
    /// assert_eq!(rx.blocking_recv(), None);
    /// ```
    pub fn close(&self) -> bool {
        self.chan.close()
    }

    /// True if to send would fail.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(1);
    /// drop(rx);
    /// assert!(tx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Waits until the channel is closed, or every receiver gone.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(1);
    /// filch::spawn(async move { drop(rx) });
    /// tx.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.chan.ended.wait().await;
    }

    /// How many messages are waiting.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpmc::channel(2);
    /// tx.try_send(1).unwrap();
    /// assert_eq!((tx.len(), tx.capacity()), (1, Some(2)));
    /// ```
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// True if no message is waiting.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(4);
    /// assert!(tx.is_empty());
    /// tx.try_send(1).unwrap();
    /// assert!(!tx.is_empty());
    /// # drop(rx);
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages the channel has room for; None: no bound.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpmc;
    ///
    /// let (tx, rx) = mpmc::channel::<u32>(4);
    /// assert_eq!(tx.capacity(), Some(4));
    /// # drop((tx, rx));
    /// let (tx, rx) = mpmc::unbounded_channel::<u32>();
    /// assert_eq!(tx.capacity(), None);
    /// # drop((tx, rx));
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        self.chan.bound
    }

    /// How many senders there are.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(4);
    /// let other = tx.clone();
    /// assert_eq!(tx.sender_count(), 2);
    /// # drop((tx, rx, other));
    /// ```
    pub fn sender_count(&self) -> usize {
        self.chan.senders.load(Ordering::Relaxed)
    }

    /// How many receivers there are.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(4);
    /// let other = rx.clone();
    /// assert_eq!(tx.receiver_count(), 2);
    /// # drop((tx, rx, other));
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.chan.receivers.load(Ordering::Relaxed)
    }

    /// True if both send to the same channel.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(4);
    /// assert!(tx.same_channel(&tx.clone()));
    /// # drop((tx, rx));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    /// How many senders wait for room.
    ///
    /// # Examples
    /// ```
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let (tx, _rx) = filch::sync::mpmc::channel(1);
    /// tx.try_send(1).unwrap();
    /// let mut waits = pin!(tx.send(2));
    /// assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert_eq!(tx.statistics().waiters, 1);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.chan.statistics().0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        // Ordering: Relaxed: this sender keeps the count above 0.
        self.chan.senders.fetch_add(1, Ordering::Relaxed);
        Sender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // Ordering: AcqRel with itself: the last one has the lock after all others. That it saw them leave tells a lock nothing.
        if self.chan.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.chan.close();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish()
    }
}
