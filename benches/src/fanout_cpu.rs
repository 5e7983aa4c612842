//! `fanout_cpu`: 4,096 pieces of computation, a task for each, spread over all workers.
//!
//! One item is 2,000 steps of a scrambler (some microseconds), checked against the same sum done in line. A worker
//! spawns all tasks and awaits all handles. rayon's `par_iter` over the same items, on as many threads, stands beside
//! as the yardstick of a library that does nothing else.
//! Not: a promise that CPU work belongs on an async runtime: a task that computes keeps its worker from polling.

use std::hint::black_box;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use rayon::prelude::*;

use crate::engine::Engine;
use crate::problem::{Contestant, Problem, Wrong, enter, expect, per_second};

const ITEMS: u64 = 4_096;
const STEPS: u32 = 2_000;

/// SplitMix64, again and again: no memory, no branches, nothing that the compiler could shorten.
fn item(number: u64) -> u64 {
    let mut state = black_box(number);
    for _ in 0..STEPS {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 27;
    }
    state
}

fn expected() -> u64 {
    static SUM: OnceLock<u64> = OnceLock::new();
    *SUM.get_or_init(|| (0..ITEMS).map(item).fold(0, u64::wrapping_add))
}

pub(crate) struct FanoutCpu;

impl Problem for FanoutCpu {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        let wanted = expected();
        per_second(window, || {
            let sum = engine.run(async move {
                let tasks: Vec<_> = (0..ITEMS)
                    .map(|number| engine.spawn(async move { item(number) }))
                    .collect();
                let mut sum = 0u64;
                for task in tasks {
                    sum = sum.wrapping_add(task.await);
                }
                sum
            });
            expect("the sum of all items", wanted, sum)?;
            Ok(ITEMS)
        })
    }
}

struct Rayon(rayon::ThreadPool);

impl Contestant for Rayon {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        let wanted = expected();
        per_second(window, || {
            let sum = self.0.install(|| {
                (0..ITEMS)
                    .into_par_iter()
                    .map(item)
                    .reduce(|| 0, u64::wrapping_add)
            });
            expect("the sum of all items", wanted, sum)?;
            Ok(ITEMS)
        })
    }
}

/// As [`enter`], with rayon among the peers.
pub(crate) fn enter_with_rayon(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    if peer != "rayon" {
        return enter(FanoutCpu, peer, workers);
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(workers)
        .build()
        .map_err(io::Error::other)?;
    Ok(Box::new(Rayon(pool)))
}
