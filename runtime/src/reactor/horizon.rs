//! Until when the thread in the poller waits, and whether a new deadline must end its wait.
//!
//! Each seat tells its earliest deadline as a number of its own; nobody locks all seats, and a deadline that is not the
//! earliest of its seat writes nothing that others read.
//!
//! wait    D1 announce a wait without end · D2 fence · D3 read the earliest deadline of each seat, wait until then
//! insert  D4 write the earliest deadline of the seat · D5 fence · D6 somebody waits for longer? notify the poller
//!
//! D2 and D5 are ordered one way or the other: then D6 sees the announcement, or D3 sees the deadline. A notification is
//! sticky, so it does not matter whether the wait has begun. Model: `model::a_new_deadline_is_waited_for`.

use crate::sync_prim::{AtomicU64, Ordering, store_load_fence};

/// The deadline of nobody.
pub(super) const NEVER: u64 = u64::MAX;
const NOT_WAITING: u64 = 0;

/// The earliest deadline of a seat. Moments are numbers of one clock; larger is later.
pub(super) struct Earliest(AtomicU64);

impl Earliest {
    pub(super) fn new() -> Earliest {
        Earliest(AtomicU64::new(NEVER))
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// D4, under the lock of the seat. Where it became earlier, [`Horizon::must_notify`] must follow.
    pub(super) fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

/// Who waits.
pub(super) struct Horizon {
    wait_until: AtomicU64,
}

impl Horizon {
    pub(super) fn new() -> Horizon {
        Horizon {
            wait_until: AtomicU64::new(NOT_WAITING),
        }
    }

    /// D5 and D6, after D4.
    pub(super) fn must_notify(&self, earliest: u64) -> bool {
        store_load_fence("D5"); // partner D2
        self.wait_until.load(Ordering::Relaxed) > earliest
    }

    /// D1 to D3: the moment until which to wait.
    pub(super) fn begin_wait<'a>(&self, seats: impl Iterator<Item = &'a Earliest>) -> u64 {
        self.wait_until.store(NEVER, Ordering::Relaxed);
        store_load_fence("D2"); // partner D5
        let until = seats.map(Earliest::get).min().unwrap_or(NEVER);
        self.wait_until.store(until, Ordering::Relaxed);
        until
    }

    /// The wait that was begun has no end after all.
    pub(super) fn wait_longer(&self) {
        self.wait_until.store(NEVER, Ordering::Relaxed);
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

    /// Two seats get a deadline while a thread goes to wait.
    #[test]
    fn a_new_deadline_is_waited_for() {
        loom::model(|| {
            let all = Arc::new((Horizon::new(), [Earliest::new(), Earliest::new()]));
            let waiter = {
                let all = all.clone();
                thread::spawn(move || all.0.begin_wait(all.1.iter()))
            };
            let other = {
                let all = all.clone();
                thread::spawn(move || {
                    all.1[1].set(7);
                    all.0.must_notify(7)
                })
            };
            all.1[0].set(5);
            let notified = all.0.must_notify(5);
            let other_notified = other.join().unwrap();
            let until = waiter.join().unwrap();
            assert!(
                until <= 5 || notified,
                "the wait is longer than the deadline"
            );
            assert!(until <= 7 || other_notified, "longer than the other one");
        });
    }
}
