//! Counts tasks down to the last one, without a join handle for each, and notices one that ran twice or never.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

/// Holds the sum of the numbers of all tasks still to come, 1 to n: it is 0 when each has reported exactly once.
///
/// A task that reports twice makes the sum miss 0, so the run never ends and the harness names the engine.
pub(crate) struct Tally {
    left: AtomicU64,
    done: Mutex<Option<oneshot::Sender<()>>>,
}

impl Tally {
    pub(crate) fn of(tasks: u64) -> (Arc<Tally>, oneshot::Receiver<()>) {
        let (done, all_done) = oneshot::channel();
        let tally = Tally {
            left: AtomicU64::new(tasks * (tasks + 1) / 2),
            done: Mutex::new(Some(done)),
        };
        (Arc::new(tally), all_done)
    }

    /// Task `number` (1 to n) has run.
    pub(crate) fn report(&self, number: u64) {
        // Ordering: AcqRel, partner is this same line in the other tasks: the last one comes after all of them.
        if self.left.fetch_sub(number, Ordering::AcqRel) == number {
            let done = self
                .done
                .lock()
                .expect("nobody panics with this lock")
                .take();
            done.expect("the last task reports once")
                .send(())
                .expect("the run waits for its tasks");
        }
    }
}
