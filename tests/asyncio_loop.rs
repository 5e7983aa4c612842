//! The event loop keeps asyncio's promises. Modules and tests are named after those of CPython whose situation they have.

use std::sync::mpsc;
use std::thread;

use filch::EventLoop;
use filch::asyncio::{self, ExceptionContext};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, ms, on_loops, panic_of, run_briefly, run_once, told};
use common::{Drops, many};

/// `Lib/test/test_asyncio/test_base_events.py`
mod base_event_loop_tests {
    use super::*;

    #[test]
    fn test_run_until_complete_stopped_as_it_completes_leaves_the_next_run_alone() {
        on_loops(|event_loop| {
            let own = event_loop.clone();
            event_loop
                .run_until_complete(async move { own.stop() })
                .unwrap();
            let next = async {
                asyncio::sleep(ms(2)).await;
                7
            };
            assert_eq!(event_loop.run_until_complete(next).unwrap(), 7);
        });
    }

    #[test]
    fn test_close() {
        on_loops(|event_loop| {
            assert!(!event_loop.is_closed());
            event_loop.close();
            assert!(event_loop.is_closed());
            // It may be closed again.
            event_loop.close();
            event_loop.close();
            let f = event_loop.clone();
            let complaints = [
                panic_of(|| f.run_forever()),
                panic_of(|| f.run_until_complete(async {})),
                panic_of(|| f.call_soon(|| ())),
                panic_of(|| f.call_later(ms(1), || ())),
                panic_of(|| f.call_at(f.time(), || ())),
                panic_of(|| f.create_task(async {})),
                panic_of(|| f.run_in_executor(|| ())),
                panic_of(|| f.start()),
                f.call_soon_threadsafe(|| ()).unwrap_err().to_string(),
            ];
            assert_eq!(complaints, ["Event loop is closed"; 9]);
        });
    }

    #[test]
    fn test_close_drops_what_waits() {
        on_loops(|event_loop| {
            let drops = Drops::default();
            for n in 0..4 {
                let counted = drops.counted();
                let callback = move || drop(counted);
                match n % 2 {
                    0 => drop(event_loop.call_soon(callback)),
                    _ => drop(event_loop.call_later(ms(60_000), callback)),
                }
            }
            event_loop.close();
            assert_eq!(drops.count(), 4);
        });
    }

    #[test]
    fn test_add_callback_handle() {
        on_loops(|event_loop| {
            let log = Log::new();
            let handle = event_loop.call_soon(log.saying(1));
            assert_eq!(log.len(), 0, "never on the caller's stack");
            run_once(&event_loop);
            assert_eq!(log.take(), [1]);
            assert!(!handle.is_cancelled());
        });
    }

    #[test]
    fn test_add_callback_cancelled_handle() {
        on_loops(|event_loop| {
            let log = Log::new();
            let handle = event_loop.call_soon(log.saying(1));
            event_loop.call_soon(log.saying(2));
            handle.cancel();
            run_once(&event_loop);
            assert_eq!(log.take(), [2]);
        });
    }

    #[test]
    fn test_call_soon() {
        on_loops(|event_loop| {
            let log = Log::new();
            let n = many(1000);
            (0..n).for_each(|n| drop(event_loop.call_soon(log.saying(n))));
            run_once(&event_loop);
            assert_eq!(log.take(), (0..n).collect::<Vec<_>>());
        });
    }

    /// What a callback queues runs in the next iteration, after all of this one.
    #[test]
    fn test_call_soon_next_iteration() {
        on_loops(|event_loop| {
            let log = Log::new();
            for name in ["a", "b"] {
                let (on, later) = (event_loop.clone(), log.clone());
                event_loop.call_soon(move || {
                    later.say(format!("{name}1"));
                    let inner = later.clone();
                    on.call_soon(move || inner.say(format!("{name}2")));
                });
            }
            run_once(&event_loop);
            assert_eq!(log.take(), ["a1", "b1"]);
            run_once(&event_loop);
            assert_eq!(log.take(), ["a2", "b2"]);
        });
    }

