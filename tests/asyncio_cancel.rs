//! Tasks of a loop are cancelled as asyncio's are. Tests are named after those of CPython's `BaseTaskTests` (test_tasks.py).
//!
//! `catch_cancel(...)` stands where Python has `try: ... except CancelledError:`.

use std::future::pending;

use filch::asyncio::{
    Cancelled, TaskError, catch_cancel, create_task, current_task, sleep, wait_on,
};
use filch::{EventLoop, Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, ms, on_loops, run_briefly, run_once};
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

#[test]
fn test_cancel() {
    on_loops(|event_loop| {
        let drops = Drops::default();
        let counted = drops.counted();
        let task = event_loop.create_task(async move {
            let _counted = counted;
            sleep(ms(10_000)).await;
            12
        });
        run_briefly(&event_loop);
        assert!(task.cancel(""));
        assert!(!task.is_done(), "it is told in its next step");
        assert_eq!(reason(event_loop.run_until_complete(task.clone())), "");
        assert!(task.is_done() && task.is_cancelled());
        assert!(!task.cancel(""));
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn test_cancel_with_message_then_future_result() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            let inner = create_task(sleep(ms(10_000)));
            let on = inner.clone();
            create_task(async move { on.cancel("my message") });
            inner.await
        });
        let outcome = event_loop.run_until_complete(task).unwrap();
        assert_eq!(
            reason(outcome),
            "my message",
            "awaiting gives the error, and who awaits goes on"
        );
    });
}

/// The message goes through all awaits to the outermost.
#[test]
fn test_cancel_with_message_through_nested_awaits() {
    on_loops(|event_loop| {
        let inner = event_loop.create_task(sleep(ms(10_000)));
        let waits = inner.clone();
        let middle = event_loop.create_task(async move { waits.await.unwrap() });
        let waits = middle.clone();
        let outer = event_loop.create_task(async move { waits.await.unwrap() });
        run_briefly(&event_loop);
        assert!(outer.cancel("my message"));
        assert_eq!(reason(event_loop.run_until_complete(outer)), "my message");
        assert_eq!(reason(middle.result().unwrap()), "my message");
        assert_eq!(reason(inner.result().unwrap()), "my message");
    });
}

#[test]
fn test_cancel_with_message_before_starting_task() {
    on_loops(|event_loop| {
        let log = Log::new();
        let said = log.clone();
        let task = event_loop.create_task(async move { said.say("begun") });
        assert!(task.cancel("my message"));
        assert_eq!(reason(event_loop.run_until_complete(task)), "my message");
        assert_eq!(log.len(), 0, "the body never runs");
    });
}

#[test]
fn test_cancel_yield() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            sleep(ms(0)).await;
            sleep(ms(0)).await;
            12
        });
        run_once(&event_loop);
        assert!(task.cancel(""));
        assert!(event_loop.run_until_complete(task.clone()).is_err());
        assert!(task.is_cancelled());
    });
}

/// Who awaits a future that is cancelled by another has the error, and is not cancelled itself.
#[test]
fn test_cancel_inner_future() {
    on_loops(|event_loop| {
        let future = a_future(&event_loop);
        let waits = future.clone();
        let task = event_loop.create_task(async move { wait_on(waits).await });
        run_briefly(&event_loop);
        future.cancel("inner");
        let outcome = event_loop.run_until_complete(task.clone()).unwrap();
        assert_eq!(
            outcome.unwrap_err(),
            PromiseError::Cancelled {
                reason: "inner".into()
            }
        );
        assert!(!task.is_cancelled());
    });
}

#[test]
fn test_cancel_both_task_and_inner_future() {
    on_loops(|event_loop| {
        let future = a_future(&event_loop);
        let waits = future.clone();
        let task = event_loop.create_task(async move {
            wait_on(waits).await.unwrap();
        });
        run_briefly(&event_loop);
        future.cancel("inner");
        assert!(task.cancel("task"));
        assert_eq!(reason(event_loop.run_until_complete(task)), "task");
    });
}

#[test]
fn test_yield_future_passes_cancel() {
    on_loops(|event_loop| {
        let future = a_future(&event_loop);
        let waits = future.clone();
        let task = event_loop.create_task(async move {
            wait_on(waits).await.unwrap();
        });
        run_briefly(&event_loop);
        assert!(task.cancel("passed"));
        assert!(future.is_cancelled(), "at once");
        assert!(!task.is_done());
        run_briefly(&event_loop);
        assert_eq!(reason(task.result().unwrap()), "passed");
    });
}

