//! A part of a task that must end by a moment: the task is asked to stop then, and goes on after the part.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use pin_project_lite::pin_project;

use super::awaitable::{Awaitable, Ensure, Leaf};
use super::cancel::{CatchCancel, catch_cancel};
use super::handles::TimerHandle;
use super::task_handles::TaskRef;
use super::{Ended, running};
use crate::time::Instant;

/// The time was up: `asyncio.TimeoutError`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutError(pub(super) ());

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out")
    }
}

impl std::error::Error for TimeoutError {}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Created,
    Active,
    Expiring,
    Expired,
    Finished,
}

/// A deadline for a part of a task, which can be moved while the part runs. A handle: clones are the same.
///
/// When the moment comes the task is asked to stop, as by [`TaskRef::cancel`], and the part ends as it would then; the
/// request is taken back, and [`run`](Self::run) says [`TimeoutError`]. A part that does not stop has its value given, late.
///
/// # Source
/// `asyncio.timeout`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::asyncio::Timeout;
///
/// let event_loop = filch::EventLoop::new();
/// let on = event_loop.clone();
/// event_loop.run_until_complete(async move {
///     let timeout = Timeout::at(None);
///     let inside = timeout.clone();
///     let outcome = timeout.run(async move {
///         inside.reschedule(Some(on.time() + Duration::from_millis(5)));
///         std::future::pending::<()>().await
///     }).await;
///     assert!(outcome.is_err() && timeout.expired());
/// }).unwrap();
/// ```
#[derive(Clone)]
pub struct Timeout(Arc<Mutex<State>>);

struct State {
    phase: Phase,
    when: Option<Instant>,
    timer: Option<TimerHandle>,
    /// How often the moment was set: the timer of another time is of no account, though it could not be cancelled.
    times_set: u64,
    /// Where it is active.
    inside: Option<Inside>,
}

#[derive(Clone)]
struct Inside {
    /// It knows its loop, which this must not keep: a part that waits for ever would never let it end.
    task: TaskRef,
    /// Requests to stop that were open when it began.
    requests: usize,
}

impl Timeout {
    /// For this moment; for none, until it is given one.
    pub fn at(when: Option<Instant>) -> Timeout {
        Timeout(Arc::new(Mutex::new(State {
            phase: Phase::Created,
            when,
            timer: None,
            times_set: 0,
            inside: None,
        })))
    }

    /// The moment.
    pub fn when(&self) -> Option<Instant> {
        self.0.lock().when
    }

    /// True once the time was up.
    pub fn expired(&self) -> bool {
        matches!(self.0.lock().phase, Phase::Expiring | Phase::Expired)
    }

    /// Moves it; one that has passed is up in the next iteration.
    ///
    /// # Panics
    /// Unless it is active: inside [`run`](Self::run), and the time is not up.
    #[track_caller]
    pub fn reschedule(&self, when: Option<Instant>) {
        let phase = self.0.lock().phase;
        match phase {
            Phase::Active => self.set(when, Location::caller()),
            Phase::Created => panic!("Timeout has not been entered"),
            other => panic!(
                "Cannot change state of {} Timeout",
                format!("{other:?}").to_lowercase()
            ),
        }
    }

    fn set(&self, when: Option<Instant>, place: &'static Location<'static>) {
        let (old, task, number) = {
            let mut state = self.0.lock();
            state.when = when;
            state.times_set += 1;
            let task = state.inside.as_ref().map(|inside| inside.task.clone());
            (state.timer.take(), task, state.times_set)
        };
        let event_loop = task.and_then(|task| task.event_loop());
        if let Some(old) = old {
            old.cancel();
        }
        if let (Some(when), Some(event_loop)) = (when, event_loop) {
            let this = Arc::downgrade(&self.0);
            let timer = event_loop.queue_at(place, when, move || {
                if let Some(state) = this.upgrade() {
                    Timeout(state).expire(number);
                }
            });
            let mut state = self.0.lock();
            if state.phase == Phase::Active && state.times_set == number {
                state.timer = Some(timer);
            } else {
                // Set again or left meanwhile, by another thread.
                drop(state);
                timer.cancel();
            }
        }
    }

