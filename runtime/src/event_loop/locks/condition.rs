//! Something under a lock that tasks wait for.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::cancel::{Cancelled, catch_cancel};
use super::lock::Lock;
use super::{Held, Release, Row, Wait, suspend, wake};

/// A lock, and a row of tasks that wait for something under it. A handle: clones are the same condition.
///
/// # Source
/// `asyncio.Condition`.
///
/// # Examples
/// ```
/// use filch::asyncio::{Condition, create_task};
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::Arc;
///
/// filch::asyncio::run(async {
///     let (condition, ready) = (Condition::new(), Arc::new(AtomicBool::new(false)));
///     let waits = create_task({
///         let (condition, ready) = (condition.clone(), ready.clone());
///         async move {
///             let _held = condition.hold().await;
///             condition.wait_for(|| ready.load(Ordering::Relaxed)).await
///         }
///     });
///     {
///         let _held = condition.hold().await;
///         ready.store(true, Ordering::Relaxed);
///         condition.notify_all();
///     }
///     assert!(waits.await.unwrap());
/// })
/// .unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Condition {
    lock: Lock,
    row: Arc<Mutex<Row>>,
}

impl Condition {
    /// With a lock of its own.
    pub fn new() -> Condition {
        Condition::default()
    }

    /// With this lock, which others may use, too.
    pub fn with_lock(lock: &Lock) -> Condition {
        Condition {
            lock: lock.clone(),
            row: Arc::default(),
        }
    }

    /// True while somebody has the lock.
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    /// As [`Lock::acquire`].
    pub async fn acquire(&self) {
        self.lock.acquire().await;
    }

    /// As [`Lock::release`].
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn release(&self) {
        self.lock.release();
    }

    /// Has the lock until what is returned is dropped.
    ///
    /// # Panics
    /// As [`Lock::acquire`].
    pub async fn hold(&self) -> Held<Condition> {
        self.acquire().await;
        Held(self.clone())
    }

    /// Gives the lock back, waits until it is notified, and takes the lock again; also if the task is cancelled meanwhile.
    ///
    /// # Panics
    /// If nobody has the lock, or there is no current runtime.
    ///
    /// # Cancel safety
    /// A task of a loop that is cancelled has the lock when it hears of it, as asyncio's has. Outside one, or dropped by
    /// other means, such as `select!`, it does not have the lock after it; a notification that it had goes to another.
    pub async fn wait(&self) {
        assert!(self.locked(), "cannot wait on un-acquired lock");
        let mut waiting = Waiting {
            condition: self,
            wait: self.row.lock().join(),
            heard: false,
        };
        self.release();
        let woken = catch_cancel(suspend(&waiting.wait)).await;
        self.row.lock().leave(&waiting.wait);
        let mut cancelled = woken.err();
        while let Err(again) = catch_cancel(self.acquire()).await {
            cancelled = Some(again);
        }
        match cancelled {
            None => waiting.heard = true,
            Some(cancelled) => {
                drop(waiting);
                Cancelled::raise(cancelled).await
            }
        }
    }

    /// Waits, as [`wait`](Self::wait), until `predicate` is true; asks it first. The answer is the predicate's.
    ///
    /// # Panics
    /// As [`wait`](Self::wait), and with the predicate.
    ///
    /// # Cancel safety
    /// As [`wait`](Self::wait).
    pub async fn wait_for(&self, mut predicate: impl FnMut() -> bool) -> bool {
        while !predicate() {
            self.wait().await;
        }
        true
    }

    /// Wakes up to `n` that wait; they go on one after the other, when the lock is free.
    ///
    /// # Panics
    /// If nobody has the lock.
    #[track_caller]
    pub fn notify(&self, n: usize) {
        assert!(self.locked(), "cannot notify on un-acquired lock");
        self.wake(n);
    }

    /// Wakes all that wait.
    ///
    /// # Panics
    /// If nobody has the lock.
    #[track_caller]
    pub fn notify_all(&self) {
        let all = self.row.lock().len();
        self.notify(all);
    }

    fn wake(&self, n: usize) {
        let mut woken = 0;
        while woken < n {
            let first = self.row.lock().first_pending();
            let Some(first) = first else { return };
            woken += usize::from(wake(&first));
        }
    }
}

impl Release for Condition {
    fn give_back(&self) {
        self.lock.give_back();
    }
}

struct Waiting<'a> {
    condition: &'a Condition,
    wait: Wait,
    /// Its notification has come to whoever waited.
    heard: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.condition.row.lock().leave(&self.wait);
        let was_notified = self.wait.is_done() && !self.wait.is_cancelled();
        if !self.heard && was_notified {
            self.condition.wake(1);
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("locked", &self.locked())
            .field("waiters", &self.row.lock().len())
            .finish()
    }
}
