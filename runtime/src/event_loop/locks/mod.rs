//! Locks between tasks in asyncio's shape: each is a row of futures, and a wake-up goes to one of them in the order in which
//! they came.
//!
//! A waiter is a promise in the row, from its first poll until its wait ends, woken or not. Whoever is woken looks after itself:
//! the one that leaves, cancelled or dropped, passes on what it was woken for. Promises are set with no lock held, since a
//! waker is anybody's code: one that was done meanwhile is found out by that, and the next is tried.

mod barrier;
mod condition;
mod event;
mod lock;
mod semaphore;

use std::collections::VecDeque;

pub use self::barrier::{Barrier, BrokenBarrierError};
pub use self::condition::Condition;
pub use self::event::Event;
pub use self::lock::Lock;
pub use self::semaphore::{BoundedSemaphore, Semaphore};

use super::EventLoop;
use super::awaitable::Leaf;
use crate::promise::Promise;

/// One wait. Only whoever waits cancels it.
type Wait = Promise<(), ()>;

/// Those who wait, the first one first.
#[derive(Default)]
struct Row(VecDeque<Wait>);

impl Row {
    /// Adds a wait: of the running loop, or of the current runtime outside one.
    fn join(&mut self) -> Wait {
        let wait = match EventLoop::current() {
            Some(on) => on.create_future(),
            None => Promise::new(),
        };
        self.0.push_back(wait.clone());
        wait
    }

    fn leave(&mut self, wait: &Wait) {
        if let Some(at) = self.0.iter().position(|other| other.is_same(wait)) {
            self.0.remove(at);
        }
    }

    /// The first of those that are not woken yet.
    fn first_pending(&self) -> Option<Wait> {
        self.0.iter().find(|wait| !wait.is_done()).cloned()
    }

    /// True if somebody waits, or is woken and on its way.
    fn has_any(&self) -> bool {
        self.0.iter().any(|wait| !wait.is_cancelled())
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Wakes one. False if it was done already.
fn wake(wait: &Wait) -> bool {
    wait.set_result(()).is_ok()
}

/// Suspends until the wait is woken. Dropped, or cancelled with its task, it ends `Err` or not at all: the caller's guard
/// tells.
async fn suspend(wait: &Wait) -> bool {
    Leaf::new(wait.clone()).await.is_ok()
}

mod sealed {
    /// What is acquired and released.
    pub trait Release {
        /// Gives back what one `acquire` took.
        fn give_back(&self);
    }
}
use self::sealed::Release;

/// Has a lock or a place in a semaphore until it is dropped: `async with`.
///
/// # Examples
/// ```
/// use filch::asyncio::Lock;
///
/// filch::asyncio::run(async {
///     let lock = Lock::new();
///     {
///         let _held = lock.hold().await;
///         assert!(lock.locked());
///     }
///     assert!(!lock.locked());
/// })
/// .unwrap();
/// ```
#[derive(Debug)]
#[must_use = "it is released when this is dropped"]
pub struct Held<L: Release>(L);

impl<L: Release> Drop for Held<L> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}
