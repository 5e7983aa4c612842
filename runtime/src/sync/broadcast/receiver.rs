//! The end that receives.

use std::fmt;
use std::sync::Arc;

use super::error::{RecvError, TryRecvError};
use super::ring::{Recv, Ring};
use crate::sync::at_once;
use crate::sync::blocking::block_on;
use crate::sync_prim::Ordering;

/// Receives each message that is sent from its making on: [`channel`](super::channel), [`Sender::subscribe`](super::Sender::subscribe).
///
/// # Source
/// `tokio::sync::broadcast::Receiver`.
pub struct Receiver<T> {
    pub(super) ring: Arc<Ring<T>>,
    /// The number of the message to receive next.
    pub(super) next: u64,
}

impl<T> Receiver<T> {
    #[track_caller]
    pub(super) fn new(ring: &Arc<Ring<T>>) -> Receiver<T> {
        Receiver {
            ring: ring.clone(),
            next: ring.enter(),
        }
    }

    /// How many messages this receiver is behind, those that were overwritten counted.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::len`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel(4);
    /// tx.send(1).unwrap();
    /// assert_eq!((rx.len(), rx.is_empty()), (1, false));
    /// ```
    pub fn len(&self) -> usize {
        self.ring.behind(self.next)
    }

    /// True if there is nothing to receive now.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::is_empty`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel(4);
    /// assert!(rx.is_empty());
    /// tx.send(1).unwrap();
    /// assert!(!rx.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if every sender is gone. Messages may be left.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel::<u32>(4);
    /// assert!(!rx.is_closed());
    /// drop(tx);
    /// assert!(rx.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.sender_strong_count() == 0
    }

    /// True if both receive from the same channel.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::same_channel`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel::<u32>(4);
    /// assert!(rx.same_channel(&tx.subscribe()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ring, &other.ring)
    }

    /// How many senders there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::sender_strong_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let _other = tx.clone();
    /// assert_eq!(rx.sender_strong_count(), 2);
    /// ```
    pub fn sender_strong_count(&self) -> usize {
        self.ring.senders.load(Ordering::Relaxed)
    }

    /// How many weak senders there are.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::sender_weak_count`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel::<u32>(4);
    /// let _weak = tx.downgrade();
    /// assert_eq!(rx.sender_weak_count(), 1);
    /// ```
    pub fn sender_weak_count(&self) -> usize {
        self.ring.weak.load(Ordering::Relaxed)
    }
}

impl<T: Clone> Receiver<T> {
    /// Another receiver, for what is sent from now on; what this one has not received it does not see.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::resubscribe`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::broadcast::channel(4);
    /// tx.send(1).unwrap();
    /// let mut other = rx.resubscribe();
    /// tx.send(2).unwrap();
    /// assert_eq!(other.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn resubscribe(&self) -> Self {
        Receiver::new(&self.ring)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// [`RecvError::Lagged`]: messages were lost, call again for the oldest that is there. [`RecvError::Closed`]: every
    /// sender is gone, and everything was received.
    ///
    /// # Cancel safety
    /// Safe: a `recv` that is dropped before it is done has received nothing.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::recv`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::broadcast::{self, error::RecvError};
    ///
    /// # filch::block_on(async {
    /// let (tx, mut rx) = broadcast::channel(4);
    /// tx.send(1).unwrap();
    /// drop(tx);
    /// assert_eq!(rx.recv().await, Ok(1));
    /// assert_eq!(rx.recv().await, Err(RecvError::Closed));
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        if let Some(found) = at_once(|| self.ring.find(&mut self.next)) {
            return found;
        }
        Recv::new(&self.ring, &mut self.next).await
    }

    /// The next message, if there is one now. Never waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]: none now. The others as for [`recv`](Self::recv).
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::try_recv`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (tx, mut rx) = broadcast::channel(4);
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    /// tx.send(1).unwrap();
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.ring.try_recv(&mut self.next)
    }

    /// As [`recv`](Self::recv), blocking the thread.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// If the thread drives a runtime: await instead.
    ///
    /// # Source
    /// `tokio::sync::broadcast::Receiver::blocking_recv`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::broadcast::channel(4);
    /// let thread = std::thread::spawn(move || rx.blocking_recv());
    /// tx.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        block_on(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.ring.leave(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Receiver")
    }
}
