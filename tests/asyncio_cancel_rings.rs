//! A request to stop that goes a long way, or round in a circle.

use std::cell::RefCell;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use filch::asyncio::{LoopTask, TaskError, catch_cancel, gather, shield, wait_for};
use filch::{EventLoop, Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{on_loops, run_briefly};

/// Longer than a thread's stack could hold a frame for each.
const LINKS: usize = 100_000;

type Task = LoopTask<u32>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Awaits a task in one way or another.
type Await = fn(Task) -> Boxed<u32>;

fn plain(task: Task) -> Boxed<u32> {
    Box::pin(async move { task.await.unwrap() })
}

fn gathered(task: Task) -> Boxed<u32> {
    Box::pin(async move { gather([task]).await.unwrap()[0] })
}

fn with_limit(task: Task) -> Boxed<u32> {
    Box::pin(async move { wait_for(task, None).await.unwrap().unwrap() })
}

/// Tasks that await each other round in a ring, each in its way.
fn ring(event_loop: &EventLoop, ways: &[Await]) -> Vec<Task> {
    let tasks: Arc<Mutex<Vec<Task>>> = Arc::default();
    for (n, way) in ways.iter().copied().enumerate() {
        let all = tasks.clone();
        let next = (n + 1) % ways.len();
        let task = event_loop.create_task(async move {
            let next = all.lock().unwrap()[next].clone();
            way(next).await
        });
        tasks.lock().unwrap().push(task);
    }
    run_briefly(event_loop);
    // The tasks have what they need, and keep each other no longer than they await.
    std::mem::take(&mut *tasks.lock().unwrap())
}

/// Turns a loop until the task is done.
fn run_until_done(event_loop: &EventLoop, task: &Task) -> Result<u32, TaskError> {
    event_loop.run_until_complete(task.clone())
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(PromiseError::Cancelled { reason }) => reason.to_string(),
        other => panic!("not cancelled: {other:?}"),
    }
}

/// CPython raises `RecursionError` here; the task that is met again hears the request itself, and the others with it.
#[test]
fn a_ring_of_two_is_cancelled() {
    on_loops(|event_loop| {
        let tasks = ring(&event_loop, &[plain, plain]);
        assert!(tasks[0].cancel("round"));
        for task in &tasks {
            assert_eq!(reason(run_until_done(&event_loop, task)), "round");
        }
    });
}

#[test]
fn a_ring_is_cancelled_wherever_it_is_asked() {
    on_loops(|event_loop| {
        let ways: [Await; 5] = [plain, gathered, with_limit, gathered, plain];
        for first in 0..ways.len() {
            let tasks = ring(&event_loop, &ways);
            assert!(tasks[first].cancel("round"));
            for task in &tasks {
                assert_eq!(reason(run_until_done(&event_loop, task)), "round");
            }
        }
    });
}

/// Whoever awaits a ring from outside hears of it when the ring has ended.
#[test]
fn a_ring_is_cancelled_from_outside() {
    on_loops(|event_loop| {
        let tasks = ring(&event_loop, &[plain, gathered, plain]);
        let outside = event_loop.create_task(plain(tasks[1].clone()));
        run_briefly(&event_loop);
        assert!(outside.cancel("round"));
        assert_eq!(reason(run_until_done(&event_loop, &outside)), "round");
        for task in &tasks {
            assert!(task.is_cancelled());
        }
    });
}

/// A task that is in its own `gather`.
#[test]
fn a_gather_that_awaits_itself_is_cancelled() {
    on_loops(|event_loop| {
        let own = Arc::new(Mutex::new(None::<Task>));
        let all = own.clone();
        let task = event_loop.create_task(async move {
            let task = all.lock().unwrap().take().unwrap();
            gather([task]).await.unwrap()[0]
        });
        *own.lock().unwrap() = Some(task.clone());
        run_briefly(&event_loop);
        assert!(task.cancel("round"));
        assert_eq!(reason(run_until_done(&event_loop, &task)), "round");
    });
}

