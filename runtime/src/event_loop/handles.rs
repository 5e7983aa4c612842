//! Callbacks that wait in a loop, and the handles that cancel them.

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::report::ExceptionContext;
use super::{CLOSED, Inner};
use crate::inherit::{self, Inheritance, wearing};
use crate::job::quietly;
use crate::time::Instant;

/// A callback in the queue of a loop.
pub(super) trait Call: Send + Sync {
    /// Calls it, unless it was cancelled.
    fn call(&self, on: &Inner);
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
    fn made_at(&self) -> &'static Location<'static>;
}

enum Slot<F> {
    Waiting(F),
    Called,
    Cancelled,
}

struct Callback<F> {
    slot: Mutex<Slot<F>>,
    /// What it inherits from where it was made.
    context: Option<Box<Inheritance>>,
    made_at: &'static Location<'static>,
}

/// A callback made at `made_at`.
pub(super) fn callback<F>(made_at: &'static Location<'static>, f: F) -> Arc<dyn Call>
where
    F: FnOnce() + Send + 'static,
{
    Arc::new(Callback {
        slot: Mutex::new(Slot::Waiting(f)),
        context: inherit::bequeath().map(Box::new),
        made_at,
    })
}

impl<F: FnOnce() + Send> Callback<F> {
    /// The callback, if it waits still. The guard is gone before anybody's code runs.
    fn take(&self, then: Slot<F>) -> Option<F> {
        let mut slot = self.slot.lock();
        match std::mem::replace(&mut *slot, Slot::Called) {
            Slot::Waiting(f) => {
                *slot = then;
                Some(f)
            }
            other => {
                *slot = other;
                None
            }
        }
    }
}

impl<F: FnOnce() + Send> Call for Callback<F> {
    fn call(&self, on: &Inner) {
        let Some(f) = self.take(Slot::Called) else {
            return;
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| wearing(self.context.as_deref(), f)))
        {
            let message = format!("Exception in callback <Handle created at {}>", self.made_at);
            on.report(
                ExceptionContext::new(message)
                    .made_at(self.made_at)
                    .panicked(payload),
            );
        }
    }

    fn cancel(&self) {
        let f = self.take(Slot::Cancelled);
        quietly(|| drop(f));
    }

    fn is_cancelled(&self) -> bool {
        matches!(*self.slot.lock(), Slot::Cancelled)
    }

    fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }
}

/// A callback that waits in a loop: what [`EventLoop::call_soon`](super::EventLoop::call_soon) gives.
///
/// Dropping it changes nothing.
///
/// # Source
/// `asyncio.Handle`.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let handle = event_loop.call_soon(|| panic!("never called"));
/// handle.cancel();
/// assert!(handle.is_cancelled());
/// event_loop.run_until_complete(async {}).unwrap();
/// ```
#[derive(Clone)]
pub struct Handle(pub(super) Arc<dyn Call>);

impl Handle {
    /// Drops the callback uncalled. One that has been called stays so.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// True if it was cancelled before it was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Where the callback was given to the loop.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.0.made_at()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cancelled = if self.is_cancelled() {
            " cancelled"
        } else {
            ""
        };
        write!(f, "<Handle{cancelled} created at {}>", self.made_at())
    }
}

/// A callback that waits for a moment: what [`EventLoop::call_later`](super::EventLoop::call_later) gives.
///
/// # Source
/// `asyncio.TimerHandle`.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// let event_loop = filch::EventLoop::new();
/// let timer = event_loop.call_later(Duration::from_secs(60), || panic!("never called"));
/// assert!(timer.when() > event_loop.time());
/// timer.cancel();
/// ```
#[derive(Clone)]
pub struct TimerHandle {
    pub(super) handle: Handle,
    pub(super) when: Instant,
    pub(super) of: std::sync::Weak<Inner>,
}

impl TimerHandle {
    /// Drops the callback uncalled. One that has been called stays so.
    pub fn cancel(&self) {
        if self.handle.is_cancelled() {
            return;
        }
        self.handle.cancel();
        if let Some(inner) = self.of.upgrade().filter(|_| self.is_cancelled()) {
            inner.timer_cancelled();
        }
    }

    /// True if it was cancelled before it was called.
    pub fn is_cancelled(&self) -> bool {
        self.handle.is_cancelled()
    }

    /// The moment it waits for.
    pub fn when(&self) -> Instant {
        self.when
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("handle", &self.handle)
            .field("when", &self.when)
            .finish()
    }
}

/// The loop is closed, so it takes no callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopClosed(pub(super) ());

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED)
    }
}

impl std::error::Error for LoopClosed {}

/// Cancelled timers that are left in the heap, at least, before they are swept out. Fewer: sweeps cost more than the
/// memory; more: the memory. `asyncio` has the same number.
const SWEEP_FROM: usize = 100;

impl Inner {
    /// A cancelled timer stays in the heap until its moment, unless most of the heap is of its kind.
    fn timer_cancelled(&self) {
        // Ordering: Relaxed: a hint.
        let cancelled = self.cancelled_timers.fetch_add(1, Ordering::Relaxed) + 1;
        if cancelled > SWEEP_FROM && 2 * cancelled > self.strand.timers() {
            self.cancelled_timers.store(0, Ordering::Relaxed);
            self.strand.sweep(SWEEP_FROM, super::Entry::is_wanted);
        }
    }
}
