//! Which tasks there are, tasks that begin at once, runners, and threads keep asyncio's promises. Modules and tests are named
//! after those of CPython.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use filch::EventLoop;
use filch::asyncio::{
    self, LoopTask, Runner, all_tasks, catch_cancel, create_task, current_task, sleep,
};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, in_task, ms, on_loops, panic_of, run_briefly, run_once, told};
use common::{Drops, bounded, multi};

/// `test_tasks.py`
mod base_task_introspection_tests {
    use super::*;

    #[test]
    fn test_all_tasks() {
        on_loops(|event_loop| {
            assert_eq!(event_loop.all_tasks(), []);
            let done = event_loop.create_task(async {});
            let waits = event_loop.create_task(pending::<()>());
            assert_eq!(
                event_loop.all_tasks().len(),
                2,
                "those that have not begun, too"
            );
            run_briefly(&event_loop);
            assert!(done.is_done());
            assert_eq!(event_loop.all_tasks(), [waits.task()]);
            waits.cancel("");
            run_briefly(&event_loop);
            assert_eq!(event_loop.all_tasks(), []);
        });
    }

    #[test]
    fn test_all_tasks_inside() {
        in_task(|| async {
            let me = current_task().unwrap();
            assert!(all_tasks() == std::slice::from_ref(&me));
            let other = create_task(async {});
            assert_eq!(all_tasks().len(), 2);
            other.await.unwrap();
            assert_eq!(all_tasks(), [me]);
        });
    }

    #[test]
    fn test_all_tasks_outside_a_loop() {
        assert!(panic_of(all_tasks).contains("no running event loop"));
        assert!(panic_of(|| drop(create_task(async {}))).contains("no running event loop"));
    }

    #[test]
    fn test_current_task() {
        on_loops(|event_loop| {
            assert!(current_task().is_none());
            let task = event_loop.create_task(async { current_task().unwrap().id() });
            let id = event_loop.run_until_complete(task.clone()).unwrap();
            assert_eq!(id, task.task().id());
            assert!(current_task().is_none());
            let log = Log::new();
            let said = log.clone();
            event_loop.call_soon(move || said.say(current_task().is_none()));
            run_once(&event_loop);
            assert_eq!(log.take(), [true], "a callback is no task");
        });
    }

    #[test]
    fn test_current_task_with_interleaving_tasks() {
        on_loops(|event_loop| {
            let tasks: Vec<_> = (0..3)
                .map(|_| {
                    event_loop.create_task(async {
                        let me = current_task().unwrap();
                        for _ in 0..5 {
                            sleep(ms(0)).await;
                            assert_eq!(current_task().unwrap(), me);
                            assert_eq!(filch::task::id(), me.id(), "the runtime says the same");
                        }
                    })
                })
                .collect();
            for task in tasks {
                event_loop.run_until_complete(task).unwrap();
            }
        });
    }

    #[test]
    fn test_a_task_knows_its_loop() {
        on_loops(|event_loop| {
            let task = event_loop.create_task(async {}).task();
            assert!(!task.event_loop().unwrap().is_closed());
            event_loop.close();
            assert!(task.event_loop().unwrap().is_closed());
            drop(event_loop);
            assert!(task.event_loop().is_none());
        });
    }
}

/// `test_eager_task_factory.py`
mod eager_task_factory_loop_tests {
    use super::*;

    fn eager<F>(future: F) -> LoopTask<F::Output>
    where
        F: Future<Output: asyncio::Outcome> + Send + 'static,
    {
        let on = asyncio::get_running_loop().unwrap();
        on.build_task().eager_start(true).create(future)
    }

    #[test]
    fn test_eager_completion() {
        in_task(|| async {
            let task = eager(async { 7 });
            assert_eq!(task.result(), Ok(Ok(7)), "born done");
            assert_eq!(task.await.unwrap(), 7);
        });
    }

    #[test]
    fn test_eager_exception() {
        in_task(|| async {
            let task: LoopTask<()> = eager(async { panic!("at once") });
            assert!(task.is_done());
            assert!(task.await.unwrap_err().to_string().contains("at once"));
        });
    }

    #[test]
    fn test_block_after_eager_step() {
        in_task(|| async {
            let log = Log::new();
            let said = log.clone();
            let task = eager(async move {
                said.say(1);
                sleep(ms(0)).await;
                said.say(2);
            });
            assert_eq!(log.take(), [1]);
            assert!(!task.is_done());
            task.await.unwrap();
            assert_eq!(log.take(), [2]);
        });
    }

