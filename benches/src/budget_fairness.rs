//! `budget_fairness_p99`: how long a polite task waits for its next turn beside tasks whose every operation is ready.
//!
//! On each worker's share there is one greedy task, which sends a byte over a loopback connection and reads it at the other
//! end, again and again: both are ready whenever it asks, so only the budget of its runtime makes it let others run. 100
//! polite tasks yield in a loop and note how long each yield took. The figure is the 99th percentile of all of them; every
//! byte must come back, and every polite task must have had its turn.
//! Not: what a budget costs. Nor the speed of a yield: most of each wait is the system calls of the greedy tasks, the same
//! for everyone. smol has no budget, so a greedy task of its has its worker for good.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::problem::{Problem, Wrong};

const POLITE: usize = 100;

pub(crate) struct BudgetFairness {
    pub(crate) workers: usize,
}

impl Problem for BudgetFairness {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        let workers = self.workers;
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let (greedy, polite) = engine
            .run(async move {
                let mut greedy = Vec::with_capacity(workers);
                for number in 0..workers {
                    let (here, there) = connection(engine).await?;
                    let stop = theirs.clone();
                    greedy.push(engine.spawn(echo::<E>(number as u8, here, there, stop)));
                }
                let polite: Vec<_> = (0..POLITE)
                    .map(|_| engine.spawn(yields::<E>(theirs.clone())))
                    .collect();
                io::Result::Ok((greedy, polite))
            })
            .map_err(|e| e.to_string())?;
        thread::sleep(window);
        stop.store(true, Ordering::Relaxed);
        let mut waits = engine.block_on(async {
            for task in greedy {
                task.await?;
            }
            let mut waits: Vec<Duration> = Vec::new();
            for task in polite {
                let of_one = task.await;
                if of_one.is_empty() {
                    return Err("a polite task never had its turn".to_owned());
                }
                waits.extend(of_one);
            }
            Ok(waits)
        })?;
        waits.sort_unstable();
        let p99 = waits[(waits.len() * 99).div_ceil(100) - 1];
        Ok(p99.as_nanos() as f64 / 1e3)
    }
}

async fn connection<E: Engine>(engine: E) -> io::Result<(E::Stream, E::Stream)> {
    let listener = E::listen(1)?;
    let address = E::address(&listener)?;
    let accepting = engine.spawn(async move { E::accept(&listener).await });
    let here = E::connect(address).await?;
    E::socket(&here).set_tcp_nodelay(true)?;
    Ok((here, accepting.await?))
}

/// The greedy task.
async fn echo<E: Engine>(
    number: u8,
    mut here: E::Stream,
    mut there: E::Stream,
    stop: Arc<AtomicBool>,
) -> Result<(), Wrong> {
    while !stop.load(Ordering::Relaxed) {
        let mut byte = [0];
        E::write_all(&mut here, &[number])
            .await
            .map_err(|e| e.to_string())?;
        E::read_exact(&mut there, &mut byte)
            .await
            .map_err(|e| e.to_string())?;
        if byte != [number] {
            return Err(format!("sent {number}, and {byte:?} came"));
        }
    }
    Ok(())
}

/// A polite task: how long each of its yields took.
async fn yields<E: Engine>(stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        E::yield_now().await;
        waits.push(before.elapsed());
    }
    waits
}
