//! Tasks of a loop keep asyncio's promises. Modules and tests are named after those of CPython whose situation they have.

use std::future::pending;

use filch::asyncio::{LoopTask, TaskError, create_task, ensure_future, sleep, wait_on};
use filch::{EventLoop, Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, in_task, ms, on_loops, panic_of, run_briefly, run_once, told};
use common::Drops;

type Future = Promise<u32, String>;

/// The reason why a task was cancelled.
fn reason<T: std::fmt::Debug>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(PromiseError::Cancelled { reason }) => reason.to_string(),
        other => panic!("not cancelled: {other:?}"),
    }
}

fn a_future(event_loop: &EventLoop) -> Future {
    event_loop.create_future()
}

/// `test_tasks.py`: `BaseTaskTests`, what is not about cancelling
mod base_task_tests {
    use super::*;

    #[test]
    fn test_task_basics() {
        on_loops(|event_loop| {
            let (outer, inner1, inner2) = (Log::new(), Log::new(), Log::new());
            let said = (outer.clone(), inner1.clone(), inner2.clone());
            let task = event_loop.create_task(async move {
                let (outer, inner1, inner2) = said;
                outer.say(1);
                let a = async {
                    inner1.say(2);
                    42
                }
                .await;
                let b = async {
                    inner2.say(3);
                    1000
                }
                .await;
                a + b
            });
            assert_eq!(outer.len(), 0, "nothing happens before the loop runs");
            assert_eq!(event_loop.run_until_complete(task).unwrap(), 1042);
            assert_eq!(
                (outer.take(), inner1.take(), inner2.take()),
                (vec![1], vec![2], vec![3])
            );
        });
    }

    /// Tasks begin in the order in which they were made, and take turns.
    #[test]
    fn test_tasks_begin_in_order() {
        on_loops(|event_loop| {
            let log = Log::new();
            for name in ["a", "b", "c"] {
                let log = log.clone();
                event_loop.create_task(async move {
                    for n in 0..2 {
                        log.say(format!("{name}{n}"));
                        sleep(ms(0)).await;
                    }
                });
            }
            run_once(&event_loop);
            assert_eq!(log.take(), ["a0", "b0", "c0"]);
            run_once(&event_loop);
            assert_eq!(log.take(), ["a1", "b1", "c1"]);
            run_briefly(&event_loop);
        });
    }

    /// From a result to the task that waits for it: the wake-up is one hop through the queue.
    #[test]
    fn test_wakeup_is_one_hop() {
        on_loops(|event_loop| {
            let (log, future) = (Log::new(), a_future(&event_loop));
            let (said, waits) = (log.clone(), future.clone());
            event_loop.create_task(async move {
                wait_on(waits).await.unwrap();
                said.say("woken");
            });
            run_briefly(&event_loop);
            future.set_result(1).unwrap();
            assert_eq!(log.len(), 0);
            event_loop.call_soon(log.saying("queued after the wake-up"));
            run_once(&event_loop);
            assert_eq!(log.take(), ["woken", "queued after the wake-up"]);
        });
    }

    #[test]
    fn test_ensure_future_coroutine() {
        in_task(|| async {
            let task = ensure_future(async { 7 });
            assert_eq!(task.await.unwrap(), 7);
        });
    }

    #[test]
    fn test_ensure_future_future() {
        on_loops(|event_loop| {
            let future = a_future(&event_loop);
            let same = future.clone();
            event_loop
                .run_until_complete(async move {
                    let ensured = ensure_future(same.clone());
                    assert!(ensured.cancel("x") && same.is_cancelled());
                })
                .unwrap();
        });
    }

    #[test]
    fn test_ensure_future_task() {
        in_task(|| async {
            let task = create_task(async { 7 });
            let id = task.task().id();
            assert_eq!(ensure_future(task).task().id(), id);
        });
    }