    #[test]
    fn test_cancellation_after_eager_completion() {
        in_task(|| async {
            let task = eager(async {});
            assert!(!task.cancel(""));
            assert!(!task.is_cancelled());
        });
    }

    #[test]
    fn test_cancellation_after_eager_step_blocks() {
        in_task(|| async {
            let task = eager(pending::<()>());
            assert!(task.cancel("why"));
            let error = task.await.unwrap_err();
            assert!(error.to_string().contains("why"));
        });
    }

    #[test]
    fn test_current_task() {
        in_task(|| async {
            let me = current_task().unwrap();
            let task = eager(async { current_task().unwrap().id() });
            assert_eq!(task.result().unwrap().unwrap(), task.task().id());
            assert_eq!(current_task().unwrap(), me, "and back");
        });
    }

    #[test]
    fn test_all_tasks_with_eager_completion() {
        in_task(|| async {
            let task = eager(async { all_tasks().len() });
            assert_eq!(task.result(), Ok(Ok(2)), "while it runs");
            assert_eq!(all_tasks().len(), 1);
        });
    }

    #[test]
    fn test_all_tasks_with_blocking() {
        in_task(|| async {
            let task = eager(pending::<()>());
            assert_eq!(all_tasks().len(), 2);
            task.cancel("");
            task.await.unwrap_err();
        });
    }

    /// Elsewhere than in the loop, whose callbacks are dropped when it is closed.
    #[test]
    fn who_waits_for_a_task_hears_that_its_loop_is_closed() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            event_loop.set_exception_handler(|_| {});
            let task = event_loop.create_task(pending::<()>()).task();
            rt.block_on(async {
                let mut waits = pin!(task.wait());
                // Polled again only if it is woken.
                let close = poll_fn(|context| {
                    let now = waits.as_mut().poll(context);
                    event_loop.close();
                    now
                });
                close.await;
            });
            assert!(task.is_cancelled());
        });
    }

    #[test]
    fn test_eager_start_false() {
        in_task(|| async {
            let on = asyncio::get_running_loop().unwrap();
            let task = on.build_task().eager_start(false).create(async {});
            assert!(!task.is_done());
            task.await.unwrap();
        });
    }

    /// Nobody drives the loop here, so it begins when somebody does.
    #[test]
    fn test_eager_start_outside_the_loop() {
        on_loops(|event_loop| {
            let task = event_loop.build_task().eager_start(true).create(async {});
            assert!(!task.is_done());
            event_loop.run_until_complete(task).unwrap();
        });
    }
}

/// `test_runners.py`: `RunTests`, `RunnerTests`
mod runner_tests {
    use super::*;

    /// On a runtime of its own, and on the current one.
    fn runners(test: fn(Runner)) {
        bounded(move || {
            test(Runner::new());
            let rt = multi(2);
            let _entered = rt.enter();
            test(Runner::new());
        });
    }

    #[test]
    fn test_asyncio_run_return() {
        bounded(|| {
            let main = async {
                sleep(ms(0)).await;
                42
            };
            assert_eq!(asyncio::run(main).unwrap(), 42);
        });
    }

    #[test]
    fn test_asyncio_run_raises() {
        bounded(|| {
            let outcome: Result<(), _> = asyncio::run(async { panic!("spam") });
            assert!(outcome.unwrap_err().to_string().contains("spam"));
        });
    }

    #[test]
    fn test_asyncio_run_from_running_loop() {
        bounded(|| {
            let text = asyncio::run(async { panic_of(|| asyncio::run(async {})) });
            assert!(text.unwrap().contains("while another loop is running"));
        });
    }

    #[test]
    fn test_asyncio_run_cancels_hanging_tasks() {
        bounded(|| {
            let drops = Drops::default();
            let counted = drops.counted();
            let left = asyncio::run(async move {
                let task = create_task(async move {
                    let _counted = counted;
                    pending::<()>().await;
                });
                sleep(ms(0)).await;
                task
            });
            assert!(left.unwrap().is_cancelled());
            assert_eq!(drops.count(), 1);
        });
    }

