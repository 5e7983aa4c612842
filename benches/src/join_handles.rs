//! `join_handles`: spawn 10,000 tasks from a worker, keep every handle, await them in order.
//!
//! Each task returns its number; their sum is checked.
//! Not: a join under contention, nor a `JoinSet`: most tasks have ended by the time their handle is asked.

use std::time::Duration;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const TASKS: u64 = 10_000;

pub(crate) struct JoinHandles;

impl Problem for JoinHandles {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let sum = engine.run(async move {
                let tasks: Vec<_> = (1..=TASKS)
                    .map(|number| engine.spawn(async move { number }))
                    .collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                sum
            });
            expect("the sum of all tasks", TASKS * (TASKS + 1) / 2, sum)?;
            Ok(TASKS)
        })
    }
}
