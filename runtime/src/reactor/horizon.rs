//! Until when the thread in the poller waits, and whether a new deadline must end its wait.
//!
//! wait    D1 announce a wait without end · D2 fence · D3 read the earliest deadline, wait until then
//! insert  D4 write the earliest deadline · D5 fence · D6 somebody waits for longer? notify the poller
//!
//! D2 and D5 are ordered one way or the other: then D6 sees the announcement, or D3 sees the deadline. A notification is
//! sticky, so it does not matter whether the wait has begun. Model: `model::a_new_deadline_is_waited_for`.

use crate::sync_prim::{AtomicU64, Ordering, store_load_fence};

/// The deadline of nobody.
pub(super) const NEVER: u64 = u64::MAX;
const NOT_WAITING: u64 = 0;

/// Moments are numbers of one clock; larger is later.
pub(super) struct Horizon {
    earliest: AtomicU64,
    wait_until: AtomicU64,
}

impl Horizon {
    pub(super) fn new() -> Horizon {
        Horizon {
            earliest: AtomicU64::new(NEVER),
            wait_until: AtomicU64::new(NOT_WAITING),
        }
    }

    /// D4, under the lock of the deadlines. True if it became earlier: then D5 and D6 must follow.
    pub(super) fn set_earliest(&self, now: u64) -> bool {
        let before = self.earliest();
        if before != now {
            self.earliest.store(now, Ordering::Relaxed);
        }
        now < before
    }

    pub(super) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::Relaxed)
    }

    /// D5 and D6.
    pub(super) fn must_notify(&self) -> bool {
        store_load_fence("D5"); // partner D2
        self.wait_until.load(Ordering::Relaxed) > self.earliest()
    }

    /// D1 to D3: the moment until which to wait.
    pub(super) fn begin_wait(&self) -> u64 {
        self.wait_until.store(NEVER, Ordering::Relaxed);
        store_load_fence("D2"); // partner D5
        let until = self.earliest();
        self.wait_until.store(until, Ordering::Relaxed);
        until
    }

    pub(super) fn end_wait(&self) {
        self.wait_until.store(NOT_WAITING, Ordering::Relaxed);
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn a_new_deadline_is_waited_for() {
        loom::model(|| {
            let horizon = Arc::new(Horizon::new());
            let waiter = {
                let horizon = horizon.clone();
                thread::spawn(move || horizon.begin_wait())
            };
            let notified = horizon.set_earliest(5) && horizon.must_notify();
            let until = waiter.join().unwrap();
            assert!(
                until == 5 || notified,
                "the wait is longer than the deadline"
            );
        });
    }
}
