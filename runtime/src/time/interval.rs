//! Moments that come again and again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::instant::tellable;
use super::sleep::{Sleep, sleep_until};
use super::{Duration, Instant};

/// A tick that is later than this counts as missed. As tokio's.
const MISSED: Duration = Duration::from_millis(5);

/// Ticks every `period`; the first tick is at once.
///
/// # Panics
/// If `period` is zero, or if there is no current runtime.
///
/// # Source
/// `tokio::time::interval`.
///
/// # Examples
/// ```
/// use filch::time::{Duration, interval};
///
/// # filch::block_on(async {
/// let mut interval = interval(Duration::from_millis(2));
/// let first = interval.tick().await; // at once
/// let second = interval.tick().await;
/// assert_eq!(second - first, Duration::from_millis(2));
/// # });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    interval_at(Instant::now(), period)
}

/// Ticks at `start`, and every `period` from then on.
///
/// # Panics
/// As [`interval`].
///
/// # Source
/// `tokio::time::interval_at`.
///
/// # Examples
/// ```
/// use filch::time::{Duration, Instant, interval_at};
///
/// # filch::block_on(async {
/// let start = Instant::now() + Duration::from_millis(2);
/// let mut interval = interval_at(start, Duration::from_millis(1));
/// assert_eq!(interval.tick().await, start);
/// # });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval {
        delay: sleep_until(start),
        period: tellable(period),
        missed: MissedTickBehavior::default(),
    }
}

/// When the next tick is to be after one that came more than 5 ms late.
///
/// # Source
/// `tokio::time::MissedTickBehavior`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// At once, until all that were missed have been made up for. The default.
    #[default]
    Burst,
    /// A period after the late one.
    Delay,
    /// At the next multiple of the period from the start; those that were missed are left out.
    Skip,
}

impl MissedTickBehavior {
    fn next(self, scheduled: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            MissedTickBehavior::Burst => scheduled + period,
            MissedTickBehavior::Delay => now + period,
            MissedTickBehavior::Skip => {
                let over = (now - scheduled).as_nanos() % period.as_nanos();
                let over = u64::try_from(over)
                    .expect("too much time has elapsed since the interval was supposed to tick");
                now + (period - Duration::from_nanos(over))
            }
        }
    }
}

/// Moments that come again and again: [`interval`].
///
/// # Source
/// `tokio::time::Interval`.
#[derive(Debug)]
pub struct Interval {
    delay: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick; the answer is when it was to be.
    ///
    /// # Panics
    /// If its runtime has shut down.
    ///
    /// # Cancel safety
    /// Safe: a tick that was not returned is still to come.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// As [`tick`](Self::tick), for a poll function: the waker of the last call is the one that is woken.
    #[inline]
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.delay).poll(context));
        let scheduled = self.delay.deadline();
        let next = match self.missed {
            // As if it were not late: the clock need not be read.
            MissedTickBehavior::Burst => scheduled + self.period,
            missed => {
                let now = Instant::now();
                if now > scheduled + MISSED {
                    missed.next(scheduled, now, self.period)
                } else {
                    scheduled + self.period
                }
            }
        };
        self.delay.reset_unset(next);
        Poll::Ready(scheduled)
    }

    /// The next tick is a period from now.
    ///
    /// # Examples
    /// ```
    /// use filch::time::{self, Duration, Instant, interval};
    ///
    /// # filch::block_on(async {
    /// time::pause();
    /// let mut interval = interval(Duration::from_millis(100));
    /// interval.tick().await;
    /// time::advance(Duration::from_millis(50)).await;
    /// interval.reset();
    /// let next = Instant::now() + Duration::from_millis(100);
    /// assert_eq!(interval.tick().await, next);
    /// # });
    /// ```
    pub fn reset(&mut self) {
        self.reset_at(Instant::now() + self.period);
    }

    /// The next tick is at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick is so long from now, and the others a period each from that.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now() + tellable(after));
    }

    /// The next tick is at `deadline`, and the others a period each from that.
    pub fn reset_at(&mut self, deadline: Instant) {
        Pin::new(&mut self.delay).reset(deadline);
    }

    /// What it does about ticks that came late.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Says what to do about ticks that come late.
    ///
    /// # Examples
    /// ```
    /// use filch::time::{self, Duration, MissedTickBehavior, interval};
    ///
    /// # filch::block_on(async {
    /// time::pause();
    /// let mut interval = interval(Duration::from_millis(10));
    /// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    /// let start = interval.tick().await;
    /// time::advance(Duration::from_millis(25)).await;
    /// assert_eq!(interval.tick().await - start, Duration::from_millis(10)); // late
    /// assert_eq!(interval.tick().await - start, Duration::from_millis(30)); // the one at 20 is left out
    /// # });
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }

    /// From tick to tick.
    pub fn period(&self) -> Duration {
        self.period
    }
}