    /// The time is up that was set as this number.
    fn expire(&self, number: u64) {
        let task = {
            let mut state = self.0.lock();
            if state.phase != Phase::Active || state.times_set != number {
                return;
            }
            state.phase = Phase::Expiring;
            state.inside.as_ref().map(|inside| inside.task.clone())
        };
        if let Some(task) = task {
            task.cancel("");
        }
    }

    /// Runs a future until it is ready, or until the time is up.
    ///
    /// # Errors
    /// The time was up, and the future was dropped for it.
    ///
    /// # Panics
    /// Outside a task of a loop, and if it has run something before.
    ///
    /// # Cancel safety
    /// As the future.
    #[track_caller]
    pub fn run<F: IntoFuture>(&self, future: F) -> Limited<F::IntoFuture> {
        Limited::new(self.clone(), None, future, Location::caller())
    }

    /// The part begins, in the current task. The delay counts from now; the moment is given, to be set.
    ///
    /// Panics tell the place in their message: a poll has no caller of the user's that `track_caller` could find.
    fn enter(&self, delay: Option<Duration>, place: &Location<'_>) -> Option<Instant> {
        let Some(task) = super::current_task() else {
            panic!("Timeout should be used inside a task ({place})");
        };
        let inside = Inside {
            requests: task.cancelling(),
            task,
        };
        let mut state = self.0.lock();
        assert!(
            state.phase == Phase::Created,
            "Timeout has already been entered ({place})"
        );
        state.phase = Phase::Active;
        state.inside = Some(inside);
        match delay {
            // A delay too long to be told has no end.
            Some(delay) => Instant::now().checked_add(delay),
            None => state.when,
        }
    }

    /// The part has ended. True if it was for the timeout alone.
    fn leave(&self) -> bool {
        let (timer, inside, expiring) = {
            let mut state = self.0.lock();
            let expiring = state.phase == Phase::Expiring;
            state.phase = if expiring {
                Phase::Expired
            } else {
                Phase::Finished
            };
            (state.timer.take(), state.inside.take(), expiring)
        };
        if let Some(timer) = timer {
            timer.cancel();
        }
        match inside {
            Some(inside) if expiring => inside.task.uncancel() <= inside.requests,
            _ => false,
        }
    }
}

/// The part of a task. Leaves when it is dropped.
struct Part {
    timeout: Timeout,
    /// Counts from the first poll.
    delay: Option<Duration>,
    place: &'static Location<'static>,
    has_begun: bool,
    is_inside: bool,
}

impl Part {
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            let when = self.timeout.enter(self.delay, self.place);
            self.is_inside = true;
            self.timeout.set(when, self.place);
        }
    }

    /// True if it was for the timeout alone.
    fn end(&mut self) -> bool {
        std::mem::take(&mut self.is_inside) && self.timeout.leave()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.end();
    }
}

pin_project! {
    /// Runs a future until it is ready, or until the time is up: [`Timeout::run`], [`timeout`], [`timeout_at`].
    // A type with a name, which takes the future and not what becomes one: see `Leaf`.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Limited<F> {
        // It is dropped before the part ends.
        #[pin]
        inner: Option<CatchCancel<F>>,
        part: Part,
    }

    impl<F> PinnedDrop for Limited<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let untold = this.inner.as_mut().as_pin_mut().and_then(CatchCancel::untold);
            this.inner.set(None);
            // The request of a time that was up for nothing goes with it.
            let time_was_up = this.part.end();
            if let Some(untold) = untold.filter(|_| !time_was_up) {
                untold.throw_on();
            }
        }
    }
}

impl<F: Future> Limited<F> {
    fn new(
        timeout: Timeout,
        delay: Option<Duration>,
        future: impl IntoFuture<IntoFuture = F>,
        place: &'static Location<'static>,
    ) -> Limited<F> {
        Limited {
            inner: Some(catch_cancel(future)),
            part: Part {
                timeout,
                delay,
                place,
                has_begun: false,
                is_inside: false,
            },
        }
    }
}

