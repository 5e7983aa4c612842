//! The receiver of a bounded channel.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::chan::Chan;
use super::error::TryRecvError;
use super::rx::Rx;
use crate::sync::Statistics;
use crate::sync::blocking::block_on;

/// Receives what the [`Sender`](super::Sender)s send: [`channel`](super::channel).
///
/// # Source
/// `tokio::sync::mpsc::Receiver`.
pub struct Receiver<T> {
    rx: Rx<T>,
}

impl<T> Receiver<T> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> Receiver<T> {
        Receiver { rx: Rx::new(chan) }
    }

    /// Waits for the next message. None once the stream has ended: every sender is gone, or the receiver was closed, and
    /// everything that was sent is received.
    ///
    /// # Cancel safety
    /// Safe: a `recv` that is dropped before it is done has received nothing.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::recv`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send("hello").unwrap();
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
    /// `tokio::sync::mpsc::Receiver::recv_many`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// for n in 0..5 {
    ///     tx.try_send(n).unwrap();
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
    /// `tokio::sync::mpsc::Receiver::try_recv`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpsc::error::TryRecvError;
    ///
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
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
    /// `tokio::sync::mpsc::Receiver::blocking_recv`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// let thread = std::thread::spawn(move || rx.blocking_recv());
    /// tx.try_send(10).unwrap();
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
    /// `tokio::sync::mpsc::Receiver::blocking_recv_many`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
    /// tx.try_send(2).unwrap();
    /// let mut all = Vec::new();
    /// assert_eq!(rx.blocking_recv_many(&mut all, 10), 2);
    /// assert_eq!(all, [1, 2]);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        block_on(self.recv_many(buffer, limit))
    }

    /// Takes no more: from now on sending fails. What was sent or has a permit is still received, so go on until
    /// `recv` gives None.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::close`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
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
    /// `tokio::sync::mpsc::Receiver::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel::<u32>(5);
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
    /// `tokio::sync::mpsc::Receiver::is_empty`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel(5);
    /// assert!(rx.is_empty());
    /// tx.try_send(1).unwrap();
    /// assert!(!rx.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages are waiting.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::len`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(rx.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.rx.len()
    }

    /// How many messages can be sent now without waiting.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::capacity`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(()).unwrap();
    /// assert_eq!((rx.capacity(), rx.max_capacity()), (4, 5));
    /// ```
    pub fn capacity(&self) -> usize {
        self.rx.chan.capacity()
    }

    /// How many messages the channel has room for.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::max_capacity`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(rx.max_capacity(), 5);
    /// ```
    pub fn max_capacity(&self) -> usize {
        self.rx.chan.bound
    }

    /// How many senders wait for capacity, and how many did at most.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel(1);
    /// tx.try_send(1).unwrap();
    /// assert_eq!((rx.statistics().waiters, rx.statistics().most_waiters), (0, 0));
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.rx.chan.statistics()
    }

    /// Ready with the next message, or with None once the stream has ended; else this task is woken when there is more.
    /// Only the task that asked last is.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::poll_recv`.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(poll_fn(|context| rx.poll_recv(context)).await, Some(1));
    /// # });
    /// ```
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll_recv(context)
    }

    /// As [`poll_recv`](Self::poll_recv) for [`recv_many`](Self::recv_many).
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::poll_recv_many`.
    ///
    /// # Examples
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # filch::block_on(async {
    /// let (tx, mut rx) = filch::sync::mpsc::channel(5);
    /// tx.try_send(1).unwrap();
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
    /// `tokio::sync::mpsc::Receiver::sender_strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel::<u32>(5);
    /// let _other = tx.clone();
    /// assert_eq!(rx.sender_strong_count(), 2);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.rx.chan.strong_count()
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::mpsc::Receiver::sender_weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpsc::channel::<u32>(5);
    /// let _weak = tx.downgrade();
    /// assert_eq!(rx.sender_weak_count(), 1);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.rx.chan.weak_count()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
