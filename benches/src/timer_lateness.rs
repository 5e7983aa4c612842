//! `timer_lateness_p99`: how late a sleep ends on a runtime that has other work.
//!
//! 50 tasks sleep 20 times each, 1 to 20 ms, while two tasks for each worker compute 10 µs and yield, over and over. The
//! figure is the 99th percentile of the time from the deadline to the task's next line; none may be early.
//! Not: an idle runtime, where everyone is bound by the kernel's timer slack (50 µs), or by its own resolution.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect};

const TASKS: u64 = 50;
const SLEEPS: u64 = 20;
const WORK: Duration = Duration::from_micros(10);

pub(crate) struct TimerLateness {
    pub(crate) workers: usize,
}

impl Problem for TimerLateness {
    fn round<E: Engine>(&self, engine: E, _window: Duration) -> Result<f64, Wrong> {
        let load = 2 * self.workers;
        let mut late = engine.run(async move {
            let stop = Arc::new(AtomicBool::new(false));
            let load: Vec<_> = (0..load)
                .map(|_| engine.spawn(compute::<E>(stop.clone())))
                .collect();
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| engine.spawn(sleeps::<E>(task)))
                .collect();
            let mut late = Vec::new();
            for task in tasks {
                late.append(&mut task.await);
            }
            stop.store(true, Ordering::Relaxed);
            for task in load {
                task.await;
            }
            late
        });
        expect(
            "sleeps that were not early",
            TASKS * SLEEPS,
            late.len() as u64,
        )?;
        late.sort_unstable();
        Ok(late[late.len() * 99 / 100].as_nanos() as f64 / 1e3)
    }
}

async fn compute<E: Engine>(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        while begin.elapsed() < WORK {
            spin_loop();
        }
        E::yield_now().await;
    }
}

/// How late each was; one that was early is not in it.
async fn sleeps<E: Engine>(task: u64) -> Vec<Duration> {
    let mut late = Vec::new();
    for n in 0..SLEEPS {
        let mixed = (task * SLEEPS + n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let duration = Duration::from_micros(1_000 + mixed % 19_001);
        let deadline = Instant::now() + duration;
        let _ = E::sleep(duration).await;
        late.extend(Instant::now().checked_duration_since(deadline));
    }
    late
}
