//! One at a time.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Held, Release, Row, Wait, suspend, wake};

/// A lock between tasks, which anybody may release. A handle: clones are the same lock.
///
/// It goes to who has waited longest: nobody overtakes one that is woken and on its way.
///
/// # Source
/// `asyncio.Lock`.
///
/// # Examples
/// ```
/// use filch::asyncio::Lock;
///
/// filch::asyncio::run(async {
///     let lock = Lock::new();
///     lock.acquire().await;
///     assert!(lock.locked());
///     lock.release();
/// })
/// .unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Lock(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    locked: bool,
    row: Row,
}

impl Lock {
    /// One that is free.
    pub fn new() -> Lock {
        Lock::default()
    }

    /// True while somebody has it.
    pub fn locked(&self) -> bool {
        self.0.lock().locked
    }

    /// Waits until it is free, and takes it.
    ///
    /// # Panics
    /// If it must wait and there is no current runtime.
    ///
    /// # Cancel safety
    /// Safe: dropped, it does not have the lock, and has lost its place.
    pub async fn acquire(&self) {
        let wait = {
            let mut state = self.0.lock();
            if !state.locked && !state.row.has_any() {
                state.locked = true;
                return;
            }
            state.row.join()
        };
        let mut waiting = Waiting {
            lock: self,
            wait,
            woken: false,
        };
        waiting.woken = suspend(&waiting.wait).await;
    }

    /// Takes it until what is returned is dropped.
    ///
    /// # Panics
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn hold(&self) -> Held<Lock> {
        self.acquire().await;
        Held(self.clone())
    }

    /// Gives it back, whoever has it.
    ///
    /// # Panics
    /// If nobody has it.
    #[track_caller]
    pub fn release(&self) {
        assert!(self.try_release(), "Lock is not acquired.");
    }

    fn try_release(&self) -> bool {
        let was_locked = std::mem::take(&mut self.0.lock().locked);
        if was_locked {
            self.wake_first();
        }
        was_locked
    }

    /// Only the first: if it is woken already, it is on its way, and passes on what it does not take.
    fn wake_first(&self) {
        let first = {
            let state = self.0.lock();
            state.row.0.front().filter(|_| !state.locked).cloned()
        };
        if let Some(first) = first {
            wake(&first);
        }
    }
}

impl Release for Lock {
    fn give_back(&self) {
        // Somebody else may have released it.
        self.try_release();
    }
}

/// A wait for a lock; when it ends it has the lock, or passes it on.
struct Waiting<'a> {
    lock: &'a Lock,
    wait: Wait,
    woken: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.lock.0.lock();
        state.row.leave(&self.wait);
        if self.woken {
            state.locked = true;
            return;
        }
        drop(state);
        self.lock.wake_first();
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Lock")
            .field("locked", &state.locked)
            .field("waiters", &state.row.len())
            .finish()
    }
}
