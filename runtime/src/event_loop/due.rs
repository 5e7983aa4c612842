//! Whether a task has requests to stop that nobody has heard: a word beside the lock that has the requests.
//!
//! | word   | what it means                       | to what, by whom                                               |
//! |--------|-------------------------------------|----------------------------------------------------------------|
//! | IDLE   | there is none                       | DUE, by who asks, with the lock; CLOSED, by the step, without it |
//! | DUE    | there may be one                    | IDLE or CLOSED, by the step, with the lock                     |
//! | CLOSED | the body has ended, and hears none  | stays                                                          |
//!
//! IDLE is left by read-modify-writes only: a request comes before the end, which finds it, or after it, and is refused. All
//! orderings are Relaxed, for the word only says whether the lock is worth taking: what is asked is behind the lock, and who
//! asks from another thread queues a step after it. Model: `model::a_request_is_found_or_refused`.

use crate::sync_prim::{AtomicUsize, Ordering, keep};

const IDLE: usize = 0;
const DUE: usize = 1;
const CLOSED: usize = 2;

pub(super) struct Due(AtomicUsize);

impl Default for Due {
    fn default() -> Due {
        Due(AtomicUsize::new(IDLE))
    }
}

impl Due {
    /// True if there may be a request.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) == DUE
    }

    /// There is a request; with the lock. False if the body has ended.
    pub(super) fn ask(&self) -> bool {
        let was = (self.0).compare_exchange(IDLE, DUE, Ordering::Relaxed, Ordering::Relaxed);
        was != Err(CLOSED) || !keep("due_refuse")
    }

    /// The step has looked, with the lock: there is one still, or there is none.
    pub(super) fn settle(&self, is_due: bool) {
        let word = if is_due { DUE } else { IDLE };
        self.0.store(word, Ordering::Relaxed);
    }

    /// The body ends. True if there was no request; else it is to be ended with the lock.
    #[inline]
    pub(super) fn end_idle(&self) -> bool {
        if !keep("due_end") {
            return self.0.swap(CLOSED, Ordering::Relaxed) != CLOSED;
        }
        (self.0)
            .compare_exchange(IDLE, CLOSED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// The body ends, with the lock.
    pub(super) fn end(&self) {
        self.0.store(CLOSED, Ordering::Relaxed);
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::sync_prim::Mutex;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn a_request_is_found_or_refused() {
        loom::model(|| {
            let task = Arc::new((Due::default(), Mutex::new(0)));
            let askers = [1, 2].map(|reason| {
                let task = task.clone();
                thread::spawn(move || {
                    let mut unheard = task.1.lock();
                    let accepted = task.0.ask();
                    *unheard += if accepted { reason } else { 0 };
                    if accepted { reason } else { 0 }
                })
            });
            let mut heard = 0;
            // A step that looks and goes on, and the one in which the body ends.
            if task.0.is_due() {
                let mut unheard = task.1.lock();
                heard += std::mem::take(&mut *unheard);
                task.0.settle(false);
            }
            if !task.0.end_idle() {
                let mut unheard = task.1.lock();
                task.0.end();
                heard += std::mem::take(&mut *unheard);
            }
            let accepted: i32 = askers.map(|asker| asker.join().unwrap()).into_iter().sum();
            assert_eq!(heard, accepted, "what was accepted is heard");
            assert!(!task.0.ask(), "the body has ended");
        });
    }
}
