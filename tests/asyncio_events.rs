//! Running loops, their handles and threads keep asyncio's promises. Modules and tests are named after those of CPython whose situation they have.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use filch::EventLoop;
use filch::asyncio::sleep;

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, ms, on_loops, panic_of, run_once, told};
use common::{Drops, a_while, bounded, many, multi};

/// `test_base_events.py`
mod base_event_loop_with_selector_tests {
    use super::*;

    #[test]
    fn test_log_slow_callbacks() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            assert_eq!(event_loop.slow_callback_duration(), ms(100));
            event_loop.set_slow_callback_duration(ms(5));
            let slow = || thread::sleep(ms(10));
            event_loop.call_soon(slow);
            run_once(&event_loop);
            assert_eq!(complaints.len(), 0, "only in debug mode");
            event_loop.set_debug(true);
            event_loop.call_soon(slow);
            event_loop
                .build_task()
                .name("snail")
                .create(async move { slow() });
            event_loop.call_soon(|| ());
            run_once(&event_loop);
            let said: Vec<_> = complaints.take().iter().map(ToString::to_string).collect();
            assert!(
                said[0].starts_with("Executing <Handle created at tests"),
                "{said:?}"
            );
            assert!(
                said[1].starts_with("Executing <Task pending name=\"snail\""),
                "{said:?}"
            );
            assert!(said[1].contains("seconds"));
        });
    }

    #[test]
    fn test_debug_tells_of_tasks_that_never_began() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            event_loop.set_debug(true);
            event_loop.create_task(async {});
            event_loop.close();
            let all = complaints.take();
            assert!(all[0].message().contains("was it never awaited?"));
            assert_eq!(all[0].place().unwrap().file(), file!());
        });
    }
}

/// `test_events.py`: `EventLoopTestsMixin`
mod event_loop_tests_mixin {
    use super::*;

    #[test]
    fn test_run_until_complete_nesting() {
        on_loops(|event_loop| {
            let on = event_loop.clone();
            let outcome = event_loop.run_until_complete(async move {
                assert!(on.is_running());
                panic_of(|| on.run_until_complete(async {}))
            });
            assert_eq!(outcome.unwrap(), "This event loop is already running");
            assert!(!event_loop.is_running());
        });
    }

    #[test]
    fn test_run_until_complete() {
        on_loops(|event_loop| {
            let begin = Instant::now();
            event_loop.run_until_complete(sleep(ms(20))).unwrap();
            assert!(begin.elapsed() >= ms(20));
        });
    }

    #[test]
    fn test_run_until_complete_stopped() {
        on_loops(|event_loop| {
            let on = event_loop.clone();
            let task = event_loop.create_task(async move {
                on.stop();
                std::future::pending::<()>().await;
            });
            let text = panic_of(|| event_loop.run_until_complete(task.clone()));
            assert_eq!(text, "Event loop stopped before Future completed.");
            task.cancel("");
            assert!(event_loop.run_until_complete(task).is_err());
        });
    }

    #[test]
    fn test_call_later() {
        on_loops(|event_loop| {
            let log = Log::new();
            let (on, said) = (event_loop.clone(), log.clone());
            event_loop.call_later(ms(20), move || {
                said.say("hello world");
                on.stop();
            });
            event_loop.run_forever();
            assert_eq!(log.take(), ["hello world"]);
        });
    }

    #[test]
    fn test_call_soon_threadsafe() {
        on_loops(|event_loop| {
            let (threads, calls) = (4, many(500));
            let log = Log::new();
            let others: Vec<_> = (0..threads)
                .map(|thread| {
                    let (on, log) = (event_loop.clone(), log.clone());
                    thread::spawn(move || {
                        for n in 0..calls {
                            on.call_soon_threadsafe(log.saying((thread, n))).unwrap();
                        }
                    })
                })
                .collect();
            let (on, all) = (event_loop.clone(), log.clone());
            event_loop
                .run_until_complete(async move {
                    while all.len() < threads * calls {
                        assert!(on.is_running());
                        sleep(ms(1)).await;
                    }
                })
                .unwrap();
            others.into_iter().for_each(|thread| thread.join().unwrap());
            let said = log.take();
            for thread in 0..threads {
                let of_thread = said.iter().filter(|(t, _)| *t == thread).map(|(_, n)| *n);
                assert!(
                    of_thread.eq(0..calls),
                    "each thread's in its order, each once"
                );
            }
        });
    }

