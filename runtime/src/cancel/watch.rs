//! What a task sees of a request to stop.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::cancellation::Cancellation;
use crate::task::current::{self, Watch};

/// True if the current task, or closure of `spawn_blocking`, was asked to stop. False outside a task.
///
/// For work that takes long between two awaits, and for closures that block. What else a task can do about it:
/// [`cancelled`].
///
/// # Source
/// `asyncio.current_task().cancelling() > 0`.
///
/// # Examples
/// ```
/// use std::sync::mpsc;
///
/// # filch::block_on(async {
/// let (tell, told) = mpsc::channel();
/// let work = filch::task::spawn_blocking(move || {
///     tell.send(()).unwrap();
///     let mut rounds = 0u64;
///     while !filch::task::is_cancelled() {
///         rounds += 1;
///     }
///     rounds
/// });
/// told.recv().unwrap();
/// work.cancel("enough");
/// work.await.unwrap();
/// # });
/// ```
#[inline]
pub fn is_cancelled() -> bool {
    current::is_cancelled()
}

/// Why the current task was asked to stop. None if it was not, or without a reason, or outside a task.
///
/// Its text also says who asked, and at which line: for your log. To others show [`reason`](Cancellation::reason) alone.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::task::{cancel_reason, cancelled, with_grace};
///
/// # filch::block_on(async {
/// let begun: filch::Promise<(), ()> = filch::Promise::new();
/// let begins = begun.clone().wait();
/// let task = filch::spawn(with_grace(Duration::from_secs(5), async move {
///     begun.set_result(()).unwrap();
///     cancelled().await;
///     cancel_reason().unwrap().reason().to_owned()
/// }));
/// begins.await.unwrap();
/// task.cancel("bedtime");
/// assert_eq!(task.await.unwrap(), "bedtime");
/// # });
/// ```
pub fn cancel_reason() -> Option<Cancellation> {
    current::task()
        .filter(|_| is_cancelled())
        .and_then(|task| task.why_cancelled())
}

/// Waits until a task is asked to stop: [`cancelled`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[derive(Default)]
pub struct Cancelled {
    /// From the first poll on.
    watch: Option<Watch>,
}

/// Waits until the current task is asked to stop.
///
/// Of use to a task that has time to tidy up ([`with_grace`](super::with_grace)): any other one is dropped at the await.
/// It belongs to the task that polls it first. Outside a task it waits for ever.
///
/// # Cancel safety
/// Safe: there is nothing to lose, and a request stays.
///
/// # Source
/// The `except asyncio.CancelledError` around an await; as a future, since nothing can be thrown here.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// # filch::block_on(async {
/// let begun: filch::Promise<(), ()> = filch::Promise::new();
/// let begins = begun.clone().wait();
/// let task = filch::task::Builder::new().grace(Duration::from_secs(5)).spawn(async move {
///     begun.set_result(()).unwrap();
///     filch::task::cancelled().await;
///     "tidy"
/// });
/// let task = task.unwrap();
/// begins.await.unwrap();
/// task.cancel("bedtime");
/// assert_eq!(task.await.unwrap(), "tidy");
/// # });
/// ```
pub fn cancelled() -> Cancelled {
    Cancelled::default()
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.watch.is_none() {
            self.watch = current::task().map(Watch::new);
        }
        match &self.watch {
            Some(watch) if !watch.wait(context.waker()) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")
    }
}
