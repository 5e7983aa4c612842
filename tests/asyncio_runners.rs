//! A runner drives one loop, and leaves nothing behind. Tests are named after those of CPython's test_runners.py.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use std::future::pending;

use filch::asyncio::{self, RunError, Runner, TaskPanic, catch_cancel, create_task, current_task};
use filch::asyncio::{get_running_loop, sleep};
use filch::{EventLoop, Promise};

use asyncio_common::{Log, ms, panic_of, told};
use common::bounded;

filch::task_local! {
    #[inherit]
    static CVAR: u32;
}

/// Lib/test/test_asyncio/test_runners.py, `RunTests`.
mod run_tests {
    use super::*;

    #[test]
    fn asyncio_run_closes_the_loop() {
        bounded(|| {
            let event_loop = asyncio::run(async { get_running_loop().unwrap() }).unwrap();
            assert!(event_loop.is_closed());
        });
    }

    #[test]
    fn asyncio_run_without_uncancel() {
        // A main future that was asked to stop and goes on gives its value.
        bounded(|| {
            let outcome = asyncio::run(async {
                let this = current_task().unwrap();
                get_running_loop().unwrap().call_soon(move || {
                    this.cancel("");
                });
                let heard = catch_cancel(sleep(ms(60_000))).await;
                assert!(heard.is_err());
                7
            });
            assert_eq!(outcome.unwrap(), 7);
        });
    }

    #[test]
    fn asyncio_run_cancelled() {
        bounded(|| {
            let outcome: Result<(), RunError<TaskPanic>> = asyncio::run(async {
                current_task().unwrap().cancel("tea");
                pending().await
            });
            let reason = "tea".into();
            assert_eq!(outcome, Err(RunError::Cancelled { reason }));
        });
    }

    #[test]
    fn asyncio_run_closes_after_hanging_tasks_errors() {
        // A task that panics while it is stopped keeps no other from its end.
        bounded(|| {
            let log = Log::new();
            let said = log.clone();
            let told = asyncio::run(async move {
                let told = told(&get_running_loop().unwrap());
                create_task(async {
                    let _heard = catch_cancel(pending::<()>()).await;
                    panic!("while it stopped");
                });
                create_task(async move {
                    let _heard = catch_cancel(pending::<()>()).await;
                    sleep(ms(1)).await;
                    said.say("tidied up");
                });
                sleep(ms(0)).await;
                told
            });
            assert_eq!(log.take(), ["tidied up"]);
            let all = told.unwrap().take();
            assert_eq!(all.len(), 1, "{all:?}");
            assert!(all[0].exception().unwrap().contains("while it stopped"));
        });
    }
}

/// Lib/test/test_asyncio/test_runners.py, `RunnerTests`.
mod runner_tests {
    use super::*;

    #[test]
    fn non_debug() {
        bounded(|| {
            let runner = Runner::new().debug(false);
            let debug = runner.run(async { get_running_loop().unwrap().get_debug() });
            assert!(!debug.unwrap());
        });
    }

    #[test]
    fn run_future() {
        // A promise and a task may be run, too.
        bounded(|| {
            let runner = Runner::new();
            let promise: Promise<u32, String> = runner.get_loop().create_future();
            let set = promise.clone();
            runner
                .get_loop()
                .call_soon(move || set.set_result(7).unwrap());
            assert_eq!(runner.run(promise), Ok(7));
            let task = runner.get_loop().create_task(async { 8 });
            assert_eq!(runner.run(task).unwrap(), 8);
        });
    }

    #[test]
    fn explicit_close() {
        bounded(|| {
            let runner = Runner::new();
            let event_loop = runner.get_loop();
            assert!(!event_loop.is_closed());
            runner.close();
            assert!(event_loop.is_closed());
        });
    }

    #[test]
    fn run_keeps_tasks_between_runs() {
        bounded(|| {
            let runner = Runner::new();
            let log = Log::new();
            let said = log.clone();
            let left = runner.run(async move {
                create_task(async move {
                    sleep(ms(2)).await;
                    said.say("went on");
                })
            });
            assert_eq!(log.len(), 0);
            runner.run(left.unwrap()).unwrap();
            assert_eq!(log.take(), ["went on"]);
        });
    }

    #[test]
    fn run_keeps_context() {
        bounded(|| {
            let seen = CVAR.sync_scope(7, || {
                let runner = Runner::new();
                let one = runner.run(async { CVAR.get() }).unwrap();
                (
                    one,
                    runner.run(async { create_task(async { CVAR.get() }).await.unwrap() }),
                )
            });
            assert_eq!((seen.0, seen.1.unwrap()), (7, 7));
        });
    }

    #[test]
    fn recursive_run() {
        bounded(|| {
            let runner = Runner::new();
            let event_loop = runner.get_loop();
            let said = runner.run(async move {
                let inner = Runner::new();
                let said = panic_of(|| inner.run(async {}));
                // It cannot be closed in here: that, too, would be a loop in a loop.
                inner.get_loop().close();
                said
            });
            assert!(said.unwrap().contains("while another loop is running"));
            assert!(!event_loop.is_closed());
        });
    }

    #[test]
    fn one_runner_beside_another() {
        bounded(|| {
            let (one, other) = (Runner::new(), Runner::new());
            let set: Promise<u32, String> = one.get_loop().create_future();
            let from_other = set.clone();
            std::thread::scope(|scope| {
                scope.spawn(move || other.run(async move { from_other.set_result(7).unwrap() }));
                assert_eq!(one.run(set), Ok(7));
            });
        });
    }

    #[test]
    fn a_loop_of_the_current_runtime_is_left_to_it() {
        bounded(|| {
            let rt = common::multi(2);
            let _entered = rt.enter();
            let runner = Runner::new();
            let of_workers = EventLoop::new();
            of_workers.start();
            let task = of_workers.create_task(async { 7 });
            assert_eq!(runner.run(async move { task.await.unwrap() }).unwrap(), 7);
            runner.close();
            assert!(of_workers.is_running());
        });
    }
}
