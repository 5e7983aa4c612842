//! A wish that many tasks can hear: stop.

mod tree;
mod wait;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use self::tree::Place;
pub use self::wait::{WaitForCancellationFuture, WaitForCancellationFutureOwned};

/// Tells tasks to stop: they await [`cancelled`](Self::cancelled), beside what they do.
///
/// A clone is the same token. A child is cancelled with its parent, and can be cancelled without it. Nothing is stopped by
/// force: whoever has the token decides what to do about it. To end a task from outside, abort it.
///
/// # Source
/// `tokio_util::sync::CancellationToken`; the reason is ours, as with every other cancellation here.
///
/// # Examples
/// ```
/// use filch::sync::CancellationToken;
///
/// # filch::block_on(async {
/// let token = CancellationToken::new();
/// let worker = token.child_token();
/// let task = filch::spawn(async move {
///     filch::select! {
///         _ = worker.cancelled() => "stopped",
///         _ = filch::time::sleep(std::time::Duration::from_secs(60)) => "done",
///     }
/// });
/// token.cancel();
/// assert_eq!(task.await.unwrap(), "stopped");
/// # });
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    place: Arc<Place>,
}

/// Cancels its token when it is dropped: [`CancellationToken::drop_guard`].
///
/// # Source
/// `tokio_util::sync::DropGuard`.
#[derive(Debug)]
#[must_use = "the token is cancelled when the guard goes"]
pub struct DropGuard {
    /// None once it is disarmed.
    token: Option<CancellationToken>,
}

/// Cancels its token when it is dropped: [`CancellationToken::drop_guard_ref`].
///
/// # Source
/// `tokio_util::sync::DropGuardRef`.
#[derive(Debug)]
#[must_use = "the token is cancelled when the guard goes"]
pub struct DropGuardRef<'a> {
    /// None once it is disarmed.
    token: Option<&'a CancellationToken>,
}

impl CancellationToken {
    /// A token that is not cancelled.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::new`.
    ///
    /// # Examples
    /// ```
    /// assert!(!filch::sync::CancellationToken::new().is_cancelled());
    /// ```
    pub fn new() -> CancellationToken {
        CancellationToken {
            place: Place::root(),
        }
    }

    /// A token that is cancelled with this one; at once if this one is cancelled.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::child_token`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// let (child, other) = (token.child_token(), token.child_token());
    /// child.cancel();
    /// assert!(child.is_cancelled() && !token.is_cancelled() && !other.is_cancelled());
    /// token.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    pub fn child_token(&self) -> CancellationToken {
        CancellationToken {
            place: self.place.child(),
        }
    }

    /// Cancels this token and its children, and theirs. A second time does nothing.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::cancel`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.place.cancel(None);
    }

    /// As [`cancel`](Self::cancel), and says why. The reason of who came first stays.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// let child = token.child_token();
    /// token.cancel_with("the disk is full");
    /// assert_eq!(child.reason().as_deref(), Some("the disk is full"));
    /// ```
    pub fn cancel_with(&self, reason: impl Into<Arc<str>>) {
        self.place.cancel(Some(reason.into()));
    }

    /// Why it was cancelled, if it was and [`cancel_with`](Self::cancel_with) said so.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// token.cancel();
    /// assert_eq!(token.reason(), None);
    /// ```
    pub fn reason(&self) -> Option<Arc<str>> {
        let flag = &self.place.flag;
        let reason = flag.signal.is_raised().then(|| flag.reason.get());
        reason.flatten().cloned()
    }

    /// True once it is cancelled.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::is_cancelled`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// assert!(!token.is_cancelled());
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.place.flag.signal.is_raised()
    }

    /// Waits until it is cancelled.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::cancelled`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let token = filch::sync::CancellationToken::new();
    /// let other = token.clone();
    /// filch::spawn(async move { other.cancel() });
    /// token.cancelled().await;
    /// # });
    /// ```
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        WaitForCancellationFuture::new(self)
    }

    /// As [`cancelled`](Self::cancelled), with the token inside the future.
    ///
    /// # Cancel safety
    /// Safe: there is nothing to lose.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::cancelled_owned`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let token = filch::sync::CancellationToken::new();
    /// let waiting = filch::spawn(token.clone().cancelled_owned());
    /// token.cancel();
    /// waiting.await.unwrap();
    /// # });
    /// ```
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned::new(self)
    }

    /// A guard that cancels this token when it is dropped.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::drop_guard`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// drop(token.clone().drop_guard().disarm());
    /// assert!(!token.is_cancelled());
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }

    /// As [`drop_guard`](Self::drop_guard), by reference.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::drop_guard_ref`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// drop(token.drop_guard_ref());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef { token: Some(self) }
    }

    /// Runs a future until it is done, or until this token is cancelled: then the answer is None, and the future is
    /// dropped. One that is done at the same time as the token is cancelled wins, but with a token that is cancelled from
    /// the beginning the future is not even polled.
    ///
    /// # Cancel safety
    /// As safe as `future`.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::run_until_cancelled`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let token = filch::sync::CancellationToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 7 }).await, Some(7));
    /// token.cancel();
    /// assert_eq!(token.run_until_cancelled(async { 7 }).await, None);
    /// # });
    /// ```
    pub async fn run_until_cancelled<F>(&self, future: F) -> Option<F::Output>
    where
        F: Future,
    {
        if self.is_cancelled() {
            return None;
        }
        let mut cancelled = pin!(self.cancelled());
        let mut future = pin!(future);
        poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => cancelled.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// As [`run_until_cancelled`](Self::run_until_cancelled), with the token inside the future.
    ///
    /// # Cancel safety
    /// As safe as `future`.
    ///
    /// # Source
    /// `tokio_util::sync::CancellationToken::run_until_cancelled_owned`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let token = filch::sync::CancellationToken::new();
    /// let task = filch::spawn(token.clone().run_until_cancelled_owned(std::future::pending::<()>()));
    /// token.cancel();
    /// assert_eq!(task.await.unwrap(), None);
    /// # });
    /// ```
    pub async fn run_until_cancelled_owned<F>(self, future: F) -> Option<F::Output>
    where
        F: Future,
    {
        self.run_until_cancelled(future).await
    }
}

impl Default for CancellationToken {
    fn default() -> CancellationToken {
        CancellationToken::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .field("reason", &self.reason())
            .finish()
    }
}

// Nobody's code runs while the tree is changed.
impl UnwindSafe for CancellationToken {}
impl RefUnwindSafe for CancellationToken {}

impl DropGuard {
    /// The token, which is not cancelled.
    ///
    /// # Source
    /// `tokio_util::sync::DropGuard::disarm`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// let token = token.drop_guard().disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancellationToken {
        let token = self.token.take();
        token.expect("a guard has its token until it is disarmed, which takes the guard")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

impl<'a> DropGuardRef<'a> {
    /// The token, which is not cancelled.
    ///
    /// # Source
    /// `tokio_util::sync::DropGuardRef::disarm`.
    ///
    /// # Examples
    /// ```
    /// let token = filch::sync::CancellationToken::new();
    /// token.drop_guard_ref().disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> &'a CancellationToken {
        let token = self.token.take();
        token.expect("a guard has its token until it is disarmed, which takes the guard")
    }
}

impl Drop for DropGuardRef<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            token.cancel();
        }
    }
}
