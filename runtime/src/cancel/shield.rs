//! Work that goes on although what it belongs to is to stop.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::frame::{Around, Frame, Inside};
use super::scope::CancelScope;
use crate::join::JoinHandle;
use crate::task::current::{self, Hold};
use std::sync::Arc;

impl CancelScope {
    /// Awaits `future` to its end, whatever happens to the scopes around it, and to its task by
    /// [`cancel`](crate::JoinHandle::cancel).
    ///
    /// They wait until it is done, and stop then. Scopes inside `future` work as ever. `abort` and the shutdown of the runtime
    /// ask nobody: for what must run on even then, spawn a task, as [`shield`] does. A future that never ends is never
    /// stopped: put a deadline inside.
    ///
    /// # Cancel safety
    /// As safe as `future`: whoever drops this one drops it.
    ///
    /// # Source
    /// `trio.CancelScope(shield=True)`.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use filch::task::CancelScope;
    /// use filch::time::sleep;
    ///
    /// # filch::block_on(async {
    /// let mut flushed = false;
    /// let scope = CancelScope::with_timeout(Duration::from_millis(1));
    /// let stopped = scope.run(async {
    ///     CancelScope::shield(async {
    ///         sleep(Duration::from_millis(10)).await;
    ///         flushed = true;
    ///     })
    ///     .await;
    ///     std::future::pending::<()>().await;
    /// });
    /// assert!(stopped.await.unwrap_err().is_elapsed());
    /// assert!(flushed);
    /// # });
    /// ```
    pub fn shield<F: IntoFuture>(future: F) -> Shield<F::IntoFuture> {
        Shield {
            future: future.into_future(),
            guard: None,
            is_over: false,
        }
    }
}

pin_project! {
    /// A future that those around it wait for: [`CancelScope::shield`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Shield<F> {
        // Dropped before the guard.
        #[pin]
        future: F,
        guard: Option<Guard>,
        is_over: bool,
    }
}

/// Holds off all that is around.
pub(crate) struct Guard {
    frame: Option<Arc<Frame>>,
    /// None outside a task.
    _hold: Option<Hold>,
}

impl Guard {
    pub(crate) fn begin() -> Guard {
        let frame = Around::current().frame;
        if let Some(frame) = &frame {
            frame.shield();
        }
        Guard {
            frame,
            _hold: current::task().map(Hold::new),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(frame) = &self.frame {
            frame.unshield();
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.guard.is_none() && !*this.is_over {
            *this.guard = Some(Guard::begin());
        }
        // To what is inside, no scope is around.
        let mut around = Around {
            frame: None,
            shielded: true,
        };
        let inside = Inside::begin(&mut around);
        let polled = this.future.poll(context);
        drop(inside);
        if polled.is_ready() {
            *this.is_over = true;
            *this.guard = None;
        }
        polled
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shield")
    }
}

/// Runs `future` as a task of its own, which goes on when whoever waits for it is cancelled, aborted or dropped.
///
/// That is what [`spawn`](crate::spawn) does: dropping the handle detaches the task. This says that it is meant. For a
/// part that its surroundings wait for, see [`CancelScope::shield`].
///
/// # Panics
/// If there is no current runtime.
///
/// # Cancel safety
/// Safe. Dropping the handle forgets the wait only.
///
/// # Source
/// `asyncio.shield`. It keeps only a weak reference to the inner task; here the runtime keeps it.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let (tell, told) = std::sync::mpsc::channel();
/// let begun: filch::Promise<(), ()> = filch::Promise::new();
/// let begins = begun.clone().wait();
/// let waits = filch::spawn(async move {
///     let written = filch::task::shield(async move { tell.send("written") });
///     begun.set_result(()).unwrap();
///     written.await.unwrap()
/// });
/// begins.await.unwrap();
/// waits.abort();
/// assert_eq!(told.recv().unwrap(), "written");
/// # });
/// ```
#[track_caller]
pub fn shield<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    crate::spawn(future)
}
