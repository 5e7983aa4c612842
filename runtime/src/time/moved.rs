//! The current runtime's clock in the hands of a test.

use std::panic::Location;

use super::Duration;
use crate::clock::Clock;
use crate::context;
use crate::handle::Handle;
use crate::origin::Origin;
use crate::spawn::yield_now;

const OUTSIDE: &str = "time cannot be frozen from outside the filch runtime";

#[track_caller]
fn with_clock(act: impl FnOnce(&Clock) -> Result<(), &'static str>) {
    match context::with_current(|handle| act(&handle.0.clock)) {
        Some(Ok(())) => {}
        Some(Err(why)) => panic!("{why}"),
        None => panic!("{OUTSIDE}"),
    }
}

/// Stops the clock of the current runtime: [`Instant::now`](super::Instant::now) stands still, and timers wait for it.
///
/// It moves by [`advance`], and by itself: when all workers sleep, no blocking closure runs, no future of `block_on` is
/// being polled and no I/O event is there, whoever waits in the poller moves it to the earliest deadline. So a `sleep`
/// takes no time, and the timers come in order. What happens outside the runtime (other threads, the network, a peer
/// in another process) is not waited for: a closure in [`spawn_blocking`](crate::spawn_blocking) that waits
/// for it holds the clock (and one that itself waits for a timer, with [`Handle::block_on`], waits for ever).
///
/// For tests, on every kind of runtime; [`Builder::start_paused`](crate::Builder::start_paused) stops it from the start.
///
/// # Panics
/// If there is no current runtime, or if its clock stands still already.
///
/// # Source
/// `tokio::time::pause`, which is for current-thread runtimes only.
///
/// # Examples
/// ```
/// use filch::time::{self, Duration, Instant};
///
/// # filch::block_on(async {
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(3600)).await;
/// assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// # });
/// ```
#[track_caller]
pub fn pause() {
    with_clock(Clock::pause);
}

/// Sets the clock of the current runtime going again, from where it stands.
///
/// # Panics
/// If there is no current runtime, or if its clock goes.
///
/// # Source
/// `tokio::time::resume`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// use filch::time::{self, Duration, Instant};
///
/// time::pause();
/// time::advance(Duration::from_secs(3600)).await;
/// time::resume();
/// let start = Instant::now();
/// time::sleep(Duration::from_millis(1)).await; // takes that long again
/// assert!(start.elapsed() >= Duration::from_millis(1));
/// # });
/// ```
#[track_caller]
pub fn resume() {
    with_clock(Clock::resume);
}

/// Moves the stopped clock of the current runtime on by `duration` in one step, wakes whoever waited for a moment up to
/// then, and lets other tasks run.
///
/// The tasks it wakes have been polled when it returns if they are on the one thread of a current-thread runtime;
/// else they run beside. A task that has not been polled yet has no timer that could come: `sleep` instead moves
/// the clock only when all that can run has run.
///
/// # Panics
/// If there is no current runtime, if its clock goes, or if the moment cannot be told.
///
/// # Cancel safety
/// The clock is moved at the first poll.
///
/// # Source
/// `tokio::time::advance`.
///
/// # Examples
/// ```
/// use filch::time::{self, Duration, Instant};
///
/// # filch::block_on(async {
/// time::pause();
/// let start = Instant::now();
/// let mut sleep = std::pin::pin!(time::sleep(Duration::from_secs(60)));
/// assert!(time::timeout(Duration::from_secs(30), sleep.as_mut()).await.is_err());
/// time::advance(Duration::from_secs(30)).await;
/// sleep.await;
/// assert_eq!(start.elapsed(), Duration::from_secs(60));
/// # });
/// ```
pub async fn advance(duration: Duration) {
    with_clock(|clock| clock.advance(duration));
    let handle = Handle::current();
    handle.0.reactor.fire_due();
    // A task that goes to the back of the queue is done after those that were woken just now had their turn. It is
    // cancelled only where the runtime ends.
    let last = handle.spawn_from(yield_now(), Origin::at(Location::caller()));
    let _ = last.await;
}
