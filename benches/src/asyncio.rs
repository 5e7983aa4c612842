//! `asyncio_*`: the event loop against CPython's, doing the same in the same number of steps.
//!
//! filch's loop is driven by the measuring thread, as asyncio's is, on a runtime with the row's workers; what it measures is
//! one loop on one core. CPython runs as a child that measures itself ([`python`]), with asyncio's loop and, where it is
//! installed, with uvloop's. All count what they have done, and the count is checked.
//! `asyncio_task_bytes` is the growth of the resident set for each of 100,000 tasks that wait for ever, in a process of its
//! own; not with uvloop, whose tasks are asyncio's. Not: I/O, several cores (`strands_64` has them), nor what Python code of
//! real programs costs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use filch::asyncio::{create_task, gather, sleep};
use filch::runtime::{Builder, Runtime};
use filch::{EventLoop, Promise};

use crate::problem::{Contestant, Wrong, expect, ns_each};
use crate::python;
use crate::task_bytes::resident_bytes;

/// Tasks whose memory is measured.
const IDLE_TASKS: usize = 100_000;

/// What both sides do.
#[derive(Clone, Copy)]
pub(crate) enum Doing {
    /// 10,000 callbacks, then one that stops the loop.
    CallSoon,
    /// A task that creates and awaits 1,000 others, one after the other.
    CreateTask,
    /// 1,000 tasks, each waits for a future and sets the next one's.
    FutureChain,
    /// `gather` of 10,000 coroutines.
    Gather,
    /// A task that sleeps 10,000 times for no time at all.
    Sleep0,
    /// Tasks that wait for ever.
    TaskBytes,
}

pub(crate) fn enter(doing: Doing, peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    if peer != "filch" {
        return Ok(python::script(peer, script(doing)));
    }
    let runtime = start(workers)?;
    let event_loop = {
        let _entered = runtime.enter();
        EventLoop::new()
    };
    Ok(Box::new(Filch {
        doing,
        event_loop,
        _runtime: runtime,
    }))
}

fn start(workers: usize) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all().build()
}

struct Filch {
    doing: Doing,
    event_loop: EventLoop,
    _runtime: Runtime,
}

impl Contestant for Filch {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        let on = &self.event_loop;
        match self.doing {
            Doing::CallSoon => ns_each(window, || call_soon(on)),
            Doing::CreateTask => ns_each(window, || run(on, 1_000, create_tasks())),
            Doing::FutureChain => ns_each(window, || run(on, 1_000, future_chain(on.clone()))),
            Doing::Gather => ns_each(window, || run(on, 10_000, gather_many())),
            Doing::Sleep0 => ns_each(window, || run(on, 10_000, sleep_0())),
            Doing::TaskBytes => task_bytes(on),
        }
    }
}

/// Runs a task that answers how many operations it has done.
fn run(
    on: &EventLoop,
    wanted: u64,
    task: impl Future<Output = u64> + Send + 'static,
) -> Result<u64, Wrong> {
    let done = on.run_until_complete(task).map_err(|e| e.to_string())?;
    expect("operations", wanted, done)?;
    Ok(done)
}

fn call_soon(on: &EventLoop) -> Result<u64, Wrong> {
    let calls = Arc::new(AtomicUsize::new(0));
    for _ in 0..10_000 {
        let calls = calls.clone();
        on.call_soon(move || {
            calls.fetch_add(1, Ordering::Relaxed);
        });
    }
    let stop = on.clone();
    on.call_soon(move || stop.stop());
    on.run_forever();
    let called = calls.load(Ordering::Relaxed) as u64;
    expect("callbacks", 10_000, called)?;
    Ok(called)
}

async fn create_tasks() -> u64 {
    let mut sum = 0;
    for _ in 0..1_000 {
        sum += create_task(async { 1 }).await.unwrap_or(0);
    }
    sum
}

