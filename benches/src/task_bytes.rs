//! `task_bytes`: memory for each of 1,000,000 tasks that wait for ever in an empty future.
//!
//! A process of its own for each run: the growth of its resident set from a warm start, divided by the tasks. Tasks
//! come in batches of 1,000, each polled before the next comes, so that no queue's length is in the figure. The
//! resident set is exact to 4 KiB a page, here to about a byte a task, and needs no counting allocator, which would
//! slow every row. Whatever the allocator adds to each block is in the figure.
//! Not: the size of real tasks, whose futures are larger, nor anything about speed.

use std::fs;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::problem::{Problem, Wrong};

const TASKS: usize = 1_000_000;
const BATCH: usize = 1_000;

/// For one batch to be polled. A thousandth of it is normal.
const PATIENCE: Duration = Duration::from_secs(5);

static POLLED: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct TaskBytes;

impl Problem for TaskBytes {
    fn round<E: Engine>(&self, engine: E, _window: Duration) -> Result<f64, Wrong> {
        // The first batches bring what is there once: queues, blocks of lists, arenas of the workers.
        spawn_idle(engine, 10 * BATCH)?;
        let before = resident_bytes()?;
        spawn_idle(engine, TASKS)?;
        let after = resident_bytes()?;
        Ok((after - before) / TASKS as f64)
    }
}

fn spawn_idle<E: Engine>(engine: E, tasks: usize) -> Result<(), Wrong> {
    for _ in 0..tasks / BATCH {
        let target = POLLED.load(Ordering::Relaxed) + BATCH;
        for _ in 0..BATCH {
            // Captures nothing: a future of zero bytes.
            E::detach(engine.spawn_outside(poll_fn(|_| {
                POLLED.fetch_add(1, Ordering::Relaxed);
                Poll::<()>::Pending
            })));
        }
        let end = Instant::now() + PATIENCE;
        while POLLED.load(Ordering::Relaxed) < target {
            if Instant::now() > end {
                return Err(format!("a batch was not polled within {PATIENCE:?}"));
            }
            thread::yield_now();
        }
    }
    Ok(())
}

pub(crate) fn resident_bytes() -> Result<f64, Wrong> {
    let statm = fs::read_to_string("/proc/self/statm").map_err(|e| format!("statm: {e}"))?;
    let pages: f64 = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .ok_or("statm has no second number")?;
    Ok(pages * rustix::param::page_size() as f64)
}
