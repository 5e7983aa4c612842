//! `task_group`: a group of 10,000 children is spawned from a worker, and waited for.
//!
//! filch's `TaskGroup` against tokio's `JoinSet`, which is what a tokio user has for it. Each child adds its number to a
//! sum, which is checked: a group gives no values out, and the set's are taken out one by one and thrown away, as its users do.
//! Not: a failure, nor children that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const CHILDREN: u64 = 10_000;

pub(crate) struct TaskGroup;

impl Problem for TaskGroup {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let sum = engine.run(async move {
                let sum = Arc::new(AtomicU64::new(0));
                let child = |number| {
                    let sum = sum.clone();
                    async move {
                        sum.fetch_add(number, Ordering::Relaxed);
                    }
                };
                engine.group((1..=CHILDREN).map(child)).await;
                sum.load(Ordering::Relaxed)
            });
            expect(
                "the sum of all children",
                CHILDREN * (CHILDREN + 1) / 2,
                sum,
            )?;
            Ok(CHILDREN)
        })
    }
}