    #[test]
    fn test_task_repr() {
        on_loops(|event_loop| {
            let task = event_loop.build_task().name("test").create(async {});
            let place = format!("{}:{}", file!(), line!() - 1);
            let text = format!("{task:?}");
            assert!(
                text.starts_with("<Task pending name=\"test\" created at "),
                "{text}"
            );
            assert!(text.contains(&place), "{text}");
            event_loop.run_until_complete(task.clone()).unwrap();
            assert!(format!("{task:?}").starts_with("<Task finished"));
            let task = event_loop.create_task(pending::<()>());
            task.cancel("");
            run_briefly(&event_loop);
            assert!(format!("{task:?}").starts_with("<Task cancelled"));
        });
    }

    #[test]
    fn test_task_set_name() {
        on_loops(|event_loop| {
            let task = event_loop.create_task(async {}).task();
            assert_eq!(task.name(), format!("Task-{}", task.id()));
            task.set_name("new");
            assert_eq!(task.name(), "new");
            run_briefly(&event_loop);
            task.set_name("newer");
            assert_eq!(task.name(), "newer");
        });
    }

    #[test]
    fn test_a_panic_has_the_name_and_the_place_of_its_task() {
        on_loops(|event_loop| {
            let task = event_loop
                .build_task()
                .name("old")
                .create(async { panic!("out of tea") });
            let line = line!() - 1;
            task.task().set_name("tea");
            let error: Result<(), _> = event_loop.run_until_complete(task.clone());
            let text = error.unwrap_err().to_string();
            assert!(
                text.contains("\"tea\"") && text.contains("out of tea"),
                "{text}"
            );
            assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
            let Ok(Err(PromiseError::Failed(panic))) = task.result() else {
                panic!("it has an outcome");
            };
            assert!(panic.error().is_panic());
        });
    }

    #[test]
    fn test_task_outcome_is_for_all_who_ask() {
        on_loops(|event_loop| {
            let task = event_loop.create_task(async { 7 });
            assert!(task.result().is_err(), "not yet");
            let waits: Vec<_> = (0..3)
                .map(|_| {
                    let task = task.clone();
                    event_loop.create_task(async move { task.await.unwrap() })
                })
                .collect();
            for wait in waits {
                assert_eq!(event_loop.run_until_complete(wait).unwrap(), 7);
            }
            assert_eq!((task.result(), task.result()), (Ok(Ok(7)), Ok(Ok(7))));
        });
    }

    #[test]
    fn test_task_awaits_on_itself() {
        on_loops(|event_loop| {
            let future: Promise<LoopTask<()>, ()> = event_loop.create_future();
            let waits = future.clone();
            let task = event_loop.create_task(async move {
                let itself = wait_on(waits).await.unwrap();
                itself.await.unwrap();
            });
            future.set_result(task.clone()).unwrap();
            let error = event_loop.run_until_complete(task).unwrap_err();
            assert!(
                error.to_string().contains("Task cannot await on itself"),
                "{error}"
            );
        });
    }

    /// In asyncio an error; here tasks of one loop may await those of another.
    #[test]
    fn test_other_loop_future() {
        on_loops(|event_loop| {
            let other = EventLoop::new();
            let task = other.create_task(async { 7 });
            let waits = event_loop.create_task(async move { task.await.unwrap() });
            run_briefly(&event_loop);
            assert!(!waits.is_done());
            run_briefly(&other);
            assert_eq!(event_loop.run_until_complete(waits).unwrap(), 7);
        });
    }

    #[test]
    fn test_stop_while_run_in_complete() {
        on_loops(|event_loop| {
            let on = event_loop.clone();
            let task = event_loop.create_task(async move {
                for n in 0.. {
                    sleep(ms(0)).await;
                    if n == 2 {
                        on.stop();
                    }
                }
            });
            let text = panic_of(|| event_loop.run_until_complete(task.clone()));
            assert_eq!(text, "Event loop stopped before Future completed.");
            assert!(!task.is_done());
            task.cancel("");
            run_briefly(&event_loop);
        });
    }