/// The task that hears it may catch it, and the ring goes on with what it gives.
#[test]
fn a_ring_is_opened_by_whoever_catches_the_request() {
    on_loops(|event_loop| {
        let slot = Arc::new(Mutex::new(None::<Task>));
        let of_first = slot.clone();
        let first = event_loop.create_task(async move {
            let second = of_first.lock().unwrap().take().unwrap();
            match catch_cancel(second).await {
                Ok(outcome) => outcome.unwrap(),
                Err(heard) => u32::from(heard.reason() == "round"),
            }
        });
        let second = event_loop.create_task(plain(first.clone()));
        *slot.lock().unwrap() = Some(second.clone());
        run_briefly(&event_loop);
        assert!(first.cancel("round"));
        assert_eq!(run_until_done(&event_loop, &first), Ok(1));
        assert_eq!(run_until_done(&event_loop, &second), Ok(1));
        assert_eq!(first.task().cancelling(), 1);
        assert_eq!(second.task().cancelling(), 1);
    });
}

/// A shield stands in the ring: the request ends there, and the shielded one runs on.
#[test]
fn a_ring_with_a_shield_is_cut_there() {
    on_loops(|event_loop| {
        let slot = Arc::new(Mutex::new(None::<Task>));
        let of_first = slot.clone();
        let first = event_loop.create_task(async move {
            let second = of_first.lock().unwrap().take().unwrap();
            filch::asyncio::wait_on(shield(second)).await.unwrap()
        });
        let second = event_loop.create_task(async move {
            // The cancelled one is an error here, and no request of its own.
            first.await.unwrap_or(7)
        });
        *slot.lock().unwrap() = Some(second.clone());
        run_briefly(&event_loop);
        let first = event_loop
            .all_tasks()
            .into_iter()
            .find(|task| *task != second.task())
            .unwrap();
        assert!(first.cancel("round"));
        assert_eq!(run_until_done(&event_loop, &second), Ok(7));
        assert!(first.is_cancelled());
        assert_eq!(second.task().cancelling(), 0);
    });
}

/// Two threads ask the tasks of rings at the same time.
#[test]
fn rings_are_cancelled_by_several_threads_at_once() {
    common::bounded(|| {
        let rt = common::multi(2);
        let _entered = rt.enter();
        for _ in 0..200 {
            let event_loop = EventLoop::new();
            let tasks = ring(&event_loop, &[plain, gathered, plain]);
            std::thread::scope(|scope| {
                for task in &tasks {
                    scope.spawn(|| task.cancel("round"));
                }
            });
            for task in &tasks {
                assert_eq!(reason(run_until_done(&event_loop, task)), "round");
            }
        }
    });
}

/// A task that two await is asked once: both hear of it when it has ended, however many layers there are.
#[test]
fn a_task_that_is_reached_by_two_ways_is_asked_once() {
    on_loops(|event_loop| {
        let mut layer: Vec<Task> = vec![event_loop.create_task(pending()); 2];
        let last = layer[0].clone();
        // Each layer doubles the ways: 2^40 in all.
        for _ in 0..40 {
            let next = |_| {
                let below = layer.clone();
                event_loop.create_task(async move { gather(below).await.unwrap()[0] })
            };
            layer = [0, 1].map(next).into();
        }
        for _ in 0..20 {
            run_briefly(&event_loop);
        }
        assert!(layer[0].cancel("enough"));
        assert_eq!(reason(run_until_done(&event_loop, &layer[0])), "enough");
        assert_eq!(reason(last.result().unwrap()), "enough");
    });
}

/// Each task awaits the next one, in this way; the last awaits the promise. The first is returned.
fn chain(event_loop: &EventLoop, way: Await) -> (Task, Promise<u32, String>) {
    let end: Promise<u32, String> = event_loop.create_future();
    let last = end.clone();
    let mut task =
        event_loop.create_task(async move { filch::asyncio::wait_on(last).await.unwrap() });
    for _ in 0..LINKS {
        task = event_loop.create_task(way(task));
    }
    run_briefly(event_loop);
    (task, end)
}

fn cancel_a_long_chain(way: Await) {
    on_loops(move |event_loop| {
        let (first, end) = chain(&event_loop, way);
        assert!(first.cancel("enough"));
        assert_eq!(reason(run_until_done(&event_loop, &first)), "enough");
        assert!(end.is_cancelled());
    });
}

#[test]
fn a_long_chain_is_cancelled_from_its_end() {
    cancel_a_long_chain(plain);
}

#[test]
fn a_long_chain_of_gathers_is_cancelled_from_its_end() {
    cancel_a_long_chain(gathered);
}

#[test]
fn a_long_chain_comes_to_its_end() {
    on_loops(|event_loop| {
        let (first, end) = chain(&event_loop, plain);
        end.set_result(7).unwrap();
        assert_eq!(run_until_done(&event_loop, &first), Ok(7));
    });
}

