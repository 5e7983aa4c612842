//! A future that is given up at a moment.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::sleep::{Sleep, sleep, sleep_until};
use super::{Duration, Instant};
use crate::budget;

pin_project! {
    /// A future with a time limit: [`timeout`].
    ///
    /// # Source
    /// `tokio::time::Timeout`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        #[pin]
        limit: Sleep,
    }
}

/// The limit of a [`timeout`] came first.
///
/// # Source
/// `tokio::time::error::Elapsed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Awaits `future`, but no longer than `limit`. The future is polled before the limit is looked at, so that one that is
/// ready wins whatever the limit; and it is dropped with the answer.
///
/// # Errors
/// [`Elapsed`] if the limit came first.
///
/// # Panics
/// As [`sleep`].
///
/// # Cancel safety
/// As safe as `future`.
///
/// # Source
/// `tokio::time::timeout`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::time::timeout;
///
/// # filch::block_on(async {
/// let quick = timeout(Duration::from_secs(5), async { 7 }).await;
/// assert_eq!(quick, Ok(7));
/// let never = timeout(Duration::from_millis(2), std::future::pending::<()>()).await;
/// assert!(never.is_err());
/// # });
/// ```
#[track_caller]
#[inline]
pub fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        limit: sleep(limit),
    }
}

/// Awaits `future`, but no longer than until `deadline`: as [`timeout`].
///
/// # Errors
/// [`Elapsed`] if the deadline came first.
///
/// # Panics
/// As [`sleep`].
///
/// # Cancel safety
/// As safe as `future`.
///
/// # Source
/// `tokio::time::timeout_at`.
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        limit: sleep_until(deadline),
    }
}

impl<F> Timeout<F> {
    /// The future.
    pub fn get_ref(&self) -> &F {
        &self.future
    }

    /// The future.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.future
    }

    /// The future, without its limit.
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let found = budget::found();
        if let Poll::Ready(value) = this.future.poll(context) {
            return Poll::Ready(Ok(value));
        }
        let _unlimited = found.look_at_limit();
        this.limit.poll(context).map(|()| Err(Elapsed(())))
    }
}