    #[test]
    fn test_done_callbacks_run_through_the_loop_in_order() {
        on_loops(|event_loop| {
            let log = Log::new();
            let task = event_loop.create_task(async { 7 });
            for n in 0..3 {
                let log = log.clone();
                task.add_done_callback(move |task| log.say((n, task.result().unwrap().unwrap())));
            }
            let gone = task.add_done_callback(|_| panic!("removed"));
            assert!(task.remove_done_callback(gone) && !task.remove_done_callback(gone));
            run_once(&event_loop);
            assert!(task.is_done());
            assert_eq!(log.len(), 0, "not on the stack of the task");
            run_once(&event_loop);
            assert_eq!(log.take(), [(0, 7), (1, 7), (2, 7)]);
            // Of a task that is done: soon.
            let said = log.clone();
            task.add_done_callback(move |_| said.say((3, 7)));
            assert_eq!(log.len(), 0);
            run_once(&event_loop);
            assert_eq!(log.take(), [(3, 7)]);
        });
    }

    #[test]
    fn test_done_callbacks_of_a_task_that_nobody_holds() {
        on_loops(|event_loop| {
            let log = Log::new();
            let said = log.clone();
            let task = event_loop.create_task(async { 7 });
            task.add_done_callback(move |task| said.say(task.result().unwrap().unwrap()));
            drop(task);
            run_briefly(&event_loop);
            assert_eq!(log.take(), [7]);
        });
    }

    #[test]
    fn test_done_callbacks_go_with_a_loop_that_nobody_holds() {
        on_loops(|event_loop| {
            let drops = Drops::default();
            let (in_task, in_callback) = (drops.counted(), drops.counted());
            let task = event_loop.create_task(async move {
                let _counted = in_task;
                pending::<()>().await;
            });
            task.add_done_callback(move |_| drop(in_callback));
            run_briefly(&event_loop);
            drop((task, event_loop));
            assert_eq!(drops.count(), 2);
        });
    }

    #[test]
    fn test_log_destroyed_pending_task() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let drops = Drops::default();
            let counted = drops.counted();
            let task = event_loop.build_task().name("lost").create(async move {
                let _counted = counted;
                pending::<()>().await;
            });
            let line = line!() - 4;
            run_briefly(&event_loop);
            event_loop.close();
            let all = complaints.take();
            assert_eq!(all[0].message(), "Task was destroyed but it is pending!");
            assert!(all[0].task().unwrap().contains("\"lost\""));
            assert_eq!(all[0].place().unwrap().line(), line);
            assert_eq!(drops.count(), 1);
            assert_eq!(reason(task.result().unwrap()), "the event loop was closed");
        });
    }

    /// asyncio holds tasks weakly, so that they may vanish; here the loop owns them.
    #[test]
    fn test_task_del_collect() {
        on_loops(|event_loop| {
            let log = Log::new();
            for n in 0..100 {
                let log = log.clone();
                event_loop.create_task(async move {
                    sleep(ms(1)).await;
                    log.say(n);
                });
            }
            event_loop.run_until_complete(sleep(ms(20))).unwrap();
            while log.len() < 100 {
                event_loop.run_until_complete(sleep(ms(1))).unwrap();
            }
        });
    }

    #[test]
    fn test_the_future_goes_when_the_task_is_done() {
        on_loops(|event_loop| {
            let drops = Drops::default();
            let counted = drops.counted();
            let task = event_loop.create_task(async move {
                let _counted = counted;
            });
            run_briefly(&event_loop);
            assert_eq!(drops.count(), 1);
            assert!(task.is_done());
        });
    }

    #[test]
    fn test_an_exception_that_is_retrieved_is_not_told() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let task: LoopTask<()> =
                event_loop.create_task(async { panic!("told to whoever asks") });
            run_briefly(&event_loop);
            assert!(task.result().unwrap().is_err());
            drop(task);
            assert_eq!(complaints.len(), 0);
        });
    }
}

/// Whoever awaits such a task in another is `Send` all the same.
#[test]
fn outcomes_may_hold_static_references() {
    let text = filch::asyncio::run(async {
        let task = filch::asyncio::create_task(async { Err::<u8, &'static str>("no") });
        let text: &'static str = filch::asyncio::create_task(async { "yes" }).await.unwrap();
        assert_eq!(task.await.unwrap(), Err("no"));
        text
    });
    assert_eq!(text.unwrap(), "yes");
}
