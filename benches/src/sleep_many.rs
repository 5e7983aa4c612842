//! `sleep_many`: a million sleeps of 1 to 100 ms that end.
//!
//! 1,000 tasks make 1,000 sleeps each, poll each of them once, so that all have their timers, and then await one after the
//! other. The figure is the wall time of the whole until the last has ended. At least 100 ms of it are the sleeps
//! themselves, for everyone alike. None may be early.
//! Not: how late each is (`timer_lateness_p99`).

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect};

const TASKS: u64 = 1_000;
const SLEEPS: u64 = 1_000;

pub(crate) struct SleepMany;

impl Problem for SleepMany {
    fn round<E: Engine>(&self, engine: E, _window: Duration) -> Result<f64, Wrong> {
        let begin = Instant::now();
        let in_time = engine.run(async move {
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| engine.spawn(sleeps::<E>(task)))
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        });
        expect("sleeps that were not early", TASKS * SLEEPS, in_time)?;
        Ok(begin.elapsed().as_nanos() as f64 / 1e6)
    }
}

/// The answer is how many were not early, by a clock that is read once for each: all count from before the first was made.
async fn sleeps<E: Engine>(task: u64) -> u64 {
    let begin = Instant::now();
    let mut sleeps = Vec::with_capacity(SLEEPS as usize);
    for n in 0..SLEEPS {
        let mut sleep = Box::pin(E::sleep(length(task * SLEEPS + n)));
        let waits = poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context).is_pending()));
        sleeps.push((waits.await, sleep));
    }
    let mut in_time = 0;
    for (n, (waits, sleep)) in (0..).zip(sleeps) {
        if waits {
            let _ = sleep.await;
        }
        in_time += u64::from(begin.elapsed() >= length(task * SLEEPS + n));
    }
    in_time
}

/// From 1 to 100 ms, to the microsecond, spread evenly and the same for everyone.
fn length(n: u64) -> Duration {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_micros(1_000 + mixed % 99_001)
}