    #[test]
    fn test_call_later() {
        on_loops(|event_loop| {
            let begin = event_loop.time();
            let timer = event_loop.call_later(ms(10_000), || ());
            let after = event_loop.time() + ms(10_000);
            assert!(timer.when() >= begin + ms(10_000) && timer.when() <= after);
            run_once(&event_loop);
            assert!(!timer.is_cancelled());
            timer.cancel();
            assert!(timer.is_cancelled());
        });
    }

    /// There is no negative delay; one of zero is soon, after what is queued.
    #[test]
    fn test_call_later_negative_delays() {
        on_loops(|event_loop| {
            let log = Log::new();
            event_loop.call_later(ms(0), log.saying("b"));
            event_loop.call_soon(log.saying("a"));
            run_once(&event_loop);
            assert_eq!(log.take(), ["a", "b"]);
        });
    }

    #[test]
    fn test_time_and_call_at() {
        on_loops(|event_loop| {
            let when = event_loop.time() + ms(20);
            let on = event_loop.clone();
            event_loop.call_at(when, move || on.stop());
            event_loop.run_forever();
            assert!(event_loop.time() >= when, "never early");
        });
    }

    #[test]
    fn test_timers_leave_in_the_order_of_their_moments() {
        on_loops(|event_loop| {
            let log = Log::new();
            let begin = event_loop.time();
            for n in [3, 1, 2] {
                event_loop.call_at(begin + ms(n), log.saying(n));
            }
            // Of the same moment: as they came.
            (20..60).for_each(|n| drop(event_loop.call_at(begin + ms(2), log.saying(n))));
            let on = event_loop.clone();
            event_loop.call_at(begin + ms(4), move || on.stop());
            event_loop.run_forever();
            let expected: Vec<_> = [1, 2].into_iter().chain(20..60).chain([3]).collect();
            assert_eq!(log.take(), expected);
        });
    }

    /// An earlier timer than the one that the driver sleeps for, from another thread.
    #[test]
    fn test_a_new_earliest_timer_wakes_the_loop() {
        on_loops(|event_loop| {
            event_loop.call_later(ms(3_600_000), || panic!("too late"));
            for _ in 0..many(50) {
                // Begun by the last callback before the driver has nothing more to do.
                let on = event_loop.clone();
                let (tell, other) = mpsc::channel();
                event_loop.call_soon(move || {
                    let other = thread::spawn(move || {
                        let stop = on.clone();
                        on.call_later(ms(1), move || stop.stop());
                    });
                    tell.send(other).unwrap();
                });
                event_loop.run_forever();
                other.recv().unwrap().join().unwrap();
            }
        });
    }

    #[test]
    fn test_check_thread() {
        on_loops(|event_loop| {
            event_loop.set_debug(true);
            let elsewhere = |event_loop: &EventLoop| {
                let on = event_loop.clone();
                let call = move || {
                    [
                        panic_of(|| on.call_soon(|| ())),
                        panic_of(|| on.call_later(ms(0), || ())),
                        panic_of(|| on.call_at(on.time(), || ())),
                    ]
                };
                thread::spawn(call).join().unwrap()
            };
            let on = event_loop.clone();
            let complaints = event_loop.run_until_complete(async move { elsewhere(&on) });
            for complaint in complaints.unwrap() {
                assert!(
                    complaint.contains("Non-thread-safe operation"),
                    "{complaint}"
                );
            }
            // Not in debug mode; and not while nobody drives it.
            let on = event_loop.clone();
            drop(thread::spawn(move || on.call_soon(|| ())).join().unwrap());
            event_loop.set_debug(false);
            let on = event_loop.clone();
            let outcome = event_loop.run_until_complete(async move {
                thread::spawn(move || drop(on.call_soon(|| ())))
                    .join()
                    .is_ok()
            });
            assert!(outcome.unwrap());
        });
    }

