//! `timeout_unfired`: what a time limit costs that is not needed, as most are not.
//!
//! Two tasks, each of which gives `yield_now` a limit of 30 s, 10,000 times over: so a timer is set at the first poll and
//! cancelled at the second. Nanoseconds for each such timeout, both tasks' time together: with 2 workers they run side by
//! side, so one timeout takes up to twice as long.
//! Not: a timer that fires, nor one that is cancelled on another thread (`timer_cancel_cross`).

use std::time::Duration;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const TASKS: u64 = 2;
const TIMEOUTS: u64 = 10_000;
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct TimeoutUnfired;

impl Problem for TimeoutUnfired {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let in_time = engine.run(async move {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        engine.spawn(async {
                            let mut in_time = 0;
                            for _ in 0..TIMEOUTS {
                                let done = E::timeout(LIMIT, E::yield_now()).await;
                                in_time += u64::from(done.is_some());
                            }
                            in_time
                        })
                    })
                    .collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                sum
            });
            expect("timeouts that were not needed", TASKS * TIMEOUTS, in_time)?;
            Ok(in_time)
        })
    }
}
