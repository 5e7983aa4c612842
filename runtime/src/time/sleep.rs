//! A future that is ready at a moment.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{Duration, Instant};
use crate::budget;
use crate::context::{self, NO_RUNTIME};
use crate::handle::Handle;
use crate::reactor::{Closed, Standing, TimerKey, TimerSeat};

/// Waits for a moment: [`sleep`].
///
/// # Source
/// `tokio::time::Sleep`. It need not be pinned to be polled, as tokio's must.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Sleep {
    deadline: Instant,
    /// Where its timer is set, or will be.
    seat: Seat,
    state: State,
}

/// A hold on a seat; none when the future is dropped.
#[derive(Clone)]
struct Seat(Option<Arc<TimerSeat>>);

impl Deref for Seat {
    type Target = Arc<TimerSeat>;
    #[inline]
    fn deref(&self) -> &Arc<TimerSeat> {
        self.0.as_ref().expect("taken in the drop alone")
    }
}

#[derive(Debug)]
enum State {
    /// Just made, with a deadline that was to come then.
    New,
    /// There is no timer; the deadline may have passed.
    Unset,
    Set(TimerKey),
    Done,
}

/// Waits for `duration`. Zero is ready at once; one too long to be told is some 30 years. The
/// [module](crate::time) says how late it may be.
///
/// # Panics
/// If there is no current runtime; and, when it is awaited, if its runtime has shut down.
///
/// # Cancel safety
/// Safe: there is nothing to lose.
///
/// # Source
/// `tokio::time::sleep`.
///
/// # Examples
/// ```
/// use filch::time::{Duration, Instant, sleep};
///
/// # filch::block_on(async {
/// let start = Instant::now();
/// sleep(Duration::from_millis(5)).await;
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// # });
/// ```
#[track_caller]
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    let made = context::with_current(|handle| {
        let seat = here(handle);
        let state = if duration.is_zero() {
            State::Unset
        } else {
            State::New
        };
        Sleep {
            deadline: Instant::later(seat.clock().now(), duration),
            seat: Seat(Some(seat.clone())),
            state,
        }
    });
    match made {
        Some(sleep) => sleep,
        None => panic!("{NO_RUNTIME}"),
    }
}

/// Waits until `deadline`. A past one is ready at once.
///
/// # Panics
/// As [`sleep`].
///
/// # Cancel safety
/// As [`sleep`].
///
/// # Source
/// `tokio::time::sleep_until`.
///
/// # Examples
/// ```
/// use filch::time::{Duration, Instant, sleep_until};
///
/// # filch::block_on(async {
/// let deadline = Instant::now() + Duration::from_millis(2);
/// sleep_until(deadline).await;
/// assert!(Instant::now() >= deadline);
/// # });
/// ```
#[track_caller]
#[inline]
pub fn sleep_until(deadline: Instant) -> Sleep {
    match context::with_current(|handle| here(handle).clone()) {
        Some(seat) => Sleep {
            deadline,
            seat: Seat(Some(seat)),
            state: State::Unset,
        },
        None => panic!("{NO_RUNTIME}"),
    }
}

/// Where this thread sets timers of that runtime.
#[inline]
fn here(handle: &Handle) -> &Arc<TimerSeat> {
    handle.0.reactor.timer_seat(context::seat())
}

impl Sleep {
    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// True once the deadline has passed.
    pub fn is_elapsed(&self) -> bool {
        self.seat.clock().now() >= self.deadline.into_std()
    }

    /// Changes the deadline, before or after the old one has passed. If it was polled since, the task that did is woken at
    /// the new one.
    ///
    /// # Examples
    /// ```
    /// use filch::time::{Duration, Instant, sleep};
    ///
    /// # filch::block_on(async {
    /// let mut limit = std::pin::pin!(sleep(Duration::from_secs(3600)));
    /// limit.as_mut().reset(Instant::now() + Duration::from_millis(2));
    /// limit.await;
    /// # });
    /// ```
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        let moved = match &self.state {
            State::Set(key) => self.seat.move_to(*key, deadline.into_std()),
            _ => false,
        };
        self.deadline = deadline;
        if !moved {
            self.state = State::Unset;
        }
    }

    /// As [`reset`](Self::reset), but nobody is woken before the next poll.
    pub(super) fn reset_unset(&mut self, deadline: Instant) {
        self.forget();
        self.deadline = deadline;
    }

    fn forget(&mut self) {
        if let State::Set(key) = std::mem::replace(&mut self.state, State::Unset) {
            self.seat.cancel(key);
        }
    }

    /// Before the timer is set: true if the deadline has passed. One that was just made is not worth another reading of
    /// the clock: if it has passed meanwhile, its timer comes at once.
    #[inline]
    fn has_passed(&self) -> bool {
        self.seat.is_long_past(self.deadline.into_std())
            || matches!(self.state, State::Unset) && self.is_elapsed()
    }

    /// A timer that is set again may lie with the worker that has the task now.
    #[inline]
    fn move_here(&mut self) {
        let moved = context::with_current(|handle| {
            let here = here(handle);
            (!Arc::ptr_eq(here, &self.seat) && here.is_sibling(&self.seat)).then(|| here.clone())
        });
        if let Some(seat) = moved.flatten() {
            self.seat = Seat(Some(seat));
        }
    }

    #[inline]
    fn register(&mut self, context: &Context<'_>) {
        if matches!(self.state, State::Unset) {
            self.move_here();
        }
        let waker = context.waker().clone();
        match self.seat.set(self.deadline.into_std(), waker) {
            Ok(key) => self.state = State::Set(key),
            Err(Closed) => has_shut_down(),
        }
    }
}

#[cold]
fn has_shut_down() -> ! {
    panic!("the filch runtime of this timer has shut down")
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_left(context));
        match self.state {
            State::Set(key) => match self.seat.poll(key, context.waker()) {
                Standing::Waits => return Poll::Pending,
                Standing::Came => {}
                Standing::Closed if self.is_elapsed() => {}
                Standing::Closed => has_shut_down(),
            },
            State::New | State::Unset => {
                if !self.has_passed() {
                    self.register(context);
                    return Poll::Pending;
                }
            }
            State::Done => {}
        }
        budget::spend();
        self.state = State::Done;
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if let (State::Set(key), Some(seat)) = (&self.state, self.seat.0.take()) {
            cancel(seat, *key);
        }
    }
}

/// Cancels a timer whose future goes. On the thread of another worker of its runtime than the seat's, its seat takes it out a
/// little later.
#[inline]
fn cancel(seat: Arc<TimerSeat>, key: TimerKey) {
    match context::seat() {
        here if here == seat.number() => seat.cancel(key),
        // Not a worker: it may be the last that anybody hears of this runtime.
        usize::MAX => seat.cancel(key),
        _ => cancel_elsewhere(seat, key),
    }
}

#[inline(never)]
fn cancel_elsewhere(seat: Arc<TimerSeat>, key: TimerKey) {
    let mut timer = Some((seat, key));
    context::with_current(|handle| {
        // The worker of another runtime, in the guard of `enter`, does not come by to look.
        if handle.0.scheduler.works_here() {
            if let Some((seat, key)) = timer.take() {
                handle.0.reactor.leave_timer(seat, key);
            }
        }
    });
    // As above, and a thread that is ending.
    if let Some((seat, key)) = timer {
        seat.cancel(key);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("state", &self.state)
            .finish()
    }
}
