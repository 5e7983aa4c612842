//! The end: no task is left alive, and no job in a queue.
//!
//! close   C1 no task may live any more; each living one is asked to stop, which puts it into a queue · C2 wake everyone
//! worker  runs on while it finds jobs (those of stopped tasks drop their futures), then leaves
//! end     E1 the last one out runs what is left until nobody lives · E2 nobody will look again · E3 fence · E4 empty
//!         the injector; whoever submits after E2 empties it, too
//!
//! A worker that is still in a poll keeps its own queues, and leaves later. A job in a foreign thread's hand on its way
//! into the injector keeps its task alive, so E1 waits for it; that is as long as that thread takes to push it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::worker::Chair;
use super::Scheduler;
use crate::sync_prim::store_load_fence;

/// How many workers have left.
#[derive(Default)]
pub(crate) struct Exits {
    left: Mutex<usize>,
    changed: Condvar,
}

impl Scheduler {
    /// C1 and C2. Returns at once; the workers do the rest.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        store_load_fence("C2"); // partner P2
        self.live.close();
        while let Some(claimed) = self.idle.claim_one_more(self.workers()) {
            self.wake(claimed);
        }
    }

    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        // Ordering: Relaxed: who sleeps looks after P2's fence, who searches will look again.
        self.closing.load(Ordering::Relaxed)
    }

    /// A worker leaves; the last one ends everything.
    pub(super) fn leave(&self, chair: Chair) {
        let last = {
            let mut left = self.exits.left.lock();
            *left + 1 == self.workers() || {
                *left += 1;
                false
            }
        };
        if last {
            self.end(&chair);
            *self.exits.left.lock() += 1;
            self.exits.changed.notify_all();
        }
    }

    /// E1 to E4, on the last thread that looks into the queues.
    pub(crate) fn end(&self, chair: &Chair) {
        while self.live.len() > 0 {
            let job = chair
                .deque
                .pop()
                .or_else(|| self.seats[chair.seat].next.take())
                .or_else(|| self.inbox.take_one());
            match job {
                Some(job) => drop(job.run()),
                None => std::thread::yield_now(),
            }
        }
        self.drained.store(true, Ordering::Relaxed);
        store_load_fence("E3"); // partner S2
        self.abandon_inbox();
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
                    if self.exits.changed.wait_until(&mut left, deadline).timed_out() {
                        return *left >= self.workers();
                    }
                }
            }
        }
        true
    }
}
