//! Channels, locks and signals between tasks.
//!
//! Names, signatures and panics are `tokio::sync`'s. New here: [`mpmc`], [`Mutex::barging`], `statistics()` of locks and channels,
//! [`CancellationToken`] (tokio keeps it in tokio-util), and debug builds that tell of a task that waits for a lock it has. A
//! panic poisons nothing. Waiting allocates nothing: what waits is a node in the future that waits.
//!
//! | you want | take |
//! |---|---|
//! | one value, once | [`oneshot`]; [`SetOnce`] or [`OnceCell`] for many who read it |
//! | many values to one receiver | [`mpsc`] |
//! | each value to one of many receivers | [`mpmc`] |
//! | each value to all receivers | [`broadcast`] |
//! | the latest value | [`watch`] |
//! | that something happened | [`Notify`]; [`CancellationToken`] for the end |
//! | one at a time, or so many | [`Mutex`], [`RwLock`], [`Semaphore`] |
//! | all at the same point | [`Barrier`] |

mod barrier;
mod blocking;
pub mod broadcast;
mod cancellation;
mod cell;
#[cfg(all(test, filch_loom))]
mod model;
pub mod mpmc;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod permits;
mod raw_mutex;
mod rwlock;
mod semaphore;
mod set_once;
mod signal;
mod waiters;
pub mod watch;
mod watch_dog;

use crate::budget::{has_budget_remaining, spend};

pub use self::barrier::{Barrier, BarrierWaitResult};
pub use self::cancellation::{
    CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
pub use self::mutex::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use self::notify::Notify;
pub use self::once_cell::{OnceCell, SetError};
pub use self::rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
pub use self::semaphore::{
    AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
};
pub use self::set_once::{SetOnce, SetOnceError};

/// Futures that have a name.
pub mod futures {
    pub use super::notify::{Notified, OwnedNotified};
}

/// How many wait for a primitive: a look at it, out of date when it is read.
///
/// Only those who must wait are counted, so whoever need not pays nothing.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let semaphore = filch::sync::Semaphore::new(0);
/// let mut waits = std::pin::pin!(semaphore.acquire());
/// std::future::poll_fn(|context| {
///     assert!(waits.as_mut().poll(context).is_pending());
///     std::task::Poll::Ready(())
/// })
/// .await;
/// let now = semaphore.statistics();
/// assert_eq!((now.waiters, now.most_waiters), (1, 1));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// How many wait now.
    pub waiters: usize,
    /// How many waited at the same time at most, ever.
    pub most_waiters: usize,
}

/// Tries once, with a unit of the budget: None if it must wait, or if the budget is used up. What comes next waits as it
/// should. Most often there is nothing to wait for, and a waiter that is never made costs nothing.
#[inline]
fn at_once<R>(look: impl FnOnce() -> Option<R>) -> Option<R> {
    if !has_budget_remaining() {
        return None;
    }
    let found = look();
    if found.is_some() {
        spend();
    }
    found
}
