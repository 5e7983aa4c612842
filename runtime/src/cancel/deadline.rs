//! Scopes with a deadline and no handle.

use crate::time::Instant;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::scope::{CancelScope, Run, Stopped};

pin_project! {
    /// A block with a deadline that is no error: [`move_on_after`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct MoveOn<F> {
        #[pin]
        run: Run<F>,
    }
}

pin_project! {
    /// A block with a deadline that is an error: [`fail_after`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct FailAfter<F> {
        #[pin]
        run: Run<F>,
    }
}

/// Awaits `block` for no longer than `limit`: what it returns, or none if it was dropped at that time.
///
/// As [`timeout`](crate::time::timeout), but a [`CancelScope`]: it waits for shielded parts, and knows the scopes around.
///
/// # Panics
/// As [`sleep`](crate::time::sleep), when it is awaited.
///
/// # Cancel safety
/// As safe as `block`.
///
/// # Source
/// `trio.move_on_after`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::time::{move_on_after, sleep};
///
/// # filch::block_on(async {
/// assert_eq!(move_on_after(Duration::from_secs(60), async { 7 }).await, Some(7));
/// assert_eq!(move_on_after(Duration::from_millis(1), sleep(Duration::from_secs(60))).await, None);
/// # });
/// ```
pub fn move_on_after<F: IntoFuture>(limit: Duration, block: F) -> MoveOn<F::IntoFuture> {
    MoveOn {
        run: CancelScope::with_timeout(limit).run(block),
    }
}

/// Awaits `block` until `deadline` at most: as [`move_on_after`].
///
/// # Panics
/// As [`move_on_after`].
///
/// # Cancel safety
/// As safe as `block`.
///
/// # Source
/// `trio.move_on_at`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// use filch::time::{Duration, Instant, move_on_at, sleep};
///
/// let soon = Instant::now() + Duration::from_millis(1);
/// assert_eq!(move_on_at(soon, sleep(Duration::from_secs(60))).await, None);
/// # });
/// ```
pub fn move_on_at<F: IntoFuture>(deadline: Instant, block: F) -> MoveOn<F::IntoFuture> {
    MoveOn {
        run: CancelScope::with_deadline(deadline).run(block),
    }
}

/// Awaits `block` for no longer than `limit`.
///
/// As [`timeout`](crate::time::timeout), but a [`CancelScope`]: it waits for shielded parts, and the error says whether it
/// was this deadline or a scope outside.
///
/// # Errors
/// [`Stopped`] if the block was dropped at that time.
///
/// # Panics
/// As [`sleep`](crate::time::sleep), when it is awaited.
///
/// # Cancel safety
/// As safe as `block`.
///
/// # Source
/// `trio.fail_after`; `asyncio.timeout`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::time::{fail_after, sleep};
///
/// # filch::block_on(async {
/// let slow = fail_after(Duration::from_millis(1), sleep(Duration::from_secs(60)));
/// assert!(slow.await.unwrap_err().is_elapsed());
/// # });
/// ```
pub fn fail_after<F: IntoFuture>(limit: Duration, block: F) -> FailAfter<F::IntoFuture> {
    FailAfter {
        run: CancelScope::with_timeout(limit).run(block),
    }
}

/// Awaits `block` until `deadline` at most: as [`fail_after`].
///
/// # Errors
/// As [`fail_after`].
///
/// # Panics
/// As [`fail_after`].
///
/// # Cancel safety
/// As safe as `block`.
///
/// # Source
/// `trio.fail_at`; `asyncio.timeout_at`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// use filch::time::{Duration, Instant, fail_at, sleep};
///
/// let soon = Instant::now() + Duration::from_millis(1);
/// let slow = fail_at(soon, sleep(Duration::from_secs(60)));
/// assert!(slow.await.unwrap_err().is_elapsed());
/// # });
/// ```
pub fn fail_at<F: IntoFuture>(deadline: Instant, block: F) -> FailAfter<F::IntoFuture> {
    FailAfter {
        run: CancelScope::with_deadline(deadline).run(block),
    }
}

impl<F: Future> Future for MoveOn<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().run.poll(context).map(Result::ok)
    }
}

impl<F: Future> Future for FailAfter<F> {
    type Output = Result<F::Output, Stopped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().run.poll(context)
    }
}
