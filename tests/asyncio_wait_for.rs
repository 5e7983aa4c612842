//! `wait_for` keeps asyncio's promises. Modules and tests are named after those of CPython.

use filch::time::Instant;
use std::future::pending;

use filch::asyncio::{
    TimeoutError, catch_cancel, create_task, current_task, get_running_loop, shield, sleep,
    wait_for, wait_on,
};
use filch::{Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, in_task, ms, on_loops, run_briefly};

fn now() -> Instant {
    get_running_loop().unwrap().time()
}

/// `test_waitfor.py`: `AsyncioWaitForTest`, `WaitForShieldTests`
mod asyncio_wait_for_test {
    use super::*;

    #[test]
    fn test_wait_for_timeout_less_then_0_or_0_future_done() {
        on_loops(|event_loop| {
            let future: Promise<&str, ()> = event_loop.create_future();
            future.set_result("done").unwrap();
            let outcome =
                event_loop.run_until_complete(async move { wait_for(future, Some(ms(0))).await });
            assert_eq!(outcome.unwrap(), Ok(Ok("done")));
        });
    }

    #[test]
    fn test_wait_for_timeout_less_then_0_or_0_coroutine_do_not_started() {
        in_task(|| async {
            let log = Log::new();
            let said = log.clone();
            let outcome = wait_for(async move { said.say("begun") }, Some(ms(0))).await;
            assert!(outcome.is_err());
            assert_eq!(log.len(), 0);
        });
    }

    #[test]
    fn test_wait_for_timeout_less_then_0_or_0() {
        in_task(|| async {
            let task = create_task(sleep(ms(60_000)));
            sleep(ms(0)).await;
            assert!(wait_for(task.clone(), Some(ms(0))).await.is_err());
            assert!(task.is_cancelled());
        });
    }

    #[test]
    fn test_wait_for() {
        in_task(|| async {
            let task = create_task(sleep(ms(60_000)));
            let begin = now();
            assert_eq!(
                wait_for(task.clone(), Some(ms(10))).await,
                Err(TimeoutError::default())
            );
            assert!(begin.elapsed() >= ms(10));
            assert!(task.is_done() && task.is_cancelled());
        });
    }

    #[test]
    fn test_wait_for_blocking() {
        in_task(|| async {
            assert_eq!(wait_for(async { 7 }, None).await, Ok(Ok(7)));
        });
    }

    #[test]
    fn test_wait_for_race_condition() {
        on_loops(|event_loop| {
            let future: Promise<u32, ()> = event_loop.create_future();
            let waits = future.clone();
            let task =
                event_loop.create_task(async move { wait_for(waits, Some(ms(60_000))).await });
            run_briefly(&event_loop);
            let done = future.clone();
            event_loop.call_soon(move || done.set_result(7).unwrap());
            assert_eq!(event_loop.run_until_complete(task).unwrap(), Ok(Ok(7)));
        });
    }

    /// One that has its value in spite of being cancelled: the value wins.
    #[test]
    fn test_wait_for_suppressed_cancellation_gives_the_value() {
        in_task(|| async {
            let stubborn = create_task(async {
                catch_cancel(pending::<()>()).await.unwrap_err();
                7
            });
            assert_eq!(wait_for(stubborn, Some(ms(5))).await, Ok(Ok(7)));
            assert_eq!(current_task().unwrap().cancelling(), 0);
        });
    }

    #[test]
    fn test_wait_for_reraises_exception_during_cancellation() {
        in_task(|| async {
            let breaks = create_task(async {
                catch_cancel(pending::<()>()).await.unwrap_err();
                panic!("while it was cancelled")
            });
            let outcome: Result<Result<(), _>, _> = wait_for(breaks, Some(ms(5))).await;
            let error = outcome.unwrap().unwrap_err();
            assert!(error.to_string().contains("while it was cancelled"));
        });
    }

    /// It waits until what it cancelled has ended.
    #[test]
    fn test_wait_for_waits_for_task_cancellation() {
        in_task(|| async {
            let log = Log::new();
            let said = log.clone();
            let inner = create_task(async move {
                let heard = catch_cancel(pending::<()>()).await.unwrap_err();
                sleep(ms(5)).await;
                said.say("ended");
                heard.raise::<()>().await;
            });
            assert!(wait_for(inner.clone(), Some(ms(5))).await.is_err());
            assert_eq!(log.take(), ["ended"]);
            assert!(inner.is_cancelled());
        });
    }

