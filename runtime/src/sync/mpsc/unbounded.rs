//! The ends of a channel without a bound.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::chan::{Chan, Tx, UNBOUNDED};
use super::error::{SendError, TryRecvError};
use super::rx::Rx;
use super::weak::WeakUnboundedSender;
use crate::sync::blocking::block_on;

/// Sends messages to the [`UnboundedReceiver`] of its channel: [`unbounded_channel`].
///
/// Clones send to the same channel. The stream ends when the last one is dropped.
///
/// # Source
/// `tokio::sync::mpsc::UnboundedSender`.
pub struct UnboundedSender<T> {
    pub(super) chan: Tx<T>,
}

/// Receives what the [`UnboundedSender`]s send: [`unbounded_channel`].
///
/// # Source
/// `tokio::sync::mpsc::UnboundedReceiver`.
pub struct UnboundedReceiver<T> {
    rx: Rx<T>,
}

/// A channel without a bound: sending never waits, and a receiver that is too slow fills the memory.
///
/// # Source
/// `tokio::sync::mpsc::unbounded_channel`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
/// tx.send(1).unwrap();
/// assert_eq!(rx.recv().await, Some(1));
/// # });
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let chan = Chan::new(UNBOUNDED);
    let rx = UnboundedReceiver::new(chan.clone());
    let chan = Tx::first(chan);
    (UnboundedSender { chan }, rx)
}

impl<T> UnboundedSender<T> {
    /// Sends a message. Never waits.
    ///
    /// # Errors
    /// [`SendError`] with the message if the receiver was closed or dropped.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedSender::send`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// drop(rx);
    /// assert_eq!(tx.send(2).unwrap_err().0, 2);
    /// ```
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        let sent = self.chan.try_send(message);
        sent.map_err(|(message, _closed)| SendError(message))
    }

    /// Waits until the receiver is closed or dropped.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedSender::closed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<()>();
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
    /// `tokio::sync::mpsc::UnboundedSender::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// assert!(!tx.is_closed());
    /// drop(rx);
    /// assert!(tx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// True if both send to the same channel.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedSender::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// assert!(tx.same_channel(&tx.clone()));
    /// # drop(rx);
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        self.chan.same_channel(&other.chan)
    }

    /// A sender that does not keep the stream open.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedSender::downgrade`.
    ///
    /// # Examples
    /// ```
    /// let (tx, _rx) = filch::sync::mpsc::unbounded_channel::<()>();
    /// let weak = tx.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(tx);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use = "the sender itself stays as it is"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender {
            chan: self.chan.downgrade(),
        }
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedSender::strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let _other = tx.clone();
    /// assert_eq!(tx.strong_count(), 2);
    /// # drop(rx);
    /// ```
    pub fn strong_count(&self) -> usize {
        self.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedSender::weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let _weak = tx.downgrade();
    /// assert_eq!(tx.weak_count(), 1);
    /// # drop(rx);
    /// ```
    pub fn weak_count(&self) -> usize {
        self.chan.weak_count()
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        UnboundedSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("UnboundedSender");
        f.field("is_closed", &self.is_closed()).finish()
    }
}

impl<T> UnboundedReceiver<T> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> UnboundedReceiver<T> {
        UnboundedReceiver { rx: Rx::new(chan) }
    }

    /// Waits for the next message. None once the stream has ended: every sender is gone, or the receiver was closed, and
    /// everything that was sent is received.
    ///
    /// # Cancel safety
    /// Safe: a `recv` that is dropped before it is done has received nothing.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::recv`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send("hello").unwrap();
    /// drop(tx);
    /// assert_eq!(rx.recv().await, Some("hello"));
    /// assert_eq!(rx.recv().await, None);
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Waits for the next messages, and appends up to `limit` of them to `buffer`. The answer is how many: 0 once the
    /// stream has ended, or if `limit` is 0.
    ///
    /// # Cancel safety
    /// Safe: one that is dropped before it is done has received nothing.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::recv_many`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// for n in 0..5 {
    ///     tx.send(n).unwrap();
    /// }
    /// let mut all = Vec::new();
    /// assert_eq!(rx.recv_many(&mut all, 3).await, 3);
    /// assert_eq!(rx.recv_many(&mut all, 3).await, 2);
    /// assert_eq!(all, [0, 1, 2, 3, 4]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|context| self.poll_recv_many(context, buffer, limit)).await
    }

    /// The next message, if there is one now. Never waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]: none now. [`TryRecvError::Disconnected`]: the stream has ended.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::try_recv`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpsc::error::TryRecvError;
    ///
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    /// drop(tx);
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.rx.try_recv()
    }

    /// As [`recv`](Self::recv), blocking the thread.
    ///
    /// # Panics
    /// If the thread drives a runtime: await instead.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::blocking_recv`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// let thread = std::thread::spawn(move || rx.blocking_recv());
    /// tx.send(10).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(10));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        block_on(self.recv())
    }

    /// As [`recv_many`](Self::recv_many), blocking the thread.
    ///
    /// # Panics
    /// If the thread drives a runtime: await instead.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::blocking_recv_many`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// tx.send(2).unwrap();
    /// let mut all = Vec::new();
    /// assert_eq!(rx.blocking_recv_many(&mut all, 10), 2);
    /// assert_eq!(all, [1, 2]);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        block_on(self.recv_many(buffer, limit))
    }

    /// Takes no more: from now on sending fails. What was sent is still received, so go on until
    /// `recv` gives None.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::close`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// rx.close();
    /// assert!(tx.is_closed());
    /// assert_eq!(rx.recv().await, Some(1));
    /// assert_eq!(rx.recv().await, None);
    /// # });
    /// ```
    pub fn close(&mut self) {
        self.rx.close();
    }

    /// True if no more can be sent: closed, or every sender is gone. Messages may be waiting.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// assert!(!rx.is_closed());
    /// drop(tx);
    /// assert!(rx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// True if no message is waiting.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::is_empty`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel();
    /// assert!(rx.is_empty());
    /// tx.send(1).unwrap();
    /// assert!(!rx.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages are waiting.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::len`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// assert_eq!(rx.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.rx.len()
    }

    /// Ready with the next message, or with None once the stream has ended; else this task is woken when there is more.
    /// Only the task that asked last is.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::poll_recv`.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// assert_eq!(poll_fn(|context| rx.poll_recv(context)).await, Some(1));
    /// # });
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll_recv(context)
    }

    /// As [`poll_recv`](Self::poll_recv) for [`recv_many`](Self::recv_many).
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::poll_recv_many`.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::unbounded_channel();
    /// tx.send(1).unwrap();
    /// let mut all = Vec::new();
    /// assert_eq!(poll_fn(|context| rx.poll_recv_many(context, &mut all, 10)).await, 1);
    /// # });
    /// ```
    pub fn poll_recv_many(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.rx.poll_recv_many(context, buffer, limit)
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::sender_strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let _other = tx.clone();
    /// assert_eq!(rx.sender_strong_count(), 2);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.rx.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::UnboundedReceiver::sender_weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::unbounded_channel::<u32>();
    /// let _weak = tx.downgrade();
    /// assert_eq!(rx.sender_weak_count(), 1);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.rx.chan.weak_count()
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