#[test]
fn test_cancel_task_catching() {
    on_loops(|event_loop| {
        let future = a_future(&event_loop);
        let waits = future.clone();
        let task = event_loop.create_task(async move {
            match catch_cancel(wait_on(waits)).await {
                Ok(_) => panic!("it was cancelled"),
                Err(cancelled) => {
                    assert_eq!(cancelled.reason(), "why");
                    42
                }
            }
        });
        run_briefly(&event_loop);
        assert!(task.cancel("why"));
        assert!(future.is_cancelled());
        assert_eq!(event_loop.run_until_complete(task.clone()).unwrap(), 42);
        assert!(!task.is_cancelled());
    });
}

#[test]
fn test_cancel_task_ignoring() {
    on_loops(|event_loop| {
        let [fut1, fut2, fut3] = std::array::from_fn(|_| a_future(&event_loop));
        let all = (fut1.clone(), fut2.clone(), fut3.clone());
        let task = event_loop.create_task(async move {
            let (fut1, fut2, fut3) = all;
            wait_on(fut1).await.unwrap();
            drop(catch_cancel(wait_on(fut2)).await);
            wait_on(fut3).await.unwrap()
        });
        run_briefly(&event_loop);
        fut1.set_result(1).unwrap();
        run_briefly(&event_loop);
        assert!(task.cancel(""));
        run_briefly(&event_loop);
        assert!(fut2.is_cancelled() && !task.is_done());
        fut3.set_result(42).unwrap();
        assert_eq!(event_loop.run_until_complete(task.clone()).unwrap(), 42);
        assert!(!task.is_cancelled() && !fut3.is_cancelled());
    });
}

#[test]
fn test_cancel_current_task() {
    on_loops(|event_loop| {
        let log = Log::new();
        let said = log.clone();
        let task = event_loop.create_task(async move {
            assert!(current_task().unwrap().cancel("myself"));
            said.say("goes on to the next await");
            sleep(ms(10_000)).await;
            said.say("never");
        });
        assert_eq!(reason(event_loop.run_until_complete(task)), "myself");
        assert_eq!(log.take(), ["goes on to the next await"]);
    });
}

/// A task that asks itself and then awaits a future has that future cancelled.
#[test]
fn test_cancel_current_task_then_await() {
    on_loops(|event_loop| {
        let future = a_future(&event_loop);
        let waits = future.clone();
        let task = event_loop.create_task(async move {
            current_task().unwrap().cancel("myself");
            wait_on(waits).await.unwrap();
        });
        run_briefly(&event_loop);
        assert!(task.is_cancelled() && future.is_cancelled());
    });
}

/// Asked to stop, it ends without another await: it is cancelled all the same.
#[test]
fn test_cancel_at_end() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            sleep(ms(0)).await;
            assert!(current_task().unwrap().cancel("late"));
            12
        });
        assert_eq!(reason(event_loop.run_until_complete(task.clone())), "late");
        assert!(task.is_cancelled());
    });
}

/// One that awaits another and is cancelled waits until the other has ended.
#[test]
fn test_cancel_awaited_task() {
    on_loops(|event_loop| {
        let log = Log::new();
        let said = log.clone();
        let inner = event_loop.create_task(async move {
            let heard = catch_cancel(pending::<()>()).await.unwrap_err();
            sleep(ms(5)).await;
            said.say("tidied up");
            heard.raise::<u32>().await
        });
        let (waits, said) = (inner.clone(), log.clone());
        let outer = event_loop.create_task(async move {
            let outcome = catch_cancel(waits).await;
            said.say("told");
            outcome.is_err()
        });
        run_briefly(&event_loop);
        outer.cancel("stop");
        assert!(event_loop.run_until_complete(outer).unwrap());
        assert_eq!(log.take(), ["tidied up", "told"]);
        assert_eq!(reason(inner.result().unwrap()), "stop");
    });
}

/// The inner task ignores the request and has a value: so the outer goes on with it.
#[test]
fn test_cancel_awaited_task_that_ignores_it() {
    on_loops(|event_loop| {
        let inner = event_loop.create_task(async {
            catch_cancel(pending::<()>()).await.unwrap_err();
            7
        });
        let outer = event_loop.create_task(async move { inner.await.unwrap() });
        run_briefly(&event_loop);
        assert!(outer.cancel(""));
        assert_eq!(event_loop.run_until_complete(outer.clone()).unwrap(), 7);
        assert!(!outer.is_cancelled());
        assert_eq!(outer.task().cancelling(), 1, "the request is still counted");
    });
}

#[test]
fn test_cancelling() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(sleep(ms(10_000)));
        let task = task.task();
        assert_eq!(task.cancelling(), 0);
        assert!(task.cancel(""));
        assert_eq!(task.cancelling(), 1);
        assert!(task.cancel(""));
        assert_eq!(task.cancelling(), 2);
        run_briefly(&event_loop);
        assert!(task.is_cancelled());
    });
}

