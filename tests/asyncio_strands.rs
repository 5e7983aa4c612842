//! What CPython cannot have: loops that the workers drive, many at a time, each one callback after the other.

use std::sync::{Arc, Mutex};

use filch::EventLoop;
use filch::asyncio::{Queue, Timeout, sleep};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, ms, panic_of, told};
use common::{Drops, bounded, eventually, many, multi};

#[test]
fn a_started_loop_runs_on_the_workers_one_callback_at_a_time() {
    bounded(|| {
        let rt = multi(8);
        let _entered = rt.enter();
        let loops: Vec<_> = (0..many(200)).map(|_| EventLoop::new()).collect();
        loops.iter().for_each(EventLoop::start);
        let calls = many(200);
        let inside = Arc::new(Mutex::new(vec![false; loops.len()]));
        let logs: Vec<_> = loops.iter().map(|_| Log::new()).collect();
        for n in 0..calls {
            for (at, event_loop) in loops.iter().enumerate() {
                let (inside, log) = (inside.clone(), logs[at].clone());
                event_loop.call_soon(move || {
                    let was = std::mem::replace(&mut inside.lock().unwrap()[at], true);
                    assert!(!was, "two at once");
                    log.say(n);
                    inside.lock().unwrap()[at] = false;
                });
            }
        }
        for log in &logs {
            eventually("all were called", || log.len() == calls);
            assert!(log.take().into_iter().eq(0..calls));
        }
    });
}

#[test]
fn tasks_of_started_loops_await_each_other() {
    bounded(|| {
        let rt = multi(8);
        let _entered = rt.enter();
        let loops: Vec<_> = (0..16).map(|_| EventLoop::new()).collect();
        loops.iter().for_each(EventLoop::start);
        let mut last = loops[0].create_task(async { 0 });
        for n in 1..many(500) {
            let before = last;
            last = loops[n % loops.len()].create_task(async move {
                sleep(ms(0)).await;
                before.await.unwrap() + 1
            });
        }
        assert_eq!(rt.block_on(last.into_future()).unwrap(), many(500) - 1);
    });
}

#[test]
fn a_started_loop_is_stopped_and_given_to_a_thread_and_back() {
    bounded(|| {
        let rt = multi(4);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        for n in 0..many(50) {
            event_loop.start();
            assert_eq!(
                panic_of(|| event_loop.start()),
                "This event loop is already running"
            );
            let task = event_loop.create_task(async move { n });
            assert_eq!(rt.block_on(task.into_future()).unwrap(), n);
            event_loop.stop();
            eventually("it is stopped", || !event_loop.is_running());
            assert_eq!(event_loop.run_until_complete(async move { n }).unwrap(), n);
        }
    });
}

#[test]
fn a_started_loop_that_nobody_holds_ends() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        let _complaints = told(&event_loop);
        event_loop.start();
        let drops = Drops::default();
        let counted = drops.counted();
        let task = event_loop.create_task(async move {
            let _counted = counted;
            std::future::pending::<()>().await;
        });
        eventually("it runs", || event_loop.is_running());
        drop(event_loop);
        assert!(rt.block_on(task.into_future()).is_err());
        eventually("the future is dropped", || drops.count() == 1);
    });
}

#[test]
fn a_loop_whose_runtime_ends_can_be_closed() {
    bounded(|| {
        let rt = multi(2);
        let entered = rt.enter();
        let event_loop = EventLoop::new();
        let _complaints = told(&event_loop);
        event_loop.start();
        let task = event_loop.create_task(std::future::pending::<()>());
        drop(entered);
        drop(rt);
        assert!(!event_loop.is_running());
        event_loop.close();
        assert!(task.is_cancelled());
    });
}

#[test]
fn a_loop_made_outside_a_runtime_has_its_own() {
    bounded(|| {
        let event_loop = EventLoop::new();
        let log = Log::new();
        event_loop.call_later(ms(2), log.saying("timer"));
        event_loop.run_until_complete(sleep(ms(10))).unwrap();
        assert_eq!(log.take(), ["timer"]);
    });
}

