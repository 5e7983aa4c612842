//! A block that can be stopped, by a handle or by a deadline, at whatever await it is.
//!
//! A [`Run`] polls a block, and drops it when its scope is cancelled. While it polls, its frame is the thread's current one,
//! by which a scope inside knows the one outside, and a shield all that it holds off. A frame that must stop and is
//! shielded says so to the frames below, which stop if no shield of theirs stands in between: the way back up, to the
//! shielded part, then ends sooner.
//!
//! tell     T1 write why, or count the new deadline · T2 take the wakers of the scope's list, and wake them
//! run      R1 leave the waker in the list · R2 look again: why, or another count? · R3 it stops: say so, is it shielded?
//! unshield U1 one shield less · U2 was it the last one, and it stops? take the wakers of the frame, and wake them
//!
//! Why a run that waits misses nothing: T2 and R1 go through the lock of the list; so T2 finds the waker, or R2 comes after
//! T1. R3 and U1 are steps of one word; so R3 finds no shield, or U2 that the frame stops, and the waker that a later R1
//! left is found as above. The part that is shielded may have gone to another thread. Models: `cancel::model`.

use crate::time::Instant;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::frame::{Around, Frame, Inside};
use crate::budget;
use crate::cancellation::{Cancellation, Reason};
use crate::promise::callbacks::{Callbacks, Key};
use crate::sync_prim::{AtomicUsize, Mutex, Ordering, keep};
use crate::task::current;
use crate::time::{Sleep, sleep_until};
use std::sync::Arc;

/// A handle that stops the blocks that [`run`](Self::run) in it. Clones are the same scope.
///
/// A block is stopped by being dropped at its next await. A scope that was cancelled stays so. Scopes nest: what stops an
/// outer one stops all that is in it, and [`Stopped`] says which scope it was. Tasks that a block spawns are not
/// in its scope: that is what a [`TaskGroup`](crate::group::TaskGroup) is for.
///
/// # Source
/// `trio.CancelScope`.
///
/// # Examples
/// ```
/// use filch::task::CancelScope;
///
/// # filch::block_on(async {
/// let scope = CancelScope::new();
/// let handle = scope.clone();
/// let other = filch::spawn(async move { handle.cancel("the user closed the window") });
/// let stopped = scope.run(std::future::pending::<()>()).await.unwrap_err();
/// assert_eq!(stopped.cancellation().unwrap().reason(), "the user closed the window");
/// # other.await.unwrap();
/// # });
/// ```
#[derive(Clone, Default)]
pub struct CancelScope(Arc<Core>);

#[derive(Default)]
struct Core {
    why: OnceLock<Cancellation>,
    deadline: Mutex<Option<Instant>>,
    /// How often the deadline was set.
    changes: AtomicUsize,
    /// The runs.
    waiters: Callbacks,
    last_key: AtomicU64,
}

impl CancelScope {
    /// A scope without a deadline.
    pub fn new() -> CancelScope {
        CancelScope::default()
    }

    /// A scope that stops what is in it at `deadline`.
    pub fn with_deadline(deadline: Instant) -> CancelScope {
        let scope = CancelScope::new();
        *scope.0.deadline.lock() = Some(deadline);
        scope
    }

    /// A scope that stops what is in it in `limit` from now. A time too far to be told has no end.
    pub fn with_timeout(limit: Duration) -> CancelScope {
        match Instant::now().checked_add(limit) {
            Some(deadline) => CancelScope::with_deadline(deadline),
            None => CancelScope::new(),
        }
    }

