//! `spawn_local`, `spawn_remote`: what it costs to bring a tiny task to life, run it and let it go.
//!
//! A run spawns 100,000 tasks, from one task on a worker or from the harness thread, and waits until each has
//! reported to a shared counter. The same load as `spawn_many_*` in tokio's own benches.
//! Not: the latency of a single spawn, nor the cost of waiting for a handle (`join_handles`), nor a spawn on an idle
//! machine: the queues are full and the allocator is busy on both sides.

use std::time::Duration;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, ns_each};
use crate::tally::Tally;

const TASKS: u64 = 100_000;

/// From a task that runs on a worker.
pub(crate) struct SpawnLocal;

/// From a thread outside the runtime.
pub(crate) struct SpawnRemote;

impl Problem for SpawnLocal {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            engine.run(async move {
                let (tally, all_done) = Tally::of(TASKS);
                for number in 1..=TASKS {
                    let tally = tally.clone();
                    E::detach(engine.spawn(async move { tally.report(number) }));
                }
                all_done.await.map_err(|_| "tasks were lost")
            })?;
            Ok(TASKS)
        })
    }
}

impl Problem for SpawnRemote {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let (tally, all_done) = Tally::of(TASKS);
            for number in 1..=TASKS {
                let tally = tally.clone();
                E::detach(engine.spawn_outside(async move { tally.report(number) }));
            }
            drop(tally);
            engine.block_on(all_done).map_err(|_| "tasks were lost")?;
            Ok(TASKS)
        })
    }
}
