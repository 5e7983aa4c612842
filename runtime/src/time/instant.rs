//! A moment of the runtime's clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, Instant as Std};

use crate::clock;
use crate::context;

/// What stands for a time too far away to be told.
const FAR: Duration = Duration::from_secs(86400 * 365 * 30);

/// The longest that a clock tells from now: its moments are numbers of nanoseconds, of 64 bits.
const TELLABLE: Duration = Duration::from_nanos(u64::MAX / 2);

/// A moment of the current runtime's clock: as [`std::time::Instant`], but a test can stop and move it
/// ([`pause`](super::pause)).
///
/// # Source
/// `tokio::time::Instant`.
///
/// # Examples
/// ```
/// use filch::time::{Duration, Instant, sleep};
///
/// # filch::block_on(async {
/// let start = Instant::now();
/// sleep(Duration::from_millis(2)).await;
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Std);

impl Instant {
    /// Now, by the clock of the current runtime; by the system's if there is none.
    #[inline]
    pub fn now() -> Instant {
        if clock::any_moved() {
            if let Some(now) = context::with_current(|handle| handle.0.clock.now()) {
                return Instant(now);
            }
        }
        Instant(Std::now())
    }

    /// As [`From`].
    pub fn from_std(std: Std) -> Instant {
        Instant(std)
    }

    /// The moment by the standard library's type. Of a clock that was moved, it is not the system's time.
    pub fn into_std(self) -> Std {
        self.0
    }

    /// How long `earlier` was before this; zero if it was not.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// How long `earlier` was before this; none if it was not.
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// As [`duration_since`](Self::duration_since).
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// How long ago it was; zero if it is still to come.
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// So much later; none if that cannot be told.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }

    /// So much earlier; none if that cannot be told.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_sub(duration).map(Instant)
    }

    /// So much later, or some 30 years if that cannot be told.
    pub(super) fn later(now: Std, duration: Duration) -> Instant {
        let told = (duration <= TELLABLE).then(|| now.checked_add(duration));
        Instant(told.flatten().unwrap_or_else(|| now + FAR))
    }
}

/// No longer than what stands for too long.
pub(super) fn tellable(duration: Duration) -> Duration {
    duration.min(FAR)
}

impl From<Std> for Instant {
    fn from(std: Std) -> Instant {
        Instant(std)
    }
}

impl From<Instant> for Std {
    fn from(instant: Instant) -> Std {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// # Panics
    /// If that moment cannot be told.
    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if the other is not earlier.
    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// # Panics
    /// If that moment cannot be told.
    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