    /// Stops what is in the scope now, and whatever comes into it. False if it was cancelled before: the first reason stays.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Reason>) -> bool {
        self.cancel_as(current::asks(reason.into(), Location::caller()))
    }

    pub(crate) fn cancel_as(&self, why: Cancellation) -> bool {
        let first = self.0.why.set(why).is_ok(); // T1
        self.0.waiters.take().complete(drop); // T2
        first
    }

    /// True once it was cancelled. A deadline that has passed does not count.
    pub fn is_cancelled(&self) -> bool {
        self.0.why.get().is_some()
    }

    /// Why it was cancelled.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.0.why.get()
    }

    /// When it stops what is in it.
    pub fn deadline(&self) -> Option<Instant> {
        *self.0.deadline.lock()
    }

    /// Sets another deadline, or none. One that has passed and stopped a block did so for good.
    ///
    /// # Source
    /// Assigning to `trio.CancelScope.deadline`; `asyncio.Timeout.reschedule`.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        *self.0.deadline.lock() = deadline;
        // Ordering: Relaxed: whoever sees it locks the deadline after us. Had the lock been theirs before, they would have
        // looked here before. T1
        self.0.changes.fetch_add(1, Ordering::Relaxed);
        self.0.waiters.take().complete(drop); // T2
    }

    /// Awaits `block` inside this scope.
    ///
    /// A block that has not begun runs to its first await, even in a scope that is cancelled. One that is ready when the
    /// deadline passes wins. A shielded part inside ([`shield`](Self::shield)) is waited for before the block is
    /// dropped; until then the rest of the block goes on, too.
    ///
    /// # Errors
    /// [`Stopped`]: this scope, or one outside it, was cancelled or its deadline passed; the block is dropped.
    ///
    /// # Panics
    /// As [`sleep_until`], if there is a deadline.
    ///
    /// # Cancel safety
    /// As safe as `block`.
    pub fn run<F: IntoFuture>(&self, block: F) -> Run<F::IntoFuture> {
        Run {
            block: Some(block.into_future()),
            scope: self.clone(),
            begun: None,
            limit: None,
        }
    }

    /// How often the deadline was set.
    pub(super) fn changes(&self) -> usize {
        // Ordering: Relaxed: see `set_deadline`.
        self.0.changes.load(Ordering::Relaxed)
    }

    fn key(&self) -> Key {
        self.0.last_key.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl PartialEq for CancelScope {
    /// True if it is the same scope.
    fn eq(&self, other: &CancelScope) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CancelScope {}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope")
            .field("cancelled", &self.cancellation())
            .field("deadline", &self.deadline())
            .finish()
    }
}

/// A block was dropped before it was done: its scope, or one outside, was cancelled, or its deadline passed.
#[derive(Clone, Debug)]
pub struct Stopped {
    scope: CancelScope,
    /// None: the deadline.
    why: Option<Cancellation>,
}

impl Stopped {
    /// True if a deadline passed.
    pub fn is_elapsed(&self) -> bool {
        self.why.is_none()
    }

    /// True if somebody cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.why.is_some()
    }

    /// Why, by whom and from where, if somebody cancelled.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.why.as_ref()
    }

    /// The scope that stopped: the block's own, or one outside.
    pub fn scope(&self) -> &CancelScope {
        &self.scope
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Some(why) => write!(f, "the scope was cancelled {why}"),
            None => f.write_str("deadline has elapsed"),
        }
    }
}

impl std::error::Error for Stopped {}

impl From<Stopped> for std::io::Error {
    /// Its kind is `TimedOut` for a deadline, else `Other`: `Interrupted` would be tried again.
    fn from(stopped: Stopped) -> std::io::Error {
        let kind = if stopped.is_elapsed() {
            std::io::ErrorKind::TimedOut
        } else {
            std::io::ErrorKind::Other
        };
        std::io::Error::new(kind, stopped)
    }
}

pin_project! {
    /// A block inside a scope: [`CancelScope::run`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Run<F> {
        #[pin]
        block: Option<F>,
        scope: CancelScope,
        // From the first poll on.
        begun: Option<Begun>,
        #[pin]
        limit: Option<Sleep>,
    }
}