#[test]
fn a_long_iteration_lets_the_neighbours_run() {
    bounded(|| {
        let rt = multi(1);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        let log = Log::new();
        (0..10_000).for_each(|n| drop(event_loop.call_soon(log.saying(n))));
        let (said, seen) = (log.clone(), Log::new());
        let count = seen.clone();
        // One worker: both are queued before either runs.
        let gate = common::block_workers(&rt, 1);
        event_loop.start();
        rt.spawn(async move { count.say(said.len()) });
        gate.open();
        eventually("the neighbour ran", || seen.len() == 1);
        assert!(seen.take()[0] < 10_000, "it waited for the whole iteration");
    });
}

/// What asyncio's queues are not made for: threads.
#[test]
fn a_queue_between_workers_loses_nothing() {
    bounded(|| {
        let rt = multi(8);
        let (queue, n) = (Queue::new(4), many(2000));
        let puts: Vec<_> = (0..4)
            .map(|p| {
                let queue = queue.clone();
                rt.spawn(async move {
                    for i in 0..n {
                        queue.put(p * n + i).await.unwrap();
                    }
                })
            })
            .collect();
        let gets: Vec<_> = (0..4)
            .map(|_| {
                let queue = queue.clone();
                rt.spawn(async move {
                    let mut got = Vec::new();
                    while let Ok(item) = queue.get().await {
                        got.push(item);
                        queue.task_done();
                    }
                    got
                })
            })
            .collect();
        puts.into_iter().for_each(|put| rt.block_on(put).unwrap());
        rt.block_on(queue.join());
        queue.shutdown(false);
        let mut all: Vec<_> = gets
            .into_iter()
            .flat_map(|get| rt.block_on(get).unwrap())
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..4 * n));
    });
}

/// Its drop is somebody's code that fails.
#[derive(Clone)]
struct FailsAtTheEnd;

impl Drop for FailsAtTheEnd {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_value_whose_drop_panics_does_not_end_the_loop_that_the_workers_drive() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        event_loop.start();
        // The last who has it is the step that ends the task: the handle is gone by then.
        let (go, gone) = async_channel::bounded::<()>(1);
        drop(event_loop.create_task(async move {
            assert!(gone.recv().await.is_err());
            FailsAtTheEnd
        }));
        drop(go);
        let log = Log::new();
        event_loop.call_later(ms(5), log.saying("goes on"));
        eventually("the next callback runs", || log.len() == 1);
        assert!(event_loop.is_running());
    });
}

#[test]
fn a_loop_is_closed_whatever_the_drops_of_its_callbacks_do() {
    bounded(|| {
        let event_loop = EventLoop::new();
        for _ in 0..3 {
            let fails = FailsAtTheEnd;
            event_loop.call_soon(move || drop(fails));
        }
        let drops = Drops::default();
        let counted = drops.counted();
        event_loop.call_later(ms(60_000), move || drop(counted));
        event_loop.close();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_part_with_a_timeout_does_not_keep_its_loop() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        event_loop.start();
        let (drops, begun) = (Drops::default(), Log::new());
        let (counted, said) = (drops.counted(), begun.clone());
        drop(event_loop.create_task(async move {
            let _counted = counted;
            let inside = async move {
                said.say(());
                std::future::pending::<()>().await;
            };
            let _never = Timeout::at(None).run(inside).await;
        }));
        eventually("the part begins", || begun.len() == 1);
        drop(event_loop);
        eventually("the task ends with its loop", || drops.count() == 1);
    });
}

/// The drop of an item is anybody's code, and may look at the queue.
#[test]
fn an_item_may_look_at_the_queue_that_drops_it() {
    struct Item(Queue<Item>, Log<usize>);
    impl Drop for Item {
        fn drop(&mut self) {
            self.1.say(self.0.qsize());
        }
    }

    let outcome = bounded(|| {
        EventLoop::new().run_until_complete(async {
            let (queue, log) = (Queue::new(1), Log::new());
            queue.shutdown(false);
            let item = Item(queue.clone(), log.clone());
            assert!(queue.put(item).await.is_err());
            assert_eq!(log.take(), [0]);
        })
    });
    outcome.unwrap();
}

/// A call that is refused leaves no trace: the loop is to stop as before.
#[test]
fn a_run_inside_another_loop_leaves_the_stop_to_the_next() {
    bounded(|| {
        let rt = multi(1);
        let _entered = rt.enter();
        let (here, other) = (EventLoop::new(), EventLoop::new());
        other.stop();
        let inside = other.clone();
        here.call_soon(move || {
            panic_of(|| inside.run_forever());
        });
        here.run_until_complete(async {}).unwrap();
        // Else for ever.
        other.run_forever();
    });
}
