//! One value, from one task to another, once.
//!
//! # Source
//! `tokio::sync::oneshot`.
//!
//! # Examples
//! ```
//! use filch::sync::oneshot;
//!
//! # filch::block_on(async {
//! let (tx, rx) = oneshot::channel();
//! filch::spawn(async move { tx.send(3) });
//! assert_eq!(rx.await, Ok(3));
//! # });
//! ```

mod cell;
pub mod error;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use self::cell::{Rx, Tx, pair};
use self::error::{RecvError, TryRecvError};
use super::blocking::block_on;
use crate::budget::{poll_left, spend};

/// Sends the value: [`channel`].
///
/// Dropped without a value it makes the receiver fail.
///
/// # Source
/// `tokio::sync::oneshot::Sender`.
pub struct Sender<T> {
    end: Tx<T>,
}

/// Waits for the value: [`channel`].
///
/// A future: await it, by `&mut` if it shall be awaited again when the wait was given up.
///
/// # Cancel safety
/// Safe by `&mut`: the value stays until it is received.
///
/// # Source
/// `tokio::sync::oneshot::Receiver`.
#[must_use = "the value is lost without it"]
pub struct Receiver<T> {
    /// None once it has answered.
    end: Option<Rx<T>>,
}

/// A channel for one value, in one allocation.
///
/// # Source
/// `tokio::sync::oneshot::channel`.
///
/// # Examples
/// ```
/// use filch::sync::oneshot;
///
/// let (tx, mut rx) = oneshot::channel();
/// tx.send("here").unwrap();
/// assert_eq!(rx.try_recv(), Ok("here"));
/// ```
#[inline]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = pair();
    (Sender { end: tx }, Receiver { end: Some(rx) })
}

impl<T> Sender<T> {
    /// Sends the value. Never waits.
    ///
    /// That it was sent does not say that it will be received: the receiver may be dropped before it looks.
    ///
    /// # Errors
    /// The value itself if the receiver was closed or dropped.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Sender::send`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::oneshot::channel();
    /// drop(rx);
    /// assert_eq!(tx.send(4), Err(4));
    /// ```
    #[inline]
    pub fn send(self, value: T) -> Result<(), T> {
        self.end.send(value)
    }

    /// Waits until the receiver is closed or dropped: nobody wants the value any more.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Sender::closed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (mut tx, rx) = filch::sync::oneshot::channel::<()>();
    /// filch::spawn(async move { drop(rx) });
    /// tx.closed().await;
    /// assert!(tx.is_closed());
    /// # });
    /// ```
    pub async fn closed(&mut self) {
        poll_fn(|context| self.poll_closed(context)).await;
    }

    /// True if the receiver is closed or dropped: to send would fail.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Sender::is_closed`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::oneshot::channel::<()>();
    /// assert!(!tx.is_closed());
    /// rx.close();
    /// assert!(tx.is_closed());
    /// ```
    #[inline]
    pub fn is_closed(&self) -> bool {
        self.end.is_closed()
    }

    /// Ready once the receiver is closed or dropped; else this task is woken when it is. Only the task that asked last is.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Sender::poll_closed`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (mut tx, rx) = filch::sync::oneshot::channel::<()>();
    /// drop(rx);
    /// std::future::poll_fn(|context| tx.poll_closed(context)).await;
    /// # });
    /// ```
    pub fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(poll_left(context));
        ready!(self.end.poll_closed(context));
        spend();
        Poll::Ready(())
    }
}

impl<T> Receiver<T> {
    /// Wants no value any more: the sender can see it and does not send. What was sent before is still received.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Receiver::close`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (tx, mut rx) = oneshot::channel();
    /// rx.close();
    /// assert_eq!(tx.send(1), Err(1));
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn close(&mut self) {
        if let Some(end) = &mut self.end {
            end.close();
        }
    }

    /// True once it has given its answer, a value or an error: to await it again would panic.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Receiver::is_terminated`.
    ///
    /// # Examples
    /// ```
    /// let (tx, mut rx) = filch::sync::oneshot::channel();
    /// tx.send(()).unwrap();
    /// assert!(!rx.is_terminated());
    /// rx.try_recv().unwrap();
    /// assert!(rx.is_terminated());
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.end.is_none()
    }

    /// True if there is no value to receive now.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Receiver::is_empty`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::oneshot::channel();
    /// assert!(rx.is_empty());
    /// tx.send(()).unwrap();
    /// assert!(!rx.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        !self.end.as_ref().is_some_and(Rx::has_value)
    }

    /// The value, if it is here. Never waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`]: not yet, ask again. [`TryRecvError::Closed`]: there is none and will be none.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Receiver::try_recv`.
    ///
    /// # Examples
    /// ```
    /// use filch::sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (tx, mut rx) = oneshot::channel();
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    /// tx.send(5).unwrap();
    /// assert_eq!(rx.try_recv(), Ok(5));
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.end.take() {
            Some(end) if end.is_decided() => end.take().ok_or(TryRecvError::Closed),
            Some(end) => {
                self.end = Some(end);
                Err(TryRecvError::Empty)
            }
            None => Err(TryRecvError::Closed),
        }
    }

    /// Blocks the thread until the value is here.
    ///
    /// # Errors
    /// [`RecvError`]: the sender was dropped without a value.
    ///
    /// # Panics
    /// If the thread drives a runtime: await instead.
    ///
    /// # Source
    /// `tokio::sync::oneshot::Receiver::blocking_recv`.
    ///
    /// # Examples
    /// ```
    /// let (tx, rx) = filch::sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || rx.blocking_recv());
    /// tx.send(6).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(6));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        block_on(self)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(end) = &mut self.end else {
            panic!("called after complete: this oneshot receiver has given its answer");
        };
        ready!(poll_left(context));
        ready!(end.poll(context));
        spend();
        let value = self.end.take().and_then(Rx::take);
        Poll::Ready(value.ok_or(RecvError(())))
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Sender");
        f.field("is_closed", &self.is_closed()).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Receiver");
        f.field("is_terminated", &self.is_terminated());
        f.field("is_empty", &self.is_empty()).finish()
    }
}

// What an end shows of the other one is a word that is always whole.
impl<T> std::panic::UnwindSafe for Sender<T> {}
impl<T> std::panic::RefUnwindSafe for Sender<T> {}
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}