    #[test]
    fn test_run_once_schedule_handle() {
        on_loops(|event_loop| {
            let log = Log::new();
            let (on, later) = (event_loop.clone(), log.clone());
            event_loop.call_later(ms(0), move || {
                let said = later.clone();
                on.call_soon(move || said.say("processed"));
            });
            run_once(&event_loop);
            assert_eq!(log.take(), Vec::<&str>::new());
            run_once(&event_loop);
            assert_eq!(log.take(), ["processed"]);
        });
    }

    /// Cancelled timers do not pile up until their moment; those that are wanted stay.
    #[test]
    fn test_run_once_cancelled_event_cleanup() {
        on_loops(|event_loop| {
            let (drops, log) = (Drops::default(), Log::new());
            let kept: Vec<_> = (0..10)
                .map(|n| event_loop.call_later(ms(30), log.saying(n)))
                .collect();
            for _ in 0..many(1000) {
                let counted = drops.counted();
                event_loop
                    .call_later(ms(3_600_000), move || drop(counted))
                    .cancel();
            }
            assert_eq!(drops.count(), many(1000), "what they capture goes at once");
            assert!(kept.iter().all(|timer| !timer.is_cancelled()));
            let on = event_loop.clone();
            event_loop.call_later(ms(40), move || on.stop());
            event_loop.run_forever();
            assert_eq!(log.take(), (0..10).collect::<Vec<_>>());
        });
    }

    #[test]
    fn test_run_until_complete_loop() {
        on_loops(|event_loop| {
            let future = event_loop.create_future::<u32, String>();
            future.set_result(7).unwrap();
            assert_eq!(event_loop.run_until_complete(future), Ok(7));
        });
    }

