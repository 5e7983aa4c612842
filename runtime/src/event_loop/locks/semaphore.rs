//! So many at a time.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Held, Release, Row, Wait, suspend, wake};

/// Lets so many in at a time; the next one is who has waited longest. A handle: clones are the same semaphore.
///
/// # Source
/// `asyncio.Semaphore`.
///
/// # Examples
/// ```
/// use filch::asyncio::Semaphore;
///
/// filch::asyncio::run(async {
///     let semaphore = Semaphore::new(2);
///     let _one = semaphore.hold().await;
///     let _two = semaphore.hold().await;
///     assert!(semaphore.locked());
/// })
/// .unwrap();
/// ```
#[derive(Clone)]
pub struct Semaphore(Arc<Mutex<State>>);

struct State {
    value: usize,
    row: Row,
}

impl State {
    fn is_locked(&self) -> bool {
        self.value == 0 || self.row.has_any()
    }
}

impl Semaphore {
    /// Lets `value` in at first.
    pub fn new(value: usize) -> Semaphore {
        let row = Row::default();
        Semaphore(Arc::new(Mutex::new(State { value, row })))
    }

    /// True if the next one must wait.
    pub fn locked(&self) -> bool {
        self.0.lock().is_locked()
    }

    /// Waits for a place, and takes it.
    ///
    /// # Panics
    /// If it must wait and there is no current runtime.
    ///
    /// # Cancel safety
    /// Safe: dropped, it has no place, and has lost its turn.
    pub async fn acquire(&self) {
        let wait = {
            let mut state = self.0.lock();
            if !state.is_locked() {
                state.value -= 1;
                return;
            }
            state.row.join()
        };
        let mut waiting = Waiting {
            semaphore: self,
            wait,
            taken: false,
        };
        waiting.taken = suspend(&waiting.wait).await;
    }

    /// Has a place until what is returned is dropped.
    ///
    /// # Panics
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn hold(&self) -> Held<Semaphore> {
        self.acquire().await;
        Held(self.clone())
    }

    /// Gives a place back, or makes one more.
    ///
    /// # Panics
    /// If there are more than can be counted.
    #[track_caller]
    pub fn release(&self) {
        assert!(self.try_release(usize::MAX), "too many places");
    }

    /// Gives a place back, if that makes no more than `most` free ones.
    fn try_release(&self, most: usize) -> bool {
        {
            let mut state = self.0.lock();
            if state.value >= most {
                return false;
            }
            state.value += 1;
        }
        self.wake_next();
        true
    }

    /// Gives one free place to the first that waits. False if there is none, or nobody waits.
    fn wake_next(&self) -> bool {
        loop {
            let first = {
                let mut state = self.0.lock();
                let Some(first) = state.row.first_pending().filter(|_| state.value > 0) else {
                    return false;
                };
                // The place is its own from here.
                state.value -= 1;
                first
            };
            if wake(&first) {
                return true;
            }
            self.0.lock().value += 1;
        }
    }
}

impl Release for Semaphore {
    fn give_back(&self) {
        self.release();
    }
}

/// A wait for a place; when it ends it has the place, or gives it back.
struct Waiting<'a> {
    semaphore: &'a Semaphore,
    wait: Wait,
    taken: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.semaphore.0.lock();
            state.row.leave(&self.wait);
            // So that nobody can give it a place from here on.
            let was_given = !self.wait.cancel("") && !self.wait.is_cancelled();
            state.value += usize::from(was_given && !self.taken);
        }
        // Those who came meanwhile had to queue behind this one.
        while self.semaphore.wake_next() {}
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Semaphore")
            .field("locked", &state.is_locked())
            .field("value", &state.value)
            .field("waiters", &state.row.len())
            .finish()
    }
}

/// A [`Semaphore`] that does not grow: more releases than acquires are an error in the program.
///
/// # Source
/// `asyncio.BoundedSemaphore`.
///
/// # Examples
/// ```
/// use filch::asyncio::BoundedSemaphore;
///
/// filch::asyncio::run(async {
///     let semaphore = BoundedSemaphore::new(1);
///     semaphore.acquire().await;
///     semaphore.release();
/// })
/// .unwrap();
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore {
    inner: Semaphore,
    bound: usize,
}

impl BoundedSemaphore {
    /// Lets `value` in at a time.
    pub fn new(value: usize) -> BoundedSemaphore {
        BoundedSemaphore {
            inner: Semaphore::new(value),
            bound: value,
        }
    }

    /// True if the next one must wait.
    pub fn locked(&self) -> bool {
        self.inner.locked()
    }

    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    /// As there.
    pub async fn acquire(&self) {
        self.inner.acquire().await;
    }

    /// As [`Semaphore::hold`].
    ///
    /// # Panics
    /// As there.
    pub async fn hold(&self) -> Held<BoundedSemaphore> {
        self.acquire().await;
        Held(self.clone())
    }

    /// Gives a place back.
    ///
    /// # Panics
    /// If no place was taken.
    #[track_caller]
    pub fn release(&self) {
        let was_taken = self.inner.try_release(self.bound);
        assert!(was_taken, "BoundedSemaphore released too many times");
    }
}

impl Release for BoundedSemaphore {
    fn give_back(&self) {
        // Somebody else may have given it back.
        self.inner.try_release(self.bound);
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("inner", &self.inner)
            .field("bound", &self.bound)
            .finish()
    }
}