#[test]
fn test_uncancel_basic() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            drop(catch_cancel(sleep(ms(10_000))).await);
            let task = current_task().unwrap();
            assert_eq!(task.uncancel(), 0);
            sleep(ms(1)).await;
            7
        });
        let task_ref = task.task();
        run_briefly(&event_loop);
        assert!(task.cancel(""));
        assert_eq!(task_ref.cancelling(), 1);
        assert_eq!(event_loop.run_until_complete(task).unwrap(), 7);
        assert_eq!(task_ref.cancelling(), 0);
        assert_eq!(task_ref.uncancel(), 0, "not below");
    });
}

/// A block that cancels the task for its own ends, inside one that is cancelled from outside.
#[test]
fn test_uncancel_structured_blocks() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            let task = current_task().unwrap();
            let inner = catch_cancel(async {
                task.cancel("inner");
                pending::<()>().await
            });
            assert_eq!(inner.await.unwrap_err().reason(), "inner");
            assert_eq!(task.uncancel(), 0);
            let outer = catch_cancel(sleep(ms(10_000))).await;
            assert_eq!(outer.unwrap_err().reason(), "outer");
            assert_eq!(task.cancelling(), 1);
        });
        run_briefly(&event_loop);
        task.cancel("outer");
        event_loop.run_until_complete(task).unwrap();
    });
}

/// A request that is taken back before it is heard never is.
#[test]
fn test_uncancel_resets_must_cancel() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            let task = current_task().unwrap();
            task.cancel("never heard");
            assert_eq!(task.uncancel(), 0);
            sleep(ms(1)).await;
            42
        });
        assert_eq!(event_loop.run_until_complete(task).unwrap(), 42);
    });
}

#[test]
fn test_innermost_scope_hears_it_and_may_raise_it() {
    on_loops(|event_loop| {
        let log = Log::new();
        let said = log.clone();
        let task = event_loop.create_task(async move {
            let outer = catch_cancel(async {
                let heard = catch_cancel(pending::<()>()).await.unwrap_err();
                said.say("inner");
                heard.raise::<()>().await;
                said.say("never");
            });
            let heard: Cancelled = outer.await.unwrap_err();
            said.say("outer");
            heard.raise::<()>().await;
        });
        run_briefly(&event_loop);
        task.cancel("why");
        assert_eq!(reason(event_loop.run_until_complete(task)), "why");
        assert_eq!(log.take(), ["inner", "outer"]);
    });
}

/// A scope that has ended hears nothing.
#[test]
fn test_scopes_end_with_their_futures() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            catch_cancel(async {}).await.unwrap();
            let mut dropped = Box::pin(catch_cancel(pending::<()>()));
            assert!(futures::poll!(&mut dropped).is_pending());
            drop(dropped);
            pending::<()>().await;
        });
        run_briefly(&event_loop);
        task.cancel("nobody is left to hear");
        assert_eq!(
            reason(event_loop.run_until_complete(task)),
            "nobody is left to hear"
        );
    });
}

/// A panic while it is cancelled is the outcome.
#[test]
fn test_baseexception_during_cancel() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            catch_cancel(sleep(ms(10_000))).await.unwrap_err();
            panic!("instead");
        });
        run_briefly(&event_loop);
        task.cancel("");
        let outcome: Result<(), _> = event_loop.run_until_complete(task.clone());
        assert!(outcome.unwrap_err().to_string().contains("instead"));
        assert!(!task.is_cancelled());
    });
}

#[test]
fn test_a_panic_in_a_drop_while_it_is_cancelled_is_the_outcome() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    on_loops(|event_loop| {
        let task = event_loop.create_task(async {
            let _bomb = Bomb;
            pending::<()>().await;
        });
        run_briefly(&event_loop);
        task.cancel("");
        let error = event_loop.run_until_complete(task).unwrap_err();
        assert!(error.to_string().contains("in a drop"), "{error}");
    });
}

#[test]
fn test_cancel_from_another_thread() {
    on_loops(|event_loop| {
        for _ in 0..common::many(50) {
            let task = event_loop.create_task(pending::<()>());
            let other = task.clone();
            let thread = std::thread::spawn(move || other.cancel("elsewhere"));
            assert_eq!(reason(event_loop.run_until_complete(task)), "elsewhere");
            assert!(thread.join().unwrap());
        }
    });
}

#[test]
fn test_sleep_cancel() {
    on_loops(|event_loop| {
        let task = event_loop.create_task(sleep(ms(60_000)));
        run_briefly(&event_loop);
        task.cancel("");
        run_briefly(&event_loop);
        assert!(task.is_cancelled());
    });
}

/// Scopes outside a loop's task are as if they were not there.
#[test]
fn test_catch_cancel_outside_a_task() {
    common::bounded(|| {
        assert_eq!(filch::block_on(catch_cancel(async { 7 })), Ok(7));
        assert!(current_task().is_none());
    });
}