    #[test]
    fn test_run_until_complete_loop_orphan_future_close_loop() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let on = event_loop.clone();
            event_loop.call_soon(move || on.stop());
            let text = panic_of(|| event_loop.run_until_complete(std::future::pending::<()>()));
            assert_eq!(text, "Event loop stopped before Future completed.");
            event_loop.close();
            assert_eq!(
                complaints.take()[0].message(),
                "Task was destroyed but it is pending!"
            );
        });
    }

    /// The panic is the outcome, and the loop goes on.
    #[test]
    fn test_run_until_complete_baseexception() {
        on_loops(|event_loop| {
            let outcome = event_loop.run_until_complete(async { panic!("interrupted") });
            let outcome: Result<(), _> = outcome;
            assert!(outcome.unwrap_err().to_string().contains("interrupted"));
            let on = event_loop.clone();
            event_loop.call_soon(move || on.stop());
            event_loop.run_forever();
        });
    }

    #[test]
    fn test_run_forever_pre_stopped() {
        on_loops(|event_loop| {
            let log = Log::new();
            let (on, said) = (event_loop.clone(), log.clone());
            event_loop.call_soon(move || {
                said.say(1);
                on.call_soon(said.saying(2));
            });
            event_loop.stop();
            event_loop.run_forever();
            assert_eq!(log.take(), [1], "one iteration");
            event_loop.stop();
            event_loop.run_forever();
            assert_eq!(log.take(), [2]);
            // With nothing to do, too.
            event_loop.stop();
            event_loop.run_forever();
        });
    }

    #[test]
    fn test_default_exc_handler_callback() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let log = Log::new();
            event_loop.call_soon(|| panic!("zero"));
            event_loop.call_soon(log.saying("the next one runs"));
            event_loop.call_later(ms(0), || panic!("zero, later"));
            run_once(&event_loop);
            assert_eq!(log.len(), 1);
            let all = complaints.take();
            assert_eq!(all.len(), 2);
            assert!(all[0].message().starts_with("Exception in callback"));
            assert_eq!(all[0].exception(), Some("zero"));
            assert_eq!(all[0].place().unwrap().file(), file!());
            assert_eq!(all[1].exception(), Some("zero, later"));
        });
    }

    #[test]
    fn test_default_exc_handler_coro() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let task: asyncio::LoopTask<()> = event_loop.create_task(async { panic!("zero") });
            run_briefly(&event_loop);
            assert!(task.is_done());
            drop(task);
            let all = complaints.take();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].message(), "Task exception was never retrieved");
            assert!(all[0].exception().unwrap().contains("zero"));
        });
    }

    #[test]
    fn test_set_exc_handler_custom() {
        on_loops(|event_loop| {
            let first = told(&event_loop);
            event_loop.call_exception_handler(ExceptionContext::new("one").with_exception("e"));
            let second = told(&event_loop);
            event_loop.call_exception_handler(ExceptionContext::new("two"));
            event_loop.reset_exception_handler();
            event_loop.call_exception_handler(ExceptionContext::new("three"));
            let first = first.take();
            assert_eq!((first.len(), first[0].message()), (1, "one"));
            assert_eq!(first[0].exception(), Some("e"));
            assert_eq!(second.take()[0].message(), "two");
        });
    }

    /// A handler that panics hurts neither the loop nor the callbacks.
    #[test]
    fn test_set_exc_handler_broken() {
        on_loops(|event_loop| {
            let log = Log::new();
            let asked = log.clone();
            event_loop.set_exception_handler(move |_| {
                asked.say("asked");
                panic!("spam");
            });
            event_loop.call_soon(|| panic!("zero"));
            event_loop.call_soon(log.saying("next"));
            run_once(&event_loop);
            assert_eq!(log.take(), ["asked", "next"]);
        });
    }

    #[test]
    fn test_create_named_task_with_default_factory() {
        on_loops(|event_loop| {
            let task = event_loop.build_task().name("test_task").create(async {});
            assert_eq!(task.task().name(), "test_task");
            event_loop.run_until_complete(task).unwrap();
        });
    }

    /// A task that a closed loop refuses has its future dropped.
    #[test]
    fn test_create_task_error_closes_coro() {
        on_loops(|event_loop| {
            let drops = Drops::default();
            event_loop.close();
            let counted = drops.counted();
            panic_of(|| event_loop.create_task(async move { drop(counted) }));
            assert_eq!(drops.count(), 1);
        });
    }

    #[test]
    fn test_run_in_executor() {
        on_loops(|event_loop| {
            let here = thread::current().id();
            let there = event_loop.run_in_executor(|| thread::current().id());
            assert_ne!(event_loop.run_until_complete(there).unwrap(), here);
        });
    }

    #[test]
    fn test_shutdown_default_executor() {
        on_loops(|event_loop| {
            let log = Log::new();
            let said = log.clone();
            let work = event_loop.run_in_executor(move || {
                thread::sleep(ms(20));
                said.say("done");
            });
            let down = event_loop.shutdown_default_executor();
            event_loop.run_until_complete(down).unwrap();
            assert_eq!(log.take(), ["done"]);
            event_loop.run_until_complete(work).unwrap();
            let text = panic_of(|| event_loop.run_in_executor(|| ()));
            assert_eq!(text, "Executor shutdown has been called");
        });
    }
}

/// `test_base_events.py`
mod running_loop_tests {
    use super::*;

    #[test]
    fn a_loop_within_a_runtime_says_what_to_do() {
        let said = filch::block_on(async {
            filch::spawn(async { panic_of(|| filch::asyncio::run(async {})) }).await
        });
        assert!(said.unwrap().contains("EventLoop::start"));
    }

    #[test]
    fn test_running_loop_within_a_loop() {
        on_loops(|event_loop| {
            let outcome = event_loop.run_until_complete(async {
                let other = EventLoop::new();
                panic_of(|| other.run_forever())
            });
            assert!(outcome.unwrap().contains("while another loop is running"));
        });
    }

    #[test]
    fn test_get_running_loop() {
        on_loops(|event_loop| {
            assert!(asyncio::get_running_loop().is_none());
            let on = event_loop.clone();
            let same = event_loop.run_until_complete(async move {
                let current = asyncio::get_running_loop().unwrap();
                on.stop();
                current.is_running() && format!("{current:?}") == format!("{on:?}")
            });
            assert!(same.unwrap());
            assert!(asyncio::get_running_loop().is_none());
        });
    }
}
