//! `timeout` keeps asyncio's promises. Modules and tests are named after those of CPython.

use filch::time::Instant;
use std::future::pending;

use filch::asyncio::{
    LoopTask, Timeout, TimeoutError, catch_cancel, create_task, current_task, gather,
    get_running_loop, sleep, timeout, timeout_at,
};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{in_task, ms, on_loops, panic_of, run_briefly};
use common::Drops;

fn now() -> Instant {
    get_running_loop().unwrap().time()
}

/// `test_timeouts.py`: `TimeoutTests`
mod timeout_tests {
    use super::*;

    #[test]
    fn test_timeout_basic() {
        in_task(|| async {
            let cm = Timeout::at(Some(now() + ms(5)));
            let drops = Drops::default();
            let counted = drops.counted();
            let outcome = cm
                .run(async move {
                    let _counted = counted;
                    sleep(ms(60_000)).await;
                })
                .await;
            assert_eq!(outcome.unwrap_err().to_string(), "timed out");
            assert!(cm.expired());
            assert_eq!(drops.count(), 1);
            assert_eq!(current_task().unwrap().cancelling(), 0);
        });
    }

    #[test]
    fn test_timeout_at_basic() {
        in_task(|| async {
            let deadline = now() + ms(5);
            assert!(timeout_at(Some(deadline), sleep(ms(60_000))).await.is_err());
            assert!(now() >= deadline);
        });
    }

    #[test]
    fn test_nested_timeouts() {
        in_task(|| async {
            let outer = Timeout::at(Some(now() + ms(5)));
            let inner = Timeout::at(Some(now() + ms(60_000)));
            let within = inner.clone();
            let outcome = outer
                .run(async move { within.run(pending::<()>()).await })
                .await;
            assert!(outcome.is_err() && outer.expired() && !inner.expired());
        });
    }

    #[test]
    fn test_nested_timeouts_inner() {
        in_task(|| async {
            let outer = Timeout::at(Some(now() + ms(60_000)));
            let outcome = outer.run(timeout(Some(ms(5)), pending::<()>())).await;
            assert_eq!(outcome, Ok(Err(TimeoutError::default())));
            assert!(!outer.expired());
        });
    }

    #[test]
    fn test_waiter_cancelled() {
        in_task(|| async {
            let task = create_task(pending::<()>());
            let waits = task.clone();
            assert!(timeout(Some(ms(5)), waits).await.is_err());
            assert!(task.is_cancelled());
        });
    }

    #[test]
    fn test_timeout_not_called() {
        in_task(|| async {
            let cm = Timeout::at(Some(now() + ms(60_000)));
            assert_eq!(cm.run(async { 7 }).await, Ok(7));
            assert!(!cm.expired());
            assert!(cm.when().is_some());
        });
    }

    #[test]
    fn test_timeout_disabled() {
        in_task(|| async {
            let cm = Timeout::at(None);
            assert_eq!(cm.when(), None);
            assert_eq!(cm.run(async { 7 }).await, Ok(7));
            assert!(!cm.expired());
            assert_eq!(timeout(None, async { 7 }).await, Ok(7));
        });
    }

    #[test]
    fn test_timeout_at_disabled() {
        in_task(|| async {
            assert_eq!(timeout_at(None, async { 7 }).await, Ok(7));
        });
    }

    #[test]
    fn test_timeout_zero() {
        in_task(|| async {
            assert!(timeout(Some(ms(0)), sleep(ms(60_000))).await.is_err());
            // One that never waits is not stopped.
            assert_eq!(timeout(Some(ms(0)), async { 7 }).await, Ok(7));
        });
    }

    #[test]
    fn test_timeout_in_the_past() {
        in_task(|| async {
            let past = now() - ms(50);
            let begin = now();
            assert!(timeout_at(Some(past), sleep(ms(60_000))).await.is_err());
            assert!(begin.elapsed() < ms(30_000));
        });
    }

    #[test]
    fn test_foreign_exception_passed() {
        in_task(|| async {
            let outcome: Result<Result<(), &str>, _> =
                timeout(Some(ms(60_000)), async { Err("mine") }).await;
            assert_eq!(outcome, Ok(Err("mine")));
        });
    }

    #[test]
    fn test_foreign_exception_on_timeout() {
        in_task(|| async {
            let outcome = timeout(Some(ms(2)), async {
                let heard = catch_cancel(pending::<()>()).await;
                heard.map_err(|_| "in place of it")
            });
            assert_eq!(outcome.await, Ok(Err("in place of it")));
            assert_eq!(current_task().unwrap().cancelling(), 0);
        });
    }