    #[test]
    fn test_wait_for_waits_for_task_cancellation_w_timeout_0() {
        in_task(|| async {
            let log = Log::new();
            let said = log.clone();
            let inner = create_task(async move {
                catch_cancel(pending::<()>()).await.unwrap_err();
                sleep(ms(5)).await;
                said.say("ended");
                7
            });
            sleep(ms(0)).await;
            assert_eq!(
                wait_for(inner, Some(ms(0))).await,
                Ok(Ok(7)),
                "it ignored the request"
            );
            assert_eq!(log.take(), ["ended"]);
        });
    }

    /// Cancelled from outside, it cancels what it waits for, and does not say that the time was up.
    #[test]
    fn test_cancel_wait_for() {
        on_loops(|event_loop| {
            let inner = event_loop.create_task(pending::<()>());
            let waits = inner.clone();
            let task =
                event_loop.create_task(async move { wait_for(waits, Some(ms(60_000))).await });
            run_briefly(&event_loop);
            assert!(task.cancel("outside"));
            run_briefly(&event_loop);
            assert!(task.is_cancelled() && inner.is_cancelled());
        });
    }

    #[test]
    fn test_cancel_blocking_wait_for() {
        on_loops(|event_loop| {
            let inner = event_loop.create_task(pending::<()>());
            let waits = inner.clone();
            let task = event_loop.create_task(async move { wait_for(waits, None).await });
            run_briefly(&event_loop);
            task.cancel("outside");
            run_briefly(&event_loop);
            assert!(task.is_cancelled() && inner.is_cancelled());
        });
    }

    /// Cancelled while it waits for what it has cancelled to end.
    #[test]
    fn test_cancel_wait_for_while_it_tidies_up() {
        on_loops(|event_loop| {
            let future: Promise<(), ()> = event_loop.create_future();
            let (go_on, log) = (future.clone(), Log::new());
            let said = log.clone();
            let task = event_loop.create_task(async move {
                let inner = create_task(async move {
                    catch_cancel(pending::<()>()).await.unwrap_err();
                    said.say("tidies up");
                    catch_cancel(wait_on(go_on)).await.unwrap_err();
                    7
                });
                wait_for(inner, Some(ms(1))).await
            });
            while log.len() == 0 {
                event_loop.run_until_complete(sleep(ms(1))).unwrap();
            }
            assert!(task.cancel("again"));
            run_briefly(&event_loop);
            assert!(future.is_cancelled(), "the request reached the innermost");
            assert_eq!(event_loop.run_until_complete(task).unwrap(), Ok(Ok(7)));
        });
    }

    #[test]
    fn test_wait_for_exception() {
        in_task(|| async {
            let outcome: Result<Result<(), _>, _> =
                wait_for(async { panic!("x") }, Some(ms(60_000))).await;
            assert!(matches!(outcome, Ok(Err(PromiseError::Failed(_)))));
        });
    }

    /// `WaitForShieldTests.test_zero_timeout`
    #[test]
    fn test_zero_timeout() {
        in_task(|| async {
            let inner = create_task(async {
                sleep(ms(5)).await;
                7
            });
            assert!(wait_for(shield(inner.clone()), Some(ms(0))).await.is_err());
            assert_eq!(inner.await, Ok(7));
        });
    }

    /// `WaitForShieldTests.test_none_timeout`
    #[test]
    fn test_none_timeout() {
        in_task(|| async {
            let inner = create_task(async { 7 });
            assert_eq!(wait_for(shield(inner), None).await, Ok(Ok(7)));
        });
    }

    /// `WaitForShieldTests.test_shielded_timeout`
    #[test]
    fn test_shielded_timeout() {
        in_task(|| async {
            let future: Promise<u32, ()> = get_running_loop().unwrap().create_future();
            let waits = future.clone();
            let inner = create_task(async move { waits.wait().await.unwrap() });
            assert!(wait_for(shield(inner.clone()), Some(ms(2))).await.is_err());
            // Nobody has stopped it: it gives the value that comes now.
            assert!(!inner.is_done());
            future.set_result(7).unwrap();
            assert_eq!(inner.await, Ok(7));
        });
    }
}
