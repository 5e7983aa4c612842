//! `strands_64`: the same callbacks on 64 loops and on one, all driven by the workers.
//!
//! 64 chains: each callback computes for some microseconds and queues the next. On 64 loops the workers share them; on one
//! they run one after the other, whatever the cores. The ratio is how many cores the loops make use of, the number of workers
//! at best. Not: what a callback costs that computes nothing (`asyncio_call_soon`).

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use filch::EventLoop;
use filch::runtime::{Builder, Runtime};

use crate::problem::{Contestant, Wrong, per_second};

pub(crate) const PEERS: &[&str] = &["filch", "one_loop"];
const CHAINS: usize = 64;
const LINKS: usize = 100;

/// Steps of the computation in a callback: some 5 us.
const STEPS: u64 = 5_000;

/// For a batch to end. A thousandth of it is normal.
const PATIENCE: Duration = Duration::from_secs(10);

struct Strands {
    loops: Vec<EventLoop>,
    _runtime: Runtime,
}

pub(crate) fn enter(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build()?;
    let loops = if peer == "filch" { CHAINS } else { 1 };
    let loops: Vec<_> = {
        let _entered = runtime.enter();
        (0..loops).map(|_| EventLoop::new()).collect()
    };
    loops.iter().for_each(EventLoop::start);
    Ok(Box::new(Strands {
        loops,
        _runtime: runtime,
    }))
}

impl Contestant for Strands {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        per_second(window, || {
            let ended = Arc::new(AtomicUsize::new(0));
            for chain in 0..CHAINS {
                let on = self.loops[chain % self.loops.len()].clone();
                link(on, LINKS, ended.clone());
            }
            let end = Instant::now() + PATIENCE;
            while ended.load(Ordering::Relaxed) < CHAINS {
                if Instant::now() > end {
                    return Err(format!("the chains have not ended within {PATIENCE:?}"));
                }
                thread::sleep(Duration::from_micros(100));
            }
            Ok((CHAINS * LINKS) as u64)
        })
    }
}

fn link(on: EventLoop, left: usize, ended: Arc<AtomicUsize>) {
    let next = on.clone();
    on.call_soon(move || {
        let sum = (0..STEPS).fold(left as u64, |sum, step| black_box(sum ^ step));
        black_box(sum);
        if left > 1 {
            link(next, left - 1, ended);
        } else {
            ended.fetch_add(1, Ordering::Relaxed);
        }
    });
}
