//! `yield_many`: what one turn through the scheduler costs when there is always something else to run.
//!
//! 200 tasks yield 1,000 times each, every engine with its own `yield_now`, as in tokio's own benches.
//! Not: a wake-up, neither from another task nor from another thread; no worker ever sleeps here.

use std::time::Duration;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const TASKS: u64 = 200;
const YIELDS: u64 = 1_000;

pub(crate) struct YieldMany;

impl Problem for YieldMany {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let yields = engine.run(async move {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        engine.spawn(async {
                            let mut done = 0;
                            while done < YIELDS {
                                E::yield_now().await;
                                done += 1;
                            }
                            done
                        })
                    })
                    .collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                sum
            });
            expect("yields", TASKS * YIELDS, yields)?;
            Ok(yields)
        })
    }
}