/// What a run has while it is under way.
struct Begun {
    /// The own frame, except while the block is polled.
    around: Around,
    scope: CancelScope,
    /// In the scope's list, and in that of the frame above.
    key: Key,
    key_above: Key,
    /// Changes of the deadline seen so far.
    changes: usize,
}

impl Begun {
    fn new(scope: &CancelScope) -> Begun {
        let Around {
            frame: above,
            shielded,
        } = Around::current();
        let key_above = above.as_ref().map_or(0, |above| above.key());
        let frame = Arc::new(Frame::new(above));
        Begun {
            key: scope.key(),
            key_above,
            around: Around {
                frame: Some(frame),
                shielded,
            },
            scope: scope.clone(),
            changes: usize::MAX,
        }
    }

    fn frame(&self) -> &Frame {
        self.around
            .frame
            .as_ref()
            .expect("moved only during a poll")
    }

    /// Leaves the waker wherever a reason to stop may come from.
    fn wait(&self, context: &Context<'_>) {
        self.scope.0.waiters.wait(self.key, context.waker());
        self.frame().waiters.wait(0, context.waker());
        if let Some(above) = &self.frame().above {
            above.waiters.wait(self.key_above, context.waker());
        }
    }

    /// Why it has to stop, if it has to by word of a handle or of the frame above.
    fn told(&self) -> Option<Stopped> {
        let own = self.scope.cancellation().map(|why| Stopped {
            scope: self.scope.clone(),
            why: Some(why.clone()),
        });
        let above = || self.frame().above.as_ref()?.stop.get().cloned();
        own.or_else(above)
    }

    /// True if it has to stop, and may.
    fn stops(&self) -> bool {
        if self.frame().stop.get().is_none() {
            if let Some(why) = self.told() {
                self.frame().stops(why);
            }
        }
        self.frame().stop.get().is_some() && !self.frame().is_shielded()
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.scope.0.waiters.remove(self.key);
        if let Some(frame) = &self.around.frame {
            if let Some(above) = &frame.above {
                above.waiters.remove(self.key_above);
            }
        }
    }
}

#[cfg(all(test, filch_loom))]
impl<F> Run<F> {
    /// Of the deadline.
    pub(super) fn changes_seen(&self) -> usize {
        self.begun.as_ref().map_or(0, |begun| begun.changes)
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Stopped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let is_new = this.begun.is_none();
        let scope = &*this.scope;
        let begun = this.begun.get_or_insert_with(|| Begun::new(scope));
        // What was told before is known before the block goes on: it is at an await.
        if is_new || !begun.stops() {
            let block = this.block.as_mut().as_pin_mut();
            let block = block.expect("`Run` polled after it was ready");
            let inside = Inside::begin(&mut begun.around);
            let found = budget::found();
            let polled = block.poll(context);
            drop(inside);
            if let Poll::Ready(value) = polled {
                this.block.set(None);
                *this.begun = None;
                this.limit.set(None);
                return Poll::Ready(Ok(value));
            }
            let changes = scope.changes();
            if changes != begun.changes {
                begun.changes = changes;
                this.limit.set(scope.deadline().map(sleep_until));
            }
            if let Some(limit) = this.limit.as_mut().as_pin_mut() {
                let _unlimited = found.look_at_limit();
                if limit.poll(context).is_ready() {
                    let scope = scope.clone();
                    begun.frame().stops(Stopped { scope, why: None });
                    this.limit.set(None);
                }
            }
            begun.wait(context); // R1
            // After the waker, not before: what comes in between has looked for it already. R2
            if scope.changes() != changes && keep("R2_deadline") {
                context.waker().wake_by_ref();
            }
            if !(keep("R2_told") && begun.stops()) {
                return Poll::Pending;
            }
        }
        let stop = begun.frame().stop.get().cloned();
        this.block.set(None);
        *this.begun = None;
        this.limit.set(None);
        Poll::Ready(Err(stop.expect("it stops for a reason")))
    }
}

impl<F> fmt::Debug for Run<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("scope", &self.scope).finish()
    }
}
