//! Time to tidy up: a request to stop waits for so long.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::watch::{Cancelled, cancelled};
use crate::budget;
use crate::task::current::{self, Hold};
use crate::time::{Sleep, sleep};

pin_project! {
    /// A future that a request to stop leaves time: [`with_grace`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Grace<F> {
        // Dropped before the hold.
        #[pin]
        future: F,
        period: Duration,
        stage: Stage,
        #[pin]
        left: Option<Sleep>,
    }
}

enum Stage {
    New,
    /// The hold is none outside a task.
    Calm(Option<Hold>, Cancelled),
    /// Asked to stop, and counting down.
    Asked(Hold),
    /// The time is up, or the future is done.
    Over,
}

/// Awaits `future`, and gives it `period` to end by itself once its task is asked to stop.
///
/// Without it, [`JoinHandle::cancel`](crate::JoinHandle::cancel) drops a task's future at the next await. With it the future
/// is told ([`cancelled`](super::cancelled), [`is_cancelled`](super::is_cancelled)) and runs on; what it returns counts, as
/// if nobody had asked. When the period is over and the future is not, the task is dropped at its next await. Wrap the
/// whole task in it, or the part that has something to tidy up. A task that is asked before it comes here is dropped
/// before. `abort`, and the shutdown of the runtime, wait for nothing. Outside a task there is nobody to ask.
///
/// # Panics
/// As [`sleep`], when the task is asked.
///
/// # Cancel safety
/// As safe as `future`.
///
/// # Source
/// The cleanup in an `except asyncio.CancelledError`, with an end to it. Trio: a shielded scope with a deadline.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::task::{cancelled, with_grace};
///
/// # filch::block_on(async {
/// let begun: filch::Promise<(), ()> = filch::Promise::new();
/// let begins = begun.clone().wait();
/// let server = filch::spawn(with_grace(Duration::from_secs(5), async move {
///     begun.set_result(()).unwrap();
///     let serve = std::future::pending::<()>();
///     filch::select! {
///         () = serve => unreachable!(),
///         () = cancelled() => "flushed",
///     }
/// }));
/// begins.await.unwrap();
/// server.cancel("a new version comes");
/// assert_eq!(server.await.unwrap(), "flushed");
/// # });
/// ```
pub fn with_grace<F: Future>(period: Duration, future: F) -> Grace<F> {
    Grace {
        future,
        period,
        stage: Stage::New,
        left: None,
    }
}

impl<F: Future> Future for Grace<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Stage::New = this.stage {
            *this.stage = Stage::Calm(current::task().map(Hold::new), cancelled());
        }
        let found = budget::found();
        if let Poll::Ready(value) = this.future.poll(context) {
            *this.stage = Stage::Over;
            return Poll::Ready(value);
        }
        if let Stage::Calm(hold, told) = this.stage {
            if hold.is_none() || Pin::new(told).poll(context).is_pending() {
                return Poll::Pending;
            }
            let hold = hold.take();
            *this.stage = hold.map_or(Stage::Over, Stage::Asked);
            this.left.set(Some(sleep(*this.period)));
        }
        if let (Stage::Asked(hold), Some(left)) = (&*this.stage, this.left.as_mut().as_pin_mut()) {
            let _unlimited = found.look_at_limit();
            if left.poll(context).is_ready() {
                let task = hold.task().clone();
                // Whoever else holds the stop off has had its time, too.
                *this.stage = Stage::Over;
                task.abort();
            }
        }
        Poll::Pending
    }
}

impl<F> fmt::Debug for Grace<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grace")
            .field("period", &self.period)
            .finish()
    }
}