    /// What is left may tidy up before the loop closes.
    #[test]
    fn test_asyncio_run_waits_for_cancelled_tasks() {
        bounded(|| {
            let log = Log::new();
            let said = log.clone();
            asyncio::run(async move {
                create_task(async move {
                    catch_cancel(pending::<()>()).await.unwrap_err();
                    sleep(ms(5)).await;
                    said.say("tidied up");
                });
                sleep(ms(0)).await;
            })
            .unwrap();
            assert_eq!(log.take(), ["tidied up"]);
        });
    }

    #[test]
    fn test_asyncio_run_reports_hanging_tasks_errors() {
        runners(|runner| {
            let complaints = told(&runner.get_loop());
            runner
                .run(async {
                    create_task(async {
                        catch_cancel(pending::<()>()).await.unwrap_err();
                        panic!("on the way out");
                    });
                    sleep(ms(0)).await;
                })
                .unwrap();
            runner.close();
            let all = complaints.take();
            assert_eq!(all.len(), 1, "{all:?}");
            assert_eq!(
                all[0].message(),
                "unhandled exception during asyncio.run() shutdown"
            );
            assert!(all[0].exception().unwrap().contains("on the way out"));
        });
    }

    #[test]
    fn test_run() {
        runners(|runner| {
            assert_eq!(runner.run(async { 1 }).unwrap(), 1);
            assert_eq!(runner.run(async { 2 }).unwrap(), 2);
        });
    }

    /// What one run leaves behind goes on in the next one.
    #[test]
    fn test_run_keeps_the_loop() {
        runners(|runner| {
            let task = runner.run(async {
                create_task(async {
                    sleep(ms(0)).await;
                    sleep(ms(0)).await;
                    7
                })
            });
            let task = task.unwrap();
            assert!(!task.is_done());
            assert_eq!(runner.run(task).unwrap(), 7);
        });
    }

    #[test]
    fn test_debug() {
        runners(|runner| {
            assert!(!runner.get_loop().get_debug());
            let runner = runner.debug(true);
            assert!(runner.get_loop().get_debug());
        });
    }

    #[test]
    fn test_second_close_is_noop() {
        runners(|runner| {
            runner.close();
            assert!(runner.get_loop().is_closed());
            runner.close();
        });
    }

    #[test]
    fn test_run_after_close() {
        runners(|runner| {
            runner.close();
            assert_eq!(panic_of(|| runner.run(async {})), "Event loop is closed");
        });
    }

    #[test]
    fn test_dropping_closes() {
        runners(|runner| {
            let event_loop = runner.get_loop();
            drop(runner);
            assert!(event_loop.is_closed());
        });
    }

    #[test]
    fn test_close_waits_for_the_executor() {
        runners(|runner| {
            let done = Arc::new(AtomicUsize::new(0));
            let count = done.clone();
            drop(runner.get_loop().run_in_executor(move || {
                thread::sleep(ms(20));
                count.fetch_add(1, Ordering::SeqCst)
            }));
            runner.close();
            assert_eq!(done.load(Ordering::SeqCst), 1);
        });
    }
}

/// `test_threads.py`
mod to_thread_tests {
    use super::*;

    #[test]
    fn test_to_thread() {
        on_loops(|event_loop| {
            let sum = event_loop.run_until_complete(async {
                asyncio::to_thread(|| [1, 2].iter().sum::<i32>())
                    .await
                    .unwrap()
            });
            assert_eq!(sum.unwrap(), 3);
        });
    }

    #[test]
    fn test_to_thread_exception() {
        on_loops(|event_loop| {
            let text = event_loop.run_until_complete(async {
                let outcome: Result<(), _> = asyncio::to_thread(|| panic!("test")).await;
                outcome.unwrap_err().to_string()
            });
            assert!(text.unwrap().contains("test"));
        });
    }

    #[test]
    fn test_to_thread_once() {
        on_loops(|event_loop| {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            event_loop
                .run_until_complete(async move {
                    asyncio::to_thread(move || counted.fetch_add(1, Ordering::SeqCst)).await
                })
                .unwrap()
                .unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn test_to_thread_concurrent() {
        on_loops(|event_loop| {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            event_loop
                .run_until_complete(async move {
                    let work = (0..10).map(|_| {
                        let counted = counted.clone();
                        asyncio::to_thread(move || counted.fetch_add(1, Ordering::SeqCst))
                    });
                    asyncio::gather(work.map(|work| async { work.await.unwrap() })).await
                })
                .unwrap()
                .unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), 10);
        });
    }
}