impl<F: Future> Future for Limited<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        this.part.begin();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            // The request goes through the task, which drops this.
            return Poll::Pending;
        };
        let outcome = ready!(inner.poll(context));
        this.inner.set(None);
        let time_was_up = this.part.end();
        match outcome {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(_) if time_was_up => Poll::Ready(Err(TimeoutError(()))),
            Err(cancelled) => {
                cancelled.throw_on();
                Poll::Pending
            }
        }
    }
}

impl<F> fmt::Debug for Limited<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").finish_non_exhaustive()
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Timeout")
            .field("phase", &state.phase)
            .field("when", &state.when)
            .finish()
    }
}

/// Runs a future for no longer than this; for ever, if it is none.
///
/// # Errors
/// The time was up, and the future was dropped.
///
/// # Panics
/// Outside a task of a loop: elsewhere there is [`time::timeout`](crate::time::timeout).
///
/// # Cancel safety
/// As safe as `future`.
///
/// # Source
/// `asyncio.timeout`. See [`Timeout`] for one that can be moved.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// let event_loop = filch::EventLoop::new();
/// let outcome = event_loop.run_until_complete(async {
///     filch::asyncio::timeout(Some(Duration::from_millis(5)), std::future::pending::<()>()).await
/// });
/// assert!(outcome.unwrap().is_err());
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(delay: Option<Duration>, future: F) -> Limited<F::IntoFuture> {
    Limited::new(Timeout::at(None), delay, future, Location::caller())
}

/// As [`timeout`], until a moment of the loop's [`time`](super::EventLoop::time).
///
/// # Errors
/// As [`timeout`].
///
/// # Panics
/// As [`timeout`].
///
/// # Cancel safety
/// As [`timeout`].
///
/// # Source
/// `asyncio.timeout_at`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::asyncio::{get_running_loop, run, timeout_at};
///
/// let outcome = run(async {
///     let end = get_running_loop().unwrap().time() + Duration::from_millis(5);
///     timeout_at(Some(end), std::future::pending::<()>()).await
/// });
/// assert!(outcome.unwrap().is_err());
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(when: Option<Instant>, future: F) -> Limited<F::IntoFuture> {
    Timeout::at(when).run(future)
}

/// Waits for a task, a promise or a future (as a task) for no longer than this; cancels it then, and waits until it has ended.
///
/// If it has a value in spite of that, the value is given. With no time at all a future does not even begin.
///
/// # Errors
/// The time was up. The inner result is the outcome of what was awaited.
///
/// # Panics
/// Outside a task of a loop.
///
/// # Cancel safety
/// Dropping it forgets the wait: what was made a task for it runs on, without a limit. A task that is asked to stop passes
/// that on.
///
/// # Source
/// `asyncio.wait_for`.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::asyncio::wait_for;
///
/// let event_loop = filch::EventLoop::new();
/// event_loop.run_until_complete(async {
///     let quick = wait_for(async { 7 }, Some(Duration::from_secs(60))).await;
///     assert_eq!(quick.unwrap().unwrap(), 7);
///     let late = wait_for(std::future::pending::<()>(), Some(Duration::from_millis(5))).await;
///     assert!(late.is_err());
/// }).unwrap();
/// ```
#[track_caller]
pub fn wait_for<A: Ensure>(
    what: A,
    limit: Option<Duration>,
) -> Pin<Box<dyn Future<Output = Result<Ended<A>, TimeoutError>> + Send>> {
    let place = Location::caller();
    let awaitable = what.ensure_on(&running(), place);
    // Boxed, so that whether it is `Send` is settled here: the compiler cannot tell at the caller's for every `A`.
    Box::pin(async move {
        let Some(limit) = limit else {
            return Ok(Leaf::new(awaitable).await);
        };
        if !limit.is_zero() {
            let wait = Leaf::new(awaitable);
            return Limited::new(Timeout::at(None), Some(limit), wait, place).await;
        }
        if !awaitable.to_promise().is_done() {
            awaitable.ask_to_stop("".into());
        }
        let outcome = Leaf::new(awaitable).await;
        let cancelled = |error| <A::Awaitable as Awaitable>::as_cancelled(error).is_some();
        match outcome {
            Err(error) if cancelled(&error) => Err(TimeoutError(())),
            outcome => Ok(outcome),
        }
    })
}