    #[test]
    fn test_call_soon_threadsafe_same_thread() {
        on_loops(|event_loop| {
            let log = Log::new();
            event_loop.call_soon_threadsafe(log.saying("a")).unwrap();
            event_loop.call_soon(log.saying("b"));
            run_once(&event_loop);
            assert_eq!(log.take(), ["a", "b"]);
        });
    }

    #[test]
    fn test_call_soon_threadsafe_handle_block_cancellation() {
        on_loops(|event_loop| {
            let log = Log::new();
            let handle = event_loop
                .call_soon_threadsafe(log.saying("called"))
                .unwrap();
            let other = thread::spawn(move || {
                handle.cancel();
                handle.is_cancelled()
            });
            assert!(other.join().unwrap());
            run_once(&event_loop);
            assert_eq!(log.len(), 0);
        });
    }

    #[test]
    fn test_run_in_executor_cancel() {
        on_loops(|event_loop| {
            let (begun, begins) = mpsc::channel();
            let (go_on, gone_on) = mpsc::channel::<()>();
            let promise = event_loop.run_in_executor(move || {
                begun.send(()).unwrap();
                gone_on.recv_timeout(a_while()).unwrap();
            });
            begins.recv_timeout(a_while()).unwrap();
            assert!(promise.cancel("no need"));
            assert!(event_loop.run_until_complete(promise.clone()).is_err());
            go_on.send(()).unwrap();
            event_loop
                .run_until_complete(event_loop.shutdown_default_executor())
                .unwrap();
            assert!(promise.is_cancelled());
        });
    }

    #[test]
    fn test_timeout_rounding() {
        on_loops(|event_loop| {
            let log = Log::new();
            for _ in 0..2 {
                let said = log.clone();
                event_loop
                    .run_until_complete(async move {
                        for us in [100, 1, 0, 10] {
                            let begin = Instant::now();
                            let wait = std::time::Duration::from_micros(us);
                            sleep(wait).await;
                            said.say(begin.elapsed() >= wait);
                        }
                    })
                    .unwrap();
            }
            assert_eq!(log.take(), [true; 8]);
        });
    }

    #[test]
    fn test_close_running_event_loop() {
        on_loops(|event_loop| {
            let on = event_loop.clone();
            let text = event_loop.run_until_complete(async move { panic_of(|| on.close()) });
            assert_eq!(text.unwrap(), "Cannot close a running event loop");
            event_loop.close();
        });
    }

    /// A loop that nobody holds any more is closed, and its tasks end.
    #[test]
    fn test_the_last_handle_closes_the_loop() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let drops = Drops::default();
            let counted = drops.counted();
            let task = event_loop.create_task(async move {
                let _counted = counted;
                std::future::pending::<()>().await;
            });
            run_once(&event_loop);
            drop(event_loop);
            assert_eq!(drops.count(), 1);
            assert!(task.is_cancelled());
            assert_eq!(
                complaints.take()[0].message(),
                "Task was destroyed but it is pending!"
            );
        });
    }
}

/// `test_events.py`
mod handle_tests {
    use super::*;

    #[test]
    fn test_handle() {
        on_loops(|event_loop| {
            let handle = event_loop.call_soon(|| ());
            assert!(!handle.is_cancelled());
            handle.cancel();
            assert!(handle.is_cancelled());
            handle.cancel();
        });
    }

    #[test]
    fn test_a_handle_that_was_called_cannot_be_cancelled() {
        on_loops(|event_loop| {
            let handle = event_loop.call_soon(|| ());
            run_once(&event_loop);
            handle.cancel();
            assert!(!handle.is_cancelled());
        });
    }