    #[test]
    fn test_foreign_cancel_doesnt_timeout_if_not_expired() {
        on_loops(|event_loop| {
            let task =
                event_loop.create_task(async { timeout(Some(ms(60_000)), pending::<()>()).await });
            run_briefly(&event_loop);
            task.cancel("foreign");
            let error = event_loop.run_until_complete(task).unwrap_err();
            assert!(error.to_string().contains("foreign"));
        });
    }

    /// Asked to stop from outside and by the timeout: the outside wins.
    #[test]
    fn test_outer_coro_cancelled_wins_over_the_timeout() {
        on_loops(|event_loop| {
            let task = event_loop.create_task(async {
                let me = current_task().unwrap();
                let cm = Timeout::at(None);
                let inside = cm.clone();
                let outcome = cm
                    .run(async move {
                        let heard = catch_cancel(async {
                            inside.reschedule(Some(now()));
                            pending::<()>().await;
                        });
                        let heard = heard.await.unwrap_err();
                        me.cancel("outside");
                        heard.raise::<()>().await
                    })
                    .await;
                panic!("it is cancelled, not {outcome:?}");
            });
            let task: LoopTask<()> = task;
            let error = event_loop.run_until_complete(task.clone()).unwrap_err();
            assert!(task.is_cancelled(), "{error}");
        });
    }

    #[test]
    fn test_timeout_inside_a_cancelled_task_counts_from_there() {
        on_loops(|event_loop| {
            let task = event_loop.create_task(async {
                catch_cancel(pending::<()>()).await.unwrap_err();
                // One request is open, and is none of the timeout's business.
                assert!(timeout(Some(ms(2)), pending::<()>()).await.is_err());
                current_task().unwrap().cancelling()
            });
            run_briefly(&event_loop);
            task.cancel("");
            assert_eq!(event_loop.run_until_complete(task).unwrap(), 1);
        });
    }

    #[test]
    fn test_reschedule() {
        in_task(|| async {
            let (far, near) = (now() + ms(60_000), now() + ms(10));
            let cm = Timeout::at(Some(far));
            let inside = cm.clone();
            let outcome = cm
                .run(async move {
                    assert_eq!(inside.when(), Some(far));
                    inside.reschedule(Some(near));
                    assert_eq!(inside.when(), Some(near));
                    pending::<()>().await
                })
                .await;
            assert!(outcome.is_err() && now() >= near);
            // Later, and never.
            let cm = Timeout::at(Some(now() + ms(5)));
            let inside = cm.clone();
            let outcome = cm
                .run(async move {
                    inside.reschedule(None);
                    sleep(ms(10)).await;
                })
                .await;
            assert_eq!(outcome, Ok(()));
        });
    }

    #[test]
    fn test_timeout_errors() {
        in_task(|| async {
            let cm = Timeout::at(None);
            assert_eq!(
                panic_of(|| cm.reschedule(None)),
                "Timeout has not been entered"
            );
            cm.run(async {}).await.unwrap();
            let text = panic_of(|| cm.reschedule(None));
            assert_eq!(text, "Cannot change state of finished Timeout");
            let cm = Timeout::at(Some(now()));
            cm.run(pending::<()>()).await.unwrap_err();
            let text = panic_of(|| cm.reschedule(None));
            assert_eq!(text, "Cannot change state of expired Timeout");
        });
    }

    #[test]
    fn test_double_enter() {
        on_loops(|event_loop| {
            let outcome = event_loop.run_until_complete(async {
                let cm = Timeout::at(None);
                cm.run(async {}).await.unwrap();
                cm.run(async {}).await.unwrap();
            });
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains("already been entered"), "{text}");
        });
    }

    #[test]
    fn test_timeout_outside_a_task() {
        common::bounded(|| {
            let text = panic_of(|| {
                let timeout = timeout(None, async {});
                filch::block_on(timeout)
            });
            let place = format!("{}:{}:", file!(), line!() - 3);
            assert!(text.contains("should be used inside a task"), "{text}");
            assert!(text.contains(&place), "{text}");
        });
    }

    #[test]
    fn test_timeout_taskgroup_like() {
        in_task(|| async {
            let tasks: Vec<_> = (0..3).map(|_| create_task(pending::<()>())).collect();
            assert!(timeout(Some(ms(5)), gather(tasks.clone())).await.is_err());
            sleep(ms(1)).await;
            assert!(tasks.iter().all(LoopTask::is_cancelled));
        });
    }
}