#[test]
fn a_loop_is_closed_with_a_long_chain() {
    on_loops(|event_loop| {
        event_loop.set_exception_handler(|_| {});
        let (first, end) = chain(&event_loop, gathered);
        event_loop.close();
        assert!(first.is_cancelled());
        drop((first, end));
    });
}

/// Promises, each of which has a callback that sets the next one.
fn linked(event_loop: &EventLoop) -> Promise<u32, String> {
    let mut promise: Promise<u32, String> = event_loop.create_future();
    for n in 0..LINKS {
        let before: Promise<u32, String> = event_loop.create_future();
        if n % 2 == 0 {
            before.add_done_callback(move |before| {
                let _set = promise.set_result(before.result().unwrap().unwrap() + 1);
            });
        } else {
            Promise::chain(&before, &promise);
        }
        promise = before;
    }
    promise
}

#[test]
fn promises_in_a_long_chain_are_dropped() {
    on_loops(|event_loop| drop(linked(&event_loop)));
}

#[test]
fn promises_in_a_long_chain_are_dropped_with_their_loop() {
    on_loops(|event_loop| {
        let first = linked(&event_loop);
        first.set_result(1).unwrap();
        event_loop.close();
        drop(first);
    });
}

#[test]
fn promises_in_a_long_chain_of_a_runtime_are_dropped() {
    common::bounded(|| {
        let rt = common::multi(2);
        let _entered = rt.enter();
        let mut promise = Promise::<u32, String>::new();
        for _ in 0..LINKS {
            let before = Promise::new();
            Promise::chain(&before, &promise);
            promise = before;
        }
        drop(promise);
    });
}

/// A value of the thread holds the chain, and what the library keeps for the thread is gone before it.
#[test]
fn promises_in_a_long_chain_are_dropped_when_their_thread_ends() {
    type Kept = Option<Promise<u32, String>>;
    thread_local! {
        static KEPT: RefCell<Kept> = const { RefCell::new(None) };
    }
    common::bounded(|| {
        let rt = common::multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                KEPT.set(Some(linked(&event_loop)));
                drop(linked(&event_loop));
            });
        });
    });
}

#[test]
fn promises_in_a_long_chain_come_to_their_end() {
    on_loops(|event_loop| {
        let first = event_loop.create_future();
        let mut last: Promise<u32, String> = first.clone();
        for n in 0..LINKS {
            let next = event_loop.create_future();
            if n % 2 == 0 {
                let into = next.clone();
                last.add_done_callback(move |last| {
                    into.set_result(last.result().unwrap().unwrap() + 1)
                        .unwrap()
                });
            } else {
                Promise::chain(&last, &next);
            }
            last = next;
        }
        first.set_result(0).unwrap();
        let outcome = event_loop.run_until_complete(last);
        assert_eq!(outcome, Ok(u32::try_from(LINKS).unwrap() / 2));
    });
}

#[test]
fn promises_in_a_long_chain_of_a_runtime_come_to_their_end() {
    common::bounded(|| {
        for rt in [common::multi(2), common::single()] {
            let _entered = rt.enter();
            let first = Promise::<u32, String>::new();
            let mut last = first.clone();
            for _ in 0..LINKS {
                let next = Promise::new();
                Promise::chain(&last, &next);
                last = next;
            }
            first.set_result(7).unwrap();
            assert_eq!(rt.block_on(last.wait()), Ok(7));
        }
    });
}

/// A cancellation goes up and an outcome down, and both end where they have been.
#[test]
fn promises_in_a_ring_are_cancelled() {
    on_loops(|event_loop| {
        let all: [Promise<u32, String>; 3] = std::array::from_fn(|_| event_loop.create_future());
        for n in 0..3 {
            Promise::chain(&all[n], &all[(n + 1) % 3]);
        }
        let waits = all[2].clone();
        let task = event_loop.create_task(async move { waits.await.unwrap_or(1) });
        let waits = all[0].clone();
        let asked =
            event_loop.create_task(async move { filch::asyncio::wait_on(waits).await.unwrap() });
        run_briefly(&event_loop);
        assert!(asked.cancel("round"));
        assert_eq!(run_until_done(&event_loop, &task), Ok(1));
        assert!(asked.is_cancelled());
        assert!(all.iter().all(Promise::is_cancelled));
    });
}