async fn future_chain(on: EventLoop) -> u64 {
    let first: Promise<u64, ()> = on.create_future();
    let mut last = first.clone();
    for _ in 0..1_000 {
        let next = on.create_future();
        let (before, after) = (last, next.clone());
        create_task(async move {
            let n = before.wait().await.unwrap_or(0);
            let _only_once = after.set_result(n + 1);
        });
        last = next;
    }
    let _only_once = first.set_result(0);
    last.wait().await.unwrap_or(0)
}

async fn gather_many() -> u64 {
    let all = gather((0..10_000).map(|_| async { 1 })).await;
    all.map_or(0, |all: Vec<u64>| all.into_iter().sum())
}

async fn sleep_0() -> u64 {
    for _ in 0..10_000 {
        sleep(Duration::ZERO).await;
    }
    10_000
}

fn task_bytes(on: &EventLoop) -> Result<f64, Wrong> {
    let idle = |tasks| {
        for _ in 0..tasks {
            on.create_task(std::future::pending::<()>());
        }
        on.stop();
        on.run_forever();
    };
    idle(IDLE_TASKS / 100);
    let before = resident_bytes()?;
    idle(IDLE_TASKS);
    let after = resident_bytes()?;
    let pending = on.all_tasks().len();
    expect(
        "tasks",
        (IDLE_TASKS + IDLE_TASKS / 100) as u64,
        pending as u64,
    )?;
    Ok((after - before) / IDLE_TASKS as f64)
}

fn script(doing: Doing) -> String {
    let body = match doing {
        Doing::CallSoon => CALL_SOON,
        Doing::CreateTask => CREATE_TASK,
        Doing::FutureChain => FUTURE_CHAIN,
        Doing::Gather => GATHER,
        Doing::Sleep0 => SLEEP_0,
        Doing::TaskBytes => TASK_BYTES,
    };
    format!("{FRAME}\n{body}")
}

/// Repeats `batch`, which answers its operations, and prints the nanoseconds of each.
const FRAME: &str = r"
def ns_each(wanted, batch):
    begin = time.perf_counter()
    operations = 0
    while True:
        done = batch()
        assert done == wanted, (done, wanted)
        operations += done
        elapsed = time.perf_counter() - begin
        if elapsed >= WINDOW:
            print(elapsed / operations * 1e9)
            return
";

const CALL_SOON: &str = r"
calls = 0

def call():
    global calls
    calls += 1

def batch():
    global calls
    calls = 0
    for _ in range(10_000):
        loop.call_soon(call)
    loop.call_soon(loop.stop)
    loop.run_forever()
    return calls

ns_each(10_000, batch)
";

const CREATE_TASK: &str = r"
async def one():
    return 1

async def main():
    total = 0
    for _ in range(1_000):
        total += await loop.create_task(one())
    return total

ns_each(1_000, lambda: loop.run_until_complete(main()))
";

const FUTURE_CHAIN: &str = r"
async def link(before, after):
    after.set_result(await before + 1)

async def main():
    first = last = loop.create_future()
    links = []
    for _ in range(1_000):
        after = loop.create_future()
        links.append(loop.create_task(link(last, after)))
        last = after
    first.set_result(0)
    return await last

ns_each(1_000, lambda: loop.run_until_complete(main()))
";

const GATHER: &str = r"
async def one():
    return 1

async def main():
    return sum(await asyncio.gather(*[one() for _ in range(10_000)]))

ns_each(10_000, lambda: loop.run_until_complete(main()))
";

const SLEEP_0: &str = r"
async def main():
    for _ in range(10_000):
        await asyncio.sleep(0)
    return 10_000

ns_each(10_000, lambda: loop.run_until_complete(main()))
";

const TASK_BYTES: &str = r"
import os, sys

def resident():
    with open('/proc/self/statm') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

async def idle():
    await loop.create_future()

tasks = []

def spawn(n):
    for _ in range(n):
        tasks.append(loop.create_task(idle()))
    loop.call_soon(loop.stop)
    loop.run_forever()

spawn(1_000)
before = resident()
spawn(100_000)
after = resident()
print((after - before) / 100_000)
sys.stdout.flush()
# The tasks are pending: their complaints at the end are nobody's concern.
os._exit(0)
";
