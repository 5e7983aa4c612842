//! A future that is ready at a moment.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::budget;
use crate::context::{self, NO_RUNTIME};
use crate::reactor::{DeadlineKey, Reactor};

/// What stands for a time too far away to be told.
const FAR: Duration = Duration::from_secs(86400 * 365 * 30);

/// Waits for a moment: [`sleep`].
///
/// # Source
/// `tokio::time::Sleep`.
#[derive(Debug)]
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Sleep {
    deadline: Instant,
    reactor: Reactors,
    /// Once it is registered.
    key: Option<DeadlineKey>,
}

struct Reactors(Arc<Reactor>);

impl std::fmt::Debug for Reactors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reactor")
    }
}

/// Waits for `duration`, rounded up to the next millisecond. Zero is ready at once.
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
/// use std::time::{Duration, Instant};
///
/// # filch::block_on(async {
/// let start = Instant::now();
/// filch::time::sleep(Duration::from_millis(5)).await;
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// # });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let now = Instant::now();
    sleep_until(now.checked_add(duration).unwrap_or_else(|| now + FAR))
}

/// Waits until `deadline`, rounded up to the next millisecond. A past one is ready at once.
///
/// # Panics
/// As [`sleep`].
///
/// # Cancel safety
/// As [`sleep`].
///
/// # Source
/// `tokio::time::sleep_until`.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    match context::with_current(|handle| handle.0.reactor.clone()) {
        Some(reactor) => Sleep {
            deadline,
            reactor: Reactors(reactor),
            key: None,
        },
        None => panic!("{NO_RUNTIME}"),
    }
}

impl Sleep {
    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// True once the deadline has passed.
    pub fn is_elapsed(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.reactor.0.remove_deadline(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(budget::poll_left(context));
        if self.is_elapsed() {
            budget::spend();
            self.forget();
            return Poll::Ready(());
        }
        let waker = context.waker();
        if let Some(key) = self.key {
            if self.reactor.0.set_deadline_waker(key, waker) {
                return Poll::Pending;
            }
            // It was taken as due, by another clock reading or by a shutdown: ask again.
            self.key = None;
        }
        match self.reactor.0.add_deadline(self.deadline, waker.clone()) {
            Ok(key) => self.key = Some(key),
            Err(_closed) => panic!("the filch runtime of this timer has shut down"),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}