    #[test]
    fn test_callback_with_exception() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            event_loop.call_soon(|| panic!("a callback"));
            run_once(&event_loop);
            let all = complaints.take();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].exception(), Some("a callback"));
        });
    }

    #[test]
    fn test_handle_repr() {
        on_loops(|event_loop| {
            let handle = event_loop.call_soon(|| ());
            let line = format!("{}:{}", file!(), line!() - 1);
            assert!(format!("{handle:?}").starts_with(&format!("<Handle created at {line}")));
            handle.cancel();
            assert!(format!("{handle:?}").starts_with("<Handle cancelled created at"));
        });
    }

    #[test]
    fn test_handle_source_traceback() {
        on_loops(|event_loop| {
            let handle = event_loop.call_soon(|| ());
            assert_eq!(handle.made_at().line(), line!() - 1);
        });
    }

    /// What a handle holds goes when it was called or cancelled, even if the handle stays.
    #[test]
    fn test_handle_weakref() {
        on_loops(|event_loop| {
            let drops = Drops::default();
            let counted = || {
                let counted = drops.counted();
                event_loop.call_soon(move || drop(counted))
            };
            let (called, cancelled) = (counted(), counted());
            cancelled.cancel();
            assert_eq!(drops.count(), 1);
            run_once(&event_loop);
            assert_eq!(drops.count(), 2);
            drop((called, cancelled));
        });
    }
}

/// `test_events.py`
mod timer_tests {
    use super::*;

    #[test]
    fn test_when() {
        on_loops(|event_loop| {
            let when = event_loop.time() + ms(60_000);
            assert_eq!(event_loop.call_at(when, || ()).when(), when);
        });
    }

    #[test]
    fn test_timer() {
        on_loops(|event_loop| {
            let log = Log::new();
            let timer = event_loop.call_later(ms(5), log.saying("called"));
            assert!(!timer.is_cancelled());
            timer.cancel();
            assert!(timer.is_cancelled());
            event_loop.run_until_complete(sleep(ms(10))).unwrap();
            assert_eq!(log.len(), 0);
        });
    }

    #[test]
    fn test_timer_repr() {
        on_loops(|event_loop| {
            let timer = event_loop.call_later(ms(5), || ());
            assert!(format!("{timer:?}").contains("asyncio_events.rs"));
        });
    }
}

/// `test_tasks.py`
mod run_coroutine_threadsafe_tests {
    use super::*;

    /// Runs `f` on another thread, while the loop runs.
    fn elsewhere<R: Send + 'static>(
        event_loop: &EventLoop,
        f: impl FnOnce(EventLoop) -> R + Send + 'static,
    ) -> R {
        let on = event_loop.clone();
        let other = thread::spawn(move || {
            let outcome = f(on.clone());
            on.call_soon_threadsafe({
                let on = on.clone();
                move || on.stop()
            })
            .unwrap();
            outcome
        });
        event_loop.run_forever();
        other.join().unwrap()
    }

    async fn add(a: u32, b: u32, fail: bool) -> u32 {
        sleep(ms(5)).await;
        assert!(!fail, "Fail!");
        a + b
    }

    /// Ours: it is the way from other threads, so debug mode has nothing against it.
    #[test]
    fn create_task_from_another_thread_in_debug_mode() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            event_loop.set_debug(true);
            let task = elsewhere(&event_loop, |on| on.create_task(add(1, 2, false)));
            assert_eq!(event_loop.run_until_complete(task).unwrap(), 3);
        });
    }

    #[test]
    fn test_run_coroutine_threadsafe() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            let sum = elsewhere(&event_loop, |on| {
                filch::block_on(on.create_task(add(1, 2, false)).into_future())
            });
            assert_eq!(sum.unwrap(), 3);
        });
    }

    #[test]
    fn test_run_coroutine_threadsafe_with_exception() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            let sum = elsewhere(&event_loop, |on| {
                filch::block_on(on.create_task(add(1, 2, true)).into_future())
            });
            assert!(sum.unwrap_err().to_string().contains("Fail!"));
        });
    }

    #[test]
    fn test_run_coroutine_threadsafe_task_cancelled() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            let sum = elsewhere(&event_loop, |on| {
                let task = on.create_task(std::future::pending::<()>());
                assert!(task.cancel("from elsewhere"));
                filch::block_on(task.into_future())
            });
            assert!(sum.unwrap_err().to_string().contains("from elsewhere"));
        });
    }

    /// As the `timeout` of the future that asyncio gives: the wait ends, and the task can be cancelled.
    #[test]
    fn test_run_coroutine_threadsafe_with_timeout() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            let cancelled = elsewhere(&event_loop, |on| {
                let task = on.create_task(std::future::pending::<()>());
                let wait = task.clone().into_future();
                let outcome = filch::block_on(async { filch::time::timeout(ms(5), wait).await });
                assert!(outcome.is_err());
                assert!(task.cancel(""));
                filch::block_on(task.clone().into_future()).unwrap_err();
                task.is_cancelled()
            });
            assert!(cancelled);
        });
    }
}
