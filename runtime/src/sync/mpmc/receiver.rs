//! The end that receives.

use std::fmt;
use std::sync::Arc;

use super::chan::Chan;
use super::error::TryRecvError;
use crate::sync::Statistics;
use crate::sync::at_once;
use crate::sync::blocking::block_on;
use crate::sync_prim::Ordering;

/// Receives messages: [`channel`](super::channel). Of several, each message goes to one.
///
/// # Source
/// `async_channel::Receiver`.
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
}

impl<T> Receiver<T> {
    pub(super) fn first(chan: Arc<Chan<T>>) -> Receiver<T> {
        Receiver { chan }
    }

    /// Waits for the next message. None once the channel is closed, or every sender gone, and everything was received.
    ///
    /// # Cancel safety
    /// Safe: a `recv` that is dropped before it is done has received nothing.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::mpmc::channel(1);
    /// filch::spawn(async move { tx.send(1).await });
    /// assert_eq!(rx.recv().await, Some(1));
    /// assert_eq!(rx.recv().await, None);
    /// # });
    /// ```
    pub async fn recv(&self) -> Option<T> {
        if let Some(message) = at_once(|| self.chan.try_recv().ok()) {
            return Some(message);
        }
        self.chan.recv().await
    }

    /// Waits for the next messages, and appends up to `limit` of them to `buffer`: what is there when the first comes. The
    /// answer is how many: 0 once there are none and will be none, or if `limit` is 0.
    ///
    /// # Cancel safety
    /// Safe: one that is dropped before it is done has received nothing.
    ///
    /// # Source
    /// As `tokio::sync::mpsc::Receiver::recv_many`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (tx, rx) = filch::sync::mpmc::channel(5);
    /// for n in 0..5 {
    ///     tx.try_send(n).unwrap();
    /// }
    /// let mut all = Vec::new();
    /// assert_eq!(rx.recv_many(&mut all, 3).await, 3);
    /// assert_eq!(rx.recv_many(&mut all, 3).await, 2);
    /// assert_eq!(all, [0, 1, 2, 3, 4]);
    /// # });
    /// ```
    pub async fn recv_many(&self, buffer: &mut Vec<T>, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        let Some(first) = self.recv().await else {
            return 0;
        };
        buffer.push(first);
        // No more than there are now: senders that this lets go on may have no end.
        let more = self.len().min(limit - 1);
        let rest = (0..more).map_while(|_| self.try_recv().ok());
        let before = buffer.len();
        buffer.extend(rest);
        1 + buffer.len() - before
    }

    /// The next message, if there is one now. Never waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]: none now. [`TryRecvError::Disconnected`]: none, and there will be none.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::mpmc::{self, error::TryRecvError};
    ///
    /// let (tx, rx) = mpmc::channel(1);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// As [`recv`](Self::recv), blocking the thread.
    ///
    /// # Panics
    /// If the thread drives a runtime: await instead.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(1);
    /// let thread = std::thread::spawn(move || rx.blocking_recv());
    /// tx.try_send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T> {
        block_on(self.recv())
    }

    /// Lets nobody send any more; what was sent is still received. False if the channel was closed before.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(4);
    /// tx.try_send(1).unwrap();
    /// assert!(rx.close());
    /// assert!(tx.try_send(2).is_err());
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// ```
    pub fn close(&self) -> bool {
        self.chan.close()
    }

    /// True if nothing more can be sent. Messages may be waiting.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(4);
    /// drop(tx);
    /// assert!(rx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// How many messages are waiting.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(4);
    /// tx.try_send(1).unwrap();
    /// assert_eq!(rx.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// True if no message is waiting.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel(4);
    /// assert!(rx.is_empty());
    /// tx.try_send(1).unwrap();
    /// assert!(!rx.is_empty());
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
    /// assert_eq!(rx.capacity(), Some(4));
    /// # drop((tx, rx));
    /// let (tx, rx) = mpmc::unbounded_channel::<u32>();
    /// assert_eq!(rx.capacity(), None);
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
    /// assert_eq!(rx.sender_count(), 2);
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
    /// assert_eq!(rx.receiver_count(), 2);
    /// # drop((tx, rx, other));
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.chan.receivers.load(Ordering::Relaxed)
    }

    /// True if both receive from the same channel.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::mpmc::channel::<u32>(4);
    /// assert!(rx.same_channel(&rx.clone()));
    /// # drop((tx, rx));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    /// How many receivers wait for a message.
    ///
    /// # Examples
    /// ```
    /// use std::future::Future;
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let (_tx, rx) = filch::sync::mpmc::channel::<u32>(4);
    /// let mut waits = pin!(rx.recv());
    /// assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert_eq!(rx.statistics().waiters, 1);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.chan.statistics().1
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        // Ordering: Relaxed: this receiver keeps the count above 0.
        self.chan.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver {
            chan: self.chan.clone(),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Ordering: AcqRel with itself, as for the senders.
        if self.chan.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.chan.desert();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish()
    }
}
