//! `thread_bytes`: memory of an OS thread against that of a task, the claim that every article on asyncio begins with.
//!
//! Both wait for ever with nothing on their stack or in their future. The growth of the resident set for each: what is really
//! used, so the 2 MiB (or 8 MiB) of address space that a thread's stack reserves are not in it. Nor is what the kernel keeps for
//! a thread outside the process (its kernel stack, 16 KiB on Linux, and its task structure), so the real difference is larger.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use filch::runtime::{Builder, Runtime};

use crate::problem::{Contestant, Wrong};
use crate::task_bytes::resident_bytes;

pub(crate) const PEERS: &[&str] = &["filch", "thread"];

/// Below the limit of 4,194,304 / 128 threads by far, and of most containers.
const THREADS: usize = 1_000;
const TASKS: usize = 100_000;

/// For all to be there. A hundredth of it is normal.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn enter(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    if peer == "thread" {
        return Ok(Box::new(Threads));
    }
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build()?;
    Ok(Box::new(Tasks(runtime)))
}

struct Tasks(Runtime);

impl Contestant for Tasks {
    fn round(&mut self, _window: Duration) -> Result<f64, Wrong> {
        growth(TASKS, |begun| {
            self.0.spawn(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                pending::<()>().await;
            });
            Ok(())
        })
    }
}

struct Threads;

impl Contestant for Threads {
    fn round(&mut self, _window: Duration) -> Result<f64, Wrong> {
        growth(THREADS, |begun| {
            let body = move || {
                begun.fetch_add(1, Ordering::Relaxed);
                loop {
                    thread::park();
                }
            };
            let spawned = thread::Builder::new().spawn(body);
            spawned.map(drop).map_err(|e| format!("a thread: {e}"))
        })
    }
}

/// Bytes for each of `count` things that begin and then wait; a hundredth of them brings what is there once.
fn growth(
    count: usize,
    mut begin: impl FnMut(Arc<AtomicUsize>) -> Result<(), Wrong>,
) -> Result<f64, Wrong> {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut start = |count: usize| {
        let target = begun.load(Ordering::Relaxed) + count;
        for _ in 0..count {
            begin(begun.clone())?;
        }
        let end = Instant::now() + PATIENCE;
        while begun.load(Ordering::Relaxed) < target {
            if Instant::now() > end {
                return Err(format!("they did not begin within {PATIENCE:?}"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        // The last are on their way from the count to their wait.
        thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    start(count / 100)?;
    let before = resident_bytes()?;
    start(count)?;
    let after = resident_bytes()?;
    Ok((after - before) / count as f64)
}
