//! The end: no task is left alive, and no job in a queue.
//!
//! close   C1 no task may live any more; each living one is asked to stop, which puts it into a queue · C2 tell the workers,
//!         and wake those that sleep
//! worker  runs on while it finds jobs (those of stopped tasks drop their futures), then leaves
//! end     X1 the last one out runs what is left until nobody lives · X2 nobody will look again · X3 fence · X4 empty
//!         the injector; whoever submits after X2 empties it, too
//!
//! A worker that is still in a poll keeps its own queues, and leaves later. A job in a foreign thread's hand on its way
//! into the injector keeps its task alive, so X1 waits for it; that is as long as that thread takes to push it.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::Scheduler;
use super::seat::Chair;
use crate::sync_prim::{AtomicUsize, Ordering, store_load_fence};

/// How many workers have left.
#[derive(Default)]
pub(crate) struct Exits {
    left: Mutex<usize>,
    changed: Condvar,
}

/// Whether a worker will ever look into a queue again.
pub(super) struct Drained(AtomicUsize);

impl Drained {
    pub(super) fn new() -> Drained {
        Drained(AtomicUsize::new(0))
    }

    /// X2 and X3; X4 must follow.
    fn end(&self) {
        self.0.store(1, Ordering::Relaxed);
        store_load_fence("X3"); // partner S2
    }

    /// After S1 and S2. True if whoever submitted must empty the injector itself.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

impl Scheduler {
    /// C1 and C2. Returns at once; the workers do the rest.
    pub(crate) fn close(&self) {
        self.live.close();
        // Not before: a worker that runs dry while the tasks are being stopped must not leave.
        self.closing.store(true, Ordering::Relaxed);
        while let Some(claimed) = self.idle.claim_one_more(self.workers()) {
            self.wake(claimed);
        }
    }

    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        // Ordering: Relaxed. A worker that goes to sleep has had the lock of the sleepers (P1), as C2 has: either C2 comes
        // after and wakes it, or the worker's look (P3) finds the flag up.
        self.closing.load(Ordering::Relaxed)
    }

    /// A worker leaves; the last one ends everything. A seat whose thread never started leaves without its chair.
    pub(crate) fn leave(&self, chair: Option<Chair>) {
        let last = {
            let mut left = self.exits.left.lock();
            *left + 1 == self.workers() || {
                *left += 1;
                false
            }
        };
        if last {
            self.end(chair.as_ref());
            *self.exits.left.lock() += 1;
            self.exits.changed.notify_all();
        }
    }

    /// X1 to X4, on the last thread that looks into the queues.
    pub(crate) fn end(&self, chair: Option<&Chair>) {
        self.assert_may_run();
        while self.live.len() > 0 {
            let job = chair
                .and_then(|chair| chair.deque.pop())
                .or_else(|| self.seats.iter().find_map(|seat| seat.next.take()))
                .or_else(|| self.inbox.take_one());
            match job {
                Some(job) => drop(job.run()),
                None => std::thread::yield_now(),
            }
        }
        self.drained.end(); // X2 X3
        self.abandon_inbox(); // X4
    }

    /// Drops what no worker will ever run: callbacks of promises.
    pub(super) fn abandon_inbox(&self) {
        while let Some(job) = self.inbox.take_one() {
            drop(job);
        }
    }

    /// Waits until every worker has left, or until `deadline`. True if they have.
    pub(crate) fn wait_until_left(&self, deadline: Option<Instant>) -> bool {
        let mut left = self.exits.left.lock();
        while *left < self.workers() {
            match deadline {
                None => self.exits.changed.wait(&mut left),
                Some(deadline) => {
                    if self
                        .exits
                        .changed
                        .wait_until(&mut left, deadline)
                        .timed_out()
                    {
                        return *left >= self.workers();
                    }
                }
            }
        }
        true
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::scheduler::idle::Idle;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn a_job_that_comes_at_the_end_is_abandoned_by_someone() {
        loom::model(|| {
            let all = Arc::new((Drained::new(), AtomicUsize::new(0), Idle::new()));
            let submitter = {
                let all = all.clone();
                thread::spawn(move || {
                    all.1.store(1, Ordering::Relaxed); // S1
                    assert!(all.2.submitted(1).is_none()); // S2
                    all.0.has_ended()
                })
            };
            all.0.end();
            let seen = all.1.load(Ordering::Relaxed) == 1; // X4
            assert!(
                submitter.join().unwrap() || seen,
                "a job stays in the injector for ever"
            );
        });
    }
}
