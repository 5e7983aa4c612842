//! The future of a `block_on` that no worker drives: whether its thread waits, and the count of those that do not.
//!
//! | word  | the thread                | a wake                                        |
//! |-------|---------------------------|-----------------------------------------------|
//! | RUNS  | polls, and is counted     | -> WOKEN: it will poll again before it waits  |
//! | WOKEN | will poll, and is counted | nothing                                       |
//! | WAITS | is parked, not counted    | -> WOKEN: the waker counts it, and unparks it |
//! | ENDED | is gone, not counted      | nothing                                       |
//!
//! Counted is who keeps a stopped clock from moving ([`crate::clock`]). Model: `model::a_wake_is_seen_and_counted_once`.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crossbeam_utils::sync::{Parker, Unparker};

use crate::clock::Clock;
use crate::sync_prim::{AtomicUsize, Ordering, ordering};

const RUNS: usize = 0;
const WOKEN: usize = 1;
const WAITS: usize = 2;
const ENDED: usize = 3;

struct Word(AtomicUsize);

impl Word {
    fn new() -> Word {
        Word(AtomicUsize::new(RUNS))
    }

    /// True if the thread must park, and is to be uncounted; false if it was woken.
    fn begin_wait(&self) -> bool {
        self.0
            .compare_exchange(RUNS, WAITS, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    fn waits(&self) -> bool {
        self.0.load(Ordering::Relaxed) == WAITS
    }

    /// After a wake: the thread polls again.
    fn run(&self) {
        // Ordering: Acquire <- the Release in `wake`: the poll sees what it was woken for.
        self.0.swap(RUNS, ordering("root_run", Ordering::Acquire));
    }

    /// True if the thread must be counted and unparked.
    fn wake(&self) -> bool {
        // Ordering: Release -> the Acquire in `run`.
        self.0.swap(WOKEN, ordering("root_wake", Ordering::Release)) == WAITS
    }

    fn end(&self) {
        // A wake that comes later makes it WOKEN, which nobody reads.
        self.0.store(ENDED, Ordering::Relaxed);
    }
}

#[cfg(debug_assertions)]
thread_local! {
    /// The future of `block_on` that this thread polls, by a number that no task has.
    static POLLED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// While it lives the future of a `block_on` is polled here. Debug builds only.
pub(crate) struct Polling {
    #[cfg(debug_assertions)]
    before: u64,
}

impl Polling {
    /// The address of the future tells it from others that are polled meanwhile.
    #[inline]
    pub(crate) fn begin<F>(future: &F) -> Polling {
        #[cfg(not(debug_assertions))]
        let _ = future;
        Polling {
            #[cfg(debug_assertions)]
            before: POLLED.replace(std::ptr::from_ref(future).addr() as u64 | IS_ROOT),
        }
    }
}

#[cfg(debug_assertions)]
impl Drop for Polling {
    fn drop(&mut self) {
        POLLED.set(self.before);
    }
}

/// Set in the numbers of futures of `block_on`, in those of tasks never.
#[cfg(debug_assertions)]
pub(crate) const IS_ROOT: u64 = 1 << 63;

/// The future of `block_on` that this thread polls; 0 if it is none.
#[cfg(debug_assertions)]
pub(crate) fn polled() -> u64 {
    POLLED.try_with(std::cell::Cell::get).unwrap_or(0)
}

struct Shared {
    word: Word,
    clock: Arc<Clock>,
    unparker: Unparker,
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.word.wake() {
            self.clock.root_runs();
            self.unparker.unpark();
        }
    }
}

/// Counted until it is dropped.
pub(crate) struct Root {
    shared: Arc<Shared>,
    parker: Parker,
    waker: Waker,
}

impl Root {
    pub(crate) fn new(clock: &Arc<Clock>) -> Root {
        let parker = Parker::new();
        let shared = Arc::new(Shared {
            word: Word::new(),
            clock: clock.clone(),
            unparker: parker.unparker().clone(),
        });
        clock.root_runs();
        Root {
            waker: Waker::from(shared.clone()),
            shared,
            parker,
        }
    }

    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Parks the thread until it is woken; not at all if it was since the last wait.
    pub(crate) fn wait(&self) {
        if self.shared.word.begin_wait() {
            self.shared.clock.root_stops();
            while self.shared.word.waits() {
                self.parker.park();
            }
        }
        self.shared.word.run();
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.shared.word.end();
        self.shared.clock.root_stops();
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::sync_prim::UnsafeCell;
    use loom::thread;

    /// Whoever wakes a thread that waits ends its wait, the thread sees why, and the count comes out even.
    #[test]
    fn a_wake_is_seen_and_counted_once() {
        loom::model(|| {
            let all = Arc::new((Word::new(), AtomicUsize::new(1), UnsafeCell::new(0)));
            let waker = {
                let all = all.clone();
                thread::spawn(move || {
                    // SAFETY: the root reads after the wake only; loom checks.
                    all.2.with_mut(|news| unsafe { *news = 7 });
                    if all.0.wake() {
                        all.1.fetch_add(1, Ordering::Relaxed);
                    }
                })
            };
            if all.0.begin_wait() {
                all.1.fetch_sub(1, Ordering::Relaxed);
                while all.0.waits() {
                    thread::yield_now();
                }
            }
            all.0.run();
            // SAFETY: the waker wrote before it woke; loom checks.
            all.2.with_mut(|news| assert_eq!(unsafe { *news }, 7));
            all.0.end();
            all.1.fetch_sub(1, Ordering::Relaxed);
            waker.join().unwrap();
            assert_eq!(all.1.load(Ordering::Relaxed), 0);
        });
    }
}
