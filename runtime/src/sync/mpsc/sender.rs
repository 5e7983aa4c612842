//! The sender of a bounded channel.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use super::acquire::Acquire;
use super::chan::{Closed, Refused, Tx};
use super::error::{SendError, SendTimeoutError, TrySendError};
use super::permit::{OwnedPermit, Permit, PermitIterator};
use super::weak::WeakSender;
use crate::sync::Statistics;
use crate::sync::blocking::block_on;
use crate::time::timeout;

/// Sends messages to the [`Receiver`](super::Receiver) of its channel: [`channel`](super::channel).
///
/// Clones send to the same channel. The stream ends when the last one is dropped.
///
/// # Source
/// `tokio::sync::mpsc::Sender`.
pub struct Sender<T> {
    pub(super) chan: Tx<T>,
}

impl<T> Sender<T> {
    /// Sends a message, once there is capacity for it.
    ///
    /// # Errors
    /// [`SendError`] with the message if the receiver was closed or dropped.
    ///
    /// # Cancel safety
    /// A send that is dropped before it is done has not sent the message; the message is dropped, and so is its place in
    /// the queue of senders. [`reserve`](Self::reserve) first if the message must survive.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::send`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// tx.send("one").await.unwrap();
    /// assert_eq!(rx.recv().await, Some("one"));
    /// drop(rx);
    /// assert_eq!(tx.send("two").await.unwrap_err().0, "two");
    /// # });
    /// ```
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let mut value = Some(value);
        let mut acquire = pin!(Acquire::new(&self.chan, 1));
        match poll_fn(|context| acquire.as_mut().poll(&mut value, context)).await {
            Ok(()) => Ok(()),
            // It takes the message only when it sends it.
            Err(Closed) => Err(SendError(value.take().expect("the message was not sent"))),
        }
    }

    /// Sends a message if there is capacity now. Never waits, and never overtakes a sender that does.
    ///
    /// # Errors
    /// [`TrySendError::Full`]: no capacity now. [`TrySendError::Closed`]: the receiver was closed or dropped. Both give
    /// the message back.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::try_send`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpsc::{self, error::TrySendError};
    ///
    /// let (tx, rx) = mpsc::channel(1);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    /// drop(rx);
    /// assert_eq!(tx.try_send(3), Err(TrySendError::Closed(3)));
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.chan
            .try_send(message)
            .map_err(|(message, refused)| match refused {
                Refused::Full => TrySendError::Full(message),
                Refused::Closed => TrySendError::Closed(message),
            })
    }

    /// As [`send`](Self::send), but no longer than `limit`.
    ///
    /// # Errors
    /// [`SendTimeoutError::Timeout`]: no capacity in time. [`SendTimeoutError::Closed`]: the receiver was closed or
    /// dropped. Both give the message back.
    ///
    /// # Panics
    /// If there is no current runtime: it has the clock.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::send_timeout`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use filch::sync::mpsc::{self, error::SendTimeoutError};
    ///
    /// # filch::block_on(async {
    /// let (tx, _rx) = mpsc::channel(1);
    /// let limit = Duration::from_millis(2);
    /// tx.send_timeout(1, limit).await.unwrap();
    /// assert_eq!(tx.send_timeout(2, limit).await, Err(SendTimeoutError::Timeout(2)));
    /// # });
    /// ```
    pub async fn send_timeout(&self, value: T, limit: Duration) -> Result<(), SendTimeoutError<T>> {
        match timeout(limit, self.reserve()).await {
            Err(_elapsed) => Err(SendTimeoutError::Timeout(value)),
            Ok(Err(SendError(()))) => Err(SendTimeoutError::Closed(value)),
            Ok(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
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
    /// # Source
    /// `tokio::sync::mpsc::Sender::blocking_send`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// let thread = std::thread::spawn(move || tx.blocking_send(10));
    /// assert_eq!(filch::block_on(rx.recv()), Some(10));
    /// thread.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        block_on(self.send(value))
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::closed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::mpsc::channel::<()>(1);
    /// filch::spawn(async move { drop(rx) });
    /// tx.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.chan.ended.wait().await;
    }

    /// True if the receiver is closed or dropped: to send would fail.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel::<()>(1);
    /// assert!(!tx.is_closed());
    /// drop(rx);
    /// assert!(tx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Waits for capacity for one message, and keeps it for it.
    ///
    /// # Errors
    /// [`SendError`] if the receiver was closed or dropped.
    ///
    /// # Cancel safety
    /// Safe, but for the place in the queue of senders, which is lost.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::reserve`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// let permit = tx.reserve().await.unwrap();
    /// assert!(tx.try_send(1).is_err());
    /// permit.send(2);
    /// assert_eq!(rx.recv().await, Some(2));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(Permit { chan: &self.chan })
    }

    /// Waits for capacity for `n` messages, and keeps it for them. Whoever wants many is not overtaken by those who want
    /// less and come later.
    ///
    /// # Errors
    /// [`SendError`] if the receiver was closed or dropped, or if the channel will never have room for so many.
    ///
    /// # Cancel safety
    /// As [`reserve`](Self::reserve).
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::reserve_many`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(2);
    /// for (permit, n) in tx.reserve_many(2).await.unwrap().zip([7, 8]) {
    ///     permit.send(n);
    /// }
    /// assert_eq!(rx.recv().await, Some(7));
    /// assert_eq!(rx.recv().await, Some(8));
    /// # });
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        self.acquire(n).await?;
        Ok(PermitIterator::new(&self.chan, n))
    }

    /// As [`reserve`](Self::reserve), with this sender inside the permit.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    ///
    /// # Cancel safety
    /// As [`reserve`](Self::reserve); the sender is dropped.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::reserve_owned`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// let permit = tx.reserve_owned().await.unwrap();
    /// let tx = permit.send(1);
    /// assert_eq!(rx.recv().await, Some(1));
    /// tx.send(2).await.unwrap();
    /// # });
    /// ```
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(OwnedPermit::new(self.chan))
    }

    async fn acquire(&self, n: usize) -> Result<(), SendError<()>> {
        if n > self.max_capacity() {
            return Err(SendError(()));
        }
        let mut acquire = pin!(Acquire::new(&self.chan, n));
        let acquired = poll_fn(|context| acquire.as_mut().poll(&mut None, context)).await;
        acquired.map_err(|Closed| SendError(()))
    }

    /// Capacity for one message, if there is some now.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::try_reserve`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpsc::{self, error::TrySendError};
    ///
    /// let (tx, _rx) = mpsc::channel::<u32>(1);
    /// let permit = tx.try_reserve().unwrap();
    /// assert_eq!(tx.try_reserve().unwrap_err(), TrySendError::Full(()));
    /// permit.send(1);
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.try_acquire(1)?;
        Ok(Permit { chan: &self.chan })
    }

    /// Capacity for `n` messages, if there is so much now.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send).
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::try_reserve_many`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(3);
    /// assert_eq!(tx.try_reserve_many(2).unwrap().len(), 2);
    /// assert!(tx.try_reserve_many(4).is_err());
    /// ```
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if n > self.max_capacity() {
            return Err(TrySendError::Full(()));
        }
        self.try_acquire(n)?;
        Ok(PermitIterator::new(&self.chan, n))
    }

    /// As [`try_reserve`](Self::try_reserve), with this sender inside the permit.
    ///
    /// # Errors
    /// As [`try_send`](Self::try_send), with the sender.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::try_reserve_owned`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// let tx = tx.try_reserve_owned().unwrap().send(5);
    /// let error = tx.try_reserve_owned().unwrap_err();
    /// let _tx = error.into_inner();
    /// assert_eq!(rx.try_recv(), Ok(5));
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.chan.try_acquire(1) {
            Ok(()) => Ok(OwnedPermit::new(self.chan)),
            Err(Refused::Full) => Err(TrySendError::Full(self)),
            Err(Refused::Closed) => Err(TrySendError::Closed(self)),
        }
    }

    fn try_acquire(&self, n: usize) -> Result<(), TrySendError<()>> {
        self.chan.try_acquire(n).map_err(|refused| match refused {
            Refused::Full => TrySendError::Full(()),
            Refused::Closed => TrySendError::Closed(()),
        })
    }

    /// True if both send to the same channel.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<()>(1);
    /// assert!(tx.same_channel(&tx.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// How many messages can be sent now without waiting.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::capacity`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(()).unwrap();
    /// assert_eq!((tx.capacity(), tx.max_capacity()), (4, 5));
    /// ```
    pub fn capacity(&self) -> usize {
        self.chan.capacity()
    }

    /// How many messages the channel has room for: what [`channel`](super::channel) was given.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::max_capacity`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
    /// assert_eq!((tx.capacity(), tx.max_capacity()), (4, 5));
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.chan.bound
    }

    /// A sender that does not keep the stream open.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::downgrade`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::channel(1);
    /// let weak = tx.downgrade();
    /// weak.upgrade().unwrap().try_send(1).unwrap();
    /// drop(tx);
    /// assert!(weak.upgrade().is_none());
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// ```
    #[must_use = "the sender itself stays as it is"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            chan: self.chan.downgrade(),
        }
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(5);
    /// let _other = tx.clone();
    /// assert_eq!(tx.strong_count(), 2);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Sender::weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<u32>(5);
    /// let _weak = tx.downgrade();
    /// assert_eq!(tx.weak_count(), 1);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }

    /// How many senders wait for capacity.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::channel::<()>(1);
    /// assert_eq!(tx.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.chan.statistics()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("max_capacity", &self.max_capacity())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
